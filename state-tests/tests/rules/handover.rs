//! From one try to the next, and from one transport to the other.

use longhaul_core::{
    Background, Event, JobEnd, JobFailure, Preference, TransferError, Transport, TransportReason,
    WaitReason,
};
use longhaul_state_tests::given::given_scenario;
use longhaul_state_tests::scenario::{PART, SIZE, Scenario};

use crate::REGISTRATION;

fn wait(events: &[Event]) -> (WaitReason, u32, Option<u64>) {
    match events {
        [
            Event::Waiting {
                reason,
                retries,
                until,
                ..
            },
        ] => (*reason, *retries, *until),
        other => panic!("no wait: {other:?}"),
    }
}

#[test]
fn a_job_whose_records_are_too_long_is_looked_into_by_another_try() {
    let s = Scenario::new().transferring();
    let exceeded = JobEnd::Failure(JobFailure::DownloadTotalExceeded);
    let events = given_scenario(&s)
        .when(s.job_ended(REGISTRATION, exceeded, &[]))
        .then_names(&["waiting"]);
    let (reason, rounds, _) = wait(&events);
    assert_eq!((reason, rounds), (WaitReason::Backoff, 1));
}

#[test]
fn a_job_whose_records_found_no_server_waits_for_it_and_counts_no_round() {
    for end in [JobEnd::Failure(JobFailure::BadStatus), JobEnd::Success] {
        let s = Scenario::new().transferring();
        let events = given_scenario(&s)
            .when(s.job_ended(
                REGISTRATION,
                end,
                &[TransferError::Unreachable, TransferError::Unreachable],
            ))
            .then_names(&["waiting"]);
        let (reason, rounds, until) = wait(&events);
        assert_eq!((reason, rounds), (WaitReason::Unreachable, 0));
        assert!(until.is_some(), "{events:?}");
    }
}

/// What a page left half done that used its own transfers.
fn left() -> Scenario {
    Scenario::foreground().transferring().with_stored(&[0])
}

fn insisting(s: &mut Scenario) {
    s.observation.context.preference = Preference::BackgroundFetch;
}

#[test]
fn a_page_that_insists_on_a_job_begins_one_for_what_another_left() {
    let mut s = left().with(insisting);
    let look = s.observed();
    let events = s.takes(look);
    assert!(
        matches!(
            events[..],
            [Event::Started {
                transfer: 2,
                transport: Transport::BackgroundFetch,
                why: TransportReason::Asked,
                stored: PART,
                ..
            }]
        ),
        "{events:?}"
    );
}

#[test]
fn a_page_that_insists_on_a_job_goes_on_where_none_can_be_had() {
    let missing = |s: &mut Scenario| s.observation.context.background = Background::NoWorker;
    let headers = |s: &mut Scenario| {
        if let Some(spec) = &mut s.download.spec {
            spec.headers = true;
        }
    };
    let as_before = [Event::Progress {
        downloaded: PART,
        stored: PART,
        total: Some(SIZE),
    }];
    for s in [
        left(),
        left().with(insisting).with(missing),
        left().with(insisting).with(headers),
    ] {
        given_scenario(&s)
            .when(s.observed())
            .then(as_before.clone());
    }
}

#[test]
fn a_page_that_went_ahead_because_its_worker_was_late_hands_over_once_it_is_there() {
    let late = |s: &mut Scenario| s.observation.context.background = Background::NoWorker;
    let mut s = Scenario::new().with(late).transferring().with_stored(&[0]);
    let look = s.observed();
    s.takes(look);
    let has_no_job = |s: &Scenario| s.registration().is_none();
    assert!(has_no_job(&s), "{:?}", s.download);
    s.observation.context.background = Background::Usable;
    let look = s.observed();
    let events = s.takes(look);
    assert!(
        matches!(
            events[..],
            [Event::Started {
                transfer: 2,
                transport: Transport::BackgroundFetch,
                why: TransportReason::Preferred,
                stored: PART,
                ..
            }]
        ),
        "{events:?}"
    );
    // One whose job was refused, or in vain, stays with the page.
    let mut refused = Scenario::new().started();
    let event = refused.job_refused(REGISTRATION, false);
    refused.takes(event);
    refused.observation.unstarted = None;
    given_scenario(&refused)
        .when(refused.observed())
        .then_nothing();
}
