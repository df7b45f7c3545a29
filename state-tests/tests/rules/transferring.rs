//! While a transfer runs: progress, the ends of jobs, faults, verification, and what vanishes.

use longhaul_core::{
    AbortedBy, Answer, Event, EvictedBy, FailReason, Fault, Job, JobEnd, JobFailure, MOST_ENTRIES,
    MOST_RECORDS, Preference, State, Transport, WaitReason, Why,
};
use longhaul_state_tests::given::given_scenario;
use longhaul_state_tests::scenario::{PART, SIZE, START, Scenario, digest, ranged_answer, worker};

use crate::REGISTRATION;

const NOT_FOUND: Fault = Fault::Status {
    status: 404,
    retry_after_ms: None,
};

fn progress(downloaded: u64, stored: u64) -> Event {
    Event::Progress {
        downloaded,
        stored,
        total: Some(SIZE),
    }
}

fn backoff_from(events: &[Event]) -> (WaitReason, u32, Option<u64>) {
    match events.last() {
        Some(Event::Waiting {
            reason,
            try_,
            until,
        }) => (*reason, *try_, *until),
        other => panic!("no wait: {other:?}"),
    }
}

#[test]
fn bytes_that_arrive_and_bytes_that_rest_are_progress() {
    let s = Scenario::new().transferring().at_rest(&[0]).with(|s| {
        s.witness.jobs[0].downloaded = 45;
    });
    given_scenario(&s)
        .when(s.observed())
        .then([progress(45, PART)]);
}

#[test]
fn what_a_job_brought_is_added_to_what_was_there_and_never_passes_the_total() {
    let s = Scenario::new().halfway().with(|s| {
        s.witness.jobs[0].downloaded = 1_000;
    });
    given_scenario(&s)
        .when(s.observed())
        .then([progress(SIZE, 2 * PART)]);
}

#[test]
fn a_job_that_the_browser_began_anew_takes_nothing_back() {
    let mut s = Scenario::new().transferring().at_rest(&[0]).with(|s| {
        s.witness.jobs[0].downloaded = 80;
    });
    let look = s.observed();
    assert_eq!(s.takes(look), [progress(80, PART)]);
    s.witness.jobs[0].downloaded = 0;
    given_scenario(&s).when(s.observed()).then_nothing();
}

#[test]
fn little_progress_is_not_worth_an_entry() {
    let s = Scenario::new().transferring().with(|s| {
        s.witness.jobs[0].downloaded = 1;
    });
    given_scenario(&s).when(s.observed()).then_nothing();
}

#[test]
fn the_last_part_is_success() {
    let s = Scenario::new().halfway().at_rest(&[0, 1, 2, 3]);
    given_scenario(&s).when(s.observed()).then([Event::Success {
        sizes: vec![SIZE],
        verified: vec![],
    }]);
}

#[test]
fn where_a_hash_is_given_the_last_part_is_only_the_beginning_of_the_verification() {
    let mut s = Scenario::new().hashed().halfway().at_rest(&[0, 1, 2, 3]);
    let verifying = Event::Waiting {
        reason: WaitReason::Verifying,
        until: None,
        try_: 0,
    };
    let look = s.observed();
    assert_eq!(s.takes(look), [progress(SIZE, SIZE), verifying]);
    given_scenario(&s).when(s.observed()).then_nothing();
    given_scenario(&s)
        .when(s.verified(&digest('a')))
        .then([Event::Success {
            sizes: vec![SIZE],
            verified: vec![0],
        }]);
    given_scenario(&s)
        .when(s.verified(&digest('b')))
        .then_fails(FailReason::Integrity);
}

#[test]
fn a_digest_of_another_attempt_or_of_nothing_proves_nothing() {
    let s = Scenario::new().hashed().halfway().at_rest(&[0, 1, 2, 3]);
    let old = s.clone().with(|s| s.download.attempt = 0);
    given_scenario(&s)
        .when(old.verified(&digest('a')))
        .then_nothing();
    let none = s.verified(&digest('a'));
    let longhaul_core::Input::Signal(longhaul_core::Signal::Verified {
        attempt, witness, ..
    }) = none
    else {
        unreachable!("it is one")
    };
    given_scenario(&s)
        .when(longhaul_core::Signal::Verified {
            attempt,
            digests: vec![],
            witness,
        })
        .then_nothing();
}

#[test]
fn a_digest_of_bytes_that_have_gone_since_proves_nothing() {
    let s = Scenario::new().hashed().halfway().at_rest(&[0]);
    given_scenario(&s)
        .when(s.verified(&digest('a')))
        .then_names(&["failure", "requested"]);
}

#[test]
fn parts_that_vanish_end_the_attempt_and_begin_the_next() {
    let s = Scenario::new().halfway().at_rest(&[1]);
    for input in [
        s.observed(),
        s.job_ended(REGISTRATION, JobEnd::Success, &[]),
        s.job_refused(REGISTRATION, true),
    ] {
        let events = given_scenario(&s)
            .when(input)
            .then_names(&["failure", "requested"]);
        assert!(
            matches!(
                &events[..],
                [
                    Event::Failure(failure),
                    Event::Requested {
                        attempt: 2,
                        restarts: 1,
                        ..
                    }
                ] if failure.reason == FailReason::Evicted
            ),
            "{events:?}"
        );
    }
}

#[test]
fn the_machine_begins_by_itself_at_most_three_times_in_a_row() {
    let mut s = Scenario::new().halfway();
    for restarts in 1..=3 {
        s.witness.rest.clear();
        let look = s.observed();
        let events = s.takes(look);
        assert!(
            matches!(events[..], [_, Event::Requested { restarts: n, .. }] if n == restarts),
            "{events:?}"
        );
        let probed = s.probed(&longhaul_state_tests::scenario::ranged_answer());
        s.takes(probed);
        let registration = s.registration().expect("in the background");
        s.witness.jobs = vec![Job {
            registration,
            downloaded: 0,
        }];
        s = s.at_rest(&[0]);
        let look = s.observed();
        s.takes(look);
    }
    s.witness.rest.clear();
    given_scenario(&s)
        .when(s.observed())
        .then_fails(FailReason::Evicted);
}

#[test]
fn a_file_that_changes_in_mid_download_begins_a_new_attempt() {
    let s = Scenario::new().halfway();
    let ended = s.job_ended(REGISTRATION, JobEnd::Success, &[Fault::Changed]);
    given_scenario(&s)
        .when(ended)
        .then_names(&["failure", "requested"]);
    let s = Scenario::foreground().halfway();
    given_scenario(&s)
        .when(s.part_failed(Fault::Changed))
        .then_names(&["failure", "requested"]);
}

#[test]
fn what_is_available_is_evicted_when_a_part_is_gone() {
    let s = Scenario::new().available();
    given_scenario(&s).when(s.observed()).then_nothing();
    let s = s.at_rest(&[0, 1, 3]);
    given_scenario(&s).when(s.observed()).then([Event::Evicted {
        by: EvictedBy::Eviction,
    }]);
}

#[test]
fn what_failed_was_aborted_or_is_gone_is_left_alone_by_a_look() {
    for s in [
        Scenario::new().failed(),
        Scenario::new().aborted(),
        Scenario::new().evicted(),
        Scenario::new(),
    ] {
        given_scenario(&s).when(s.observed()).then_nothing();
        let bare = s.with(|s| s.witness.rest.clear());
        given_scenario(&bare).when(bare.observed()).then_nothing();
    }
}

#[test]
fn a_job_that_ends_with_every_part_at_rest_is_success_whatever_it_says() {
    let s = Scenario::new().halfway().at_rest(&[0, 1, 2, 3]);
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
    s.witness.jobs.clear();
    let events = s.takes(s.job_ended(REGISTRATION, JobEnd::Success, &[Fault::WrongRange]));
    let (reason, try_, until) = backoff_from(&events);
    assert_eq!((reason, try_), (WaitReason::Backoff, 1));
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
                try_: 2,
                transport: Transport::Foreground,
                why: Why::JobFailed,
                registration: None,
                ..
            }]
        ),
        "{events:?}"
    );
}

#[test]
fn a_job_that_brought_something_is_followed_by_another_job() {
    let mut s = Scenario::new().transferring().at_rest(&[0, 1]);
    s.witness.jobs.clear();
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
                try_: 2,
                transport: Transport::BackgroundFetch,
                why: Why::Preferred,
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
    let busy = Fault::Status {
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
            vec![Fault::UnexpectedType],
            FailReason::UnexpectedType,
        ),
        (
            failure(JobFailure::FetchError),
            vec![Fault::Cors],
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
        let more = s.at_rest(&[0, 1, 2]);
        given_scenario(&more)
            .when(more.job_ended(foreign, JobEnd::Abort, &[NOT_FOUND]))
            .then([progress(90, 90)]);
    }
}

#[test]
fn a_job_that_is_gone_without_a_trace_is_followed_by_the_page() {
    let mut s = Scenario::new().transferring();
    s.witness.jobs.clear();
    let events = given_scenario(&s)
        .when(s.observed())
        .then_names(&["started"]);
    assert!(
        matches!(
            events[..],
            [Event::Started {
                try_: 2,
                transport: Transport::Foreground,
                why: Why::JobLost,
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
        .with(|s| s.witness.jobs.clear());
    let handled = gone
        .clone()
        .with(|s| s.witness.handling.push(REGISTRATION.into()));
    given_scenario(&handled)
        .when(handled.observed())
        .then_nothing();
    let unstarted = gone
        .clone()
        .with(|s| s.witness.unstarted = Some(REGISTRATION.into()));
    given_scenario(&unstarted)
        .when(unstarted.observed())
        .then_nothing();
    // Nor is it the worker's to judge, which cannot start another.
    let by_worker = gone.with(|s| s.witness.context = worker());
    given_scenario(&by_worker)
        .when(by_worker.observed())
        .then_nothing();
}

#[test]
fn a_worker_leaves_the_next_try_to_a_page() {
    let mut s = Scenario::new().transferring();
    s.witness.jobs.clear();
    s.takes(s.job_ended(REGISTRATION, JobEnd::Success, &[]));
    s.now += 60_000;
    let by_worker = s.clone().with(|s| s.witness.context = worker());
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
            s.witness.context.preference = Preference::BackgroundFetch;
            s.witness.context.policy.retry.limit = 2;
        })
        .transferring();
    for try_ in 2..=3 {
        s.witness.jobs.clear();
        let look = s.observed();
        let events = s.takes(look);
        assert!(
            matches!(events[..], [Event::Started { try_: n, transport: Transport::BackgroundFetch, .. }] if n == try_),
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
                why: Why::Refused,
                ..
            }]
        ),
        "{events:?}"
    );
    let insisting = Scenario::new()
        .with(|s| s.witness.context.preference = Preference::BackgroundFetch)
        .started();
    given_scenario(&insisting)
        .when(insisting.job_refused(REGISTRATION, false))
        .then_fails(FailReason::Refused);
}

#[test]
fn a_refusal_with_everything_at_rest_is_success() {
    let s = Scenario::new().started().at_rest(&[0, 1, 2, 3]);
    given_scenario(&s)
        .when(s.job_refused(REGISTRATION, false))
        .then_names(&["success"]);
}

#[test]
fn parts_that_break_together_are_one_round() {
    let mut s = Scenario::foreground().transferring();
    let events = s.takes(s.part_failed(Fault::Network));
    assert_eq!(backoff_from(&events).1, 1);
    given_scenario(&s)
        .when(s.part_failed(Fault::Network))
        .then_nothing();
    // What cannot heal ends the attempt even then.
    given_scenario(&s)
        .when(s.part_failed(NOT_FOUND))
        .then_fails(FailReason::NotFound);
    s.now += 60_000;
    let events = given_scenario(&s)
        .when(s.part_failed(Fault::Network))
        .then_names(&["waiting"]);
    assert_eq!(backoff_from(&events).1, 2);
}

#[test]
fn a_fault_after_bytes_is_the_first_of_its_row() {
    let mut s = Scenario::foreground().transferring();
    s.takes(s.part_failed(Fault::Network));
    s.now += 60_000;
    let s = s.at_rest(&[0]);
    let events = given_scenario(&s)
        .when(s.part_failed(Fault::Truncated))
        .then_names(&["progress", "waiting"]);
    assert_eq!(events[0], progress(PART, PART));
    assert_eq!(backoff_from(&events).1, 1);
}

#[test]
fn parts_that_break_for_good_fail_with_their_reason() {
    for (fault, reason) in [
        (Fault::Cors, FailReason::Cors),
        (Fault::Quota, FailReason::Quota),
        (Fault::UnexpectedType, FailReason::UnexpectedType),
        (Fault::HeadersNeeded, FailReason::Unauthorized),
        (NOT_FOUND, FailReason::NotFound),
    ] {
        let s = Scenario::foreground().transferring();
        given_scenario(&s)
            .when(s.part_failed(fault))
            .then_fails(reason);
    }
    for (fault, reason) in [
        (Fault::Network, FailReason::Network),
        (Fault::Truncated, FailReason::Truncated),
        (Fault::WrongRange, FailReason::BadStatus),
        (
            Fault::Status {
                status: 503,
                retry_after_ms: None,
            },
            FailReason::BadStatus,
        ),
    ] {
        let s = Scenario::foreground()
            .with(|s| s.witness.context.policy.retry.limit = 0)
            .transferring();
        given_scenario(&s)
            .when(s.part_failed(fault))
            .then_fails(reason);
    }
}

#[test]
fn a_page_that_only_helps_may_fail_for_a_while_and_ends_no_try() {
    let mut s = Scenario::new().halfway();
    s.witness.idle_ms = Some(60_000);
    let limit = s.witness.context.policy.retry.limit;
    let registration = s.registration();
    let (mut waited, mut last) = (0, 0);
    for round in 1..=limit {
        s.takes(s.part_failed(Fault::Truncated));
        let waiting = s.download.waiting.clone().expect("it waits");
        assert_eq!(waiting.reason, WaitReason::Browser);
        assert_eq!(s.download.failed_rounds, round);
        assert_eq!(s.registration(), registration, "the job goes on");
        // Until then it asks for nothing, and whatever else breaks belongs to the same round.
        let until = waiting.until.expect("for a time");
        assert!(
            s.plan()
                .iter()
                .all(|effect| !matches!(effect, longhaul_core::Effect::Fetch { .. }))
        );
        given_scenario(&s)
            .when(s.part_failed(Fault::Truncated))
            .then_nothing();
        waited = (until - s.now).max(waited);
        assert!(until - s.now >= last / 2, "it waits longer and longer");
        last = until - s.now;
        s.now = until;
        assert!(
            s.plan()
                .iter()
                .any(|effect| matches!(effect, longhaul_core::Effect::Fetch { .. }))
        );
    }
    assert!(waited > 10 * s.witness.context.policy.retry.base_ms);
    // A job that brings nothing in all that time hangs.
    given_scenario(&s)
        .when(s.part_failed(Fault::Truncated))
        .then_fails(FailReason::Truncated);
}

#[test]
fn an_outage_ends_no_help_however_long_it_is() {
    for fault in [Fault::Offline, Fault::Unreachable] {
        let mut s = Scenario::new().halfway();
        for _ in 0..1_000 {
            s.takes(s.part_failed(fault.clone()));
            s.now += 120_000;
        }
        assert!(s.download.state.is_running() && s.download.failed_rounds == 0);
        assert!(s.registration().is_some() && s.download.entries < 200);
    }
}

#[test]
fn what_no_later_try_can_mend_is_final_from_a_page_that_helps_too() {
    let s = Scenario::new().halfway();
    given_scenario(&s)
        .when(s.part_failed(NOT_FOUND))
        .then_fails(FailReason::NotFound);
    let stale = Scenario::foreground().halfway();
    let input = stale
        .clone()
        .with(|s| s.download.attempt = 7)
        .part_failed(NOT_FOUND);
    given_scenario(&stale).when(input).then_nothing();
}

#[test]
fn what_a_long_download_says_last_is_that_its_history_is_full() {
    let mut s = Scenario::foreground()
        .with(|s| s.witness.context.policy.retry.limit = u32::MAX)
        .transferring();
    for _ in 0..MOST_ENTRIES {
        if !s.download.state.is_running() {
            break;
        }
        s.now += 120_000;
        s.takes(s.part_failed(Fault::Network));
    }
    assert!(s.download.entries < MOST_ENTRIES);
    assert_eq!(s.fail_reason(), Some(FailReason::RetriesExhausted));
}

#[test]
fn a_long_download_over_a_bad_line_goes_on_for_as_long_as_every_round_brings_something() {
    let parts = 300_u32;
    let size = u64::from(parts) * PART;
    let answer = Answer {
        content_range: Some(format!("bytes 0-0/{size}")),
        ..ranged_answer()
    };
    let mut s = Scenario::foreground()
        .with(|s| s.witness.context.policy.retry.limit = 1)
        .requested();
    s.takes(s.probed(&answer));
    for part in 0..parts - 1 {
        s = s.at_rest(&(0..=part).collect::<Vec<u32>>());
        s.now += 120_000;
        s.takes(s.part_failed(Fault::Network));
        assert_eq!(s.fail_reason(), None, "after part {part}");
    }
    assert!(s.download.is_terse());
    s = s.at_rest(&(0..parts).collect::<Vec<u32>>());
    s.takes(s.observed());
    assert_eq!(s.download.state, State::Available);
    assert!(s.download.entries <= MOST_ENTRIES);
}

#[test]
fn more_parts_than_fit_one_job_come_in_the_next() {
    let parts = MOST_RECORDS + 3;
    let size = parts as u64 * PART;
    // Not one failed round is allowed, and none is counted.
    let mut s = Scenario::new()
        .with(|s| s.witness.context.policy.retry.limit = 0)
        .requested();
    let answer = longhaul_core::Answer {
        content_range: Some(format!("bytes 0-0/{size}")),
        ..longhaul_state_tests::scenario::ranged_answer()
    };
    s.takes(s.probed(&answer));
    s.witness.unstarted = s.registration();
    let longhaul_core::Effect::StartJob { parts: first, .. } = &s.plan()[0] else {
        panic!("{:?}", s.plan())
    };
    assert_eq!(first.len(), MOST_RECORDS);
    s.witness.unstarted = None;
    s.witness.jobs.clear();
    let brought: Vec<u32> = (0..u32::try_from(MOST_RECORDS).expect("small")).collect();
    let mut s = s.at_rest(&brought);
    let ended = s.job_ended(REGISTRATION, JobEnd::Success, &[]);
    let events = s.takes(ended);
    assert_eq!(events[0].name(), "progress");
    assert_eq!(backoff_from(&events), (WaitReason::Backoff, 0, Some(START)));
    let by_worker = s.clone().with(|s| s.witness.context = worker());
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
                try_: 2,
                transport: Transport::BackgroundFetch,
                ..
            }]
        ),
        "{events:?}"
    );
    s.witness.unstarted = s.registration();
    let longhaul_core::Effect::StartJob { parts: second, .. } = &s.plan()[0] else {
        panic!("{:?}", s.plan())
    };
    assert_eq!(second.len(), 3);
}
