//! Events: the facts of a download's life, in the past tense, persisted.

use crate::file::File;
use crate::spec::Spec;
use serde::{Deserialize, Serialize};

/// How bytes come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// A job of the browser's [Background Fetch](https://wicg.github.io/background-fetch/).
    BackgroundFetch,
    /// Ranged `fetch()` calls of an open page.
    Foreground,
}

/// Why a transport was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
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
    /// All bytes were at rest already.
    AtRest,
}

/// Why a download waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
    /// A transient fault; the next try comes later.
    Backoff,
    /// The server said when to come back.
    RetryAfter,
    /// Headers are needed that only another context, or a new request, can supply.
    Headers,
    /// There is too little room.
    Room,
    /// Bytes that arrived are being stored.
    Storing,
    /// The hash over what is at rest is being computed.
    Verifying,
}

impl WaitReason {
    /// Whether this wait stands between two tries, so that the try before is over.
    #[must_use]
    pub const fn ends_try(self) -> bool {
        !matches!(
            self,
            Self::Queued | Self::Browser | Self::Storing | Self::Verifying
        )
    }
}

/// Why an attempt failed for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
    /// The bytes at rest do not have the hash that was asked for.
    Integrity,
    /// An HTML page where a file was expected.
    UnexpectedType,
    /// The file has another size or version than was asked for or begun with.
    Changed,
    /// The body ended early, again and again.
    Truncated,
    /// The browser lost the job or its bytes, again and again.
    Lost,
    /// Parts at rest vanished in mid-attempt.
    Evicted,
    /// The browser refused the job and the app forbade the other transport.
    Refused,
    /// The history of this attempt is as long as it may get.
    RetriesExhausted,
}

/// A failure with what to tell people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// The reason, for programs.
    pub reason: FailReason,
    /// One sentence, for people. Holds no URL beyond its identity.
    pub message: String,
    /// Index of the resource that is to blame, where one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<u32>,
}

/// Who ended an attempt with `aborted`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AbortedBy {
    /// The app, through `abort()` or a signal.
    App,
    /// The browser: a person pressed its cancel button, or the job was aborted behind our back.
    Browser,
    /// The app, through `remove()` or `forget()`.
    Removal,
}

/// Why stored bytes are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EvictedBy {
    /// The app removed them.
    Removal,
    /// The browser or a person deleted them.
    Eviction,
}

/// The parts of one resource that a try is to bring.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missing {
    /// Index of the resource.
    pub resource: u32,
    /// Part numbers as runs, `0-3,7`.
    pub parts: String,
}

/// A fact of a download's life. The wire name is in `type`, in kebab case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase"
)]
pub enum Event {
    /// An attempt began: the app asked, or the machine goes on by itself after a change.
    Requested {
        /// Number of the attempt, from 1.
        attempt: u32,
        /// What is asked for, without anything secret.
        spec: Spec,
        /// How many attempts in a row the machine began by itself, this one included.
        #[serde(default, skip_serializing_if = "is_zero")]
        restarts: u32,
    },
    /// What was asked for is stored already; the attempt is over without a transfer.
    CachedHit {
        /// Bytes at rest.
        stored: u64,
        /// The files they belong to, where this attempt found them itself.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        files: Vec<File>,
    },
    /// A try began. Licenses the transfer and the storing of every part it names.
    Started {
        /// Number of the try within the attempt, from 1.
        #[serde(rename = "try")]
        try_: u32,
        /// How the bytes come.
        transport: Transport,
        /// Why this way.
        why: Why,
        /// The Background Fetch registration, where there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        registration: Option<String>,
        /// The generation of each resource and how it is split.
        files: Vec<File>,
        /// The parts that were not at rest.
        missing: Vec<Missing>,
        /// Bytes at rest that count.
        stored: u64,
        /// Size of the whole download, where it is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        total: Option<u64>,
    },
    /// More bytes came.
    Progress {
        /// Bytes received, those at rest included.
        downloaded: u64,
        /// Bytes safe at rest.
        stored: u64,
        /// Size of the whole download, where it is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        total: Option<u64>,
    },
    /// Nothing moves, for this reason.
    Waiting {
        /// The reason.
        reason: WaitReason,
        /// When it goes on by itself, in milliseconds since 1970, where that is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<u64>,
        /// Failed rounds since the last progress; waits that cost none repeat the number.
        #[serde(rename = "try")]
        try_: u32,
    },
    /// Every part is stored, measured and, where a hash was given, verified.
    Success {
        /// Size of each resource in bytes.
        sizes: Vec<u64>,
        /// Indices of the resources whose hash was verified over what is at rest.
        verified: Vec<u32>,
    },
    /// The attempt failed for good.
    Failure(Failure),
    /// The attempt was aborted.
    Aborted {
        /// By whom.
        by: AbortedBy,
    },
    /// What was stored is gone.
    Evicted {
        /// By whom.
        by: EvictedBy,
    },
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
const fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Event {
    /// The wire name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Requested { .. } => "requested",
            Self::CachedHit { .. } => "cached-hit",
            Self::Started { .. } => "started",
            Self::Progress { .. } => "progress",
            Self::Waiting { .. } => "waiting",
            Self::Success { .. } => "success",
            Self::Failure(_) => "failure",
            Self::Aborted { .. } => "aborted",
            Self::Evicted { .. } => "evicted",
        }
    }

    /// Whether this ends an attempt.
    #[must_use]
    pub const fn is_ending(&self) -> bool {
        matches!(
            self,
            Self::CachedHit { .. } | Self::Success { .. } | Self::Failure(_) | Self::Aborted { .. }
        )
    }
}
