//! `decide`: every rule of the machine.

mod command;
mod probe;
mod room;
mod transfer;

use crate::download::{Download, State};
use crate::event::{Event, EvictedBy, FailReason, Failure, WaitReason};
use crate::input::{Input, Observation, Rejection, Role, Signal};
use crate::policy::{MIN_DELAY_MS, Retry, may_detail};
use crate::transfer_error::TransferError;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

/// How many attempts in a row the machine begins by itself, where files keep changing or parts
/// keep vanishing under it.
const MAX_RESTARTS: u32 = 3;

/// Decides what happened: the events that an input amounts to in a state. Appending them is what
/// makes them facts.
///
/// An empty list means that nothing new was learnt; the same outcome of the same effect, a second
/// time, always gives one. `now` is in milliseconds since 1970.
///
/// # Errors
/// A command that the state does not allow. Signals are never rejected.
pub fn decide(download: &Download, now: u64, input: Input) -> Result<Vec<Event>, Rejection> {
    match input {
        Input::Command(command) => command::decide(download, now, command),
        Input::Signal(_) if download.degraded => Ok(Vec::new()),
        Input::Signal(signal) => Ok(on_signal(download, now, signal)),
    }
}

fn on_signal(download: &Download, now: u64, signal: Signal) -> Vec<Event> {
    match signal {
        Signal::Observed(observation) => observed(download, now, &observation),
        Signal::Probed {
            attempt,
            answers,
            observation,
        } => probe::probed(download, now, attempt, &answers, &observation),
        Signal::JobRefused {
            registration,
            quota,
            observation,
        } => transfer::job_refused(download, now, &registration, quota, &observation),
        Signal::JobEnded {
            registration,
            end,
            faults,
            observation,
        } => transfer::job_ended(download, now, &registration, end, &faults, &observation),
        Signal::PartFailed {
            attempt,
            resource,
            fault,
            observation,
        } => transfer::part_failed(download, now, (attempt, resource), &fault, &observation),
        Signal::Verified {
            attempt,
            digests,
            answers,
            observation,
        } => transfer::verified(download, now, attempt, (&digests, &answers), &observation),
        Signal::StorageFailed { attempt } => storage_failed(download, attempt),
    }
}

/// Reconciles the history with what can be seen.
fn observed(download: &Download, now: u64, observation: &Observation) -> Vec<Event> {
    match &download.state {
        State::Available => {
            let whole = download
                .files
                .iter()
                .all(|file| observation.missing(&file.key(), file.layout()).is_empty());
            if whole {
                Vec::new()
            } else {
                vec![Event::Evicted {
                    by: EvictedBy::Eviction,
                }]
            }
        }
        State::Requested => headers_missing(download, observation),
        State::Transferring { transfer } => transfer::look(download, now, transfer, observation),
        _ => Vec::new(),
    }
}

/// What cannot be looked at cannot be stored either. What is there is kept.
fn storage_failed(download: &Download, attempt: u32) -> Vec<Event> {
    if download.state.is_running() && attempt == download.attempt {
        vec![Event::Failure(TransferError::Storage.failure(None))]
    } else {
        Vec::new()
    }
}

/// A page without the headers that a download needs says so, once.
fn headers_missing(download: &Download, observation: &Observation) -> Vec<Event> {
    let needed = download.spec.as_ref().is_some_and(|spec| spec.headers);
    let lacking = needed && !observation.context.headers && observation.context.role == Role::Page;
    let said = download
        .waiting
        .as_ref()
        .is_some_and(|waiting| waiting.reason == WaitReason::Headers);
    if lacking && !said && may_detail(download.entries) {
        let retries = download.retries;
        return vec![Event::Waiting {
            reason: WaitReason::Headers,
            until: None,
            retries,
            message: None,
        }];
    }
    Vec::new()
}

/// Whether the time for the next retry is still to come.
fn is_between_retries(download: &Download, now: u64, observation: &Observation) -> bool {
    download
        .waiting
        .as_ref()
        .is_some_and(|waiting| waiting.holds(observation.context.offline, now))
}

/// Whether what fails now belongs to the request before, whose wait keeps it from being asked for again for long enough:
/// requests in parallel break together, and outcomes may arrive twice.
fn is_waited_for(download: &Download, now: u64, observation: &Observation) -> bool {
    is_between_retries(download, now.saturating_add(MIN_DELAY_MS - 1), observation)
}

/// A new attempt that the machine begins by itself, after the failure that ends this one; the
/// failure alone where it did so too often.
fn restart(download: &Download, failure: Failure) -> Vec<Event> {
    let mut events = vec![Event::Failure(failure)];
    if download.restarts < MAX_RESTARTS {
        events.extend(next_attempt(download, download.restarts + 1));
    }
    events
}

/// The same after an answer that is of no use, so that what follows is not asked for at once (law L18).
fn restart_later(download: &Download, now: u64, failure: Failure, retry: &Retry) -> Vec<Event> {
    let message = failure.message.clone();
    let mut events = restart(download, failure);
    if events.len() > 1 {
        let delay = retry.delay_ms(download.restarts + 1, &seed(download));
        events.push(backoff(now, delay, 0, message));
    }
    events
}

fn next_attempt(download: &Download, restarts: u32) -> Option<Event> {
    Some(Event::Requested {
        attempt: download.attempt.saturating_add(1),
        spec: download.spec.clone()?,
        restarts,
    })
}

fn backoff(now: u64, delay: u64, retries: u32, message: String) -> Event {
    Event::Waiting {
        reason: WaitReason::Backoff,
        until: Some(now.saturating_add(delay)),
        retries,
        message: Some(message),
    }
}

/// What delays of this attempt are spread by.
fn seed(download: &Download) -> String {
    format!("{}/{}", download.id, download.attempt)
}

/// What follows from a fault: a wait that says why, or the failure it becomes.
/// `failed_rounds` is their number in a row, this one included; `message` says what went wrong.
fn wait_or_fail(
    download: &Download,
    now: u64,
    (fault, message): (&TransferError, String),
    resource: Option<u32>,
    retries: u32,
    observation: &Observation,
) -> Vec<Event> {
    let retry = &observation.context.policy.retry;
    if !fault.is_transient() {
        return vec![Event::Failure(fault.failure(resource))];
    }
    let gone_for = |reason| {
        let already = download.waiting.as_ref();
        let since = already
            .filter(|waiting| waiting.reason == reason)
            .map_or(now, |waiting| waiting.since);
        now.saturating_sub(since)
    };
    let (reason, delay, retries) = match fault {
        // Neither the device nor the server being away counts as a retry.
        TransferError::Offline if observation.context.offline => {
            let delay = retry.outage_delay_ms(gone_for(WaitReason::Offline));
            (WaitReason::Offline, delay, download.retries)
        }
        // One who is offline no longer has no use for a wait until he is online.
        TransferError::Offline | TransferError::Unreachable => {
            let gone = gone_for(WaitReason::Unreachable);
            if gone >= retry.unreachable_ms {
                return vec![Event::Failure(TransferError::Unreachable.failure(resource))];
            }
            let delay = retry.outage_delay_ms(gone);
            (WaitReason::Unreachable, delay, download.retries)
        }
        _ if retries > retry.limit => {
            return vec![Event::Failure(fault.failure(resource))];
        }
        TransferError::Status {
            retry_after_ms: Some(after),
            ..
        } => {
            let delay = retry.told_delay_ms(*after);
            (WaitReason::RetryAfter, delay, retries)
        }
        _ => {
            let delay = retry.delay_ms(retries, &seed(download));
            (WaitReason::Backoff, delay, retries)
        }
    };
    if !may_detail(download.entries) {
        return history_full(download, now, observation);
    }
    vec![Event::Waiting {
        reason,
        until: Some(now.saturating_add(delay)),
        retries,
        message: Some(message),
    }]
}

/// The history of an attempt is nearly as long as it may get, and something went wrong again: a wait that is not written
/// would not be kept either. The attempt ends, and where it brought something the machine begins the next one, so that a
/// long download over a bad line goes on.
fn history_full(download: &Download, now: u64, observation: &Observation) -> Vec<Event> {
    let failure = exhausted(download);
    let stored_now = probe::stored(&download.files, observation);
    let brought = download.began_with.is_some_and(|began| stored_now > began);
    let next = next_attempt(download, 0).filter(|_| brought);
    let message = failure.message.clone();
    let mut events = vec![Event::Failure(failure)];
    if let Some(next) = next {
        let delay = observation
            .context
            .policy
            .retry
            .delay_ms(1, &seed(download));
        events.extend([next, backoff(now, delay, 0, message)]);
    }
    events
}

fn exhausted(download: &Download) -> Failure {
    Failure {
        reason: FailReason::RetriesExhausted,
        message: format!(
            "attempt {} was interrupted too often; what is stored is kept",
            download.attempt
        ),
        resource: None,
        missing_bytes: None,
    }
}
