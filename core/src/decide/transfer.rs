//! While a transfer runs: progress, the ends of jobs, faults, verification.

use super::probe::{refused, started, stored};
use super::{
    backoff, history_full, is_between_retries, is_waited_for, restart, restart_later, room, seed,
    wait_or_fail,
};
use crate::download::{Download, Transfer};
use crate::event::{AbortedBy, Event, FailReason, Failure, Transport, TransportReason, WaitReason};
use crate::evolve::evolve;
use crate::file::FileVersion;
use crate::input::{Background, JobEnd, JobFailure, Observation, Preference, Role};
use crate::measure::{HttpResponse, check_version};
use crate::policy::{MIN_DELAY_MS, Policy, may_detail, may_transfer, progress_due};
use crate::transfer_error::TransferError;
use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

/// Reconciles a running transfer with what can be seen.
pub(super) fn look(
    download: &Download,
    now: u64,
    transfer: &Transfer,
    observation: &Observation,
) -> Vec<Event> {
    let stored_now = stored(&download.files, observation);
    if stored_now < download.stored {
        return restart(download, evicted());
    }
    if is_complete(download, observation) {
        return complete(download, now, stored_now, observation);
    }
    if is_verifying(download) {
        // Everything was there. Of an empty part no figure tells.
        return restart(download, evicted());
    }
    let lacking = super::headers_missing(download, observation);
    if !lacking.is_empty() {
        return lacking;
    }
    let may_begin = observation.context.role == Role::Page;
    let held_up = is_between_retries(download, now, observation);
    match (transfer.transport, &transfer.registration) {
        (Transport::BackgroundFetch, Some(registration)) => {
            let unstarted = observation.unstarted.as_ref() == Some(registration);
            // A page that assisted it and failed leaves the server alone for as long as it would have.
            let lost =
                !unstarted && !observation.knows_job(registration) && !download.assist_waits(now);
            let patience = observation.context.policy.retry.unreachable_ms;
            let hangs = observation.idle_ms.is_some_and(|idle| idle >= patience);
            if may_begin && hangs && !may_detail(download.entries) {
                return history_full(download, now, observation);
            }
            if may_begin && lost {
                return next_transfer(
                    download,
                    now,
                    transfer,
                    TransportReason::JobLost,
                    observation,
                );
            }
        }
        (Transport::BackgroundFetch, None) if may_begin && !held_up => {
            return next_transfer(
                download,
                now,
                transfer,
                TransportReason::JobFailed,
                observation,
            );
        }
        (Transport::Foreground, _)
            if may_begin && !held_up && wants_job(download, transfer, observation) =>
        {
            return started(download, download.files.clone(), None, observation);
        }
        _ => {}
    }
    if held_up || download.assist_waits(now) {
        // What was under way is stored meanwhile, and would end the wait.
        return Vec::new();
    }
    progress(download, transfer, stored_now, observation)
        .into_iter()
        .collect()
}

/// Whether a transfer of the page's is to become a background job, and one can be had: the app of this page insists on it, or
/// the page went ahead only because there was no worker yet.
fn wants_job(download: &Download, transfer: &Transfer, observation: &Observation) -> bool {
    let context = &observation.context;
    let wanted = match context.preference {
        Preference::BackgroundFetch => true,
        Preference::Auto => transfer.why == TransportReason::NoWorker,
        Preference::Foreground => false,
    };
    wanted
        && context.background == Background::Usable
        && !download.spec.as_ref().is_some_and(|spec| spec.headers)
        && may_transfer(download.entries)
}

fn is_complete(download: &Download, observation: &Observation) -> bool {
    download
        .files
        .iter()
        .all(|file| observation.missing(&file.key(), file.layout()).is_empty())
}

/// Whether it is written down that everything is stored and being verified.
fn is_verifying(download: &Download) -> bool {
    let waiting = download.waiting.as_ref();
    waiting.is_some_and(|waiting| waiting.reason == WaitReason::Verifying)
}

/// Everything is stored: success, or first the hashes, and the servers' word that their versions are still the same.
fn complete(
    download: &Download,
    now: u64,
    stored_now: u64,
    observation: &Observation,
) -> Vec<Event> {
    let hashes = download.spec.as_ref().is_some_and(|spec| {
        spec.resources
            .iter()
            .any(|resource| resource.sha256.is_some())
    });
    let confirms = download.to_confirm().next().is_some();
    if !hashes && !confirms {
        return vec![success(download, Vec::new(), observation)];
    }
    // A server is left alone for as long as a wait lasts; a hash needs none. And the wait of a question that failed stays
    // written when it is over, so that an outage is one outage, however often it is asked.
    let waiting = download.waiting.as_ref();
    let asked_before = stored_now <= download.stored
        && waiting.is_some_and(|waiting| waiting.reason.ends_transfer());
    let waits = confirms && (asked_before || is_between_retries(download, now, observation));
    if waits || is_verifying(download) || !may_detail(download.entries) {
        return Vec::new();
    }
    let progress = Event::Progress {
        downloaded: download.downloaded.max(stored_now),
        stored: stored_now,
        total: download.total,
    };
    let waiting = Event::Waiting {
        reason: WaitReason::Verifying,
        until: None,
        retries: 0,
        message: None,
    };
    if stored_now > download.stored {
        vec![progress, waiting]
    } else {
        vec![waiting]
    }
}

fn success(download: &Download, verified: Vec<u32>, observation: &Observation) -> Event {
    let sizes = download
        .files
        .iter()
        .map(|file| file.layout().stored(observation.stored_under(&file.key())))
        .collect();
    Event::Success { sizes, verified }
}

/// Progress worth an entry. After a wait, any progress is: it says that the wait is over, which it would be counted as the
/// beginning of the next one else.
fn progress(
    download: &Download,
    transfer: &Transfer,
    stored_now: u64,
    observation: &Observation,
) -> Option<Event> {
    let job = transfer
        .registration
        .as_ref()
        .and_then(|id| observation.jobs.iter().find(|job| job.registration == *id));
    let arrived = job.map_or(0, |job| transfer.base.saturating_add(job.downloaded));
    let most = download.total.unwrap_or(u64::MAX);
    let downloaded = arrived.min(most).max(stored_now).max(download.downloaded);
    let before = (download.downloaded, download.stored);
    let over = download.waiting.is_some()
        && stored_now > download.stored
        && may_transfer(download.entries);
    let due = progress_due(
        before,
        (downloaded, stored_now),
        download.total,
        download.entries,
    );
    (over || due).then_some(Event::Progress {
        downloaded,
        stored: stored_now,
        total: download.total,
    })
}

/// The transfer is over, and the next one begins.
fn next_transfer(
    download: &Download,
    now: u64,
    transfer: &Transfer,
    why: TransportReason,
    observation: &Observation,
) -> Vec<Event> {
    let fruitless = stored(&download.files, observation) <= transfer.base;
    let insisting = observation.context.preference == Preference::BackgroundFetch;
    if !may_transfer(download.entries) {
        return history_full(download, now, observation);
    }
    if insisting && fruitless && why == TransportReason::JobLost {
        let retry = &observation.context.policy.retry;
        if transfer.number > retry.limit {
            return vec![Event::Failure(lost())];
        }
        // One that is lost at once would be begun, and lost, again and again.
        let retries = download.retries.saturating_add(1);
        let delay = retry.delay_ms(retries, &seed(download));
        return vec![backoff(now, delay, retries, lost().message)];
    }
    // A job that brought something was merely interrupted (a browser closed in good order ends
    // its jobs); one that brought nothing is better replaced by the page's own transfer.
    let previous = fruitless.then_some(why);
    // What was stored while the transfer before was waited out ends the row of retries.
    after_progress(download, stored(&download.files, observation), |download| {
        started(download, download.files.clone(), previous, observation)
    })
}

fn lost() -> Failure {
    Failure {
        reason: FailReason::Lost,
        message: "the browser lost the job again and again".to_owned(),
        resource: None,
        missing_bytes: None,
    }
}

pub(super) fn job_refused(
    download: &Download,
    now: u64,
    registration: &str,
    quota: bool,
    observation: &Observation,
) -> Vec<Event> {
    let Some(transfer) = download.state.transfer() else {
        return Vec::new();
    };
    if !is_current(download, registration) {
        return Vec::new();
    }
    if stored(&download.files, observation) < download.stored || is_complete(download, observation)
    {
        // Whatever was refused, the bytes decide.
        return look(download, now, transfer, observation);
    }
    if observation.context.preference == Preference::BackgroundFetch {
        return vec![Event::Failure(if quota {
            room::failure(&download.files, None, observation)
        } else {
            refused()
        })];
    }
    // Where there was no room for the job there may be for the parts: a job keeps what it brings a second time.
    started(
        download,
        download.files.clone(),
        Some(TransportReason::Refused),
        observation,
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
    faults: &[TransferError],
    observation: &Observation,
) -> Vec<Event> {
    let Some(transfer) = download.state.transfer() else {
        return Vec::new();
    };
    let stored_now = stored(&download.files, observation);
    if stored_now < download.stored
        || is_complete(download, observation)
        || !is_current(download, registration)
    {
        // Whatever it was, the bytes decide.
        return look(download, now, transfer, observation);
    }
    if end == JobEnd::Abort {
        return vec![Event::Aborted {
            by: AbortedBy::Browser,
        }];
    }
    let fault = fault_of(end, faults);
    let retry = &observation.context.policy.retry;
    if fault == TransferError::Changed {
        return restart_later(download, now, fault.failure(None), retry);
    }
    let fruitless = stored_now <= transfer.base;
    let retries = if fruitless {
        download.retries.saturating_add(1)
    } else {
        1
    };
    let brought_all = end == JobEnd::Success && faults.is_empty() && !fruitless;
    // With the job goes what it kept a second time, and then there may be room for the rest.
    let was_full = fault == TransferError::Quota;
    let message = rejected(end, faults);
    if (brought_all || was_full) && may_detail(download.entries) {
        // The rest did not fit into one job, and nothing failed: a page begins the next one at once, or, where something
        // found no room, soon.
        let (reason, delay) = if was_full {
            (WaitReason::Room, retry.delay_ms(1, &seed(download)))
        } else {
            (WaitReason::Backoff, 0)
        };
        return after_progress(download, stored_now, |_| {
            vec![Event::Waiting {
                reason,
                until: Some(now.saturating_add(delay)),
                retries: 0,
                message: was_full.then_some(message),
            }]
        });
    }
    after_progress(download, stored_now, |download| {
        wait_or_fail(download, now, (&fault, message), None, retries, observation)
    })
}

/// Why a job did not bring everything, in a sentence for people: how it ended, and what was wrong with its records.
fn rejected(end: JobEnd, faults: &[TransferError]) -> String {
    let mut sentence = match end {
        JobEnd::Success => "the browser says that the background job brought everything".to_owned(),
        JobEnd::Abort => "the background job was aborted".to_owned(),
        JobEnd::Failure(failure) => {
            format!("the background job failed ({})", failure.name())
        }
    };
    let mut kinds: Vec<(String, usize)> = Vec::new();
    for fault in faults {
        let said = fault.sentence();
        match kinds.iter_mut().find(|(known, _)| *known == said) {
            Some((_, count)) => *count += 1,
            None => kinds.push((said, 1)),
        }
    }
    for (said, count) in kinds {
        sentence.push_str("; ");
        sentence.push_str(&count.to_string());
        sentence.push_str(" of its records did not count: ");
        sentence.push_str(&said);
    }
    sentence
}

/// The one fault that stands for how a job ended: what no later transfer can mend before what one can.
fn fault_of(end: JobEnd, faults: &[TransferError]) -> TransferError {
    let reported = faults
        .iter()
        .find(|fault| !fault.is_transient())
        .or_else(|| {
            faults.iter().find(|fault| {
                matches!(
                    fault,
                    TransferError::Status { .. } | TransferError::Unreachable
                )
            })
        });
    match (reported, end) {
        (Some(fault), _) => fault.clone(),
        (None, JobEnd::Failure(JobFailure::QuotaExceeded)) => TransferError::Quota,
        // Every record asks for no more than its range, so that it is a body that is longer than it must be.
        (None, JobEnd::Failure(JobFailure::DownloadTotalExceeded)) => TransferError::Truncated,
        (None, JobEnd::Success) => faults.first().cloned().unwrap_or(TransferError::Truncated),
        (None, _) => TransferError::Network,
    }
}

pub(super) fn part_failed(
    download: &Download,
    now: u64,
    (attempt, resource): (u32, u32),
    fault: &TransferError,
    observation: &Observation,
) -> Vec<Event> {
    let Some(transfer) = download.state.transfer() else {
        return Vec::new();
    };
    let assisting = transfer.transport == Transport::BackgroundFetch;
    if attempt != download.attempt {
        return Vec::new();
    }
    if is_complete(download, observation) {
        // Somebody else has brought it.
        return look(download, now, transfer, observation);
    }
    let retry = &observation.context.policy.retry;
    if assisting && transfer.registration.is_none() {
        // The job that was assisted has ended, and what follows waits already, if not too short by now.
        return if is_waited_for(download, now, observation) {
            Vec::new()
        } else if may_detail(download.entries) {
            let delay = retry.delay_ms(1, &seed(download));
            vec![backoff(now, delay, download.retries, fault.sentence())]
        } else {
            history_full(download, now, observation)
        };
    }
    if *fault == TransferError::Changed {
        return restart_later(download, now, fault.failure(Some(resource)), retry);
    }
    let between = is_waited_for(download, now, observation)
        || (assisting && download.assist_waits(now.saturating_add(MIN_DELAY_MS - 1)));
    // A job makes room when it ends.
    let passes = fault.is_transient()
        || (assisting && matches!(fault, TransferError::Quota | TransferError::Storage));
    if passes && between {
        return Vec::new();
    }
    let stored_now = stored(&download.files, observation);
    let fruitless = stored_now <= download.stored;
    let retries = if fruitless {
        download.retries.saturating_add(1)
    } else {
        1
    };
    after_progress(download, stored_now, |download| {
        if assisting && passes {
            assist_failed(download, now, fault, resource, retries, observation)
        } else if *fault == TransferError::Quota {
            let files = &download.files;
            vec![Event::Failure(room::failure(
                files,
                Some(resource),
                observation,
            ))]
        } else {
            let fault = (fault, fault.sentence());
            wait_or_fail(download, now, fault, Some(resource), retries, observation)
        }
    })
}

/// A page that assists a background job may fail: the job is the guarantee, and the transfer is not over. The page waits longer
/// from retry to retry. But a job can hang for ever (Chromium: where one record failed while another one was about to
/// begin), so that when neither brings anything for all the retries there are, the attempt ends.
fn assist_failed(
    download: &Download,
    now: u64,
    fault: &TransferError,
    resource: u32,
    retries: u32,
    observation: &Observation,
) -> Vec<Event> {
    let retry = &observation.context.policy.retry;
    let (delay, retries) = match fault {
        // The job waits out both by itself, so that they count as none.
        TransferError::Offline | TransferError::Unreachable => {
            let since = download
                .waiting
                .as_ref()
                .filter(|waiting| waiting.reason == WaitReason::Browser)
                .map_or(now, |waiting| waiting.since);
            (
                retry.outage_delay_ms(now.saturating_sub(since)),
                download.retries,
            )
        }
        _ if retries > retry.limit => return vec![Event::Failure(fault.failure(Some(resource)))],
        _ => (retry.delay_ms(retries, &seed(download)), retries),
    };
    if !may_detail(download.entries) {
        // Nor is there any more assistance: see `plan`.
        return Vec::new();
    }
    vec![Event::Waiting {
        reason: WaitReason::Browser,
        until: Some(now.saturating_add(delay)),
        retries,
        message: Some(fault.sentence()),
    }]
}

/// What was stored before a fault is written with it, and the fault is judged from there: progress
/// ends whatever wait there was, so that a wait for the same reason begins anew.
fn after_progress(
    download: &Download,
    stored_now: u64,
    judge: impl FnOnce(&Download) -> Vec<Event>,
) -> Vec<Event> {
    if stored_now <= download.stored || !may_detail(download.entries) {
        return judge(download);
    }
    let progress = Event::Progress {
        downloaded: download.downloaded.max(stored_now),
        stored: stored_now,
        total: download.total,
    };
    let mut after = download.clone();
    evolve(&mut after, &progress);
    let mut events = vec![progress];
    events.extend(judge(&after));
    events
}

/// What the servers of some resources answered, by the index of each.
type Answers = [(u32, Result<HttpResponse, TransferError>)];

pub(super) fn verified(
    download: &Download,
    now: u64,
    attempt: u32,
    (digests, answers): (&[(u32, String)], &Answers),
    observation: &Observation,
) -> Vec<Event> {
    let (Some(transfer), Some(spec)) = (download.state.transfer(), &download.spec) else {
        return Vec::new();
    };
    if attempt != download.attempt {
        return Vec::new();
    }
    if stored(&download.files, observation) < download.stored || !is_complete(download, observation)
    {
        return look(download, now, transfer, observation);
    }
    for n in download.to_confirm() {
        // Where not all were asked the plan still names those.
        let Some((_, answer)) = answers.iter().find(|(of, _)| *of == n) else {
            return Vec::new();
        };
        if let Err(fault) = confirmed(download, n, answer, &observation.context.policy) {
            return unconfirmed(download, now, n, &fault, observation);
        }
    }
    let mut verified = Vec::new();
    for (n, resource) in (0_u32..).zip(&spec.resources) {
        let Some(expected) = &resource.sha256 else {
            continue;
        };
        match digests.iter().find(|(of, _)| *of == n) {
            Some((_, digest)) if digest.eq_ignore_ascii_case(expected) => verified.push(n),
            Some(_) => return vec![Event::Failure(integrity(n, &resource.url))],
            // Not all were hashed: the plan still names those.
            None => return Vec::new(),
        }
    }
    vec![success(download, verified, observation)]
}

/// Whether a server still has the version of a file that was begun with.
fn confirmed(
    download: &Download,
    n: u32,
    answer: &Result<HttpResponse, TransferError>,
    policy: &Policy,
) -> Result<(), TransferError> {
    let resources = download.spec.iter().flat_map(|spec| &spec.resources);
    let asked = resources.zip(&download.files).nth(n as usize);
    let (resource, file) = asked.ok_or(TransferError::Changed)?;
    let answer = answer.as_ref().map_err(Clone::clone)?;
    let judged = FileVersion::from_probe(resource, &file.url, answer, policy)
        .and_then(|now| check_version(file, &now, answer));
    match judged {
        // What was in ranges is another version only by a range: a page of HTML, or whatever else says 200, is something
        // between us and the server.
        Err(TransferError::Changed | TransferError::UnexpectedType) if answer.status != 206 => {
            Err(TransferError::Network)
        }
        judged => judged,
    }
}

/// A server did not confirm the version of a file whose parts do not show it.
fn unconfirmed(
    download: &Download,
    now: u64,
    resource: u32,
    fault: &TransferError,
    observation: &Observation,
) -> Vec<Event> {
    if *fault == TransferError::Changed {
        let retry = &observation.context.policy.retry;
        return restart_later(download, now, fault.failure(Some(resource)), retry);
    }
    if fault.is_transient() && is_waited_for(download, now, observation) {
        return Vec::new();
    }
    if !fault.is_transient() {
        let mut failure = fault.failure(Some(resource));
        failure.message += "; every part is stored, and counts when it is requested again";
        return vec![Event::Failure(failure)];
    }
    let retries = download.retries.saturating_add(1);
    let fault = (fault, fault.sentence());
    wait_or_fail(download, now, fault, Some(resource), retries, observation)
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
