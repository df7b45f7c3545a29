//! L6: the same outcome of the same effect, a second time, appends nothing.

use crate::live;
use longhaul_state_tests::prove::prove;
use longhaul_state_tests::strategies::{EVERYTHING, Emphasis, any_setup, any_steps};

#[test]
fn an_outcome_that_arrives_twice_is_told_once() {
    let echoing = Emphasis {
        deliver: 20,
        trouble: 4,
        rumour: 6,
        ..EVERYTHING
    };
    prove(
        "regressions/l06.txt",
        &(any_setup(), any_steps(echoing, 100)),
        &[
            "told, then told again: Probed",
            "told, then told again: Refused",
            "told, then told again: Ended",
            "told, then told again: PartFailed",
            "told, then told again: Verified",
        ],
        |(setup, steps), coverage| live(&setup, &steps, coverage),
    );
}
