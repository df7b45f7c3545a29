//! The event store: per download one append-only log of entries, a head (the folded state, so that listing reads
//! no history) and, apart from both, the full addresses a running download needs.
//!
//! Appending is conditional: the writer says which sequence number it saw last, and the store answers
//! [`Conflict`](longhaul_runner::ports::histories::AppendError::Conflict) when another one stands there by now. Entries, head
//! and links of one append are one transaction: all of it is written, or nothing is.
//!
//! ```text
//! entries   key [download, seq]   value { text }         text: JSON of one entry, kept as written
//! heads     key download          value { seq, state }   state: JSON of the folded state after entry seq
//! links     key download          value { text }         text: JSON of the full addresses; deleted when no longer needed
//! ```
//!
//! The store understands none of these texts. Keeping them as text is what lets an unknown event type of a newer
//! version survive reading and exporting by an older one.
//!
//! The contract is that of [`longhaul_runner::ports::histories`].
//!
//! # Compatibility policy
//!
//! - The schema has an integer version ([`migrations::VERSION`]), raised by one for every change of stores or keys.
//! - One file per migration in [`migrations`]; a migration that was released is frozen.
//! - Older databases are upgraded when they are opened. A database of a newer version is never opened: the answer is
//!   [`StoreError::NewerDatabase`], and nothing is written.
//! - What is *inside* the texts has versions of its own, in the entry envelope of the core; changing those does not
//!   raise the schema version.
//! - Every connection closes itself as soon as another context wants to upgrade or delete the database, and opens
//!   again at its next use. A new page therefore never hangs on an old worker.

pub(crate) mod connection;
mod indexed_db;
pub mod migrations;
mod records;
pub(crate) mod transaction;

pub use indexed_db::IndexedDb;

use crate::js::Exception;
use longhaul_runner::ports::histories::StoreError;

impl From<Exception> for StoreError {
    #[inline(never)]
    fn from(exception: Exception) -> Self {
        if exception.is_quota() {
            return Self::Quota;
        }
        Self::StorageUnavailable {
            name: exception.name,
            message: exception.message,
        }
    }
}
