//! L5: no success before every part is stored, measured and, where a hash was given, verified.

use crate::live;
use longhaul_state_tests::prove::prove;
use longhaul_state_tests::strategies::{EVERYTHING, Emphasis, any_setup, any_steps};

#[test]
fn nothing_succeeds_before_its_bytes_are_there_and_right() {
    let lying = Emphasis {
        jobs: 12,
        change: 3,
        trouble: 3,
        ..EVERYTHING
    };
    prove(
        "regressions/l05.txt",
        &(any_setup(), any_steps(lying, 120)),
        &[
            "success",
            "success, verified",
            "cached-hit",
            "an empty success",
            "failure Integrity",
            "waiting Verifying",
            "versions mixed stored",
        ],
        |(setup, steps), coverage| live(&setup, &steps, coverage),
    );
}
