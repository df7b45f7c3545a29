//! Effects: what an adapter should do now.

use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::event::WaitReason;
use crate::file::PartRequest;

/// Something to do. Performing one is idempotent, and its outcome comes back as a signal.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[must_use]
pub enum Effect {
    /// Ask the servers for size, validator and Range support of every resource.
    Probe {
        /// The attempt.
        attempt: u32,
    },
    /// Hand a background job to the browser.
    StartJob {
        /// The attempt.
        attempt: u32,
        /// The registration id.
        registration: String,
        /// Title for the browser's own UI.
        title: Option<String>,
        /// Bytes that the job will bring; 0 where that is not known.
        total: u64,
        /// Its records, by index of the resource.
        parts: Vec<(u32, PartRequest)>,
    },
    /// Store whatever a job has completed and is not stored yet.
    Harvest {
        /// The registration id.
        registration: String,
    },
    /// Fetch one part in the page.
    Fetch {
        /// The attempt.
        attempt: u32,
        /// The transfer.
        transfer: u32,
        /// Index of the resource.
        resource: u32,
        /// The part.
        part: PartRequest,
    },
    /// Ask the servers whether the versions of some resources are still the same, and compute the SHA-256 over what is at
    /// rest of others.
    Verify {
        /// The attempt.
        attempt: u32,
        /// Indices of the resources to be hashed.
        resources: Vec<u32>,
        /// Indices of the resources to be asked for, as for a probe.
        confirm: Vec<u32>,
    },
    /// Abort a background job that nothing needs any more.
    AbortJob {
        /// The registration id.
        registration: String,
    },
    /// Delete everything stored under these keys, except where another download refers to it.
    DeleteFiles {
        /// The attempt that stored them, or was to.
        attempt: u32,
        /// File keys.
        keys: Vec<String>,
    },
    /// Delete everything stored under these keys, whoever refers to it: it may be of several versions.
    Discard {
        /// The attempt that is to do without.
        attempt: u32,
        /// File keys.
        keys: Vec<String>,
    },
    /// Look again at this time, or, without one, when something changes.
    Wait {
        /// In milliseconds since 1970.
        until: Option<u64>,
        /// What is waited for.
        reason: WaitReason,
    },
}

/// What tells one effect from another, so that none is performed twice at once.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EffectId {
    /// The attempt; 0 for effects on jobs, which their registration names.
    pub attempt: u32,
    /// The kind of effect.
    pub kind: &'static str,
    /// Resource and part, for a fetch.
    pub part: Option<(u32, u32)>,
    /// The transfer, for a fetch.
    pub transfer: u32,
    /// The registration, for effects on jobs.
    pub registration: Option<String>,
}

impl Effect {
    /// The id of this effect.
    #[must_use]
    pub fn id(&self) -> EffectId {
        let id = |attempt, kind| EffectId {
            attempt,
            kind,
            part: None,
            transfer: 0,
            registration: None,
        };
        let job = |kind, registration: &String| EffectId {
            registration: Some(registration.clone()),
            ..id(0, kind)
        };
        match self {
            Self::Probe { attempt } => id(*attempt, "probe"),
            Self::StartJob { registration, .. } => job("start-job", registration),
            Self::Harvest { registration } => job("harvest", registration),
            Self::Fetch {
                attempt,
                transfer,
                resource,
                part,
            } => EffectId {
                part: Some((*resource, part.index)),
                transfer: *transfer,
                ..id(*attempt, "fetch")
            },
            Self::Verify { attempt, .. } => id(*attempt, "verify"),
            Self::AbortJob { registration } => job("abort-job", registration),
            Self::DeleteFiles { attempt, .. } => id(*attempt, "delete-files"),
            Self::Discard { attempt, .. } => id(*attempt, "discard"),
            Self::Wait { .. } => id(0, "wait"),
        }
    }
}
