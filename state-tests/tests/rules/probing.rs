//! From the servers' answers to the first try.

use longhaul_core::{
    Background, Event, FailReason, FileVersion, HttpResponse, Missing, Preference, Range,
    TransferError, Transport, TransportReason, WaitReason,
};
use longhaul_state_tests::given::given_scenario;
use longhaul_state_tests::scenario::{PART, SIZE, START, Scenario, file, ranged_answer, spec};

use crate::REGISTRATION;

fn started(transport: Transport, why: TransportReason, parts: &str) -> Event {
    let registration = (transport == Transport::BackgroundFetch).then(|| REGISTRATION.to_owned());
    Event::Started {
        transfer: 1,
        transport,
        why,
        registration,
        files: vec![file()],
        missing: vec![Missing {
            resource: 0,
            parts: parts.into(),
        }],
        stored: 0,
        total: Some(SIZE),
    }
}

#[test]
fn a_good_answer_starts_a_background_job_for_all_parts() {
    let s = Scenario::new().requested();
    given_scenario(&s)
        .when(s.probed(&ranged_answer()))
        .then([started(
            Transport::BackgroundFetch,
            TransportReason::Preferred,
            "0-3",
        )]);
}

#[test]
fn the_transport_is_chosen_by_what_is_asked_for_and_what_there_is() {
    use Background::{Missing, NoWorker, Usable};
    use Preference::{Auto, BackgroundFetch, Foreground};
    use Transport::{BackgroundFetch as Job, Foreground as Page};
    let cases = [
        (Auto, Usable, false, Ok((Job, TransportReason::Preferred))),
        (Auto, Missing, false, Ok((Page, TransportReason::Missing))),
        (Auto, NoWorker, false, Ok((Page, TransportReason::NoWorker))),
        (Auto, Usable, true, Ok((Page, TransportReason::Headers))),
        (Auto, Missing, true, Ok((Page, TransportReason::Headers))),
        (
            Foreground,
            Usable,
            false,
            Ok((Page, TransportReason::Asked)),
        ),
        (
            Foreground,
            Missing,
            true,
            Ok((Page, TransportReason::Asked)),
        ),
        (
            BackgroundFetch,
            Usable,
            false,
            Ok((Job, TransportReason::Asked)),
        ),
        (BackgroundFetch, Missing, false, Err(FailReason::Refused)),
        (BackgroundFetch, NoWorker, false, Err(FailReason::Refused)),
        (BackgroundFetch, Usable, true, Err(FailReason::Refused)),
    ];
    for (preference, background, headers, expected) in cases {
        let s = Scenario::new().with(|s| {
            s.observation.context.preference = preference;
            s.observation.context.background = background;
            s.spec.headers = headers;
        });
        let s = s.requested();
        let when = given_scenario(&s).when(s.probed(&ranged_answer()));
        match expected {
            Ok((transport, why)) => when.then([started(transport, why, "0-3")]),
            Err(reason) => when.then_fails(reason),
        }
    }
}

#[test]
fn parts_at_rest_count_at_once() {
    let s = Scenario::new().requested().with(|s| {
        let rest = vec![Range::new(0, PART), Range::new(90, 10)];
        s.observation.stored.insert(file().key(), rest.into());
    });
    let Event::Started {
        files,
        registration,
        total,
        ..
    } = started(Transport::BackgroundFetch, TransportReason::Preferred, "")
    else {
        unreachable!("it is one")
    };
    given_scenario(&s)
        .when(s.probed(&ranged_answer()))
        .then([Event::Started {
            transfer: 1,
            transport: Transport::BackgroundFetch,
            why: TransportReason::Preferred,
            registration,
            files,
            missing: vec![Missing {
                resource: 0,
                parts: "1-2".into(),
            }],
            stored: PART + 10,
            total,
        }]);
}

#[test]
fn parts_of_another_size_at_rest_are_worth_more_than_the_policys_size() {
    let split = |rest: &[Range]| {
        let s = Scenario::new().requested().with(|s| {
            s.observation
                .stored
                .insert(file().key(), rest.to_vec().into());
        });
        let events = given_scenario(&s)
            .when(s.probed(&ranged_answer()))
            .then_names(&["started"]);
        match &events[0] {
            Event::Started { files, .. } => files[0].part_bytes,
            _ => None,
        }
    };
    assert_eq!(split(&[Range::new(0, 40), Range::new(80, 20)]), Some(40));
    // The last part alone may be a short one: its length says nothing of the others.
    assert_eq!(split(&[Range::new(90, 10)]), Some(PART));
    // Two sizes cannot both be kept.
    assert_eq!(split(&[Range::new(0, 40), Range::new(40, 20)]), Some(PART));
    assert_eq!(split(&[]), Some(PART));
}

#[test]
fn what_is_wholly_at_rest_is_a_hit_without_a_transfer() {
    let s = Scenario::new().requested().with(|s| {
        let layout = file().layout();
        let all = (0..4).filter_map(|n| layout.range(n)).collect();
        s.observation.stored.insert(file().key(), all);
    });
    given_scenario(&s)
        .when(s.probed(&ranged_answer()))
        .then([Event::CachedHit {
            stored: SIZE,
            files: vec![file()],
        }]);
}

#[test]
fn what_is_wholly_at_rest_is_verified_before_it_counts_where_a_hash_is_given() {
    let mut s = Scenario::new().hashed().requested().with(|s| {
        let layout = file().layout();
        let all = (0..4).filter_map(|n| layout.range(n)).collect();
        s.observation.stored.insert(file().key(), all);
    });
    let probed = s.probed(&ranged_answer());
    let events = s.takes(probed);
    assert!(
        matches!(
            events[..],
            [Event::Started {
                transport: Transport::Foreground,
                why: TransportReason::Stored,
                registration: None,
                stored: SIZE,
                ..
            }]
        ),
        "{events:?}"
    );
    let verified = s.verified(&longhaul_state_tests::scenario::digest('a'));
    given_scenario(&s).when(verified).then([Event::Success {
        sizes: vec![SIZE],
        verified: vec![0],
    }]);
}

#[test]
fn an_empty_file_is_stored_without_a_transfer() {
    let empty = HttpResponse {
        status: 416,
        content_range: Some("bytes */0".into()),
        ..HttpResponse::default()
    };
    let s = Scenario::new().requested();
    given_scenario(&s)
        .when(s.probed(&empty))
        .then([Event::CachedHit {
            stored: 0,
            files: vec![FileVersion {
                url: file().url,
                size: Some(0),
                validator: None,
                part_bytes: None,
                content_type: None,
                cross_origin: false,
            }],
        }]);
}

#[test]
fn a_file_of_unknown_size_has_no_total() {
    let unknown = HttpResponse {
        status: 200,
        ..HttpResponse::default()
    };
    let s = Scenario::new().with(|s| s.spec = spec(2)).requested();
    let events = given_scenario(&s)
        .when(s.probed_as(vec![Ok(ranged_answer()), Ok(unknown)]))
        .then_names(&["started"]);
    let Event::Started { total, missing, .. } = &events[0] else {
        unreachable!("its name says so")
    };
    assert_eq!(*total, None);
    let parts: Vec<&str> = missing.iter().map(|m| m.parts.as_str()).collect();
    assert_eq!(parts, ["0-3", "0"]);
}

#[test]
fn what_cannot_heal_fails_at_once_and_with_its_reason() {
    let status = |status| TransferError::Status {
        status,
        retry_after_ms: None,
    };
    for (fault, reason) in [
        (status(404), FailReason::NotFound),
        (status(410), FailReason::NotFound),
        (status(401), FailReason::Unauthorized),
        (status(403), FailReason::Unauthorized),
        (status(407), FailReason::Unauthorized),
        (status(400), FailReason::BadStatus),
        (TransferError::Cors, FailReason::Cors),
        (TransferError::Quota, FailReason::Quota),
        (TransferError::Changed, FailReason::Changed),
        (TransferError::UnexpectedType, FailReason::UnexpectedType),
        (TransferError::HeadersNeeded, FailReason::Unauthorized),
    ] {
        let s = Scenario::new().requested();
        given_scenario(&s)
            .when(s.probed_as(vec![Err(fault)]))
            .then_fails(reason);
    }
}

#[test]
fn an_answer_that_is_no_such_file_fails_by_what_it_says() {
    let html = HttpResponse {
        status: 200,
        content_type: Some("text/html".into()),
        ..HttpResponse::default()
    };
    let s = Scenario::new().requested();
    given_scenario(&s)
        .when(s.probed(&html))
        .then_fails(FailReason::UnexpectedType);
    let s = Scenario::new()
        .with(|s| s.spec.resources[0].bytes = Some(SIZE + 1))
        .requested();
    given_scenario(&s)
        .when(s.probed(&ranged_answer()))
        .then_fails(FailReason::Changed);
}

#[test]
fn one_file_that_cannot_be_had_fails_all_even_while_another_could_be_waited_for() {
    let s = Scenario::new().with(|s| s.spec = spec(2)).requested();
    let events = given_scenario(&s)
        .when(s.probed_as(vec![
            Err(TransferError::Network),
            Err(TransferError::Status {
                status: 404,
                retry_after_ms: None,
            }),
        ]))
        .then_names(&["failure"]);
    let Event::Failure(failure) = &events[0] else {
        unreachable!("its name says so")
    };
    assert_eq!(
        (failure.reason, failure.resource),
        (FailReason::NotFound, Some(1))
    );
}

#[test]
fn a_page_without_the_headers_that_are_wanted_waits_for_one_that_has_them() {
    let wanted = TransferError::Status {
        status: 401,
        retry_after_ms: None,
    };
    let mut s = Scenario::new().without_headers().requested();
    let wait = Event::Waiting {
        reason: WaitReason::Headers,
        until: None,
        retries: 0,
        message: None,
    };
    given_scenario(&s)
        .when(s.probed_as(vec![Err(wanted.clone())]))
        .then([wait.clone()]);
    given_scenario(&s).when(s.observed()).then([wait]);
    let look = s.observed();
    s.takes(look);
    given_scenario(&s).when(s.observed()).then_nothing();
    given_scenario(&s)
        .when(s.probed_as(vec![Err(wanted.clone())]))
        .then_nothing();
    // A page that has them and is refused all the same: they are the wrong ones.
    let s = s.with(|s| s.observation.context.headers = true);
    given_scenario(&s)
        .when(s.probed_as(vec![Err(wanted)]))
        .then_fails(FailReason::Unauthorized);
}

#[test]
fn a_worker_says_nothing_of_headers_it_never_has() {
    let s = Scenario::new().without_headers().requested().with(|s| {
        s.observation.context = longhaul_state_tests::scenario::worker();
    });
    given_scenario(&s).when(s.observed()).then_nothing();
}

#[test]
fn answers_to_an_older_question_are_passed_over() {
    let s = Scenario::new().requested();
    let old = s.probed(&ranged_answer());
    let next = s.clone().with(|s| {
        s.takes(longhaul_core::Input::Command(longhaul_core::Command::Abort));
        let request = s.request();
        s.takes(request);
    });
    given_scenario(&next).when(old.clone()).then_nothing();
    // The same question, answered before.
    let started = Scenario::new().started();
    given_scenario(&started).when(old).then_nothing();
    // Answers for another number of files are to another question.
    given_scenario(&s).when(s.probed_as(vec![])).then_nothing();
}

#[test]
fn transient_faults_wait_and_the_next_round_waits_longer() {
    let mut s = Scenario::new().requested();
    let mut last = 0;
    for round in 1..=s.observation.context.policy.retry.limit {
        let probed = s.probed_as(vec![Err(TransferError::Network)]);
        let events = s.takes(probed);
        let [
            Event::Waiting {
                reason,
                until,
                retries,
                ..
            },
        ] = events[..]
        else {
            panic!("{events:?}")
        };
        assert_eq!((reason, retries), (WaitReason::Backoff, round));
        let until = until.expect("a backoff ends by itself");
        assert!(
            until - s.now > last || until - s.now >= 45_000,
            "round {round}"
        );
        last = until - s.now;
        s.now = until;
    }
    given_scenario(&s)
        .when(s.probed_as(vec![Err(TransferError::Network)]))
        .then_fails(FailReason::Network);
}

#[test]
fn a_second_failure_before_the_next_round_is_of_the_same_round() {
    let mut s = Scenario::new().requested();
    let probed = s.probed_as(vec![Err(TransferError::Network)]);
    s.takes(probed.clone());
    given_scenario(&s).when(probed.clone()).then_nothing();
    given_scenario(&s)
        .at(START + 60_000)
        .when(probed)
        .then_names(&["waiting"]);
}

#[test]
fn what_rests_in_one_part_of_its_whole_size_is_found_whatever_size_parts_have_today() {
    let mut s = Scenario::foreground().requested();
    let key = file().key();
    let whole = Range::new(0, SIZE);
    s.observation.stored.insert(key, vec![whole].into());
    given_scenario(&s)
        .when(s.probed(&ranged_answer()))
        .then_names(&["cached-hit"]);
}
