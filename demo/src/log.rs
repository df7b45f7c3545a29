//! The request log: what was asked of `/models/*`, and how many bytes really went out.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use tokio::sync::watch;

/// How a request stands or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The answer is still being prepared or sent.
    Running,
    /// All that was to be sent was sent.
    Done,
    /// A fault of this server ended it: `cut`, `drop`.
    Cut,
    /// The connection went away before the end: the client closed it, or this server's socket was closed.
    Gone,
}

/// One request. Serialized in camelCase by `GET /api/log`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Counts all requests since the server began, from 1.
    pub n: u64,
    /// When the request's head had been read, milliseconds since 1970.
    pub at: u64,
    /// When its body had been handed over or the connection was gone, milliseconds since 1970.
    pub ended_at: Option<u64>,
    /// The method, `OPTIONS` included.
    pub method: String,
    /// The path, still percent-encoded.
    pub path: String,
    /// The query without its question mark; empty if there is none.
    pub query: String,
    /// The header `Range`.
    pub range: Option<String>,
    /// The header `If-Match`.
    pub if_match: Option<String>,
    /// The header `If-Range`.
    pub if_range: Option<String>,
    /// The header `Origin`.
    pub origin: Option<String>,
    /// Whether an `Authorization` header came. Its value is not kept.
    pub authorized: bool,
    /// Which of the server's three sockets it came in at: 1, 2 or 3.
    pub socket: u8,
    /// The number of the connection it came in on.
    pub connection: u64,
    /// The status of the answer, once there is one.
    pub status: Option<u16>,
    /// Body bytes sent, as they are on the wire (compressed, if they are). Grows while the body is being sent; at most
    /// a few hundred kilobytes of it may have been on their way in buffers when the client went.
    pub sent: u64,
    /// How it stands.
    pub outcome: Outcome,
}

/// All requests since the last [`Log::clear`].
#[derive(Debug)]
pub struct Log {
    inner: Mutex<Inner>,
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Inner {
    count: u64,
    entries: Vec<Entry>,
}

impl Log {
    pub(crate) fn new() -> Self {
        Self {
            inner: Mutex::default(),
            changed: watch::Sender::new(()),
        }
    }

    /// The entries so far, oldest first.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.lock().entries.clone()
    }

    /// Forgets all entries. Of a request that still runs nothing is written any more.
    pub fn clear(&self) {
        self.lock().entries.clear();
        self.changed.send_replace(());
    }

    /// Waits until the entries satisfy a condition, and returns them. Looks at every change; for ever, if need be, so put
    /// a time limit around it. The condition must not use the log itself.
    pub async fn until(&self, mut condition: impl FnMut(&[Entry]) -> bool) -> Vec<Entry> {
        let mut changes = self.changed.subscribe();
        loop {
            changes.mark_unchanged();
            {
                let inner = self.lock();
                if condition(&inner.entries) {
                    return inner.entries.clone();
                }
            }
            changes
                .changed()
                .await
                .expect("the sender lives in self, which is borrowed");
        }
    }

    fn begin(&self, mut entry: Entry) -> u64 {
        let mut inner = self.lock();
        inner.count += 1;
        let n = inner.count;
        entry.n = n;
        inner.entries.push(entry);
        drop(inner);
        self.changed.send_replace(());
        n
    }

    fn update(&self, n: u64, change: impl FnOnce(&mut Entry)) {
        let mut inner = self.lock();
        // Numbers rise, so that a search by halves finds the entry, unless it was cleared away.
        if let Ok(index) = inner.entries.binary_search_by_key(&n, |entry| entry.n) {
            change(&mut inner.entries[index]);
        }
        drop(inner);
        self.changed.send_replace(());
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing in here can be left half done by a panic.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Now, in milliseconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()
        .and_then(|since| u64::try_from(since.as_millis()).ok())
        .unwrap_or(0)
}

/// Follows one request to its end, whatever the end is: dropping it closes the entry.
#[derive(Debug)]
pub(crate) struct Recorder {
    log: Arc<Log>,
    n: u64,
    /// Answers to HEAD have no body on the wire.
    bodiless: bool,
    outcome: Outcome,
}

impl Recorder {
    /// Writes the entry down; its number is filled in.
    pub(crate) fn new(log: &Arc<Log>, entry: Entry) -> Self {
        Self {
            bodiless: entry.method == "HEAD",
            n: log.begin(entry),
            log: Arc::clone(log),
            outcome: Outcome::Gone,
        }
    }

    pub(crate) fn status(&self, status: u16) {
        self.log.update(self.n, |entry| entry.status = Some(status));
    }

    pub(crate) fn sent(&self, bytes: usize) {
        if !self.bodiless {
            self.log.update(self.n, |entry| entry.sent += bytes as u64);
        }
    }

    /// Says how it will have ended when this is dropped.
    pub(crate) fn ends(&mut self, outcome: Outcome) {
        self.outcome = outcome;
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let outcome = self.outcome;
        self.log.update(self.n, |entry| {
            entry.outcome = outcome;
            entry.ended_at = Some(now());
        });
    }
}
