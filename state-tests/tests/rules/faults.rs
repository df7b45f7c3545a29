//! Parts that break while the page fetches: rounds, waits, and what no later try can mend.

use longhaul_core::{
    Effect, Event, FailReason, HttpResponse, MAX_ENTRIES, State, TransferError, WaitReason,
};
use longhaul_state_tests::given::given_scenario;
use longhaul_state_tests::scenario::{PART, Scenario, ranged_answer};

use crate::{NOT_FOUND, backoff_from, progress};

#[test]
fn parts_that_break_together_are_one_round() {
    let mut s = Scenario::foreground().transferring();
    let events = s.takes(s.part_failed(TransferError::Network));
    assert_eq!(backoff_from(&events).1, 1);
    given_scenario(&s)
        .when(s.part_failed(TransferError::Network))
        .then_nothing();
    // What cannot heal ends the attempt even then.
    given_scenario(&s)
        .when(s.part_failed(NOT_FOUND))
        .then_fails(FailReason::NotFound);
    s.now += 60_000;
    let events = given_scenario(&s)
        .when(s.part_failed(TransferError::Network))
        .then_names(&["waiting"]);
    assert_eq!(backoff_from(&events).1, 2);
}

#[test]
fn a_fault_after_bytes_is_the_first_of_its_row() {
    let mut s = Scenario::foreground().transferring();
    s.takes(s.part_failed(TransferError::Network));
    s.now += 60_000;
    let s = s.with_stored(&[0]);
    let events = given_scenario(&s)
        .when(s.part_failed(TransferError::Truncated))
        .then_names(&["progress", "waiting"]);
    assert_eq!(events[0], progress(PART, PART));
    assert_eq!(backoff_from(&events).1, 1);
}

#[test]
fn parts_that_break_for_good_fail_with_their_reason() {
    for (fault, reason) in [
        (TransferError::Cors, FailReason::Cors),
        (TransferError::Quota, FailReason::Quota),
        (TransferError::UnexpectedType, FailReason::UnexpectedType),
        (TransferError::HeadersNeeded, FailReason::Unauthorized),
        (NOT_FOUND, FailReason::NotFound),
    ] {
        let s = Scenario::foreground().transferring();
        given_scenario(&s)
            .when(s.part_failed(fault))
            .then_fails(reason);
    }
    for (fault, reason) in [
        (TransferError::Network, FailReason::Network),
        (TransferError::Truncated, FailReason::Truncated),
        (TransferError::WrongRange, FailReason::BadStatus),
        (
            TransferError::Status {
                status: 503,
                retry_after_ms: None,
            },
            FailReason::BadStatus,
        ),
    ] {
        let s = Scenario::foreground()
            .with(|s| s.observation.context.policy.retry.limit = 0)
            .transferring();
        given_scenario(&s)
            .when(s.part_failed(fault))
            .then_fails(reason);
    }
}

#[test]
fn a_page_that_only_helps_may_fail_for_a_while_and_ends_no_try() {
    let mut s = Scenario::new().halfway();
    s.observation.idle_ms = Some(60_000);
    let limit = s.observation.context.policy.retry.limit;
    let registration = s.registration();
    let (mut waited, mut last) = (0, 0);
    for round in 1..=limit {
        s.takes(s.part_failed(TransferError::Truncated));
        let waiting = s.download.waiting.clone().expect("it waits");
        assert_eq!(waiting.reason, WaitReason::Browser);
        assert_eq!(s.download.retries, round);
        assert_eq!(s.registration(), registration, "the job goes on");
        // Until then it asks for nothing, and whatever else breaks belongs to the same round.
        let until = waiting.until.expect("for a time");
        assert!(
            s.plan()
                .iter()
                .all(|effect| !matches!(effect, longhaul_core::Effect::Fetch { .. }))
        );
        given_scenario(&s)
            .when(s.part_failed(TransferError::Truncated))
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
    assert!(waited > 10 * s.observation.context.policy.retry.base_ms);
    // A job that brings nothing in all that time hangs.
    given_scenario(&s)
        .when(s.part_failed(TransferError::Truncated))
        .then_fails(FailReason::Truncated);
}

#[test]
fn an_outage_ends_no_help_however_long_it_is() {
    for fault in [TransferError::Offline, TransferError::Unreachable] {
        let mut s = Scenario::new().halfway();
        for _ in 0..1_000 {
            s.takes(s.part_failed(fault.clone()));
            s.now += 120_000;
        }
        assert!(s.download.state.is_running() && s.download.retries == 0);
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
        .with(|s| s.observation.context.policy.retry.limit = u32::MAX)
        .transferring();
    for _ in 0..MAX_ENTRIES {
        if !s.download.state.is_running() {
            break;
        }
        s.now += 120_000;
        s.takes(s.part_failed(TransferError::Network));
    }
    assert!(s.download.entries < MAX_ENTRIES);
    assert_eq!(s.fail_reason(), Some(FailReason::RetriesExhausted));
}

/// Parts of a long download.
const MANY: u32 = 300;

/// A download of many parts by the page, with so many failed rounds in a row allowed, none of which has come yet.
fn long_download(limit: u32) -> Scenario {
    let size = u64::from(MANY) * PART;
    let answer = HttpResponse {
        content_range: Some(format!("bytes 0-0/{size}")),
        ..ranged_answer()
    };
    let mut s = Scenario::foreground()
        .with(|s| s.observation.context.policy.retry.limit = limit)
        .requested();
    s.takes(s.probed(&answer));
    s
}

/// The same when its history is full: a part came, and the next one met the fault, again and again.
fn full(fault: &TransferError) -> Scenario {
    let mut s = long_download(8);
    let mut parts = 0;
    while s.download.entries < 160 {
        parts += 1;
        s = s.with_stored(&(0..parts).collect::<Vec<u32>>());
        s.now += 120_000;
        s.takes(s.part_failed(fault.clone()));
    }
    s
}

#[test]
fn where_a_history_is_full_an_attempt_that_brought_something_is_followed_by_the_next_one_after_a_wait()
 {
    for fault in [TransferError::Network, TransferError::Unreachable] {
        let mut s = full(&fault);
        s.now += 120_000;
        let events = s.takes(s.part_failed(fault.clone()));
        let [
            Event::Failure(failure),
            Event::Requested {
                attempt: 2,
                restarts: 0,
                ..
            },
            Event::Waiting {
                reason: WaitReason::Backoff,
                until: Some(until),
                ..
            },
        ] = &events[..]
        else {
            panic!("{fault:?}: {events:?}");
        };
        assert_eq!(failure.reason, FailReason::RetriesExhausted);
        assert!(*until > s.now, "{fault:?}: asked again at once");
        assert!(matches!(s.plan()[..], [Effect::Wait { .. }]), "{fault:?}");
    }
}

#[test]
fn where_a_history_is_full_an_attempt_that_brought_nothing_ends() {
    for fault in [
        TransferError::Network,
        TransferError::Unreachable,
        TransferError::Offline,
    ] {
        let mut s = long_download(8);
        s.download.entries = 160;
        s.observation.context.offline = fault == TransferError::Offline;
        s.takes(s.part_failed(fault));
        assert_eq!(s.fail_reason(), Some(FailReason::RetriesExhausted));
        assert_eq!(s.plan(), []);
    }
}

#[test]
fn a_wait_that_was_the_last_one_written_is_over_when_a_part_comes() {
    let mut s = full(&TransferError::Unreachable);
    assert!(s.download.waiting.is_some());
    s = s.with_stored(&(0..MANY - 1).collect::<Vec<u32>>());
    s.now += 120_000;
    s.takes(s.observed());
    assert_eq!(s.download.waiting, None);
    // Hours of good transfer later, a short outage is not taken for one that lasted since then.
    s.now += 10 * 60 * 60_000;
    s.takes(s.part_failed(TransferError::Unreachable));
    assert_eq!(s.fail_reason(), None);
}

#[test]
fn a_long_download_over_a_bad_line_goes_on_for_as_long_as_every_round_brings_something() {
    let mut s = long_download(1);
    let answer = HttpResponse {
        content_range: Some(format!("bytes 0-0/{}", u64::from(MANY) * PART)),
        ..ranged_answer()
    };
    for part in 0..MANY - 1 {
        s = s.with_stored(&(0..=part).collect::<Vec<u32>>());
        s.now += 120_000;
        s.takes(s.part_failed(TransferError::Network));
        assert_eq!(s.fail_reason(), None, "after part {part}");
        assert!(s.download.entries <= MAX_ENTRIES);
        if s.download.state == State::Requested {
            s.now += 120_000;
            s.takes(s.probed(&answer));
        }
    }
    assert!(s.download.attempt > 1, "its history was never full");
    s = s.with_stored(&(0..MANY).collect::<Vec<u32>>());
    s.takes(s.observed());
    assert_eq!(s.download.state, State::Available);
}
