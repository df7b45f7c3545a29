//! What is planned in every state.

use longhaul_core::{Command, Effect, Entry, Input, Job, Range, WaitReason};
use longhaul_state_tests::scenario::{PART, SIZE, Scenario, file, ranged_answer, spec, worker};

use crate::REGISTRATION;

fn fetched(effects: &[Effect]) -> Vec<u32> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Fetch { part, .. } => Some(part.index),
            _ => None,
        })
        .collect()
}

fn abort(registration: &str) -> Effect {
    Effect::AbortJob {
        registration: registration.into(),
    }
}

fn harvest() -> Effect {
    Effect::Harvest {
        registration: REGISTRATION.into(),
    }
}

#[test]
fn nothing_is_planned_for_what_was_never_requested_is_available_or_failed() {
    for s in [
        Scenario::new(),
        Scenario::new().available(),
        Scenario::new().failed(),
    ] {
        assert_eq!(s.plan(), []);
    }
}

#[test]
fn jobs_that_are_not_of_the_present_try_are_aborted_in_every_state() {
    let stray = |s: Scenario| {
        s.with(|s| {
            s.observation.jobs.push(Job {
                registration: "longhaul/1/longhaul/model/0/9".into(),
                downloaded: 5,
            });
        })
    };
    for s in [
        Scenario::new(),
        Scenario::new().requested(),
        Scenario::new().transferring(),
        Scenario::foreground().transferring(),
        Scenario::new().available(),
        Scenario::new().failed(),
        Scenario::new().aborted(),
        Scenario::new().evicted(),
    ] {
        let s = stray(s);
        assert!(
            s.plan().contains(&abort("longhaul/1/longhaul/model/0/9")),
            "{s:?}"
        );
    }
    assert!(
        !Scenario::new()
            .transferring()
            .plan()
            .contains(&abort(REGISTRATION))
    );
}

#[test]
fn when_it_is_over_its_own_job_is_one_of_those() {
    let mut s = Scenario::new().halfway().with_stored(&[0, 1, 2, 3]);
    let look = s.observed();
    s.takes(look);
    assert_eq!(s.plan(), [abort(REGISTRATION)]);
}

#[test]
fn a_page_asks_the_servers_first_and_a_worker_does_not() {
    let s = Scenario::new().requested();
    assert_eq!(s.plan(), [Effect::Probe { attempt: 1 }]);
    let s = s.with(|s| s.observation.context = worker());
    assert_eq!(s.plan(), []);
}

#[test]
fn without_the_headers_nothing_is_asked() {
    let s = Scenario::new().without_headers().requested();
    let wait = Effect::Wait {
        until: None,
        reason: WaitReason::Headers,
    };
    assert_eq!(s.plan(), [wait]);
}

#[test]
fn a_wait_stands_before_the_next_question_until_it_is_over() {
    let mut s = Scenario::new().requested();
    s.takes(s.probed_as(vec![Err(longhaul_core::TransferError::Network)]));
    let until = s
        .download
        .waiting
        .as_ref()
        .and_then(|waiting| waiting.until);
    let wait = Effect::Wait {
        until,
        reason: WaitReason::Backoff,
    };
    assert_eq!(s.plan(), [wait]);
    s.now = until.expect("a backoff ends by itself") - 1;
    assert_eq!(s.plan().len(), 1);
    s.now += 1;
    assert_eq!(s.plan(), [Effect::Probe { attempt: 1 }]);
    s.now -= 1;
    s.takes(Input::Command(Command::Retry));
    assert_eq!(s.plan(), [Effect::Probe { attempt: 1 }]);
}

#[test]
fn a_licensed_job_is_handed_over_once_with_all_missing_parts() {
    let s = Scenario::new().started().with_stored(&[1]);
    let [
        Effect::StartJob {
            attempt,
            registration,
            title,
            total,
            parts,
        },
    ] = &s.plan()[..]
    else {
        panic!("{:?}", s.plan())
    };
    assert_eq!((*attempt, registration.as_str()), (1, REGISTRATION));
    assert_eq!(title.as_deref(), Some("A model"));
    assert_eq!(*total, SIZE - PART);
    let indices: Vec<u32> = parts.iter().map(|(_, part)| part.index).collect();
    assert_eq!(indices, [0, 2, 3]);
    // Nobody else may hand it over, and afterwards it is harvested.
    let other = s.clone().with(|s| s.observation.unstarted = None);
    assert_eq!(other.plan(), []);
    assert_eq!(Scenario::new().transferring().plan(), [harvest()]);
}

#[test]
fn a_whole_body_is_not_announced() {
    let whole = longhaul_core::HttpResponse {
        status: 200,
        content_length: Some(50),
        ..longhaul_core::HttpResponse::default()
    };
    let mut s = Scenario::new().requested();
    s.takes(s.probed(&whole));
    s.observation.unstarted = s.registration();
    assert!(
        matches!(s.plan()[..], [Effect::StartJob { total: 0, .. }]),
        "{:?}",
        s.plan()
    );
}

#[test]
fn a_job_that_brings_nothing_is_helped_from_the_end_backwards() {
    let idle = |ms| {
        Scenario::new()
            .halfway()
            .with(|s| s.observation.idle_ms = ms)
    };
    assert_eq!(idle(None).plan(), [harvest()]);
    assert_eq!(idle(Some(5_999)).plan(), [harvest()]);
    let assisted = idle(Some(6_000)).plan();
    assert_eq!(assisted[0], harvest());
    assert_eq!(fetched(&assisted), [3, 2]);
    let by_worker = idle(Some(6_000)).with(|s| s.observation.context = worker());
    assert_eq!(by_worker.plan(), [harvest()]);
}

#[test]
fn a_job_whose_completion_is_handled_is_waited_for() {
    let s = Scenario::new().halfway().with(|s| {
        s.observation.jobs.clear();
        s.observation.handling.push(REGISTRATION.into());
        s.observation.idle_ms = Some(60_000);
    });
    assert_eq!(s.plan(), []);
}

#[test]
fn between_two_jobs_the_wait_is_planned_and_then_the_look() {
    let mut s = Scenario::new().transferring();
    s.observation.jobs.clear();
    s.takes(s.job_ended(REGISTRATION, longhaul_core::JobEnd::Success, &[]));
    assert!(
        matches!(s.plan()[..], [Effect::Wait { until: Some(_), .. }]),
        "{:?}",
        s.plan()
    );
    s.now += 60_000;
    assert_eq!(s.plan(), []);
}

#[test]
fn a_page_fetches_exactly_the_missing_parts_in_order() {
    let s = Scenario::foreground()
        .with(|s| s.spec = spec(2))
        .transferring()
        .with(|s| {
            let first = s.download.files[0].key();
            s.observation.stored.insert(
                first,
                vec![Range::new(0, PART), Range::new(60, PART)].into(),
            );
        });
    let parts: Vec<(u32, u32)> = s
        .plan()
        .iter()
        .filter_map(|effect| match effect {
            Effect::Fetch {
                attempt: 1,
                transfer: 1,
                resource,
                part,
            } => Some((*resource, part.index)),
            _ => None,
        })
        .collect();
    assert_eq!(parts, [(0, 1), (0, 3), (1, 0), (1, 1), (1, 2), (1, 3)]);
    let by_worker = s.with(|s| s.observation.context = worker());
    assert_eq!(by_worker.plan(), []);
}

#[test]
fn what_is_all_there_is_verified_by_whoever_looks() {
    let all_there = |s: Scenario| {
        let s = s.halfway().with_stored(&[0, 1, 2, 3]);
        s.with(|s| s.observation.jobs.clear())
    };
    let s = all_there(Scenario::new().hashed());
    let verify = Effect::Verify {
        attempt: 1,
        resources: vec![0],
        confirm: Vec::new(),
    };
    assert_eq!(s.plan(), std::slice::from_ref(&verify));
    let by_worker = s.with(|s| s.observation.context = worker());
    assert_eq!(by_worker.plan(), [verify]);
    assert_eq!(all_there(Scenario::new()).plan(), []);
}

#[test]
fn a_job_that_others_overtook_is_aborted_before_the_hash_and_one_that_brought_all_ends_by_itself() {
    let brought = |downloaded: u64| {
        let s = Scenario::new()
            .hashed()
            .halfway()
            .with_stored(&[0, 1, 2, 3]);
        s.with(|s| {
            s.observation.jobs = vec![Job {
                registration: REGISTRATION.into(),
                downloaded,
            }];
        })
    };
    let verify = Effect::Verify {
        attempt: 1,
        resources: vec![0],
        confirm: Vec::new(),
    };
    for downloaded in [0, SIZE - 1] {
        let plan = brought(downloaded).plan();
        assert_eq!(plan, [abort(REGISTRATION), verify.clone()]);
    }
    assert_eq!(brought(SIZE).plan(), [verify]);
}

#[test]
fn what_was_aborted_or_removed_is_deleted_until_it_is_gone() {
    for (s, attempt) in [
        (Scenario::new().aborted(), 1),
        (Scenario::new().removed(), 1),
    ] {
        let delete = Effect::DeleteFiles {
            attempt,
            keys: vec![file().key()],
        };
        let deleted = |effects: &[Effect]| effects.contains(&delete);
        assert!(deleted(&s.plan()), "{:?}", s.plan());
        let gone = s.with(|s| s.observation.stored.clear());
        assert!(!deleted(&gone.plan()));
    }
}

#[test]
fn what_an_eviction_left_is_kept_and_only_the_rest_is_asked_for_again() {
    let mut again = Scenario::foreground().evicted();
    assert_eq!(again.plan(), []);
    again.takes(again.request());
    again.takes(again.probed(&ranged_answer()));
    assert_eq!(fetched(&again.plan()), [2]);
}

#[test]
fn only_the_file_with_the_wrong_hash_is_deleted() {
    let mut s = Scenario::foreground()
        .hashed()
        .with(|s| {
            let second = spec(2).resources.remove(1);
            s.spec.resources.push(second);
        })
        .transferring()
        .with_stored(&[0, 1, 2, 3]);
    let look = s.observed();
    s.takes(look);
    s.takes(s.verified(&longhaul_state_tests::scenario::digest('b')));
    assert_eq!(
        s.plan(),
        [Effect::DeleteFiles {
            attempt: 1,
            keys: vec![s.download.files[0].key()]
        }]
    );
}

#[test]
fn of_a_degraded_download_only_what_arrives_is_kept() {
    let mut s = Scenario::new().halfway();
    s.download.apply(Entry::decode("{}").as_ref());
    assert_eq!(s.plan(), [harvest()]);
    let mut s = Scenario::new().aborted();
    s.download.apply(Entry::decode("{}").as_ref());
    s.observation.jobs.clear();
    assert_eq!(s.plan(), []);
}

#[test]
fn effects_are_told_apart_by_their_ids() {
    let s = Scenario::foreground()
        .with(|s| s.spec = spec(2))
        .transferring();
    let assisting = Scenario::new()
        .halfway()
        .with(|s| s.observation.idle_ms = Some(60_000));
    let all: Vec<Effect> = s
        .plan()
        .into_iter()
        .chain(assisting.plan())
        .chain(Scenario::new().requested().plan())
        .chain(Scenario::new().started().plan())
        .chain(
            Scenario::new()
                .hashed()
                .halfway()
                .with_stored(&[0, 1, 2, 3])
                .with(|s| s.observation.jobs.clear())
                .plan(),
        )
        .chain(Scenario::new().aborted().plan())
        .collect();
    let ids: std::collections::BTreeSet<_> = all.iter().map(Effect::id).collect();
    // The parts 2 and 3 of the first file are fetched in both.
    assert_eq!(ids.len(), all.len() - 2, "{all:#?}");
}

#[test]
fn the_id_of_an_effect_tells_attempts_tries_parts_and_jobs_apart() {
    let part = |index| longhaul_core::PartRequest {
        file: longhaul_state_tests::scenario::file(),
        index,
    };
    let fetch = |attempt, transfer, resource, index| Effect::Fetch {
        attempt,
        transfer,
        resource,
        part: part(index),
    };
    let harvest = |of: &str| Effect::Harvest {
        registration: of.into(),
    };
    let abort = |of: &str| Effect::AbortJob {
        registration: of.into(),
    };
    let effects = [
        fetch(1, 1, 0, 0),
        fetch(2, 1, 0, 0),
        fetch(1, 2, 0, 0),
        fetch(1, 1, 1, 0),
        fetch(1, 1, 0, 1),
        harvest("a"),
        harvest("b"),
        abort("a"),
        abort("b"),
        Effect::Probe { attempt: 1 },
        Effect::Probe { attempt: 2 },
    ];
    let mut ids: Vec<_> = effects.iter().map(Effect::id).collect();
    assert_eq!(
        ids,
        effects.each_ref().map(Effect::id),
        "the same effect has the same id"
    );
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), effects.len());
}
