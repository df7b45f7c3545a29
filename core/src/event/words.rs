//! The closed lists of words that events use.

use serde::{Deserialize, Serialize};

/// How bytes come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// A job of the browser's [Background Fetch](https://wicg.github.io/background-fetch/).
    BackgroundFetch,
    /// Ranged `fetch()` calls of an open page.
    Foreground,
}

impl Transport {
    /// Every value.
    pub const ALL: &[Self] = &[Self::BackgroundFetch, Self::Foreground];
}

/// Why a transport was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TransportReason {
    /// Background Fetch is there and nothing speaks against it.
    Preferred,
    /// The app asked for this transport.
    Asked,
    /// Background Fetch is missing in this browser.
    Missing,
    /// No service worker of this origin is active, or it is of another version.
    NoWorker,
    /// Requests need headers, which a background job cannot carry safely.
    Headers,
    /// The browser refused the job.
    Refused,
    /// The job before ended without bringing everything.
    JobFailed,
    /// The job before is gone without a trace.
    JobLost,
    /// All bytes were stored already.
    Stored,
}

impl TransportReason {
    /// Every value.
    pub const ALL: &[Self] = &[
        Self::Preferred,
        Self::Asked,
        Self::Missing,
        Self::NoWorker,
        Self::Headers,
        Self::Refused,
        Self::JobFailed,
        Self::JobLost,
        Self::Stored,
    ];
}

/// Why a download waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WaitReason {
    /// Other downloads go first.
    Queued,
    /// The browser has the job and does not say what it waits for.
    Browser,
    /// The device is offline.
    Offline,
    /// The server does not answer.
    Unreachable,
    /// A transient fault; the next transfer comes later.
    Backoff,
    /// The server said when to come back.
    RetryAfter,
    /// Headers are needed that only another context, or a new request, can supply.
    Headers,
    /// There is too little room.
    Room,
    /// Bytes that arrived are being stored.
    Storing,
    /// The hash over what is stored is being computed, or the server asked whether its version is still the same.
    Verifying,
}

impl WaitReason {
    /// Every value.
    pub const ALL: &[Self] = &[
        Self::Queued,
        Self::Browser,
        Self::Offline,
        Self::Unreachable,
        Self::Backoff,
        Self::RetryAfter,
        Self::Headers,
        Self::Room,
        Self::Storing,
        Self::Verifying,
    ];

    /// Whether this wait stands between two transfers, so that the transfer before is over.
    #[must_use]
    pub const fn ends_transfer(self) -> bool {
        !matches!(
            self,
            Self::Queued | Self::Browser | Self::Storing | Self::Verifying
        )
    }
}

/// Why an attempt failed for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailReason {
    /// The server answered with an error status.
    BadStatus,
    /// The server answered 404 or 410.
    NotFound,
    /// The server answered 401, 403 or 407.
    Unauthorized,
    /// The server answers, but not to this origin (CORS).
    Cors,
    /// The server did not answer for as long as the policy allows.
    Unreachable,
    /// Transfers broke more often than the policy allows.
    Network,
    /// The browser's storage quota does not suffice.
    Quota,
    /// The browser's storage cannot be read or written.
    Storage,
    /// The bytes stored do not have the hash that was asked for.
    Integrity,
    /// An HTML page where a file was expected.
    UnexpectedType,
    /// The file has another size or version than was asked for or begun with.
    Changed,
    /// The body ended early, again and again.
    Truncated,
    /// The browser lost the job or its bytes, again and again.
    Lost,
    /// Parts stored vanished in mid-attempt.
    Evicted,
    /// The browser refused the job and the app forbade the other transport.
    Refused,
    /// The history of this attempt is as long as it may get.
    RetriesExhausted,
}

impl FailReason {
    /// Every value.
    pub const ALL: &[Self] = &[
        Self::BadStatus,
        Self::NotFound,
        Self::Unauthorized,
        Self::Cors,
        Self::Unreachable,
        Self::Network,
        Self::Quota,
        Self::Storage,
        Self::Integrity,
        Self::UnexpectedType,
        Self::Changed,
        Self::Truncated,
        Self::Lost,
        Self::Evicted,
        Self::Refused,
        Self::RetriesExhausted,
    ];
}

/// Who ended an attempt with `aborted`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AbortedBy {
    /// The app, through `abort()` or a signal.
    App,
    /// The browser: a person pressed its cancel button, or the job was aborted behind our back.
    Browser,
    /// The app, through `remove()` or `forget()`.
    Removal,
}

impl AbortedBy {
    /// Every value.
    pub const ALL: &[Self] = &[Self::App, Self::Browser, Self::Removal];
}

/// Why stored bytes are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EvictedBy {
    /// The app removed them.
    Removal,
    /// The browser or a person deleted them.
    Eviction,
}

impl EvictedBy {
    /// Every value.
    pub const ALL: &[Self] = &[Self::Removal, Self::Eviction];
}
