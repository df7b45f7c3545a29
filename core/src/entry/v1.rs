//! Events of version 1, as they were, and what became of them. What is written here never changes.
//!
//! Types that version 2 left as they were are used as they are. Whoever changes one of them copies it here first; the
//! golden histories of version 1 fail until then.

use alloc::string::String;
use alloc::vec::Vec;
use serde::Deserialize;

use super::{ENTRY_VERSION, Origin};
use crate::event::{self, AbortedBy, EvictedBy, Failure, Missing, Transport, WaitReason};
use crate::file::FileVersion;
use crate::spec::Spec;

/// An entry. Its version is known by then.
#[derive(Deserialize)]
pub(super) struct Entry {
    download: String,
    seq: u64,
    at: u64,
    origin: Origin,
    event: Event,
}

#[derive(Deserialize)]
#[serde(
    tag = "type",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase"
)]
enum Event {
    Requested {
        attempt: u32,
        spec: Spec,
        #[serde(default)]
        restarts: u32,
    },
    CachedHit {
        stored: u64,
        #[serde(default)]
        files: Vec<FileVersion>,
    },
    Started {
        r#try: u32,
        transport: Transport,
        why: Why,
        registration: Option<String>,
        files: Vec<FileVersion>,
        missing: Vec<Missing>,
        stored: u64,
        total: Option<u64>,
    },
    Progress {
        downloaded: u64,
        stored: u64,
        total: Option<u64>,
    },
    Waiting {
        reason: WaitReason,
        until: Option<u64>,
        r#try: u32,
        message: Option<String>,
    },
    Success {
        sizes: Vec<u64>,
        verified: Vec<u32>,
    },
    Failure(Failure),
    Aborted {
        by: AbortedBy,
    },
    Evicted {
        by: EvictedBy,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Why {
    Preferred,
    Asked,
    Missing,
    NoWorker,
    Headers,
    Refused,
    JobFailed,
    JobLost,
    AtRest,
}

impl From<Entry> for super::Entry {
    fn from(entry: Entry) -> Self {
        Self {
            download: entry.download,
            seq: entry.seq,
            at: entry.at,
            origin: entry.origin,
            version: ENTRY_VERSION,
            event: entry.event.into(),
        }
    }
}

impl From<Event> for event::Event {
    fn from(event: Event) -> Self {
        match event {
            Event::Requested {
                attempt,
                spec,
                restarts,
            } => Self::Requested {
                attempt,
                spec,
                restarts,
            },
            Event::CachedHit { stored, files } => Self::CachedHit { stored, files },
            Event::Started {
                r#try,
                transport,
                why,
                registration,
                files,
                missing,
                stored,
                total,
            } => Self::Started {
                transfer: r#try,
                transport,
                why: why.into(),
                registration,
                files,
                missing,
                stored,
                total,
            },
            Event::Progress {
                downloaded,
                stored,
                total,
            } => Self::Progress {
                downloaded,
                stored,
                total,
            },
            Event::Waiting {
                reason,
                until,
                r#try,
                message,
            } => Self::Waiting {
                reason,
                until,
                retries: r#try,
                message,
            },
            Event::Success { sizes, verified } => Self::Success { sizes, verified },
            Event::Failure(failure) => Self::Failure(failure),
            Event::Aborted { by } => Self::Aborted { by },
            Event::Evicted { by } => Self::Evicted { by },
        }
    }
}

impl From<Why> for event::TransportReason {
    fn from(why: Why) -> Self {
        match why {
            Why::Preferred => Self::Preferred,
            Why::Asked => Self::Asked,
            Why::Missing => Self::Missing,
            Why::NoWorker => Self::NoWorker,
            Why::Headers => Self::Headers,
            Why::Refused => Self::Refused,
            Why::JobFailed => Self::JobFailed,
            Why::JobLost => Self::JobLost,
            Why::AtRest => Self::Stored,
        }
    }
}
