//! `decide`: every rule of the machine.

mod command;
mod probe;
mod room;
mod transfer;

use crate::download::{Download, State};
use crate::event::{Event, EvictedBy, FailReason, Failure, WaitReason};
use crate::fault::Fault;
use crate::input::{Input, Rejection, Role, Signal, Witness};
use crate::policy::{may_detail, may_try};

/// How many attempts in a row the machine begins by itself, where files keep changing or parts
/// keep vanishing under it.
const MOST_RESTARTS: u32 = 3;

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
        Signal::Observed(witness) => observed(download, now, &witness),
        Signal::Probed {
            attempt,
            answers,
            witness,
        } => probe::probed(download, now, attempt, &answers, &witness),
        Signal::JobRefused {
            registration,
            quota,
            witness,
        } => transfer::job_refused(download, now, &registration, quota, &witness),
        Signal::JobEnded {
            registration,
            end,
            faults,
            witness,
        } => transfer::job_ended(download, now, &registration, end, &faults, &witness),
        Signal::PartFailed {
            attempt,
            resource,
            fault,
            witness,
        } => transfer::part_failed(download, now, (attempt, resource), &fault, &witness),
        Signal::Verified {
            attempt,
            digests,
            witness,
        } => transfer::verified(download, now, attempt, &digests, &witness),
    }
}

/// Reconciles the history with what can be seen.
fn observed(download: &Download, now: u64, witness: &Witness) -> Vec<Event> {
    match &download.state {
        State::Available => {
            let whole = download
                .files
                .iter()
                .all(|file| witness.missing(&file.key(), file.layout()).is_empty());
            if whole {
                Vec::new()
            } else {
                vec![Event::Evicted {
                    by: EvictedBy::Eviction,
                }]
            }
        }
        State::Requested => headers_missing(download, witness),
        State::Transferring { transfer } => transfer::look(download, now, transfer, witness),
        _ => Vec::new(),
    }
}

/// A page without the headers that a download needs says so, once.
fn headers_missing(download: &Download, witness: &Witness) -> Vec<Event> {
    let needed = download.spec.as_ref().is_some_and(|spec| spec.headers);
    let lacking = needed && !witness.context.headers && witness.context.role == Role::Page;
    let said = download
        .waiting
        .as_ref()
        .is_some_and(|waiting| waiting.reason == WaitReason::Headers);
    if lacking && !said && may_detail(download.entries) {
        let try_ = download.failed_rounds;
        return vec![Event::Waiting {
            reason: WaitReason::Headers,
            until: None,
            try_,
        }];
    }
    Vec::new()
}

/// Whether the time for the next round has not come yet. What fails until then belongs to the round
/// before: requests in parallel break together, and outcomes may arrive twice.
fn is_between_rounds(download: &Download, now: u64) -> bool {
    download.waiting.as_ref().is_some_and(|waiting| {
        waiting.reason.ends_try() && waiting.until.is_some_and(|until| until > now)
    })
}

/// A new attempt that the machine begins by itself, after the failure that ends this one; the
/// failure alone where it did so too often.
fn restart(download: &Download, failure: Failure) -> Vec<Event> {
    let mut events = vec![Event::Failure(failure)];
    if let Some(spec) = download.spec.clone()
        && download.restarts < MOST_RESTARTS
    {
        events.push(Event::Requested {
            attempt: download.attempt.saturating_add(1),
            spec,
            restarts: download.restarts + 1,
        });
    }
    events
}

/// What follows from a fault that ended a round: a wait that says why, or the failure it becomes.
/// `failed_rounds` is their number in a row, this one included.
fn wait_or_fail(
    download: &Download,
    now: u64,
    fault: &Fault,
    resource: Option<u32>,
    failed_rounds: u32,
    witness: &Witness,
) -> Vec<Event> {
    let retry = &witness.context.policy.retry;
    if !fault.is_transient() {
        return vec![Event::Failure(fault.failure(resource))];
    }
    let already = download.waiting.as_ref();
    let is_waiting_for = |reason| already.is_some_and(|waiting| waiting.reason == reason);
    let seed = format!("{}/{}", download.id, download.attempt);
    let (reason, until, try_) = match fault {
        Fault::Offline if is_waiting_for(WaitReason::Offline) => return Vec::new(),
        // Neither the device nor the server being away is a failed round.
        Fault::Offline => (WaitReason::Offline, None, download.failed_rounds),
        Fault::Unreachable => {
            let since = already
                .filter(|waiting| waiting.reason == WaitReason::Unreachable)
                .map_or(now, |waiting| waiting.since);
            let gone = now.saturating_sub(since);
            if gone >= retry.unreachable_ms {
                return vec![Event::Failure(fault.failure(resource))];
            }
            let delay = retry.outage_delay_ms(gone);
            (
                WaitReason::Unreachable,
                Some(now.saturating_add(delay)),
                download.failed_rounds,
            )
        }
        _ if failed_rounds > retry.limit => {
            return vec![Event::Failure(fault.failure(resource))];
        }
        Fault::Status {
            retry_after_ms: Some(after),
            ..
        } => {
            let delay = (*after).max(retry.base_ms);
            (
                WaitReason::RetryAfter,
                Some(now.saturating_add(delay)),
                failed_rounds,
            )
        }
        _ => {
            let delay = retry.delay_ms(failed_rounds, &seed);
            (
                WaitReason::Backoff,
                Some(now.saturating_add(delay)),
                failed_rounds,
            )
        }
    };
    let wait = Event::Waiting {
        reason,
        until,
        try_,
    };
    match terse(download, reason, failed_rounds) {
        Terse::Written => vec![wait],
        // Rounds are no longer counted, so that only time tells that nothing comes any more.
        Terse::Unwritten
            if reason != WaitReason::Offline
                && witness.idle_ms.unwrap_or(0) >= retry.unreachable_ms =>
        {
            vec![Event::Failure(exhausted(download))]
        }
        Terse::Unwritten => Vec::new(),
        Terse::Over => vec![Event::Failure(exhausted(download))],
    }
}

/// What becomes of a wait where the history of an attempt is nearly as long as it may get.
enum Terse {
    Written,
    Unwritten,
    Over,
}

/// Waits that cost nothing, and those after rounds that brought something, go on unwritten, so that
/// a long download over a bad line goes on. Rounds that bring nothing are still written, and so
/// counted, until they end it. The end of a background job is always written: it is what releases
/// the registration.
fn terse(download: &Download, reason: WaitReason, failed_rounds: u32) -> Terse {
    if may_detail(download.entries) {
        return Terse::Written;
    }
    let has_job = download
        .state
        .transfer()
        .is_some_and(|transfer| transfer.registration.is_some());
    let free = matches!(reason, WaitReason::Offline | WaitReason::Unreachable);
    match free || failed_rounds <= 1 {
        true if !has_job => Terse::Unwritten,
        _ if may_try(download.entries) => Terse::Written,
        _ => Terse::Over,
    }
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
