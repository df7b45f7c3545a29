//! The ends of background jobs: success, failure, abort, refusal, and none at all.

use longhaul_core::{
    AbortedBy, Effect, Event, FailReason, HttpResponse, JobEnd, JobFailure, MAX_RECORDS,
    Preference, TransferError, Transport, TransportReason, WaitReason,
};
use longhaul_state_tests::given::given_scenario;
use longhaul_state_tests::scenario::{PART, START, Scenario, ranged_answer, worker};

use crate::{NOT_FOUND, REGISTRATION, backoff_from, progress};

#[test]
fn a_job_that_ends_with_every_part_at_rest_is_success_whatever_it_says() {
    let s = Scenario::new().halfway().with_stored(&[0, 1, 2, 3]);
    for end in [
        JobEnd::Success,
        JobEnd::Abort,
        JobEnd::Failure(JobFailure::FetchError),
    ] {
        given_scenario(&s)
            .when(s.job_ended(REGISTRATION, end, &[NOT_FOUND]))
            .then_names(&["success"]);
    }
}

#[test]
fn an_empty_success_is_a_truncated_body_and_tried_again() {
    let mut s = Scenario::new().transferring();
    s.observation.jobs.clear();
    let events = s.takes(s.job_ended(REGISTRATION, JobEnd::Success, &[TransferError::WrongRange]));
    let (reason, retries, until) = backoff_from(&events);
    assert_eq!((reason, retries), (WaitReason::Backoff, 1));
    // Not before the wait is over; then the page takes it on, since the job brought nothing.
    given_scenario(&s).when(s.observed()).then_nothing();
    s.now = until.expect("a backoff ends by itself");
    let events = given_scenario(&s)
        .when(s.observed())
        .then_names(&["started"]);
    assert!(
        matches!(
            events[..],
            [Event::Started {
                transfer: 2,
                transport: Transport::Foreground,
                why: TransportReason::JobFailed,
                registration: None,
                ..
            }]
        ),
        "{events:?}"
    );
}

#[test]
fn a_job_that_brought_something_is_followed_by_another_job() {
    let mut s = Scenario::new().transferring().with_stored(&[0, 1]);
    s.observation.jobs.clear();
    let failed = JobEnd::Failure(JobFailure::FetchError);
    let events = s.takes(s.job_ended(REGISTRATION, failed, &[]));
    assert_eq!(events[0], progress(2 * PART, 2 * PART));
    s.now += 60_000;
    let look = s.observed();
    let events = s.takes(look);
    assert!(
        matches!(
            events[..],
            [Event::Started {
                transfer: 2,
                transport: Transport::BackgroundFetch,
                why: TransportReason::Preferred,
                stored: 60,
                ..
            }]
        ),
        "{events:?}"
    );
    assert_eq!(
        s.registration().as_deref(),
        Some("longhaul/1/longhaul/model/1/2")
    );
}

#[test]
fn jobs_fail_for_good_by_what_their_records_say() {
    let s = Scenario::new().transferring();
    let failure = |failure| JobEnd::Failure(failure);
    let busy = TransferError::Status {
        status: 503,
        retry_after_ms: None,
    };
    for (end, faults, reason) in [
        (
            failure(JobFailure::BadStatus),
            vec![NOT_FOUND],
            FailReason::NotFound,
        ),
        (
            failure(JobFailure::BadStatus),
            vec![busy.clone(), NOT_FOUND],
            FailReason::NotFound,
        ),
        (
            JobEnd::Success,
            vec![TransferError::UnexpectedType],
            FailReason::UnexpectedType,
        ),
        (
            failure(JobFailure::FetchError),
            vec![TransferError::Cors],
            FailReason::Cors,
        ),
    ] {
        given_scenario(&s)
            .when(s.job_ended(REGISTRATION, end, &faults))
            .then_fails(reason);
    }
}

#[test]
fn a_persons_abort_of_the_job_aborts_the_download() {
    let s = Scenario::new().halfway();
    given_scenario(&s)
        .when(s.job_ended(REGISTRATION, JobEnd::Abort, &[]))
        .then([Event::Aborted {
            by: AbortedBy::Browser,
        }]);
}

#[test]
fn the_end_of_another_job_is_a_look_and_no_more() {
    for foreign in [
        "longhaul/1/longhaul/model/1/2",
        "longhaul/1/longhaul/model/9/1",
        "somebody-elses",
        "",
    ] {
        let s = Scenario::new().halfway();
        given_scenario(&s)
            .when(s.job_ended(foreign, JobEnd::Abort, &[NOT_FOUND]))
            .then_nothing();
        given_scenario(&s)
            .when(s.job_refused(foreign, true))
            .then_nothing();
        let more = s.with_stored(&[0, 1, 2]);
        given_scenario(&more)
            .when(more.job_ended(foreign, JobEnd::Abort, &[NOT_FOUND]))
            .then([progress(90, 90)]);
    }
}

#[test]
fn a_job_that_is_gone_without_a_trace_is_followed_by_the_page() {
    let mut s = Scenario::new().transferring();
    s.observation.jobs.clear();
    let events = given_scenario(&s)
        .when(s.observed())
        .then_names(&["started"]);
    assert!(
        matches!(
            events[..],
            [Event::Started {
                transfer: 2,
                transport: Transport::Foreground,
                why: TransportReason::JobLost,
                ..
            }]
        ),
        "{events:?}"
    );
}

#[test]
fn an_absent_job_is_not_lost_while_its_completion_is_handled_or_it_was_never_handed_over() {
    let gone = Scenario::new()
        .transferring()
        .with(|s| s.observation.jobs.clear());
    let handled = gone
        .clone()
        .with(|s| s.observation.handling.push(REGISTRATION.into()));
    given_scenario(&handled)
        .when(handled.observed())
        .then_nothing();
    let unstarted = gone
        .clone()
        .with(|s| s.observation.unstarted = Some(REGISTRATION.into()));
    given_scenario(&unstarted)
        .when(unstarted.observed())
        .then_nothing();
    // Nor is it the worker's to judge, which cannot start another.
    let by_worker = gone.with(|s| s.observation.context = worker());
    given_scenario(&by_worker)
        .when(by_worker.observed())
        .then_nothing();
}

#[test]
fn a_worker_leaves_the_next_try_to_a_page() {
    let mut s = Scenario::new().transferring();
    s.observation.jobs.clear();
    s.takes(s.job_ended(REGISTRATION, JobEnd::Success, &[]));
    s.now += 60_000;
    let by_worker = s.clone().with(|s| s.observation.context = worker());
    given_scenario(&by_worker)
        .when(by_worker.observed())
        .then_nothing();
    given_scenario(&s)
        .when(s.observed())
        .then_names(&["started"]);
}

#[test]
fn where_the_app_insists_on_jobs_a_browser_that_loses_each_of_them_loses_the_download() {
    let mut s = Scenario::new()
        .with(|s| {
            s.observation.context.preference = Preference::BackgroundFetch;
            s.observation.context.policy.retry.limit = 2;
        })
        .transferring();
    for transfer in 2..=3 {
        s.observation.jobs.clear();
        // One that was lost at once would be lost again at once.
        let look = s.observed();
        let events = s.takes(look);
        let (reason, _, until) = backoff_from(&events);
        assert_eq!(reason, WaitReason::Backoff);
        s.now = until.expect("it goes on by itself");
        let look = s.observed();
        let events = s.takes(look);
        assert!(
            matches!(events[..], [Event::Started { transfer: n, transport: Transport::BackgroundFetch, .. }] if n == transfer),
            "{events:?}"
        );
    }
    given_scenario(&s)
        .when(s.observed())
        .then_fails(FailReason::Lost);
}

#[test]
fn a_refused_job_is_followed_by_the_page_unless_the_app_insists() {
    let s = Scenario::new().started();
    let events = given_scenario(&s)
        .when(s.job_refused(REGISTRATION, false))
        .then_names(&["started"]);
    assert!(
        matches!(
            events[..],
            [Event::Started {
                transport: Transport::Foreground,
                why: TransportReason::Refused,
                ..
            }]
        ),
        "{events:?}"
    );
    let insisting = Scenario::new()
        .with(|s| s.observation.context.preference = Preference::BackgroundFetch)
        .started();
    given_scenario(&insisting)
        .when(insisting.job_refused(REGISTRATION, false))
        .then_fails(FailReason::Refused);
}

#[test]
fn a_refusal_with_everything_at_rest_is_success() {
    let s = Scenario::new().started().with_stored(&[0, 1, 2, 3]);
    given_scenario(&s)
        .when(s.job_refused(REGISTRATION, false))
        .then_names(&["success"]);
}

#[test]
fn more_parts_than_fit_one_job_come_in_the_next() {
    let parts = MAX_RECORDS + 3;
    let size = parts as u64 * PART;
    // Not one failed round is allowed, and none is counted.
    let mut s = Scenario::new()
        .with(|s| s.observation.context.policy.retry.limit = 0)
        .requested();
    let answer = HttpResponse {
        content_range: Some(format!("bytes 0-0/{size}")),
        ..ranged_answer()
    };
    s.takes(s.probed(&answer));
    s.observation.unstarted = s.registration();
    let Effect::StartJob { parts: first, .. } = &s.plan()[0] else {
        panic!("{:?}", s.plan())
    };
    assert_eq!(first.len(), MAX_RECORDS);
    s.observation.unstarted = None;
    s.observation.jobs.clear();
    let brought: Vec<u32> = (0..u32::try_from(MAX_RECORDS).expect("small")).collect();
    let mut s = s.with_stored(&brought);
    let ended = s.job_ended(REGISTRATION, JobEnd::Success, &[]);
    let events = s.takes(ended);
    assert_eq!(events[0].name(), "progress");
    assert_eq!(backoff_from(&events), (WaitReason::Backoff, 0, Some(START)));
    let by_worker = s.clone().with(|s| s.observation.context = worker());
    given_scenario(&by_worker)
        .when(by_worker.observed())
        .then_nothing();
    given_scenario(&by_worker)
        .when(by_worker.job_ended(REGISTRATION, JobEnd::Success, &[]))
        .then_nothing();
    let look = s.observed();
    let events = s.takes(look);
    assert!(
        matches!(
            events[..],
            [Event::Started {
                transfer: 2,
                transport: Transport::BackgroundFetch,
                ..
            }]
        ),
        "{events:?}"
    );
    s.observation.unstarted = s.registration();
    let Effect::StartJob { parts: second, .. } = &s.plan()[0] else {
        panic!("{:?}", s.plan())
    };
    assert_eq!(second.len(), 3);
}
