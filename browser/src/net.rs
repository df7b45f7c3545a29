//! `fetch`, timers and the online state, the same in page and worker.

use web_sys::{AbortSignal, Headers, Response};

use crate::answer::Answer;

/// What to ask for. The default is a plain CORS `GET`.
#[derive(Debug, Clone, Default)]
pub struct Ask<'a> {
    /// The method; empty for `GET`.
    pub method: &'a str,
    /// The bytes wanted: first and last position, both included, as in `Range: bytes=a-b`.
    pub range: Option<(u64, u64)>,
    /// Further headers. Never persisted.
    pub headers: Option<&'a Headers>,
    /// Aborts the request and the reading of its body.
    pub signal: Option<&'a AbortSignal>,
    /// Keeps the HTTP cache out of it. Wanted for ranges: they queue up in the cache otherwise.
    pub no_store: bool,
    /// `mode: "no-cors"` without credentials: only tells whether anybody answers at all.
    pub opaque: bool,
}

/// Why there was no answer. Only the exception's name: its text may hold the address with its credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetError {
    /// The signal was aborted.
    #[error("the request was aborted")]
    Aborted,
    /// No answer: unreachable, refused by CORS, or cut off. The browser does not say which.
    #[error("the request failed: {name}")]
    Failed {
        /// The exception's name.
        name: String,
    },
}

/// Asks, and gives what was answered as plain data, beside the handle to the body.
pub async fn fetch(_url: &str, _ask: &Ask<'_>) -> Result<(Answer, Response), NetError> {
    todo!()
}

/// The plain data of a response, wherever it came from.
#[must_use]
pub fn answer(_response: &Response) -> Answer {
    todo!()
}

/// Waits; dropping the future clears the timer. In hidden pages browsers stretch this to a second and more.
pub async fn sleep(_ms: u32) {
    todo!()
}

/// Milliseconds since 1970, whole.
#[must_use]
pub fn now_ms() -> u64 {
    todo!()
}

/// `navigator.onLine`; `true` where there is no such property. Only `false` says anything.
#[must_use]
pub fn online() -> bool {
    todo!()
}

/// Waits for the `online` event, or not at all where the browser is online.
pub async fn until_online() {
    todo!()
}
