//! Files of another origin: parts whose answers hide their range and version, and the question that is asked afterwards.

use longhaul_core::{
    Effect, Event, FailReason, FileVersion, HttpResponse, JobEnd, JobFailure, PartRequest, Range,
    State, TransferError, WaitReason, measure,
};
use longhaul_state_tests::given::given_scenario;
use longhaul_state_tests::scenario::{
    PART, SIZE, START, Scenario, digest, file, page, ranged_answer, worker,
};

use crate::REGISTRATION;

/// What a host of another origin that exposes its headers answers to a probe.
fn exposed() -> HttpResponse {
    HttpResponse {
        cross_origin: true,
        ..ranged_answer()
    }
}

/// What a record of a background job shows of its answer.
fn record(len: u64) -> HttpResponse {
    HttpResponse {
        status: 206,
        content_length: Some(len),
        cross_origin: true,
        ..HttpResponse::default()
    }
}

/// A download whose job has brought everything, which is not written down yet.
fn brought(begun: Scenario) -> Scenario {
    let mut s = begun.requested();
    s.takes(s.probed(&exposed()));
    s.with_stored(&[0, 1, 2, 3])
}

/// The same while the version is being asked for.
fn asking() -> Scenario {
    let mut s = brought(Scenario::new());
    s.takes(s.observed());
    s
}

#[test]
fn a_record_that_shows_neither_range_nor_version_counts_by_its_status_and_length() {
    let far = FileVersion {
        cross_origin: true,
        ..file()
    };
    let part = PartRequest {
        file: far,
        index: 1,
    };
    let right = Ok(Range::new(PART, PART));
    assert_eq!(measure(&part, &record(PART), PART), right);
    // Not said is not wrong: a body in chunks has no length of its own.
    let chunked = HttpResponse {
        content_length: None,
        ..record(PART)
    };
    assert_eq!(measure(&part, &chunked, PART), right);
    for (answer, body, fault) in [
        (record(PART), PART - 1, TransferError::Truncated),
        (record(PART), 0, TransferError::Truncated),
        (record(PART + 1), PART, TransferError::WrongRange),
        (record(SIZE), SIZE, TransferError::WrongRange),
    ] {
        assert_eq!(measure(&part, &answer, body), Err(fault), "{answer:?}");
    }
    // What is shown is believed, and what this origin itself does not say is missing.
    let elsewhere = HttpResponse {
        content_range: Some(format!("bytes 0-{}/{SIZE}", PART - 1)),
        ..record(PART)
    };
    assert_eq!(
        measure(&part, &elsewhere, PART),
        Err(TransferError::WrongRange)
    );
    let own = HttpResponse {
        cross_origin: false,
        ..record(PART)
    };
    assert_eq!(measure(&part, &own, PART), Err(TransferError::WrongRange));
    // Where nobody knew that it is of another origin, nobody will ask for its version again.
    let unknown = PartRequest {
        file: file(),
        index: 1,
    };
    assert_eq!(
        measure(&unknown, &record(PART), PART),
        Err(TransferError::WrongRange)
    );
}

#[test]
fn what_a_job_brought_from_another_origin_counts_when_its_server_was_asked_again() {
    let mut s = brought(Scenario::new());
    let events = s.takes(s.observed());
    assert!(
        matches!(
            events[..],
            [
                Event::Progress { stored: SIZE, .. },
                Event::Waiting {
                    reason: WaitReason::Verifying,
                    ..
                }
            ]
        ),
        "{events:?}"
    );
    let ask = Effect::Verify {
        attempt: 1,
        resources: vec![],
        confirm: vec![0],
    };
    for context in [page(), worker()] {
        s.observation.context = context;
        s.observation.jobs.clear();
        assert_eq!(s.plan(), std::slice::from_ref(&ask));
    }
    given_scenario(&s).when(s.observed()).then_nothing();
    given_scenario(&s)
        .when(s.verified(&digest('a')))
        .then_nothing();
    given_scenario(&s)
        .when(s.confirmed(Ok(exposed())))
        .then_names(&["success"]);
}

#[test]
fn only_what_hides_its_version_is_asked_for_again() {
    // A hash tells more; the page sees the version of each part; this origin hides nothing.
    let hashed = brought(Scenario::new().hashed());
    let by_page = brought(Scenario::foreground());
    let mut same_origin = Scenario::new().requested();
    same_origin.takes(same_origin.probed(&ranged_answer()));
    let same_origin = same_origin.with_stored(&[0, 1, 2, 3]);
    for (mut s, ends) in [(hashed, false), (by_page, true), (same_origin, true)] {
        s.takes(s.observed());
        assert_eq!(s.download.state == State::Available, ends);
        let asks = |effect: &Effect| matches!(effect, Effect::Verify { confirm, .. } if !confirm.is_empty());
        assert!(!s.plan().iter().any(asks), "{:?}", s.plan());
    }
}

#[test]
fn another_version_or_size_means_that_nothing_of_it_counts() {
    let other_tag = HttpResponse {
        etag: Some("\"v2\"".into()),
        ..exposed()
    };
    let other_size = HttpResponse {
        content_range: Some(format!("bytes 0-0/{}", SIZE + 1)),
        ..exposed()
    };
    for other in [other_tag, other_size] {
        let mut s = asking();
        let events = s.takes(s.confirmed(Ok(other.clone())));
        let names: Vec<&str> = events.iter().map(Event::name).collect();
        assert_eq!(names, ["failure", "requested", "waiting"], "{events:?}");
        let Event::Failure(failure) = &events[0] else {
            unreachable!("by its name")
        };
        assert_eq!(failure.reason, FailReason::Changed);
        // First of all it is deleted, whoever else refers to it; only then is it asked what there is.
        s.observation.jobs.clear();
        let key = file().key();
        let discard = Effect::Discard {
            attempt: 2,
            keys: vec![key.clone()],
        };
        assert_eq!(s.plan(), [discard]);
        given_scenario(&s).when(s.probed(&exposed())).then_nothing();
        s.observation
            .stored
            .insert(key, longhaul_core::Ranges::new());
        assert!(matches!(s.plan()[..], [Effect::Wait { .. }]));
        s.now += 60_000;
        assert_eq!(s.plan(), [Effect::Probe { attempt: 2 }]);
        given_scenario(&s)
            .when(s.probed(&other))
            .then_names(&["started"]);
    }
}

#[test]
fn a_file_that_never_stays_the_same_is_given_up_and_deleted() {
    let mut s = Scenario::new().requested();
    for _ in 0..4 {
        s.now += 60_000;
        s.observation.stored = longhaul_core::StoredParts::new();
        s.takes(s.probed(&exposed()));
        s = s.with_stored(&[0, 1, 2, 3]);
        s.takes(s.observed());
        let other = HttpResponse {
            etag: Some("\"other\"".into()),
            ..exposed()
        };
        s.takes(s.confirmed(Ok(other)));
    }
    assert_eq!(s.fail_reason(), Some(FailReason::Changed));
    s.observation.jobs.clear();
    assert!(matches!(s.plan()[..], [Effect::Discard { .. }]));
}

#[test]
fn a_tag_that_compression_made_weak_is_the_same_and_one_that_is_missing_says_nothing() {
    let with = |etag: Option<&str>| HttpResponse {
        etag: etag.map(str::to_owned),
        ..exposed()
    };
    let s = asking();
    given_scenario(&s)
        .when(s.confirmed(Ok(with(Some("W/\"v1\"")))))
        .then_names(&["success"]);
    given_scenario(&s)
        .when(s.confirmed(Ok(with(None))))
        .then_names(&["waiting"]);
}

#[test]
fn a_server_that_does_not_answer_the_last_question_is_asked_again_later() {
    let mut s = asking();
    let events = s.takes(s.confirmed(Err(TransferError::Unreachable)));
    let [
        Event::Waiting {
            reason: WaitReason::Unreachable,
            until: Some(until),
            ..
        },
    ] = events[..]
    else {
        panic!("{events:?}");
    };
    s.observation.jobs.clear();
    given_scenario(&s).when(s.observed()).then_nothing();
    assert!(matches!(s.plan()[..], [Effect::Wait { .. }]));
    s.now = until;
    s.takes(s.observed());
    assert!(matches!(s.plan()[..], [Effect::Verify { .. }]));
    // An outage is one outage, however often the question is asked: longer and longer, at one entry a round, and to its end.
    let mut last = 0;
    for round in 0..60 {
        let before = s.download.entries;
        s.takes(s.confirmed(Err(TransferError::Unreachable)));
        if s.fail_reason().is_some() {
            break;
        }
        assert_eq!(s.download.entries, before + 1, "round {round}");
        let until = s
            .download
            .waiting
            .as_ref()
            .and_then(|waiting| waiting.until);
        let until = until.expect("it is asked again");
        assert!(until - s.now >= last || until - s.now >= 60_000);
        last = until - s.now;
        given_scenario(&s).when(s.observed()).then_nothing();
        s.now = until;
        given_scenario(&s).when(s.observed()).then_nothing();
        assert!(matches!(s.plan()[..], [Effect::Verify { .. }]));
    }
    assert_eq!(s.fail_reason(), Some(FailReason::Unreachable));
    let gone = s.now - START;
    assert!(gone >= 30 * 60_000, "given up after {gone} ms");
}

#[test]
fn a_refusal_of_the_last_question_is_final_and_what_is_stored_is_kept() {
    let mut s = asking();
    s.observation.jobs.clear();
    let refused = TransferError::Status {
        status: 403,
        retry_after_ms: None,
    };
    s.takes(s.confirmed(Err(refused)));
    assert_eq!(s.fail_reason(), Some(FailReason::Unauthorized));
    assert_eq!(s.plan(), []);
}

#[test]
fn why_a_job_was_of_no_use_stands_in_the_history_in_words() {
    let mut s = Scenario::new().transferring();
    s.observation.jobs.clear();
    let status = TransferError::Status {
        status: 503,
        retry_after_ms: None,
    };
    let faults = [TransferError::WrongRange, status, TransferError::WrongRange];
    let end = JobEnd::Failure(JobFailure::BadStatus);
    let events = s.takes(s.job_ended(REGISTRATION, end, &faults));
    let [
        Event::Waiting {
            message: Some(said),
            ..
        },
    ] = &events[..]
    else {
        panic!("{events:?}");
    };
    assert!(
        said.contains("(bad-status)") && said.contains("2 of its records") && said.contains("503"),
        "{said}"
    );
}

#[test]
fn a_page_of_html_or_anything_else_whole_is_no_other_version() {
    let html = HttpResponse {
        status: 200,
        content_type: Some("text/html".into()),
        ..HttpResponse::default()
    };
    let whole = HttpResponse {
        status: 200,
        content_range: None,
        etag: Some("\"an error page\"".into()),
        ..exposed()
    };
    for answer in [html, whole] {
        let mut s = asking();
        let events = s.takes(s.confirmed(Ok(answer)));
        let names: Vec<&str> = events.iter().map(Event::name).collect();
        assert_eq!(names, ["waiting"], "{events:?}");
        s.now += 60_000;
        given_scenario(&s)
            .when(s.confirmed(Ok(exposed())))
            .then_names(&["success"]);
    }
}

#[test]
fn only_what_may_be_mixed_is_deleted_where_a_file_changes() {
    // Of two files one has a hash, which judges it whatever its server says.
    let mut s = Scenario::new().hashed().with(|s| {
        let mut second = s.spec.resources[0].clone();
        second.url.push_str("-2");
        second.sha256 = None;
        s.spec.resources.push(second);
    });
    s = s.requested();
    s.takes(s.probed(&exposed()));
    let keys: Vec<String> = s.download.files.iter().map(FileVersion::key).collect();
    let mut s = s.with_stored(&[0, 1]);
    s.observation.unstarted = s.registration();
    s.takes(s.part_failed(TransferError::Changed));
    s.observation.unstarted = None;
    assert_eq!(s.plan().len(), 1, "of the first file nothing hides");
    assert!(matches!(s.plan()[..], [Effect::Wait { .. }]));
    let mut other = asking();
    other.takes(other.confirmed(Ok(HttpResponse {
        etag: Some("\"v2\"".into()),
        ..exposed()
    })));
    assert_eq!(other.download.mixed, [keys[0].clone()]);
}

#[test]
fn a_part_that_fails_when_everything_is_there_says_nothing() {
    let s = asking();
    let refused = TransferError::Status {
        status: 404,
        retry_after_ms: None,
    };
    for fault in [refused, TransferError::Network, TransferError::Storage] {
        given_scenario(&s).when(s.part_failed(fault)).then_nothing();
    }
}
