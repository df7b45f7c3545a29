//! The laws of DESIGN.md over the real machine, a module each, named as sentences.
//!
//! The laws about histories share one world, in which each module stresses what may break its law; a world checks all
//! of them after every step.

mod l01_any_history_folds;
mod l02_folds_agree;
mod l03_one_ending;
mod l04_figures_never_fall;
mod l05_nothing_unproven_succeeds;
mod l06_twice_is_once;
mod l07_stale_is_a_look;
mod l08_every_download_ends;
mod l09_plans_are_exact;
mod l10_one_history;
mod l11_parts_move_once;
mod l12_histories_stay_short;
mod l13_entries_survive;
mod l13_json_reads_like_any_other;
mod l14_no_secret_is_kept;
mod l18_no_request_is_repeated_without_a_delay;

use longhaul_state_tests::prove::Coverage;
use longhaul_state_tests::world::{Setup, Step, World};
use proptest::test_runner::TestCaseError;

/// Lives through the steps; the world checks the laws after each.
fn live(setup: &Setup, steps: &[Step], coverage: &Coverage) -> Result<(), TestCaseError> {
    let mut world = World::new(setup, coverage);
    let lived = steps.iter().try_for_each(|step| world.step(step));
    lived
        .and_then(|()| world.check_fold())
        .map_err(TestCaseError::fail)
}
