//! L11: a part is stored once, and is under transfer at most once, except by assisting, a browser's own restart, or a
//! dead owner's last requests.

use longhaul_state_tests::prove::prove;
use longhaul_state_tests::strategies::{EVERYTHING, Emphasis, any_setup, any_steps};
use longhaul_state_tests::world::{JobFate, Luck, Setup, Step, WORKER, World};
use proptest::test_runner::TestCaseError;

/// A step of a life in which nothing is lost: owners may change and die, outcomes may come late and twice, anything may be
/// asked; but no bytes vanish, no transfer breaks, and no job is assisted.
fn harmless(step: Step) -> Option<Step> {
    Some(match step {
        Step::Look { by, .. } => Step::Look { by, idle: false },
        Step::Perform { which, .. } => Step::Perform {
            which,
            luck: Luck::Good,
        },
        Step::JobEnds { which, .. } => Step::JobEnds {
            which,
            how: JobFate::Success,
        },
        Step::Handle { .. } => Step::Handle { dies: false },
        Step::Crash { by } if by == WORKER => return None,
        Step::Evict { .. } | Step::Server { .. } | Step::Change { .. } | Step::Rumour { .. } => {
            return None;
        }
        other => other,
    })
}

#[test]
fn where_nothing_is_lost_no_part_is_asked_for_twice() {
    let restless = Emphasis {
        ask: 4,
        deliver: 14,
        jobs: 12,
        crash: 6,
        ..EVERYTHING
    };
    prove(
        "regressions/l11.txt",
        &(any_setup(), any_steps(restless, 120)),
        &[
            "success",
            "aborted App",
            "started BackgroundFetch Preferred",
            "started Foreground JobLost",
            "a second try",
            "bytes of a stale job were kept",
            "a job with bytes began anew",
            "a conflict",
        ],
        |(setup, steps), coverage| {
            // Of an empty body of unknown length nobody can tell whether it is whole.
            let honest = Setup {
                sized: true,
                ..setup
            };
            let mut world = World::new(&honest, coverage);
            for step in steps.into_iter().filter_map(harmless) {
                world.step(&step).map_err(TestCaseError::fail)?;
                world.check_thrift().map_err(TestCaseError::fail)?;
            }
            Ok(())
        },
    );
}
