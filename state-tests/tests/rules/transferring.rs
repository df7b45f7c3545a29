//! While a transfer runs: progress, verification, and what vanishes.

use longhaul_core::{
    Event, EvictedBy, FailReason, HttpResponse, Input, Job, JobEnd, Range, Signal, TransferError,
    WaitReason,
};
use longhaul_state_tests::given::given_scenario;
use longhaul_state_tests::scenario::{PART, SIZE, Scenario, digest, ranged_answer};

use crate::{REGISTRATION, progress};

#[test]
fn bytes_that_arrive_and_bytes_that_rest_are_progress() {
    let s = Scenario::new().transferring().with_stored(&[0]).with(|s| {
        s.observation.jobs[0].downloaded = 45;
    });
    given_scenario(&s)
        .when(s.observed())
        .then([progress(45, PART)]);
}

#[test]
fn what_a_job_brought_is_added_to_what_was_there_and_never_passes_the_total() {
    let s = Scenario::new().halfway().with(|s| {
        s.observation.jobs[0].downloaded = 1_000;
    });
    given_scenario(&s)
        .when(s.observed())
        .then([progress(SIZE, 2 * PART)]);
}

#[test]
fn a_job_that_the_browser_began_anew_takes_nothing_back() {
    let mut s = Scenario::new().transferring().with_stored(&[0]).with(|s| {
        s.observation.jobs[0].downloaded = 80;
    });
    let look = s.observed();
    assert_eq!(s.takes(look), [progress(80, PART)]);
    s.observation.jobs[0].downloaded = 0;
    given_scenario(&s).when(s.observed()).then_nothing();
}

#[test]
fn little_progress_is_not_worth_an_entry() {
    let s = Scenario::new().transferring().with(|s| {
        s.observation.jobs[0].downloaded = 1;
    });
    given_scenario(&s).when(s.observed()).then_nothing();
}

#[test]
fn the_last_part_is_success() {
    let s = Scenario::new().halfway().with_stored(&[0, 1, 2, 3]);
    given_scenario(&s).when(s.observed()).then([Event::Success {
        sizes: vec![SIZE],
        verified: vec![],
    }]);
}

#[test]
fn where_a_hash_is_given_the_last_part_is_only_the_beginning_of_the_verification() {
    let mut s = Scenario::new()
        .hashed()
        .halfway()
        .with_stored(&[0, 1, 2, 3]);
    let verifying = Event::Waiting {
        reason: WaitReason::Verifying,
        until: None,
        retries: 0,
        message: None,
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
    let s = Scenario::new()
        .hashed()
        .halfway()
        .with_stored(&[0, 1, 2, 3]);
    let old = s.clone().with(|s| s.download.attempt = 0);
    given_scenario(&s)
        .when(old.verified(&digest('a')))
        .then_nothing();
    let none = s.verified(&digest('a'));
    let Input::Signal(Signal::Verified {
        attempt,
        observation,
        ..
    }) = none
    else {
        unreachable!("it is one")
    };
    given_scenario(&s)
        .when(Signal::Verified {
            attempt,
            digests: vec![],
            answers: vec![],
            observation,
        })
        .then_nothing();
}

#[test]
fn a_digest_of_bytes_that_have_gone_since_proves_nothing() {
    let s = Scenario::new().hashed().halfway().with_stored(&[0]);
    given_scenario(&s)
        .when(s.verified(&digest('a')))
        .then_names(&["failure", "requested"]);
}

#[test]
fn parts_that_vanish_end_the_attempt_and_begin_the_next() {
    let s = Scenario::new().halfway().with_stored(&[1]);
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
fn an_empty_part_that_vanishes_while_it_is_hashed_was_evicted_although_no_figure_falls() {
    let sizeless = HttpResponse {
        status: 200,
        ..HttpResponse::default()
    };
    let mut s = Scenario::new().hashed().requested();
    let probed = s.probed(&sizeless);
    s.takes(probed);
    let key = s.download.files[0].key();
    let empty = Range { start: 0, len: 0 };
    s.observation.stored.insert(key.clone(), vec![empty].into());
    let registration = s.registration().expect("in the background");
    let ended = s.job_ended(&registration, JobEnd::Success, &[]);
    let events = s.takes(ended);
    assert!(
        matches!(
            events[..],
            [Event::Waiting {
                reason: WaitReason::Verifying,
                ..
            }]
        ),
        "{events:?}"
    );
    s.observation.stored.clear();
    let events = given_scenario(&s)
        .when(s.observed())
        .then_names(&["failure", "requested"]);
    assert!(
        matches!(&events[0], Event::Failure(failure) if failure.reason == FailReason::Evicted),
        "{events:?}"
    );
}

#[test]
fn the_machine_begins_by_itself_at_most_three_times_in_a_row() {
    let mut s = Scenario::new().halfway();
    for restarts in 1..=3 {
        s.observation.stored.clear();
        let look = s.observed();
        let events = s.takes(look);
        assert!(
            matches!(events[..], [_, Event::Requested { restarts: n, .. }] if n == restarts),
            "{events:?}"
        );
        let probed = s.probed(&ranged_answer());
        s.takes(probed);
        let registration = s.registration().expect("in the background");
        s.observation.jobs = vec![Job {
            registration,
            downloaded: 0,
        }];
        s = s.with_stored(&[0]);
        let look = s.observed();
        s.takes(look);
    }
    s.observation.stored.clear();
    given_scenario(&s)
        .when(s.observed())
        .then_fails(FailReason::Evicted);
}

#[test]
fn a_file_that_changes_in_mid_download_begins_a_new_attempt() {
    let s = Scenario::new().halfway();
    let ended = s.job_ended(REGISTRATION, JobEnd::Success, &[TransferError::Changed]);
    given_scenario(&s)
        .when(ended)
        .then_names(&["failure", "requested", "waiting"]);
    let s = Scenario::foreground().halfway();
    given_scenario(&s)
        .when(s.part_failed(TransferError::Changed))
        .then_names(&["failure", "requested", "waiting"]);
}

#[test]
fn what_is_available_is_evicted_when_a_part_is_gone() {
    let s = Scenario::new().available();
    given_scenario(&s).when(s.observed()).then_nothing();
    let s = s.with_stored(&[0, 1, 3]);
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
        let bare = s.with(|s| s.observation.stored.clear());
        given_scenario(&bare).when(bare.observed()).then_nothing();
    }
}
