//! L2: the same history folds to the same canonical JSON, whoever folds it, in how many pieces, and where.
//!
//! The half of it that needs a browser is the suite `golden` of `longhaul_state_tests::conformance`: there the golden
//! histories are folded in wasm and compared with the texts that are written down.

use longhaul_core::{Download, Entry, Snapshot};
use longhaul_state_tests::prove::prove;
use longhaul_state_tests::scenario::ID;
use longhaul_state_tests::strategies::{EVERYTHING, any_entry, any_setup, any_steps, any_text};
use longhaul_state_tests::world::World;
use proptest::prelude::*;
use proptest::sample::Index;

/// Folds some, stores the state as a head is stored, reads it back, and folds the rest onto it.
fn in_pieces(texts: &[String], cut: usize) -> Result<Download, TestCaseError> {
    let first = Download::fold(ID, texts[..cut].iter().map(String::as_str));
    let head = first.encode();
    let mut state = Download::decode(&head).ok_or_else(|| TestCaseError::fail(head))?;
    for text in &texts[cut..] {
        state.apply(Entry::decode(text).as_ref());
    }
    Ok(state)
}

fn shown(download: &Download) -> Option<String> {
    Snapshot::of(download).map(|snapshot| snapshot.canonical_json())
}

#[test]
fn a_life_folds_to_the_same_text_at_once_in_pieces_and_from_a_stored_head() {
    prove(
        "regressions/l02.txt",
        &(any_setup(), any_steps(EVERYTHING, 80), any::<Index>()),
        &[
            "a head in mid-attempt",
            "a whole attempt",
            "failure",
            "success",
        ],
        |(setup, steps, cut), coverage| {
            let mut world = World::new(&setup, coverage);
            for step in &steps {
                world.step(step).map_err(TestCaseError::fail)?;
            }
            let cut = cut.index(world.log.len() + 1);
            let pieces = in_pieces(&world.log, cut)?;
            let whole = Download::fold(ID, world.log.iter().map(String::as_str));
            prop_assert_eq!(pieces.encode(), whole.encode());
            prop_assert_eq!(shown(&pieces), shown(&whole));
            prop_assert_eq!(shown(&world.folded), shown(&whole));
            let head = Download::fold(ID, world.log[..cut].iter().map(String::as_str));
            coverage.sometimes(head.is_running(), "a head in mid-attempt");
            coverage.sometimes(cut == world.log.len(), "a whole attempt");
            let failed = whole.state.name() == "failed";
            coverage.sometimes(failed, "failure");
            Ok(())
        },
    );
}

#[test]
fn whatever_texts_a_history_holds_a_stored_head_stands_for_them() {
    let entry = (any_entry(), 0_u64..6).prop_map(|(mut entry, seq)| {
        entry.download = ID.into();
        entry.seq = seq;
        entry.encode()
    });
    let text = prop_oneof![4 => entry, 1 => any_text()];
    prove(
        "regressions/l02-texts.txt",
        &(prop::collection::vec(text, 0..20), any::<Index>()),
        &["degraded", "whole"],
        |(texts, cut), coverage| {
            let pieces = in_pieces(&texts, cut.index(texts.len() + 1))?;
            let whole = Download::fold(ID, texts.iter().map(String::as_str));
            coverage.reached(if whole.degraded { "degraded" } else { "whole" });
            prop_assert_eq!(pieces.encode(), whole.encode());
            prop_assert_eq!(shown(&pieces), shown(&whole));
            Ok(())
        },
    );
}
