//! The state of one download: the fold of its history.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::event::{AbortedBy, EvictedBy, Failure, Transport, TransportReason, WaitReason};
use crate::file::FileVersion;
use crate::policy::MIN_DELAY_MS;
use crate::spec::Spec;

/// Why a download waits, and until when.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waiting {
    /// The reason.
    pub reason: WaitReason,
    /// When it goes on by itself, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
    /// When waiting for this reason began, in milliseconds since 1970.
    pub since: u64,
    /// When this wait was written down, in milliseconds since 1970.
    pub at: u64,
}

impl Waiting {
    /// Whether it still stands before the next retry, for one who is `offline` or not. `now` is in
    /// milliseconds since 1970.
    #[must_use]
    pub fn holds(&self, offline: bool, now: u64) -> bool {
        let just_now = now.checked_sub(self.at);
        let just_now = just_now.is_some_and(|passed| passed < MIN_DELAY_MS);
        match (self.reason, self.until) {
            (WaitReason::Offline, None) => offline,
            // Being offline is what a browser says, and no fact: it may end such a wait early, and never draws it out.
            (WaitReason::Offline, Some(until)) => until > now && (offline || just_now),
            (reason, Some(until)) => reason.ends_transfer() && until > now,
            (_, None) => false,
        }
    }
}

/// The latest transfer of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transfer {
    /// Number of the transfer, from 1.
    pub number: u32,
    /// How the bytes come.
    pub transport: Transport,
    /// Why this way.
    pub why: TransportReason,
    /// The background job; absent in the foreground, and once the job is known to have ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registration: Option<String>,
    /// Bytes stored when the transfer began: what its own figures are added to.
    pub base: u64,
}

/// Where a download stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "kebab-case", deny_unknown_fields)]
pub enum State {
    /// Nothing was ever requested.
    #[default]
    None,
    /// An attempt began; the servers are to be asked, and a transport chosen.
    Requested,
    /// A transfer runs, or waits for its next one.
    Transferring {
        /// Its latest transfer.
        transfer: Transfer,
    },
    /// Every byte is stored, measured and verified.
    Available,
    /// The last attempt failed for good.
    Failed {
        /// Why.
        failure: Failure,
    },
    /// The last attempt was aborted.
    Aborted {
        /// By whom.
        by: AbortedBy,
    },
    /// What was available is gone.
    Evicted {
        /// By whom.
        by: EvictedBy,
    },
}

impl State {
    /// The name of the phase in snapshots.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Requested => "requested",
            Self::Transferring { .. } => "transferring",
            Self::Available => "available",
            Self::Failed { .. } => "failed",
            Self::Aborted { .. } => "aborted",
            Self::Evicted { .. } => "evicted",
        }
    }

    /// Whether an attempt runs.
    #[must_use]
    pub const fn is_running(&self) -> bool {
        matches!(self, Self::Requested | Self::Transferring { .. })
    }

    /// The transfer, while one runs.
    #[must_use]
    pub const fn transfer(&self) -> Option<&Transfer> {
        match self {
            Self::Transferring { transfer } => Some(transfer),
            _ => None,
        }
    }
}

/// The folded state of one download.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Download {
    /// Its id.
    pub id: String,
    /// Number of the last entry.
    pub seq: u64,
    /// Time of the last entry, in milliseconds since 1970.
    pub at: u64,
    /// Where it stands.
    pub state: State,
    /// The latest attempt, from 1; 0 before the first.
    pub attempt: u32,
    /// Attempts in a row that the machine began by itself.
    pub restarts: u32,
    /// Entries of the latest attempt.
    pub entries: u32,
    /// What was asked for last, without anything secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec: Option<Spec>,
    /// The generations last planned for its resources: what bytes stored belong to.
    pub files: Vec<FileVersion>,
    /// Bytes received in this attempt, those stored included.
    pub downloaded: u64,
    /// Bytes safely stored.
    pub stored: u64,
    /// Bytes stored when the first transfer of the attempt began; absent before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub began_with: Option<u64>,
    /// Size of the whole download, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// What it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<Waiting>,
    /// Retries in a row since the last progress.
    pub retries: u32,
    /// Whether this attempt had a background job for files of another origin, whose answers hide their version: it counts
    /// once the servers were asked again afterwards.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub unconfirmed: bool,
    /// Keys of files of which bytes of several versions may be stored: they are to be deleted before anything counts again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mixed: Vec<String>,
    /// Whether entries could not be read: shown and counted, but nothing is planned for it until
    /// a new request.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub degraded: bool,
}

impl Download {
    /// A download without history.
    #[must_use]
    pub fn new(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            ..Self::default()
        }
    }

    /// The state as text: what is stored as the head of its history.
    #[must_use]
    pub fn encode(&self) -> String {
        serde_json::to_string(self).expect("a state has no map whose keys are no strings")
    }

    /// Reads a head's text. `None` where it is of another shape than this version writes: a head is worth no more than
    /// the fold of its history that it saves.
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Whether the machine has something to do with it by itself.
    #[must_use]
    pub const fn is_running(&self) -> bool {
        self.state.is_running() && !self.degraded
    }

    /// Whether the page's assistance for a background job waits for its next retry. `now` is in milliseconds since 1970.
    #[must_use]
    pub(crate) fn assist_waits(&self, now: u64) -> bool {
        self.waiting.as_ref().is_some_and(|waiting| {
            waiting.reason == WaitReason::Browser && waiting.until.is_some_and(|until| until > now)
        })
    }

    /// Whether its bytes may be handed out.
    #[must_use]
    pub const fn is_available(&self) -> bool {
        matches!(self.state, State::Available) && !self.degraded
    }

    /// Resources whose servers are to be asked once more before the attempt can succeed: parts came by a job that hides
    /// which version they are of, and no hash will tell.
    pub fn to_confirm(&self) -> impl Iterator<Item = u32> {
        let resources = self.spec.iter().flat_map(|spec| &spec.resources);
        let files = (0_u32..).zip(resources.zip(&self.files));
        files
            .filter(|(_, (resource, file))| {
                self.unconfirmed && resource.sha256.is_none() && file.hides_versions()
            })
            .map(|(n, _)| n)
    }

    /// Sum of the sizes of all files, where every one is known.
    #[must_use]
    pub fn size_of(files: &[FileVersion]) -> Option<u64> {
        files
            .iter()
            .try_fold(0_u64, |sum, file| Some(sum.saturating_add(file.size?)))
    }
}
