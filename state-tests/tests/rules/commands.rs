//! What an app's commands amount to.

use longhaul_core::{
    AbortedBy, Command, Download, Entry, Event, EvictedBy, Rejection, State, WaitReason,
};
use longhaul_state_tests::given::{given, given_scenario};
use longhaul_state_tests::scenario::{ID, SIZE, START, Scenario, digest};

fn requested(attempt: u32, of: &Scenario) -> Event {
    Event::Requested {
        attempt,
        spec: of.spec.recorded(),
        restarts: 0,
    }
}

#[test]
fn the_first_request_begins_the_first_attempt() {
    let s = Scenario::new();
    given([]).when(s.request()).then([requested(1, &s)]);
}

#[test]
fn a_request_records_what_is_asked_for_without_icons_and_signatures() {
    let s = Scenario::new().with(|s| {
        s.spec.resources[0].url = "https://host/f?X-Amz-Signature=abc".into();
        s.spec.icons = vec![longhaul_core::Icon {
            src: "https://host/i.png".into(),
            sizes: None,
            kind: None,
            label: None,
        }];
    });
    let events = given([]).when(s.request()).then_names(&["requested"]);
    let Event::Requested { spec, .. } = &events[0] else {
        unreachable!("its name says so")
    };
    assert_eq!(spec.resources[0].url, "https://host/f?X-Amz-Signature=");
    assert_eq!(spec.icons, []);
}

#[test]
fn nothing_but_a_request_can_be_asked_of_what_was_never_requested() {
    for command in [Command::Abort, Command::Retry, Command::Remove] {
        given([])
            .when(command)
            .then_rejected(Rejection::NotAvailable);
    }
}

#[test]
fn rejections_have_the_codes_of_the_contract_and_say_what_to_do() {
    assert_eq!(Rejection::SpecConflict.code(), "spec-conflict");
    assert!(
        Rejection::SpecConflict
            .to_string()
            .contains("abort it first")
    );
    assert_eq!(Rejection::NotAvailable.code(), "not-available");
    assert!(
        Rejection::NotAvailable
            .to_string()
            .contains("ever requested")
    );
}

#[test]
fn the_same_request_attaches_to_what_runs() {
    for s in [Scenario::new().requested(), Scenario::new().halfway()] {
        given_scenario(&s).when(s.request()).then_nothing();
    }
}

#[test]
fn another_title_or_other_icons_still_ask_for_the_same() {
    let s = Scenario::new().halfway().with(|s| s.spec.title = None);
    given_scenario(&s).when(s.request()).then_nothing();
}

#[test]
fn another_spec_under_a_running_id_is_a_conflict() {
    for s in [Scenario::new().requested(), Scenario::new().halfway()] {
        let other_url = s
            .clone()
            .with(|s| s.spec.resources[0].url.push_str("?rev=2"));
        let other_hash = s
            .clone()
            .with(|s| s.spec.resources[0].sha256 = Some(digest('b')));
        let other_size = s.clone().with(|s| s.spec.resources[0].bytes = Some(7));
        let other_secrets = s
            .clone()
            .with(|s| s.spec.secret_params = vec!["token".into()]);
        for other in [other_url, other_hash, other_size, other_secrets] {
            given_scenario(&s)
                .when(other.request())
                .then_rejected(Rejection::SpecConflict);
        }
    }
}

#[test]
fn asking_again_for_what_is_available_is_a_hit_in_one_breath() {
    let s = Scenario::new().available();
    given_scenario(&s).when(s.request()).then([
        requested(2, &s),
        Event::CachedHit {
            stored: SIZE,
            files: vec![],
        },
    ]);
}

#[test]
fn another_spec_for_what_is_available_begins_an_attempt() {
    let s = Scenario::new().available();
    let other = s
        .clone()
        .with(|s| s.spec.resources[0].sha256 = Some(digest('b')));
    given_scenario(&s)
        .when(other.request())
        .then([requested(2, &other)]);
}

#[test]
fn what_failed_was_aborted_or_is_gone_can_be_asked_for_again() {
    for s in [
        Scenario::new().failed(),
        Scenario::new().aborted(),
        Scenario::new().evicted(),
        Scenario::new().removed(),
    ] {
        given_scenario(&s)
            .when(s.request())
            .then([requested(2, &s)]);
        given_scenario(&s)
            .when(Command::Retry)
            .then([requested(2, &s)]);
    }
}

#[test]
fn a_new_attempt_by_request_forgets_how_often_the_machine_began_by_itself() {
    let s = Scenario::new();
    let spec = s.spec.recorded();
    let history = [
        Event::Requested {
            attempt: 4,
            spec,
            restarts: 3,
        },
        Event::Aborted { by: AbortedBy::App },
    ];
    given(history).when(s.request()).then([requested(5, &s)]);
}

#[test]
fn an_abort_ends_what_runs_and_nothing_else() {
    for s in [Scenario::new().requested(), Scenario::new().halfway()] {
        given_scenario(&s)
            .when(Command::Abort)
            .then([Event::Aborted { by: AbortedBy::App }]);
    }
    for s in [
        Scenario::new().available(),
        Scenario::new().failed(),
        Scenario::new().aborted(),
        Scenario::new().evicted(),
        Scenario::new().removed(),
    ] {
        given_scenario(&s).when(Command::Abort).then_nothing();
    }
}

#[test]
fn a_removal_aborts_what_runs_and_evicts_what_is_there() {
    for s in [Scenario::new().requested(), Scenario::new().halfway()] {
        given_scenario(&s)
            .when(Command::Remove)
            .then([Event::Aborted {
                by: AbortedBy::Removal,
            }]);
    }
    // What an eviction left is there, too.
    for s in [
        Scenario::new().available(),
        Scenario::new().failed(),
        Scenario::new().evicted(),
    ] {
        given_scenario(&s)
            .when(Command::Remove)
            .then([Event::Evicted {
                by: EvictedBy::Removal,
            }]);
    }
    for s in [Scenario::new().aborted(), Scenario::new().removed()] {
        given_scenario(&s).when(Command::Remove).then_nothing();
    }
}

#[test]
fn a_retry_of_what_is_available_or_on_its_way_does_nothing() {
    for s in [
        Scenario::new().available(),
        Scenario::new().requested(),
        Scenario::new().halfway(),
    ] {
        given_scenario(&s).when(Command::Retry).then_nothing();
    }
}

#[test]
fn a_retry_cuts_a_wait_short_without_counting_a_round() {
    let wait = |reason, until| Event::Waiting {
        reason,
        until,
        retries: 2,
        message: None,
    };
    let request = requested(1, &Scenario::new());
    for reason in [
        WaitReason::Backoff,
        WaitReason::RetryAfter,
        WaitReason::Unreachable,
    ] {
        given([request.clone(), wait(reason, Some(START + 5_000))])
            .at(START + 10)
            .when(Command::Retry)
            .then([wait(reason, Some(START + 10))]);
    }
    // Over already, without an end, or no wait between two tries.
    for (reason, until) in [
        (WaitReason::Backoff, Some(START + 10)),
        (WaitReason::Offline, None),
        (WaitReason::Storing, Some(START + 5_000)),
    ] {
        given([request.clone(), wait(reason, until)])
            .at(START + 10)
            .when(Command::Retry)
            .then_nothing();
    }
}

#[test]
fn a_degraded_download_takes_commands_but_no_signals() {
    let broken = |mut s: Scenario| {
        s.download.apply(Entry::decode("{}").as_ref());
        assert!(s.download.degraded);
        s
    };
    let running = broken(Scenario::new().halfway());
    given_scenario(&running)
        .when(running.observed())
        .then_nothing();
    let again = requested(2, &running);
    given_scenario(&running)
        .when(running.request())
        .then([again.clone()]);
    given_scenario(&running).when(Command::Retry).then([again]);
    given_scenario(&running)
        .when(Command::Abort)
        .then([Event::Aborted { by: AbortedBy::App }]);
    let done = broken(Scenario::new().available());
    given_scenario(&done)
        .when(done.request())
        .then([requested(2, &done)]);
}

#[test]
fn a_history_of_which_nothing_can_be_read_can_be_cleared_away() {
    let unreadable = Scenario::new().with(|s| {
        s.download = Download::fold(ID, ["{}"]);
        assert_eq!(s.download.state, State::None);
    });
    given_scenario(&unreadable)
        .when(Command::Remove)
        .then([Event::Evicted {
            by: EvictedBy::Removal,
        }]);
    given_scenario(&unreadable)
        .when(Command::Abort)
        .then_rejected(Rejection::NotAvailable);
    given_scenario(&unreadable)
        .when(unreadable.request())
        .then([requested(1, &unreadable)]);
}
