//! Snapshots: what anyone is shown of a download.

use alloc::string::String;
use serde::Serialize;

use crate::download::{Download, State};
use crate::event::{AbortedBy, EvictedBy, FailReason, Transport, WaitReason};

/// A download as it is shown: the `Snapshot` of the JavaScript contract. Its fields are
/// serialised in this order, so that equal snapshots are equal texts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Snapshot {
    /// Id of the download.
    pub id: String,
    /// Name of the phase.
    pub phase: &'static str,
    /// The latest attempt, from 1.
    pub attempt: u32,
    /// How the bytes come, while they do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub transport: Option<Transport>,
    /// Bytes received, those stored included.
    pub downloaded: u64,
    /// Bytes safely stored.
    pub stored: u64,
    /// Size of the whole download.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
    /// Present where entries could not be read.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub degraded: bool,
    /// Present where figures are newer than the history.
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    pub live: bool,
    /// What it waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<SnapshotWaiting>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<SnapshotFailure>,
    /// Who aborted or evicted it: `app`, `browser`, `removal` or `eviction`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<&'static str>,
    /// Number of the last entry.
    pub seq: u64,
    /// Time of the last entry, in milliseconds since 1970.
    pub at: u64,
    /// Title for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

/// What a download waits for, as shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotWaiting {
    /// The reason.
    pub reason: WaitReason,
    /// When it goes on by itself, in milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
}

/// Why a download failed, as shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotFailure {
    /// The reason, for programs.
    pub reason: FailReason,
    /// One sentence, for people.
    pub message: String,
    /// By how many bytes the browser has too little room, where it tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing_bytes: Option<u64>,
}

impl Snapshot {
    /// What is shown of a state; `None` where nothing was ever requested.
    #[must_use]
    pub fn of(download: &Download) -> Option<Self> {
        let failure = match &download.state {
            State::None if !download.degraded => return None,
            State::Failed { failure } => Some(SnapshotFailure {
                reason: failure.reason,
                message: failure.message.clone(),
                missing_bytes: failure.missing_bytes,
            }),
            _ => None,
        };
        let waiting = download.waiting.as_ref().map(|waiting| SnapshotWaiting {
            reason: waiting.reason,
            until: waiting.until,
        });
        Some(Self {
            id: download.id.clone(),
            // A history of which nothing could be read: it was requested, or there were none.
            phase: match download.state {
                State::None => State::Requested.name(),
                ref state => state.name(),
            },
            attempt: download.attempt,
            transport: download.state.transfer().map(|transfer| transfer.transport),
            downloaded: download.downloaded,
            stored: download.stored,
            total: download.total,
            degraded: download.degraded,
            live: false,
            waiting,
            failure,
            by: by(&download.state),
            seq: download.seq,
            at: download.at,
            title: download.spec.as_ref().and_then(|spec| spec.title.clone()),
        })
    }

    /// The snapshot with live figures, which never show less than the history does, nor more
    /// than the total.
    #[must_use]
    pub fn with_live(mut self, downloaded: u64, stored: u64) -> Self {
        let most = self.total.unwrap_or(u64::MAX);
        let stored = stored.min(most).max(self.stored);
        let downloaded = downloaded.min(most).max(self.downloaded).max(stored);
        self.live = (downloaded, stored) != (self.downloaded, self.stored);
        (self.downloaded, self.stored) = (downloaded, stored);
        self
    }

    /// The canonical JSON: the same text for the same state, natively and in a browser.
    #[must_use]
    pub fn canonical_json(&self) -> String {
        serde_json::to_string(self).expect("a snapshot has no map whose keys are no strings")
    }
}

const fn by(state: &State) -> Option<&'static str> {
    match state {
        State::Aborted { by: AbortedBy::App } => Some("app"),
        State::Aborted {
            by: AbortedBy::Browser,
        } => Some("browser"),
        State::Aborted {
            by: AbortedBy::Removal,
        }
        | State::Evicted {
            by: EvictedBy::Removal,
        } => Some("removal"),
        State::Evicted {
            by: EvictedBy::Eviction,
        } => Some("eviction"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Event;

    #[test]
    fn a_snapshot_says_who_ended_it_in_the_words_of_the_history() {
        let aborted = [AbortedBy::App, AbortedBy::Browser, AbortedBy::Removal]
            .map(|by| (State::Aborted { by }, Event::Aborted { by }));
        let evicted = [EvictedBy::Removal, EvictedBy::Eviction]
            .map(|by| (State::Evicted { by }, Event::Evicted { by }));
        for (state, event) in aborted.into_iter().chain(evicted) {
            let download = Download {
                state,
                ..Download::new("a")
            };
            let shown = Snapshot::of(&download).expect("an ended download is shown");
            let by = format!(r#""by":"{}""#, shown.by.expect("somebody did"));
            assert!(
                serde_json::to_string(&event).expect("JSON").contains(&by),
                "{event:?}: {by}"
            );
            assert!(shown.canonical_json().contains(&by), "{by}");
        }
        let available = Download {
            state: State::Available,
            ..Download::new("a")
        };
        assert_eq!(Snapshot::of(&available).expect("shown").by, None);
    }

    #[test]
    fn live_figures_are_marked_where_they_are_newer_and_never_show_less_or_too_much() {
        let download = Download {
            downloaded: 50,
            stored: 30,
            total: Some(100),
            ..Download::fold("a", ["{}"])
        };
        let shown = Snapshot::of(&download).expect("shown");
        let live = |downloaded, stored| {
            let live = shown.clone().with_live(downloaded, stored);
            (live.downloaded, live.stored, live.live)
        };
        assert_eq!(live(50, 30), (50, 30, false));
        assert_eq!(live(10, 0), (50, 30, false));
        assert_eq!(live(60, 0), (60, 30, true));
        assert_eq!(live(0, 40), (50, 40, true));
        assert_eq!(live(0, 70), (70, 70, true));
        assert_eq!(live(900, 800), (100, 100, true));
    }
}
