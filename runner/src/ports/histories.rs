//! Histories: the event store. Per download one append-only log of entries, a head (the folded state, so that listing reads
//! no history) and, apart from both, the full addresses a running download needs.
//!
//! Appending is conditional: the writer says which sequence number it saw last, and the store answers
//! [`AppendError::Conflict`] when another one stands there by now. Entries, head and links of one append are one
//! transaction: all of it is written, or nothing is.
//!
//! The store understands none of these texts. Keeping them as text is what lets an unknown event type of a newer
//! version survive reading and exporting by an older one.
//!
//! [`MemoryHistories`](crate::memory::MemoryHistories) keeps everything in memory. It passes the same conformance suite of
//! `state-tests` as the store in a browser.

/// One stored entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The download it belongs to.
    pub download: String,
    /// Its place in that download's log, from 1.
    pub seq: u64,
    /// The entry as it was written, JSON.
    pub text: String,
}

/// The folded state of one download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The download.
    pub download: String,
    /// The last entry that is folded in.
    pub seq: u64,
    /// The state as it was written, JSON. Empty where the stored value was not understood.
    pub state: String,
}

/// What an append does to the download's links.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Links {
    /// Leaves them as they are.
    #[default]
    Keep,
    /// Replaces them.
    Put(String),
    /// Deletes them.
    Delete,
}

/// One conditional append: everything or nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// The download whose log grows.
    pub download: String,
    /// The last sequence number the writer saw; 0 when it saw none.
    pub expected: u64,
    /// The new entries, JSON; they get the sequence numbers `expected + 1` and on. May be empty: then only head and
    /// links are written.
    pub entries: Vec<String>,
    /// The folded state after the last of them, JSON.
    pub head: String,
    /// What becomes of the links.
    pub links: Links,
}

impl Append {
    /// The last sequence number after this append.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.expected + self.entries.len() as u64
    }
}

/// Why the store could not be read or written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The database was written by a newer version of this software. Nothing was written.
    #[error(
        "the database has version {found}, this code knows versions up to {known}: load the newer code again, or use another name"
    )]
    NewerDatabase {
        /// The version found.
        found: u32,
        /// The newest version this code knows.
        known: u32,
    },
    /// The browser gives no database (private window, blocked, damaged), or refused the operation.
    #[error("the storage for histories cannot be used: {name}: {message}")]
    StorageUnavailable {
        /// The exception's name.
        name: String,
        /// The exception's text.
        message: String,
    },
    /// No room. Nothing was written.
    #[error("there is no room left for the history: free some space, then try again")]
    Quota,
}

/// Why an append or a forget was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// Another writer was faster. Nothing was written: read on, fold, decide again.
    #[error("the log ends at entry {found} by now: read on and decide again")]
    Conflict {
        /// The last sequence number found; 0 when the download is gone.
        found: u64,
    },
    /// The store itself failed. Where the outcome was in doubt the log was read again and does not hold the batch, or
    /// could not be read either.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The port to the event store. Single-threaded; every method is one transaction.
// Futures are not `Send` anywhere in a browser, so the bound that this lint asks for would exclude every implementation.
#[allow(async_fn_in_trait)]
pub trait EventStore {
    /// The heads of all downloads, in the order of their ids by UTF-16 code unit. Reads no history.
    async fn heads(&self) -> Result<Vec<Head>, StoreError>;

    /// The head of one download.
    async fn head(&self, download: &str) -> Result<Option<Head>, StoreError>;

    /// The entries of one download with `seq > after`, ascending, at most `limit` of them.
    async fn read(
        &self,
        download: &str,
        after: u64,
        limit: Option<u32>,
    ) -> Result<Vec<Row>, StoreError>;

    /// The entries of all downloads, in the order of their ids by UTF-16 code unit, then ascending; at most `limit`.
    async fn read_all(&self, limit: Option<u32>) -> Result<Vec<Row>, StoreError>;

    /// Appends, if the log still ends where the writer thinks.
    async fn append(&self, batch: &Append) -> Result<(), AppendError>;

    /// The download's links as they were put, JSON.
    async fn links(&self, download: &str) -> Result<Option<String>, StoreError>;

    /// Deletes entries, head and links, if the log still ends at `expected`. A download that does not exist is
    /// forgotten at `expected` 0.
    async fn forget(&self, download: &str, expected: u64) -> Result<(), AppendError>;
}

/// What became of an append: an error does not prove that nothing was written, the log does.
pub async fn confirmed(
    store: &impl EventStore,
    batch: &Append,
    outcome: Result<(), AppendError>,
) -> Result<(), AppendError> {
    match outcome {
        Err(AppendError::Store(_)) if holds(store, batch).await == Ok(true) => Ok(()),
        other => other,
    }
}

/// Whether a batch whose outcome is in doubt was written after all.
async fn holds(store: &impl EventStore, batch: &Append) -> Result<bool, StoreError> {
    if batch.entries.is_empty() {
        let head = store.head(&batch.download).await?;
        return Ok(head.is_some_and(|head| head.seq == batch.expected && head.state == batch.head));
    }
    let rows = store.read(&batch.download, batch.expected, None).await?;
    let written = rows.iter().map(|row| &row.text);
    Ok(rows.len() >= batch.entries.len() && written.zip(&batch.entries).all(|(a, b)| a == b))
}
