//! L18: between a failed request and its repetition there is always a delay, whoever embeds the machine.

use longhaul_core::{Background, Preference, TransferError};
use longhaul_state_tests::embedder::{Embedder, Luck, Setup};
use longhaul_state_tests::prove::{Coverage, prove};
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
    let transient = any_fault().prop_filter("ends the attempt", TransferError::is_transient);
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
        (
            select(vec![1_usize, 4, usize::MAX]),
            any::<bool>(),
            select(vec![0_u64, 30, 800]),
            any::<bool>(),
        ),
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
                let (at_once, told_late, slow_ms, cross_origin) = more;
                // One long file is long enough.
                let resources = if parts > 5 { 1 } else { resources };
                Setup {
                    background,
                    preference,
                    resources,
                    parts,
                    hashed,
                    cross_origin,
                    base_ms,
                    limit,
                    idle_ms,
                    says_offline,
                    at_once,
                    told_late,
                    slow_ms,
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
            "a page assisted a job",
            "a version was confirmed",
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

/// An embedder of one file whose page transfers by itself.
fn by_the_page(parts: u64, at_once: usize, luck: Vec<Luck>) -> Setup {
    Setup {
        background: Background::Missing,
        preference: Preference::Auto,
        resources: 1,
        parts,
        hashed: false,
        cross_origin: false,
        base_ms: 1_000,
        limit: 8,
        idle_ms: None,
        says_offline: false,
        at_once,
        told_late: false,
        slow_ms: 0,
        luck,
    }
}

/// The same with a job, which the page assists.
fn by_a_job(parts: u64, at_once: usize, luck: Vec<Luck>) -> Setup {
    Setup {
        background: Background::Usable,
        idle_ms: Some(10_000),
        ..by_the_page(parts, at_once, luck)
    }
}

/// Each of these repeated a request in the same millisecond when this law was written down.
#[test]
fn who_once_repeated_a_request_at_once_no_longer_does() {
    use longhaul_core::TransferError::{
        Changed, Network, Offline, Quota, Truncated, Unreachable, WrongRange,
    };
    let luck = |faults: &[Option<TransferError>]| -> Vec<Luck> {
        let each = faults.iter().cloned();
        each.map(|fault| fault.map_or(Luck::Good, Luck::Fails))
            .collect()
    };
    let mut lost = luck(&[None, None, Some(Network)]);
    lost[1] = Luck::LosesTheJob;
    let cases = [
        (
            "no first delay",
            Setup {
                base_ms: 0,
                ..by_the_page(1, 1, luck(&[Some(Network)]))
            },
        ),
        (
            "offline, but the device does not say so",
            by_the_page(1, 1, luck(&[Some(Offline)])),
        ),
        (
            "offline after something else",
            by_the_page(1, 1, luck(&[None, Some(Network), Some(Offline)])),
        ),
        (
            "a full history",
            by_the_page(110, 1, luck(&[Some(WrongRange), None])),
        ),
        (
            "a full history of outages",
            Setup {
                says_offline: true,
                ..by_the_page(110, 1, luck(&[Some(Unreachable), Some(Offline), None]))
            },
        ),
        (
            "another part comes during the wait",
            by_the_page(5, 4, luck(&[None, Some(Network), None, None, None])),
        ),
        (
            "another part fails just before the wait is over",
            Setup {
                slow_ms: 800,
                ..by_the_page(
                    5,
                    4,
                    luck(&[None, Some(Network), Some(Network), None, None]),
                )
            },
        ),
        (
            "the job moves while the page's assistance waits",
            Setup {
                resources: 3,
                told_late: true,
                ..by_a_job(5, 4, luck(&[None, None, None, Some(Truncated), None]))
            },
        ),
        (
            "the job is lost while the page's assistance waits",
            by_a_job(1, 4, lost),
        ),
        (
            "a file that changed and is the same again",
            by_the_page(1, 1, luck(&[None, Some(Changed), None])),
        ),
        (
            "a job without room",
            Setup {
                idle_ms: None,
                ..by_a_job(2, 1, luck(&[None, Some(Quota), None, None]))
            },
        ),
    ];
    let coverage = Coverage::default();
    let broken: Vec<String> = cases
        .iter()
        .filter_map(|(name, setup)| {
            let error = Embedder::new(setup, &coverage).run(TURNS).err()?;
            Some(format!("{name}: {error}"))
        })
        .collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
