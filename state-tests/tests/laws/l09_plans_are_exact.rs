//! L9: after a crash between any two steps, `plan` names exactly what is missing.

use longhaul_state_tests::prove::prove;
use longhaul_state_tests::strategies::{EVERYTHING, Emphasis, any_setup, any_steps};
use longhaul_state_tests::world::World;
use proptest::test_runner::TestCaseError;

#[test]
fn were_everybody_to_die_now_a_new_page_would_name_exactly_what_is_missing() {
    let deadly = Emphasis {
        ask: 3,
        jobs: 8,
        crash: 4,
        ..EVERYTHING
    };
    prove(
        "regressions/l09.txt",
        &(any_setup(), any_steps(deadly, 80)),
        &[
            "resumed by probe",
            "resumed by start-job",
            "resumed by harvest",
            "resumed by fetch",
            "resumed by verify",
            "resumed by abort-job",
            "resumed by delete-files",
            "resumed by wait",
            "a completion was waited for",
        ],
        |(setup, steps), coverage| {
            let mut world = World::new(&setup, coverage);
            for step in &steps {
                world.step(step).map_err(TestCaseError::fail)?;
                world.check_resumption().map_err(TestCaseError::fail)?;
            }
            Ok(())
        },
    );
}
