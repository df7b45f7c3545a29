//! Web Locks: one owner at a time for what must not be done twice, across all tabs and the worker.

use web_sys::AbortSignal;

use crate::js::Exception;

/// Why a lock was not had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LockError {
    /// This browser has no Web Locks.
    #[error("this browser has no Web Locks")]
    Unsupported,
    /// The signal was aborted while waiting.
    #[error("waiting for the lock was aborted")]
    Aborted,
    /// The browser refused.
    #[error("the browser refused the lock: {name}: {message}")]
    Refused {
        /// The exception's name.
        name: String,
        /// The exception's text.
        message: String,
    },
}

/// A lock that is held until this is dropped.
#[must_use = "dropping the guard releases the lock"]
pub struct Guard {
    release: js_sys::Function,
}

/// Whether this browser has Web Locks.
#[must_use]
pub fn supported() -> bool {
    todo!()
}

/// Waits for the lock, first come, first served. Dropping the future gives up the place in the queue.
pub async fn acquire(_name: &str, _signal: Option<&AbortSignal>) -> Result<Guard, LockError> {
    todo!()
}

/// Takes the lock if nobody has it; `None` if somebody does.
pub async fn try_acquire(_name: &str) -> Result<Option<Guard>, LockError> {
    todo!()
}

/// Whether anybody on this origin holds the lock.
pub async fn is_held(_name: &str) -> Result<bool, Exception> {
    todo!()
}
