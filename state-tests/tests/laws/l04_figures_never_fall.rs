//! L4: within an attempt figures never fall and never pass a known total.

use crate::live;
use longhaul_state_tests::prove::prove;
use longhaul_state_tests::strategies::{EVERYTHING, Emphasis, any_setup, any_steps};

#[test]
fn figures_never_fall_although_bytes_vanish_and_browsers_begin_anew() {
    let shrinking = Emphasis {
        evict: 3,
        jobs: 10,
        rumour: 2,
        ..EVERYTHING
    };
    prove(
        "regressions/l04.txt",
        &(any_setup(), any_steps(shrinking, 120)),
        &[
            "progress",
            "failure Evicted",
            "evicted Eviction",
            "a job with bytes began anew",
            "a second try with bytes stored",
            "success",
        ],
        |(setup, steps), coverage| live(&setup, &steps, coverage),
    );
}
