//! L1: `evolve` is total.

use longhaul_core::{Download, Entry, Event, Snapshot, State, evolve};
use longhaul_state_tests::prove::prove;
use longhaul_state_tests::strategies::{any_entry, any_event, any_text};
use proptest::prelude::*;

#[test]
fn any_sequence_of_events_folds_to_a_state_that_can_be_shown() {
    prove(
        "regressions/l01.txt",
        &prop::collection::vec(any_event(), 0..40),
        &[
            "available",
            "transferring",
            "failed",
            "aborted",
            "evicted",
            "requested",
            "nothing",
        ],
        |events, coverage| {
            let mut download = Download::new("model");
            for event in &events {
                evolve(&mut download, event);
            }
            coverage.reached(match &download.state {
                State::None => "nothing",
                state => state.name(),
            });
            let requested = events.iter().any(|e| matches!(e, Event::Requested { .. }));
            let snapshot = Snapshot::of(&download);
            prop_assert!(snapshot.is_some() || !requested);
            if let Some(snapshot) = snapshot {
                let json: serde_json::Value = serde_json::from_str(&snapshot.canonical_json())
                    .map_err(|error| TestCaseError::fail(error.to_string()))?;
                prop_assert_eq!(&json["id"], "model");
            }
            Ok(())
        },
    );
}

#[test]
fn any_texts_fold_whatever_they_are_and_in_whatever_order() {
    let text = prop_oneof![any_entry().prop_map(|entry| entry.encode()), any_text()];
    prove(
        "regressions/l01-texts.txt",
        &prop::collection::vec(text, 0..20),
        &["degraded", "a whole entry"],
        |texts, coverage| {
            let download = Download::fold("", texts.iter().map(String::as_str));
            let again = Download::fold("", texts.iter().map(String::as_str));
            prop_assert_eq!(&download, &again);
            coverage.sometimes(download.degraded, "degraded");
            let whole = texts.iter().any(|text| Entry::decode(text).is_ok());
            coverage.sometimes(whole, "a whole entry");
            let all_bad = !texts.is_empty() && !whole;
            prop_assert!(!all_bad || download.degraded, "unreadable, and not shown");
            Ok(())
        },
    );
}
