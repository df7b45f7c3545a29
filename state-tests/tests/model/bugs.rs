//! Bugs, planted one at a time: a checker that finds none of them proves nothing.

use crate::laws::{L5, L7, L8, L10, L11, L16, L17, L18, ONE_LAW};
use crate::world::{Ask, Bug, World};
use crate::worlds::{
    CHANGED, CLOCK_SET, CRASH, EMPTY_SUCCESS, FOREGROUND, HASHED, OPENING, QUIET, REMOVED, RETRIED,
    TWO_RESOURCES,
};
use stateright::{Checker, HasDiscoveries, Model};

/// The checker finds this bug in this world, where it breaks this law. That the world is whole without the bug is what
/// its own test says.
#[track_caller]
fn finds(bug: Bug, world: &World, law: &'static str) {
    let planted = World {
        bug: Some(bug),
        reached: &[],
        ..world.clone()
    };
    let found = HasDiscoveries::AnyOf([law].into_iter().collect());
    let checker = planted.checker().finish_when(found).spawn_bfs().join();
    let path = checker.discovery(law);
    let path = path.unwrap_or_else(|| {
        panic!(
            "{bug:?} goes unnoticed; found: {:?}",
            checker.discoveries().keys()
        )
    });
    let steps = path.into_actions();
    println!(
        "{bug:?} breaks \"{law}\" after {} steps: {steps:?}",
        steps.len()
    );
    assert!(
        steps.len() > 3,
        "the world was broken before anything happened"
    );
}

#[test]
fn who_skips_the_conflict_check_loses_an_event() {
    let rivals = World {
        asks: &[Ask::Request, Ask::Abort],
        ..FOREGROUND
    };
    finds(Bug::SkipsTheConflictCheck, &rivals, L10);
}

#[test]
fn who_trusts_an_empty_success_has_a_model_of_no_bytes() {
    finds(Bug::TrustsAnEmptySuccess, &EMPTY_SUCCESS, L5);
}

#[test]
fn who_acts_before_appending_runs_what_no_event_licenses() {
    finds(Bug::ActsBeforeAppending, &QUIET, ONE_LAW);
}

#[test]
fn who_accepts_a_stale_attempt_is_told_what_is_no_longer_so() {
    finds(Bug::AcceptsAStaleAttempt, &CHANGED, L7);
}

#[test]
fn who_takes_an_absent_registration_for_a_lost_one_fetches_what_is_there() {
    finds(Bug::TakesAbsentForLost, &OPENING, L11);
}

#[test]
fn who_deletes_without_the_lock_deletes_what_is_available() {
    finds(Bug::DeletesWithoutTheLock, &REMOVED, L5);
}

#[test]
fn who_works_without_the_lock_fetches_what_another_tab_fetches() {
    let rivals = World {
        open: [true, true],
        asks: &[Ask::Request, Ask::Request],
        ..FOREGROUND
    };
    finds(Bug::WorksWithoutTheLock, &rivals, L11);
}

#[test]
fn who_accounts_before_storing_fetches_what_had_come() {
    finds(Bug::AccountsBeforeStoring, &OPENING, L11);
}

#[test]
fn who_rests_for_ever_does_not_see_the_worker_die() {
    finds(Bug::RestsForEver, &CRASH, L8);
}

#[test]
fn who_skips_the_hash_takes_other_bytes_for_the_file() {
    finds(Bug::SkipsTheHash, &HASHED, L5);
}

#[test]
fn who_repeats_without_a_delay_asks_a_server_for_ever() {
    finds(Bug::RepeatsWithoutADelay, &RETRIED, L18);
}

#[test]
fn who_discards_what_others_brought_asks_for_it_again() {
    finds(Bug::DiscardsWhatOthersBrought, &TWO_RESOURCES, L16);
}

#[test]
fn who_waits_by_the_wall_clock_waits_for_a_day() {
    finds(Bug::WaitsByTheWallClock, &CLOCK_SET, L17);
}
