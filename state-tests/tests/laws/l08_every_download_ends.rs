//! L8, for one download: with finitely many faults, and a page open that has what is needed, every attempt ends.

use longhaul_state_tests::prove::prove;
use longhaul_state_tests::strategies::{EVERYTHING, any_setup, any_steps};
use longhaul_state_tests::world::World;
use proptest::test_runner::TestCaseError;

#[test]
fn whatever_happened_before_a_download_ends_once_nothing_goes_wrong_any_more() {
    prove(
        "regressions/l08.txt",
        &(any_setup(), any_steps(EVERYTHING, 80)),
        &[
            "left to itself while requested",
            "left to itself while transferring",
            "ended available",
            "ended failed",
        ],
        |(setup, steps), coverage| {
            let mut world = World::new(&setup, coverage);
            for step in &steps {
                world.step(step).map_err(TestCaseError::fail)?;
            }
            let before = world.folded.state.name();
            coverage.reached(&format!("left to itself while {before}"));
            world.finish().map_err(TestCaseError::fail)?;
            coverage.reached(&format!("ended {}", world.folded.state.name()));
            Ok(())
        },
    );
}
