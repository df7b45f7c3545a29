//! Why a download waits, until when, and what ends the wait.

use longhaul_core::{
    Effect, Event, FailReason, HttpResponse, JobEnd, MIN_DELAY_MS, TransferError, WaitReason,
};
use longhaul_state_tests::given::given_scenario;
use longhaul_state_tests::scenario::{START, Scenario};

const MINUTE: u64 = 60_000;

fn wait(events: &[Event]) -> (WaitReason, Option<u64>, u32) {
    match events {
        [
            Event::Waiting {
                reason,
                until,
                retries,
                ..
            },
        ] => (*reason, *until, *retries),
        other => panic!("no wait: {other:?}"),
    }
}

#[test]
fn a_device_that_is_offline_is_waited_for_and_costs_no_round() {
    let mut s = Scenario::foreground().transferring();
    s.observation.context.offline = true;
    let events = s.takes(s.part_failed(TransferError::Offline));
    let until = Some(START + 1_000);
    assert_eq!(wait(&events), (WaitReason::Offline, until, 0));
    given_scenario(&s)
        .when(s.part_failed(TransferError::Offline))
        .then_nothing();
    let waits = [Effect::Wait {
        until,
        reason: WaitReason::Offline,
    }];
    assert_eq!(s.plan(), waits);
    s.observation.context.offline = false;
    assert_eq!(s.plan(), waits, "what just failed is not tried at once");
    s.now += MIN_DELAY_MS;
    assert_eq!(s.plan().len(), 4, "back online all parts are fetched");
}

#[test]
fn what_a_browser_says_of_being_offline_draws_no_wait_out() {
    // Some say so for ever, behind a VPN or beside a server of the local network.
    let mut s = Scenario::foreground().transferring();
    s.observation.context.offline = true;
    for gone in [0, 1_000, 2_000, 3_000, 4_500, 6_750] {
        s.now = START + gone;
        assert_eq!(s.plan().len(), 4, "{gone}: tried all the same");
        let failed = s.part_failed(TransferError::Offline);
        let events = s.takes(failed);
        let until = s.now + (gone / 2).max(1_000);
        assert_eq!(wait(&events), (WaitReason::Offline, Some(until), 0));
    }
    // Whoever is offline by one word and online by another is kept from a server, and waits for that.
    let mut s = Scenario::foreground().transferring();
    let failed = s.part_failed(TransferError::Offline);
    let events = s.takes(failed);
    let until = Some(START + 1_000);
    assert_eq!(wait(&events), (WaitReason::Unreachable, until, 0));
}

#[test]
fn a_wait_for_the_network_outlives_the_bytes_that_came_with_it() {
    // Found by the law about echoes: the bytes ended the old wait, and no new one was written.
    let mut s = Scenario::foreground().transferring();
    s.observation.context.offline = true;
    s.takes(s.part_failed(TransferError::Offline));
    let mut s = s.with_stored(&[0]);
    let again = s.part_failed(TransferError::Offline);
    given_scenario(&s).when(again.clone()).then_nothing();
    given_scenario(&s).when(s.observed()).then_nothing();
    s.now += 1_000;
    given_scenario(&s)
        .when(again)
        .then_names(&["progress", "waiting"]);
}

#[test]
fn a_job_that_ended_offline_has_no_successor_before_the_network_is_back() {
    let mut s = Scenario::new().transferring();
    s.observation.jobs.clear();
    s.observation.context.offline = true;
    let registration = s.registration().expect("in the background");
    s.takes(s.job_ended(&registration, JobEnd::Success, &[TransferError::Offline]));
    given_scenario(&s).when(s.observed()).then_nothing();
    s.observation.context.offline = false;
    s.now += MIN_DELAY_MS;
    given_scenario(&s)
        .when(s.observed())
        .then_names(&["started"]);
}

#[test]
fn a_server_that_does_not_answer_is_waited_for_half_as_long_again() {
    let mut s = Scenario::new().requested();
    let unreachable = |s: &Scenario| s.probed_as(vec![Err(TransferError::Unreachable)]);
    let mut last = 0;
    let mut waits = 0;
    for _ in 0..100 {
        let events = s.takes(unreachable(&s));
        if s.fail_reason() == Some(FailReason::Unreachable) {
            break;
        }
        let (reason, until, retries) = wait(&events);
        assert_eq!((reason, retries), (WaitReason::Unreachable, 0));
        let until = until.expect("it asks again by itself");
        assert!(
            until > s.now && until - s.now >= last.min(MINUTE),
            "{events:?}"
        );
        (last, s.now) = (until - s.now, until);
        waits += 1;
    }
    let gone = s.now - START;
    assert!(
        (30 * MINUTE..32 * MINUTE).contains(&gone),
        "after {gone} ms"
    );
    assert!(waits < 50, "{waits} entries");
}

#[test]
fn a_server_that_came_back_in_between_is_gone_for_a_new_while() {
    let mut s = Scenario::foreground().transferring();
    s.takes(s.part_failed(TransferError::Unreachable));
    s.now += 31 * MINUTE;
    let mut s = s.with_stored(&[0]);
    let events = s.takes(s.part_failed(TransferError::Unreachable));
    assert!(
        matches!(
            events[..],
            [
                Event::Progress { .. },
                Event::Waiting {
                    reason: WaitReason::Unreachable,
                    ..
                }
            ]
        ),
        "{events:?}"
    );
}

#[test]
fn a_server_says_itself_when_to_come_back_but_not_at_once() {
    let after = |ms| {
        let s = Scenario::new().requested();
        let answer = HttpResponse {
            status: 429,
            retry_after_ms: Some(ms),
            ..HttpResponse::default()
        };
        let events = given_scenario(&s)
            .when(s.probed(&answer))
            .then_names(&["waiting"]);
        wait(&events)
    };
    assert_eq!(
        after(7_000),
        (WaitReason::RetryAfter, Some(START + 7_000), 1)
    );
    assert_eq!(after(0), (WaitReason::RetryAfter, Some(START + 1_000), 1));
    assert_eq!(after(u64::MAX).1, Some(u64::MAX));
}

#[test]
fn what_comes_to_rest_meanwhile_does_not_end_a_wait() {
    let told = TransferError::Status {
        status: 429,
        retry_after_ms: Some(7_000),
    };
    for fault in [told, TransferError::Network, TransferError::Unreachable] {
        let mut s = Scenario::foreground().transferring();
        let failed = s.part_failed(fault.clone());
        let events = s.takes(failed);
        let (why, until, _) = wait(&events);
        let until = until.expect("until then");
        s = s.with_stored(&[0]);
        s.now = until - 1;
        given_scenario(&s).when(s.observed()).then_nothing();
        assert!(
            matches!(s.plan()[..], [Effect::Wait { reason, .. }] if reason == why),
            "{fault:?}"
        );
        s.now = until;
        given_scenario(&s)
            .when(s.observed())
            .then_names(&["progress"]);
    }
}

#[test]
fn which_faults_can_heal() {
    let status = |status| TransferError::Status {
        status,
        retry_after_ms: None,
    };
    for code in [408, 425, 429, 500, 502, 503, 504, 599] {
        assert!(status(code).is_transient(), "{code}");
    }
    for code in [
        400, 401, 403, 404, 405, 407, 410, 411, 424, 426, 451, 499, 600,
    ] {
        assert!(!status(code).is_transient(), "{code}");
    }
    for fault in [
        TransferError::Offline,
        TransferError::Network,
        TransferError::Unreachable,
        TransferError::WrongRange,
        TransferError::Truncated,
    ] {
        assert!(fault.is_transient(), "{fault:?}");
    }
}

#[test]
fn every_failure_has_its_own_sentence() {
    let status = |status| TransferError::Status {
        status,
        retry_after_ms: None,
    };
    let faults = [
        status(404),
        status(401),
        status(500),
        TransferError::Network,
        TransferError::Unreachable,
        TransferError::Cors,
        TransferError::Changed,
        TransferError::WrongRange,
        TransferError::Truncated,
        TransferError::UnexpectedType,
        TransferError::Quota,
        TransferError::Storage,
        TransferError::HeadersNeeded,
    ];
    let said: Vec<String> = faults
        .iter()
        .map(|fault| fault.failure(Some(1)).message)
        .collect();
    for (n, sentence) in said.iter().enumerate() {
        assert!(!said[..n].contains(sentence), "{sentence}");
        assert!(sentence.len() > 15, "{sentence}");
    }
    assert!(said[0].contains("404") && said[1].contains("401") && said[2].contains("500"));
    assert_eq!(faults[0].failure(Some(1)).resource, Some(1));
}

#[test]
fn a_page_without_headers_says_so_while_transferring_too() {
    let mut s = Scenario::new()
        .with(|s| s.spec.headers = true)
        .transferring();
    s.observation.context.headers = false;
    let look = s.observed();
    let events = s.takes(look);
    assert_eq!(wait(&events), (WaitReason::Headers, None, 0));
    given_scenario(&s).when(s.observed()).then_nothing();
    s.observation.context.headers = true;
    assert_eq!(s.plan().len(), 4, "a page with headers goes on");
    let mut s = s.with_stored(&[0]);
    let look = s.observed();
    s.takes(look);
    assert_eq!(s.download.waiting, None, "and its progress ends the wait");
}

#[test]
fn a_wait_for_the_same_reason_began_when_the_first_one_did() {
    let mut s = Scenario::new().requested();
    s.takes(s.probed_as(vec![Err(TransferError::Unreachable)]));
    s.now += MINUTE;
    s.takes(s.probed_as(vec![Err(TransferError::Unreachable)]));
    let waiting = s.download.waiting.clone().expect("waits");
    assert_eq!(
        (waiting.reason, waiting.since),
        (WaitReason::Unreachable, START)
    );
    s.now += MINUTE;
    s.takes(s.probed_as(vec![Err(TransferError::Network)]));
    let waiting = s.download.waiting.clone().expect("waits");
    assert_eq!(
        (waiting.reason, waiting.since),
        (WaitReason::Backoff, START + 2 * MINUTE)
    );
}

#[test]
fn what_has_no_room_in_a_history_any_more_ends_an_attempt_that_brought_nothing() {
    for (entries, ends) in [
        (1, false),
        (100, false),
        (159, false),
        (160, true),
        (180, true),
    ] {
        for fault in [
            TransferError::Offline,
            TransferError::Unreachable,
            TransferError::Network,
        ] {
            let mut s = Scenario::new().requested();
            s.download.entries = entries;
            s.takes(s.probed_as(vec![Err(fault)]));
            let reason = ends.then_some(FailReason::RetriesExhausted);
            assert_eq!(s.fail_reason(), reason, "{entries}");
        }
    }
}

#[test]
fn a_page_that_helps_a_job_through_an_outage_asks_more_and_more_rarely() {
    let mut s = Scenario::new().transferring();
    for (gone, delay) in [
        (0, 1_000),
        (10_000, 5_000),
        (100_000, 50_000),
        (900_000, 60_000),
    ] {
        s.now = START + gone;
        let failed = s.part_failed(TransferError::Unreachable);
        let events = s.takes(failed);
        let until = Some(START + gone + delay);
        assert_eq!(
            wait(&events),
            (WaitReason::Browser, until, 0),
            "gone {gone}"
        );
    }
}
