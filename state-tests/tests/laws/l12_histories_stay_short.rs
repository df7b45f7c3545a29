//! L12: the history of an attempt has at most 200 entries, however long the trouble.

use crate::live;
use longhaul_core::{Background, MAX_ENTRIES, Preference};
use longhaul_state_tests::prove::{Coverage, prove};
use longhaul_state_tests::scenario::PART;
use longhaul_state_tests::strategies::{EVERYTHING, Emphasis, any_setup, any_step};
use longhaul_state_tests::world::{Ask, Setup, Step, World};
use proptest::prelude::*;
use std::iter::once;

/// Trouble without end around a file of many parts, in a world that never gives up.
fn storm() -> impl Strategy<Value = (Setup, Vec<Step>)> {
    let part = [Step::PERFORM, Step::DELIVER];
    let round = prop_oneof![
        4 => Just(Step::BROKEN_PART.to_vec()),
        3 => Just(part.to_vec()),
        2 => Just(Step::LOST_JOB.to_vec()),
        3 => any_step(Emphasis { rumour: 4, ..EVERYTHING }).prop_map(|step| vec![step]),
    ];
    (any_setup(), prop::collection::vec(round, 110..180)).prop_map(move |(setup, rounds)| {
        let patient = Setup {
            patience: u32::MAX,
            size: 25 * PART,
            tagged: true,
            ranges: true,
            resources: 1,
            ..setup
        };
        let first = Step::Ask {
            by: 0,
            what: Ask::Request,
        };
        let trouble = rounds.into_iter().flatten().filter(|step| !step.is_final());
        (
            patient,
            once(first).chain(part.clone()).chain(trouble).collect(),
        )
    })
}

#[test]
fn however_long_the_trouble_an_attempt_has_at_most_200_entries() {
    prove(
        "regressions/l12.txt",
        &storm(),
        &["an attempt of 100 entries"],
        |(setup, steps), coverage| live(&setup, &steps, coverage),
    );
}

#[test]
fn an_attempt_that_a_person_hurries_on_and_on_has_at_most_200_entries() {
    let ask = |what| Step::Ask { by: 0, what };
    let coverage = Coverage::default();
    for trouble in [Step::LOST_JOB, Step::BROKEN_PART] {
        for preference in [
            Preference::Auto,
            Preference::BackgroundFetch,
            Preference::Foreground,
        ] {
            let setup = Setup {
                background: Background::Usable,
                preference,
                resources: 1,
                hashed: false,
                headers: false,
                tagged: true,
                ranges: true,
                sized: true,
                cross_origin: false,
                size: 25 * PART,
                other_size: 0,
                patience: u32::MAX,
            };
            let mut world = World::new(&setup, &coverage);
            world.step(&ask(Ask::Request)).expect("keeps the laws");
            for _ in 0..MAX_ENTRIES {
                for step in trouble {
                    world.step(step).expect("keeps the laws");
                }
                world.step(&ask(Ask::Retry)).expect("keeps the laws");
            }
        }
    }
    assert!(coverage.count("an attempt of 100 entries") > 0);
    assert!(coverage.count("failure RetriesExhausted") > 0);
}
