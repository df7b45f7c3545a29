//! What an app's commands amount to.

use crate::download::{Download, State};
use crate::event::{AbortedBy, Event, EvictedBy};
use crate::input::{Command, Rejection};
use crate::spec::{Spec, ValidSpec};
use alloc::vec;
use alloc::vec::Vec;

pub(super) fn decide(
    download: &Download,
    now: u64,
    command: Command,
) -> Result<Vec<Event>, Rejection> {
    if matches!(download.state, State::None) && !matches!(command, Command::Request(_)) {
        return match (download.degraded, command) {
            // A history that cannot be read can still be cleared away.
            (true, Command::Remove) => Ok(vec![Event::Evicted {
                by: EvictedBy::Removal,
            }]),
            _ => Err(Rejection::NotAvailable),
        };
    }
    Ok(match command {
        Command::Request(spec) => return request(download, &spec),
        Command::Abort if download.state.is_running() => {
            vec![Event::Aborted { by: AbortedBy::App }]
        }
        Command::Abort => Vec::new(),
        Command::Retry => retry(download, now),
        Command::Remove => remove(download),
    })
}

fn request(download: &Download, spec: &ValidSpec) -> Result<Vec<Event>, Rejection> {
    let recorded = spec.recorded();
    let same = download
        .spec
        .as_ref()
        .is_some_and(|before| before.asks_the_same(&recorded));
    if download.is_running() {
        // Attach to what runs.
        return if same {
            Ok(Vec::new())
        } else {
            Err(Rejection::SpecConflict)
        };
    }
    let mut events = vec![next_attempt(download, recorded)];
    if same && download.is_available() {
        events.push(Event::CachedHit {
            stored: download.stored,
            files: Vec::new(),
        });
    }
    Ok(events)
}

fn next_attempt(download: &Download, spec: Spec) -> Event {
    Event::Requested {
        attempt: download.attempt.saturating_add(1),
        spec,
        restarts: 0,
    }
}

fn retry(download: &Download, now: u64) -> Vec<Event> {
    if download.is_running() {
        let between_transfers = download.waiting.as_ref().filter(|waiting| {
            waiting.reason.ends_transfer() && waiting.until.is_some_and(|until| until > now)
        });
        return between_transfers
            .map(|waiting| Event::Waiting {
                reason: waiting.reason,
                until: Some(now),
                retries: download.retries,
                message: None,
            })
            .filter(|_| crate::policy::may_detail(download.entries))
            .into_iter()
            .collect();
    }
    match (&download.spec, download.is_available()) {
        (Some(spec), false) => vec![next_attempt(download, spec.clone())],
        _ => Vec::new(),
    }
}

fn remove(download: &Download) -> Vec<Event> {
    match download.state {
        State::Requested | State::Transferring { .. } => {
            vec![Event::Aborted {
                by: AbortedBy::Removal,
            }]
        }
        State::Available
        | State::Failed { .. }
        | State::Evicted {
            by: EvictedBy::Eviction,
        } => {
            vec![Event::Evicted {
                by: EvictedBy::Removal,
            }]
        }
        State::None | State::Aborted { .. } | State::Evicted { .. } => Vec::new(),
    }
}
