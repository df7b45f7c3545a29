//! L3: an attempt has at most one ending.

use crate::live;
use longhaul_state_tests::prove::prove;
use longhaul_state_tests::strategies::{EVERYTHING, Emphasis, any_setup, any_steps};

#[test]
fn an_attempt_has_one_ending_whoever_ends_it_first() {
    let impatient = Emphasis {
        ask: 8,
        crash: 3,
        ..EVERYTHING
    };
    prove(
        "regressions/l03.txt",
        &(any_setup(), any_steps(impatient, 80)),
        &[
            "success",
            "cached-hit",
            "aborted App",
            "aborted Browser",
            "aborted Removal",
            "failure NotFound",
            "evicted Removal",
            "requested by itself",
            "a conflict",
            "a spec conflict",
        ],
        |(setup, steps), coverage| live(&setup, &steps, coverage),
    );
}
