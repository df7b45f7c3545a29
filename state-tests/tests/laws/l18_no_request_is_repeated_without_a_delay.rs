//! L18: between a failed request and its repetition there is always a delay, whoever embeds the machine.

use longhaul_core::{Background, Preference};
use longhaul_state_tests::embedder::{Embedder, Luck, Setup};
use longhaul_state_tests::prove::prove;
use longhaul_state_tests::strategies::any_fault;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::TestCaseError;

/// How often an embedder plans at most: enough for two attempts with full histories.
const TURNS: usize = 900;

fn luck() -> impl Strategy<Value = Luck> {
    prop_oneof![
        9 => Just(Luck::Good),
        6 => any_fault().prop_map(Luck::Fails),
        1 => Just(Luck::LosesTheJob),
    ]
}

/// A line so bad that every part costs entries, but not so bad that a server or a browser gives up.
fn bad_line() -> impl Strategy<Value = Vec<Luck>> {
    let transient = any_fault().prop_filter("ends the attempt", longhaul_core::Fault::is_transient);
    (prop::collection::vec(transient, 1..4), 1_usize..3).prop_map(|(faults, good)| {
        let bad = faults.into_iter().map(Luck::Fails);
        bad.chain(std::iter::repeat_n(Luck::Good, good)).collect()
    })
}

fn any_luck() -> impl Strategy<Value = (u64, Vec<Luck>)> {
    prop_oneof![
        3 => (select(vec![1_u64, 2, 5]), prop::collection::vec(luck(), 1..12)),
        1 => (Just(110_u64), bad_line()),
    ]
}

fn any_setup() -> impl Strategy<Value = Setup> {
    (
        select(vec![
            Background::Usable,
            Background::Usable,
            Background::Missing,
        ]),
        select(vec![
            Preference::Auto,
            Preference::Auto,
            Preference::BackgroundFetch,
            Preference::Foreground,
        ]),
        1_usize..=3,
        any_luck(),
        prop::bool::weighted(0.3),
        select(vec![1_000_u64, 0]),
        select(vec![1_u32, 8]),
        select(vec![None, Some(0), Some(10_000), Some(u64::MAX)]),
        any::<bool>(),
        (select(vec![1_usize, 4, usize::MAX]), any::<bool>()),
    )
        .prop_map(
            |(
                background,
                preference,
                resources,
                (parts, luck),
                hashed,
                base_ms,
                limit,
                idle_ms,
                says_offline,
                more,
            )| {
                let (at_once, told_late) = more;
                // One long file is long enough.
                let resources = if parts > 5 { 1 } else { resources };
                Setup {
                    background,
                    preference,
                    resources,
                    parts,
                    hashed,
                    base_ms,
                    limit,
                    idle_ms,
                    says_offline,
                    at_once,
                    told_late,
                    luck,
                }
            },
        )
}

#[test]
fn whoever_does_what_is_planned_repeats_no_failed_request_without_a_delay() {
    prove(
        "regressions/l18.txt",
        &any_setup(),
        &[
            "a probe was repeated after a delay",
            "a part was repeated after a delay",
            "a record failed",
            "a job was lost",
            "a page helped a job",
            "a device was offline and said so",
            "a device was offline and did not say so",
            "an offline device had a time to wait for",
            "a full history",
            "a full history ended its attempt",
            "an attempt began by itself",
            "ended available",
            "ended failed",
        ],
        |setup, coverage| {
            let embedder = Embedder::new(&setup, coverage);
            embedder.run(TURNS).map_err(TestCaseError::fail)
        },
    );
}
