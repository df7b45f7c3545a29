//! Room: what is decided where the browser has too little of it.

use longhaul_core::{
    Effect, Event, FailReason, Failure, JobEnd, JobFailure, Preference, TransferError, Transport,
    TransportReason, WaitReason,
};
use longhaul_state_tests::given::given_scenario;
use longhaul_state_tests::scenario::{PART, SIZE, Scenario, ranged_answer};

use crate::REGISTRATION;

fn full_by(missing_bytes: Option<u64>) -> impl Fn(&[Event]) {
    move |events| {
        let [
            ..,
            Event::Failure(Failure {
                reason: FailReason::Quota,
                missing_bytes: told,
                ..
            }),
        ] = events
        else {
            panic!("{events:?}")
        };
        assert_eq!(*told, missing_bytes, "{events:?}");
    }
}

fn foreground_after(events: &[Event], reason: TransportReason) {
    assert!(
        matches!(
            events,
            [Event::Started {
                transport: Transport::Foreground,
                why,
                ..
            }] if *why == reason
        ),
        "{events:?}"
    );
}

#[test]
fn what_the_browser_has_no_room_for_fails_before_a_byte_is_asked_for() {
    let with = |room| {
        Scenario::new()
            .requested()
            .with(|s| s.observation.room = room)
    };
    for (room, lacking) in [(0, SIZE), (SIZE - 1, 1)] {
        let s = with(Some(room));
        let events = given_scenario(&s)
            .when(s.probed(&ranged_answer()))
            .then_names(&["failure"]);
        full_by(Some(lacking))(&events);
    }
    for room in [None, Some(SIZE), Some(u64::MAX)] {
        let s = with(room);
        given_scenario(&s)
            .when(s.probed(&ranged_answer()))
            .then_names(&["started"]);
    }
}

#[test]
fn what_is_at_rest_needs_no_room() {
    let s = Scenario::new().failed().with_stored(&[0, 1]);
    let mut s = s.with(|s| s.observation.room = Some(SIZE - 2 * PART));
    s.takes(s.request());
    given_scenario(&s)
        .when(s.probed(&ranged_answer()))
        .then_names(&["started"]);
}

#[test]
fn a_job_names_no_more_than_half_of_the_room_and_a_part_at_least() {
    for (room, parts) in [
        (None, 4),
        (Some(2 * SIZE), 4),
        (Some(2 * SIZE - 1), 3),
        (Some(2 * PART), 1),
        (Some(2 * PART - 1), 1),
        (Some(0), 1),
    ] {
        let s = Scenario::new()
            .started()
            .with(|s| s.observation.room = room);
        let plan = s.plan();
        let [Effect::StartJob { parts: named, .. }] = &plan[..] else {
            panic!("{plan:?}")
        };
        assert_eq!(named.len(), parts, "{room:?}");
    }
}

#[test]
fn a_job_without_room_is_followed_by_the_page_which_needs_half_as_much() {
    let s = Scenario::new().started();
    let events = given_scenario(&s)
        .when(s.job_refused(REGISTRATION, true))
        .then_names(&["started"]);
    foreground_after(&events, TransportReason::Refused);

    let insisting = Scenario::new()
        .with(|s| s.observation.context.preference = Preference::BackgroundFetch)
        .started()
        .with(|s| s.observation.room = Some(SIZE - 1));
    let events = given_scenario(&insisting)
        .when(insisting.job_refused(REGISTRATION, true))
        .then_names(&["failure"]);
    full_by(Some(1))(&events);
}

#[test]
fn a_job_that_found_no_room_makes_room_for_the_rest_when_it_ends() {
    for (end, faults) in [
        (JobEnd::Success, &[TransferError::Quota][..]),
        (JobEnd::Failure(JobFailure::QuotaExceeded), &[][..]),
    ] {
        // It brought something: a further job may bring the rest.
        let mut s = Scenario::new().transferring().with_stored(&[0]);
        let events = given_scenario(&s)
            .when(s.job_ended(REGISTRATION, end, faults))
            .then_names(&["progress", "waiting"]);
        assert!(
            matches!(
                events[1],
                Event::Waiting {
                    reason: WaitReason::Room,
                    retries: 0,
                    ..
                }
            ),
            "{events:?}"
        );
        s.takes(s.job_ended(REGISTRATION, end, faults));
        s.observation.jobs.clear();
        s.now += 1_000;
        let next = given_scenario(&s)
            .when(s.observed())
            .then_names(&["started"]);
        assert!(
            matches!(
                next[..],
                [Event::Started {
                    transport: Transport::BackgroundFetch,
                    ..
                }]
            ),
            "{next:?}"
        );

        // It brought nothing: the page needs no second copy.
        let mut s = Scenario::new().transferring();
        s.takes(s.job_ended(REGISTRATION, end, faults));
        s.observation.jobs.clear();
        s.now += 1_000;
        let next = given_scenario(&s)
            .when(s.observed())
            .then_names(&["started"]);
        foreground_after(&next, TransportReason::JobFailed);
    }
}

#[test]
fn a_page_that_helps_and_finds_no_room_leaves_it_to_the_job() {
    let s = Scenario::new().halfway();
    let events = given_scenario(&s)
        .when(s.part_failed(TransferError::Quota))
        .then_names(&["waiting"]);
    assert!(
        matches!(
            events[..],
            [Event::Waiting {
                reason: WaitReason::Browser,
                ..
            }]
        ),
        "{events:?}"
    );
}

#[test]
fn a_part_that_finds_no_room_says_how_much_is_wanting_where_the_browser_tells() {
    for (room, lacking) in [
        (None, None),
        (Some(SIZE), None),
        (Some(PART), Some(SIZE - 2 * PART)),
    ] {
        let s = Scenario::foreground().transferring().with_stored(&[0]);
        let s = s.with(|s| s.observation.room = room);
        let events = given_scenario(&s)
            .when(s.part_failed(TransferError::Quota))
            .then_names(&["progress", "failure"]);
        full_by(lacking)(&events);
    }
}
