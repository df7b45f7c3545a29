//! What can be said about a Background Fetch job, as plain data.
//!
//! Ports fill these in, and [`translate`](crate::translate) consumes them. Names and values follow the Background Fetch draft.

/// `BackgroundFetchRegistration.result`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum JobResult {
    /// The empty string: the job runs, or nobody knows yet.
    #[default]
    Running,
    /// `success`. Says nothing about the bytes: an empty body can be called a success.
    Success,
    /// `failure`.
    Failure,
}

/// `BackgroundFetchRegistration.failureReason`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum JobFailure {
    /// The empty string.
    #[default]
    None,
    /// `aborted`, by the app or by the browser's own cancel button.
    Aborted,
    /// `bad-status`, also after resets at byte 0.
    BadStatus,
    /// `fetch-error`: unreachable, refused by CORS, or a browser that was closed in good order.
    FetchError,
    /// `quota-exceeded`.
    QuotaExceeded,
    /// `download-total-exceeded`.
    TotalExceeded,
    /// A value that the draft does not know.
    Unknown,
}

/// One look at a registration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobState {
    /// The registration's id, as given to `fetch()`.
    pub id: String,
    /// Decoded bytes received so far; falls to 0 when the browser starts a record anew.
    pub downloaded: u64,
    /// `downloadTotal` as given to `fetch()`; 0 where none was.
    pub total: u64,
    /// Bytes sent, always 0 for our requests.
    pub uploaded: u64,
    /// Bytes to send, always 0 for our requests.
    pub upload_total: u64,
    /// How it ended, if it did.
    pub result: JobResult,
    /// Why it failed.
    pub failure: JobFailure,
    /// Whether `matchAll` still answers.
    pub records_available: bool,
}

impl JobResult {
    /// Reads the wire value; anything unknown counts as running.
    #[must_use]
    pub fn parse(value: &str) -> Self {
        match value {
            "success" => Self::Success,
            "failure" => Self::Failure,
            _ => Self::Running,
        }
    }
}

impl JobFailure {
    /// Reads the wire value.
    #[must_use]
    pub fn parse(value: &str) -> Self {
        match value {
            "" => Self::None,
            "aborted" => Self::Aborted,
            "bad-status" => Self::BadStatus,
            "fetch-error" => Self::FetchError,
            "quota-exceeded" => Self::QuotaExceeded,
            "download-total-exceeded" => Self::TotalExceeded,
            _ => Self::Unknown,
        }
    }
}
