//! The fold: what each event makes of a download.

use crate::download::{Download, State, Transfer, Waiting};
use crate::entry::{DecodeError, Entry};
use crate::event::{Event, FailReason, Failure, Transport, WaitReason};
use crate::file::FileVersion;
use crate::spec::Spec;
use alloc::string::String;
use alloc::vec::Vec;

impl Download {
    /// Folds stored texts, in the order of their numbers, into a state.
    ///
    /// Never fails: an entry that cannot be read, a gap, or an entry of another download makes the
    /// result [`degraded`](Self::degraded), until a later `requested`.
    pub fn fold<'a>(id: &str, texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut download = Self::new(id);
        for text in texts {
            download.apply(Entry::decode(text).as_ref());
        }
        download
    }

    /// Applies what was read of one entry: as [`evolve`] does, or by marking the state degraded.
    pub fn apply(&mut self, read: Result<&Entry, &DecodeError>) {
        let expected = self.seq.saturating_add(1);
        match read {
            Ok(entry) if entry.download == self.id => {
                let gap = entry.seq != expected;
                self.seq = entry.seq;
                self.at = entry.at;
                self.degraded |= gap;
                evolve(self, &entry.event);
            }
            // A stranger's entry says nothing of this download, not even its number.
            Ok(_) | Err(DecodeError::Malformed) => {
                self.degraded = true;
                self.seq = expected;
            }
            Err(DecodeError::NewerVersion(envelope) | DecodeError::UnknownEvent(envelope)) => {
                self.degraded = true;
                self.seq = envelope.seq.max(expected);
                self.at = envelope.at;
            }
        }
    }
}

/// Applies one event. Holds no rule and cannot fail: any sequence of events folds.
///
/// `seq` and `at` belong to the envelope; [`Download::apply`] sets them.
pub fn evolve(download: &mut Download, event: &Event) {
    download.entries = download.entries.saturating_add(1);
    match event {
        Event::Requested {
            attempt,
            spec,
            restarts,
        } => requested(download, *attempt, spec, *restarts),
        Event::CachedHit { stored, files } => {
            if !files.is_empty() {
                download.files.clone_from(files);
            }
            available(download, *stored);
        }
        Event::Started {
            transfer,
            transport,
            why,
            registration,
            files,
            stored,
            total,
            ..
        } => {
            download.files.clone_from(files);
            download.stored = *stored;
            download.downloaded = download.downloaded.max(*stored);
            download.began_with.get_or_insert(*stored);
            download.unconfirmed |= *transport == Transport::BackgroundFetch
                && files.iter().any(FileVersion::hides_versions);
            download.mixed.clear();
            download.total = *total;
            download.waiting = None;
            download.state = State::Transferring {
                transfer: Transfer {
                    number: *transfer,
                    transport: *transport,
                    why: *why,
                    registration: registration.clone(),
                    base: *stored,
                },
            };
        }
        Event::Progress {
            downloaded,
            stored,
            total,
        } => {
            download.downloaded = *downloaded;
            download.stored = *stored;
            download.total = total.or(download.total);
            download.waiting = None;
            download.retries = 0;
        }
        Event::Waiting {
            reason,
            until,
            retries,
            ..
        } => waiting(download, *reason, *until, *retries),
        Event::Success { sizes, .. } => {
            for (file, size) in download.files.iter_mut().zip(sizes) {
                // The key of a file of unknown size does not have one; it stays as it is.
                if file.size.is_some() {
                    file.size = Some(*size);
                }
            }
            let stored = sizes
                .iter()
                .fold(0, |sum: u64, size| sum.saturating_add(*size));
            available(download, stored);
        }
        Event::Failure(failure) => {
            note_mixed(download, failure);
            ended(
                download,
                State::Failed {
                    failure: failure.clone(),
                },
            );
        }
        Event::Aborted { by } => {
            download.stored = 0;
            download.mixed.clear();
            ended(download, State::Aborted { by: *by });
        }
        Event::Evicted { by } => {
            download.stored = 0;
            download.mixed.clear();
            ended(download, State::Evicted { by: *by });
        }
    }
}

/// Where a file changed under way, what hides its version may be of several. Other files than the one to blame are looked at
/// anew by the next attempt, whose question comes after all that is stored of them.
fn note_mixed(download: &mut Download, failure: &Failure) {
    if failure.reason != FailReason::Changed {
        return;
    }
    let blamed = download
        .to_confirm()
        .filter(|n| failure.resource.is_none_or(|to_blame| to_blame == *n));
    let keys: Vec<String> = blamed
        .filter_map(|n| Some(download.files.get(n as usize)?.key()))
        .filter(|key| !download.mixed.contains(key))
        .collect();
    download.mixed.extend(keys);
}

fn requested(download: &mut Download, attempt: u32, spec: &Spec, restarts: u32) {
    download.attempt = attempt;
    download.restarts = restarts;
    download.entries = 1;
    download.spec = Some(spec.clone());
    download.downloaded = 0;
    download.stored = 0;
    download.began_with = None;
    download.total = None;
    download.retries = 0;
    download.unconfirmed = false;
    download.degraded = false;
    ended(download, State::Requested);
}

fn available(download: &mut Download, stored: u64) {
    download.stored = stored;
    download.downloaded = stored;
    download.total = Some(stored);
    download.restarts = 0;
    download.unconfirmed = false;
    download.mixed.clear();
    ended(download, State::Available);
}

fn ended(download: &mut Download, state: State) {
    download.waiting = None;
    download.state = state;
}

fn waiting(download: &mut Download, reason: WaitReason, until: Option<u64>, retries: u32) {
    let since = match &download.waiting {
        Some(before) if before.reason == reason => before.since,
        _ => download.at,
    };
    download.waiting = Some(Waiting {
        reason,
        until,
        since,
        at: download.at,
    });
    download.retries = retries;
    if let State::Transferring { transfer } = &mut download.state
        && reason.ends_transfer()
    {
        transfer.registration = None;
    }
}
