//! L7: a stale signal changes no state; bytes it brings that fit the plan may still be kept.

use crate::live;
use longhaul_state_tests::prove::prove;
use longhaul_state_tests::strategies::{EVERYTHING, Emphasis, any_setup, any_steps};

#[test]
fn a_stale_outcome_says_no_more_than_a_look() {
    let late = Emphasis {
        ask: 5,
        jobs: 10,
        rumour: 6,
        ..EVERYTHING
    };
    prove(
        "regressions/l07.txt",
        &(any_setup(), any_steps(late, 120)),
        &[
            "stale: Probed",
            "stale: Refused",
            "stale: Ended",
            "stale: PartFailed",
            "stale: Verified",
            "stale, and as good as a look",
            "bytes of a stale job were kept",
        ],
        |(setup, steps), coverage| live(&setup, &steps, coverage),
    );
}
