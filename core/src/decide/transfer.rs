//! While a transfer runs: progress, the ends of jobs, faults, verification.

use super::probe::{refused, started, stored};
use super::{exhausted, is_between_rounds, restart, room, wait_or_fail};
use crate::download::{Download, Transfer};
use crate::event::{AbortedBy, Event, FailReason, Failure, Transport, WaitReason, Why};
use crate::evolve::evolve;
use crate::fault::Fault;
use crate::input::{Background, JobEnd, JobFailure, Preference, Role, Witness};
use crate::policy::{Retry, may_detail, may_try, progress_due};

/// Reconciles a running transfer with what can be seen.
pub(super) fn look(
    download: &Download,
    now: u64,
    transfer: &Transfer,
    witness: &Witness,
) -> Vec<Event> {
    let at_rest = stored(&download.files, witness);
    if at_rest < download.stored {
        return restart(download, evicted());
    }
    if is_complete(download, witness) {
        return complete(download, at_rest, witness);
    }
    if is_verifying(download) {
        // Everything was there. Of an empty part no figure tells.
        return restart(download, evicted());
    }
    let lacking = super::headers_missing(download, witness);
    if !lacking.is_empty() {
        return lacking;
    }
    let may_begin = witness.context.role == Role::Page;
    let waiting = download.waiting.as_ref();
    let held_up = waiting.is_some_and(|waiting| waiting.holds(witness.context.offline, now));
    match (transfer.transport, &transfer.registration) {
        (Transport::BackgroundFetch, Some(registration)) => {
            let unstarted = witness.unstarted.as_ref() == Some(registration);
            if may_begin && !unstarted && !witness.knows_job(registration) {
                return next_try(download, transfer, Why::JobLost, witness);
            }
        }
        (Transport::BackgroundFetch, None) if may_begin && !held_up => {
            return next_try(download, transfer, Why::JobFailed, witness);
        }
        // What a page began whose app asked for nothing, or for the page itself: this one's insists on a job.
        (Transport::Foreground, _) if may_begin && !held_up && wants_job(download, witness) => {
            return started(download, download.files.clone(), None, witness);
        }
        _ => {}
    }
    if waiting.is_some_and(|waiting| waiting.is_imposed(now)) {
        // What was under way comes to rest meanwhile, and would end the wait.
        return Vec::new();
    }
    progress(download, transfer, at_rest, witness)
        .into_iter()
        .collect()
}

/// Whether the app insists on a background job for a transfer of the page's, and one can be had.
fn wants_job(download: &Download, witness: &Witness) -> bool {
    let context = &witness.context;
    context.preference == Preference::BackgroundFetch
        && context.background == Background::Usable
        && !download.spec.as_ref().is_some_and(|spec| spec.headers)
        && may_try(download.entries)
}

fn is_complete(download: &Download, witness: &Witness) -> bool {
    download
        .files
        .iter()
        .all(|file| witness.missing(&file.key(), file.layout()).is_empty())
}

/// Whether it is written down that everything is at rest and being hashed.
fn is_verifying(download: &Download) -> bool {
    let waiting = download.waiting.as_ref();
    waiting.is_some_and(|waiting| waiting.reason == WaitReason::Verifying)
}

/// Everything is at rest: success, or first the hashes.
fn complete(download: &Download, at_rest: u64, witness: &Witness) -> Vec<Event> {
    let hashes = download.spec.as_ref().is_some_and(|spec| {
        spec.resources
            .iter()
            .any(|resource| resource.sha256.is_some())
    });
    if !hashes {
        return vec![success(download, Vec::new(), witness)];
    }
    if is_verifying(download) || !may_detail(download.entries) {
        return Vec::new();
    }
    let progress = Event::Progress {
        downloaded: download.downloaded.max(at_rest),
        stored: at_rest,
        total: download.total,
    };
    let waiting = Event::Waiting {
        reason: WaitReason::Verifying,
        until: None,
        try_: 0,
    };
    if at_rest > download.stored {
        vec![progress, waiting]
    } else {
        vec![waiting]
    }
}

fn success(download: &Download, verified: Vec<u32>, witness: &Witness) -> Event {
    let sizes = download
        .files
        .iter()
        .map(|file| file.layout().stored(witness.at_rest(&file.key())))
        .collect();
    Event::Success { sizes, verified }
}

/// Progress worth an entry. After a wait, any progress is: it says that the wait is over, which it would be counted as the
/// beginning of the next one else.
fn progress(
    download: &Download,
    transfer: &Transfer,
    at_rest: u64,
    witness: &Witness,
) -> Option<Event> {
    let job = transfer
        .registration
        .as_ref()
        .and_then(|id| witness.jobs.iter().find(|job| job.registration == *id));
    let arrived = job.map_or(0, |job| transfer.base.saturating_add(job.downloaded));
    let most = download.total.unwrap_or(u64::MAX);
    let downloaded = arrived.min(most).max(at_rest).max(download.downloaded);
    let before = (download.downloaded, download.stored);
    let over = download.waiting.is_some() && at_rest > download.stored && may_try(download.entries);
    let due = progress_due(
        before,
        (downloaded, at_rest),
        download.total,
        download.entries,
    );
    (over || due).then_some(Event::Progress {
        downloaded,
        stored: at_rest,
        total: download.total,
    })
}

/// The try is over, and the next one begins at once.
fn next_try(download: &Download, transfer: &Transfer, why: Why, witness: &Witness) -> Vec<Event> {
    let fruitless = stored(&download.files, witness) <= transfer.base;
    let insisting = witness.context.preference == Preference::BackgroundFetch;
    if !may_try(download.entries) {
        return vec![Event::Failure(exhausted(download))];
    }
    if insisting && fruitless && transfer.try_ > witness.context.policy.retry.limit {
        return vec![Event::Failure(Failure {
            reason: FailReason::Lost,
            message: "the browser lost the job again and again".to_owned(),
            resource: None,
            missing_bytes: None,
        })];
    }
    // A job that brought something was merely interrupted (a browser closed in good order ends
    // its jobs); one that brought nothing is better replaced by the page's own transfer.
    let previous = fruitless.then_some(why);
    started(download, download.files.clone(), previous, witness)
}

pub(super) fn job_refused(
    download: &Download,
    now: u64,
    registration: &str,
    quota: bool,
    witness: &Witness,
) -> Vec<Event> {
    let Some(transfer) = download.state.transfer() else {
        return Vec::new();
    };
    if !is_current(download, registration) {
        return Vec::new();
    }
    if stored(&download.files, witness) < download.stored || is_complete(download, witness) {
        // Whatever was refused, the bytes decide.
        return look(download, now, transfer, witness);
    }
    if witness.context.preference == Preference::BackgroundFetch {
        return vec![Event::Failure(if quota {
            room::failure(&download.files, None, witness)
        } else {
            refused()
        })];
    }
    // Where there was no room for the job there may be for the parts: a job keeps what it brings a second time.
    started(
        download,
        download.files.clone(),
        Some(Why::Refused),
        witness,
    )
}

fn is_current(download: &Download, registration: &str) -> bool {
    download
        .state
        .transfer()
        .is_some_and(|transfer| transfer.registration.as_deref() == Some(registration))
}

pub(super) fn job_ended(
    download: &Download,
    now: u64,
    registration: &str,
    end: JobEnd,
    faults: &[Fault],
    witness: &Witness,
) -> Vec<Event> {
    let Some(transfer) = download.state.transfer() else {
        return Vec::new();
    };
    let at_rest = stored(&download.files, witness);
    if at_rest < download.stored
        || is_complete(download, witness)
        || !is_current(download, registration)
    {
        // Whatever it was, the bytes decide.
        return look(download, now, transfer, witness);
    }
    if end == JobEnd::Abort {
        return vec![Event::Aborted {
            by: AbortedBy::Browser,
        }];
    }
    let fault = fault_of(end, faults);
    if fault == Fault::Changed {
        return restart(download, fault.failure(None));
    }
    let fruitless = at_rest <= transfer.base;
    let round = if fruitless {
        download.failed_rounds.saturating_add(1)
    } else {
        1
    };
    let brought_all = end == JobEnd::Success && faults.is_empty() && !fruitless;
    // With the job goes what it kept a second time, and then there may be room for the rest.
    let was_full = fault == Fault::Quota;
    if (brought_all || was_full) && may_detail(download.entries) {
        // The rest did not fit into one job. No round failed: a page begins the next one at once.
        let reason = if was_full {
            WaitReason::Room
        } else {
            WaitReason::Backoff
        };
        return after_progress(download, at_rest, |_| {
            vec![Event::Waiting {
                reason,
                until: Some(now),
                try_: 0,
            }]
        });
    }
    after_progress(download, at_rest, |download| {
        wait_or_fail(download, now, &fault, None, round, witness)
    })
}

/// The one fault that stands for how a job ended: what no later try can mend before what one can.
fn fault_of(end: JobEnd, faults: &[Fault]) -> Fault {
    let reported = faults
        .iter()
        .find(|fault| !fault.is_transient())
        .or_else(|| {
            faults
                .iter()
                .find(|fault| matches!(fault, Fault::Status { .. } | Fault::Unreachable))
        });
    match (reported, end) {
        (Some(fault), _) => fault.clone(),
        (None, JobEnd::Failure(JobFailure::QuotaExceeded)) => Fault::Quota,
        // Every record asks for no more than its range, so that it is a body that is longer than it must be.
        (None, JobEnd::Failure(JobFailure::DownloadTotalExceeded)) => Fault::Truncated,
        (None, JobEnd::Success) => faults.first().cloned().unwrap_or(Fault::Truncated),
        (None, _) => Fault::Network,
    }
}

pub(super) fn part_failed(
    download: &Download,
    now: u64,
    (attempt, resource): (u32, u32),
    fault: &Fault,
    witness: &Witness,
) -> Vec<Event> {
    let Some(transfer) = download.state.transfer() else {
        return Vec::new();
    };
    let helping = transfer.transport == Transport::BackgroundFetch;
    if attempt != download.attempt || (helping && transfer.registration.is_none()) {
        return Vec::new();
    }
    if *fault == Fault::Changed {
        return restart(download, fault.failure(Some(resource)));
    }
    let between = is_between_rounds(download, now) || (helping && download.help_waits(now));
    // A job makes room when it ends.
    let passes = fault.is_transient() || (helping && *fault == Fault::Quota);
    if passes && between {
        return Vec::new();
    }
    let at_rest = stored(&download.files, witness);
    let fruitless = at_rest <= download.stored;
    let round = if fruitless {
        download.failed_rounds.saturating_add(1)
    } else {
        1
    };
    let retry = &witness.context.policy.retry;
    after_progress(download, at_rest, |download| {
        if helping && passes {
            help_failed(download, now, fault, resource, round, retry)
        } else if *fault == Fault::Quota {
            let files = &download.files;
            vec![Event::Failure(room::failure(
                files,
                Some(resource),
                witness,
            ))]
        } else {
            wait_or_fail(download, now, fault, Some(resource), round, witness)
        }
    })
}

/// A page that helps a background job may fail: the job is the guarantee, and the try is not over. The page waits longer
/// from round to round. But a job can hang for ever (Chromium: where one record failed while another one was about to
/// begin), so that when neither brings anything for all the rounds there are, the attempt ends.
fn help_failed(
    download: &Download,
    now: u64,
    fault: &Fault,
    resource: u32,
    round: u32,
    retry: &Retry,
) -> Vec<Event> {
    let (delay, try_) = match fault {
        // The job waits out both by itself, so that they are no failed rounds.
        Fault::Offline | Fault::Unreachable => {
            let since = download
                .waiting
                .as_ref()
                .filter(|waiting| waiting.reason == WaitReason::Browser)
                .map_or(now, |waiting| waiting.since);
            (
                retry.outage_delay_ms(now.saturating_sub(since)),
                download.failed_rounds,
            )
        }
        _ if round > retry.limit => return vec![Event::Failure(fault.failure(Some(resource)))],
        _ => {
            let seed = format!("{}/{}", download.id, download.attempt);
            (retry.delay_ms(round, &seed), round)
        }
    };
    if !may_detail(download.entries) {
        return Vec::new();
    }
    vec![Event::Waiting {
        reason: WaitReason::Browser,
        until: Some(now.saturating_add(delay)),
        try_,
    }]
}

/// What came to rest before a fault is written with it, and the fault is judged from there: progress
/// ends whatever wait there was, so that a wait for the same reason begins anew.
fn after_progress(
    download: &Download,
    at_rest: u64,
    judge: impl FnOnce(&Download) -> Vec<Event>,
) -> Vec<Event> {
    if at_rest <= download.stored || !may_detail(download.entries) {
        return judge(download);
    }
    let progress = Event::Progress {
        downloaded: download.downloaded.max(at_rest),
        stored: at_rest,
        total: download.total,
    };
    let mut after = download.clone();
    evolve(&mut after, &progress);
    let mut events = vec![progress];
    events.extend(judge(&after));
    events
}

pub(super) fn verified(
    download: &Download,
    now: u64,
    attempt: u32,
    digests: &[(u32, String)],
    witness: &Witness,
) -> Vec<Event> {
    let (Some(transfer), Some(spec)) = (download.state.transfer(), &download.spec) else {
        return Vec::new();
    };
    if attempt != download.attempt {
        return Vec::new();
    }
    if stored(&download.files, witness) < download.stored || !is_complete(download, witness) {
        return look(download, now, transfer, witness);
    }
    let mut verified = Vec::new();
    for (n, resource) in (0_u32..).zip(&spec.resources) {
        let Some(expected) = &resource.sha256 else {
            continue;
        };
        match digests.iter().find(|(of, _)| *of == n) {
            Some((_, digest)) if digest == expected => verified.push(n),
            Some(_) => return vec![Event::Failure(integrity(n, &resource.url))],
            // Not all were hashed: the plan still names those.
            None => return Vec::new(),
        }
    }
    vec![success(download, verified, witness)]
}

fn integrity(resource: u32, identity: &str) -> Failure {
    Failure {
        reason: FailReason::Integrity,
        message: format!("the bytes of {identity} do not have the SHA-256 that was asked for"),
        resource: Some(resource),
        missing_bytes: None,
    }
}

fn evicted() -> Failure {
    Failure {
        reason: FailReason::Evicted,
        message: "parts that were stored are gone".to_owned(),
        resource: None,
        missing_bytes: None,
    }
}
