//! Events: the facts of a download's life, in the past tense, persisted.

mod words;

use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::file::FileVersion;
use crate::spec::Spec;

pub use words::{AbortedBy, EvictedBy, FailReason, Transport, TransportReason, WaitReason};

/// A failure with what to tell people.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// The reason, for programs.
    pub reason: FailReason,
    /// One sentence, for people. Holds no URL beyond its identity.
    pub message: String,
    /// Index of the resource that is to blame, where one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<u32>,
    /// By how many bytes the browser has too little room, where it tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing_bytes: Option<u64>,
}

/// The parts of one resource that a transfer is to bring.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Missing {
    /// Index of the resource.
    pub resource: u32,
    /// Part numbers as runs, `0-3,7`.
    pub parts: String,
}

/// A fact of a download's life. The wire name is in `type`, in kebab case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
        /// Bytes stored.
        stored: u64,
        /// The files they belong to, where this attempt found them itself.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        files: Vec<FileVersion>,
    },
    /// A transfer began. Licenses it, and the storing of every part it names.
    Started {
        /// Number of the transfer within the attempt, from 1.
        transfer: u32,
        /// How the bytes come.
        transport: Transport,
        /// Why this way.
        why: TransportReason,
        /// The Background Fetch registration, where there is one.
        #[serde(skip_serializing_if = "Option::is_none")]
        registration: Option<String>,
        /// The generation of each resource and how it is split.
        files: Vec<FileVersion>,
        /// The parts that were not stored.
        missing: Vec<Missing>,
        /// Bytes stored that count.
        stored: u64,
        /// Size of the whole download, where it is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        total: Option<u64>,
    },
    /// More bytes came.
    Progress {
        /// Bytes received, those stored included.
        downloaded: u64,
        /// Bytes safely stored.
        stored: u64,
        /// Size of the whole download, where it is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        total: Option<u64>,
    },
    /// Nothing moves, for this reason.
    Waiting {
        /// The reason.
        reason: WaitReason,
        /// When it goes on by itself, in milliseconds since 1970, where that is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        until: Option<u64>,
        /// Retries since the last progress; waits that cost none repeat the number.
        retries: u32,
        /// One sentence, for people: what went wrong before. Holds no URL.
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<String>,
    },
    /// Every part is stored, measured and, where a hash was given, verified.
    Success {
        /// Size of each resource in bytes.
        sizes: Vec<u64>,
        /// Indices of the resources whose hash was verified over what is stored.
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
    reason = "serde hands over references"
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
