//! L10: writers in several tabs and the service worker, interleaved anyhow, yield one gapless history with no lost event.

use longhaul_core::{
    Command, Download, Entry, Event, Input, JobEnd, Origin, Range, Signal, TransferError, decide,
};
use longhaul_state_tests::prove::{Coverage, prove};
use longhaul_state_tests::scenario::{ID, Scenario, ranged_answer};
use longhaul_state_tests::world::Reference;
use proptest::prelude::*;
use proptest::sample::select;
use std::collections::BTreeMap;

/// What a writer does next.
#[derive(Debug, Clone, Copy)]
enum Turn {
    /// Reads the history.
    Reads,
    /// Decides on what it has read, and appends on condition.
    Says(Saying),
    /// The same, but dies before it hears whether its entries are stored.
    SaysAndDies(Saying),
}

#[derive(Debug, Clone, Copy)]
enum Saying {
    Request,
    Abort,
    Retry,
    Remove,
    Probed,
    Breaks,
    Ended,
    Looks(u32),
}

fn any_turn() -> impl Strategy<Value = Turn> {
    let saying = select(vec![
        Saying::Request,
        Saying::Request,
        Saying::Abort,
        Saying::Retry,
        Saying::Remove,
        Saying::Probed,
        Saying::Probed,
        Saying::Breaks,
        Saying::Ended,
        Saying::Looks(0),
        Saying::Looks(2),
        Saying::Looks(4),
    ]);
    prop_oneof![
        4 => Just(Turn::Reads),
        5 => saying.clone().prop_map(Turn::Says),
        1 => saying.prop_map(Turn::SaysAndDies),
    ]
}

impl Saying {
    fn input(self, view: &Download) -> Input {
        let mut seen = Scenario::foreground();
        seen.download = view.clone();
        match self {
            Self::Request => seen.request(),
            Self::Abort => Input::Command(Command::Abort),
            Self::Retry => Input::Command(Command::Retry),
            Self::Remove => Input::Command(Command::Remove),
            Self::Probed => seen.probed(&ranged_answer()),
            Self::Breaks => seen.part_failed(TransferError::Network),
            Self::Ended => seen.job_ended("longhaul/1/longhaul/model/1/1", JobEnd::Success, &[]),
            Self::Looks(parts) => {
                let parts: Vec<Range> = view
                    .files
                    .iter()
                    .flat_map(|file| (0..parts).filter_map(|n| file.layout().range(n)))
                    .collect();
                for file in &view.files {
                    seen.observation
                        .stored
                        .insert(file.key(), parts.clone().into());
                }
                Input::Signal(Signal::Observed(Box::new(seen.observation)))
            }
        }
    }
}

/// A store that keeps what the contract says, and nothing else: entries by number, added on condition.
#[derive(Default)]
struct Store(BTreeMap<u64, String>);

impl Store {
    fn last(&self) -> u64 {
        self.0.last_key_value().map_or(0, |(seq, _)| *seq)
    }

    fn append(&mut self, expected: u64, entries: &[Entry]) -> Result<(), u64> {
        if self.last() != expected {
            return Err(self.last());
        }
        self.0
            .extend(entries.iter().map(|entry| (entry.seq, entry.encode())));
        Ok(())
    }

    fn fold(&self) -> Download {
        Download::fold(ID, self.0.values().map(String::as_str))
    }
}

fn entries_of(view: &Download, by: usize, now: u64, events: Vec<Event>) -> Vec<Entry> {
    let origin = [Origin::Page, Origin::Page, Origin::ServiceWorker][by];
    let numbered = (view.seq + 1..).zip(events);
    numbered
        .map(|(seq, event)| Entry::new(ID, seq, now, origin, event))
        .collect()
}

#[test]
fn writers_interleaved_anyhow_yield_one_gapless_history_in_which_nothing_is_lost() {
    prove(
        "regressions/l10.txt",
        &prop::collection::vec((0_usize..3, any_turn()), 1..120),
        &[
            "a conflict",
            "a conflict of two entries at once",
            "an append that nobody heard of",
            "three writers",
            "a second attempt",
        ],
        interleaved,
    );
}

fn interleaved(turns: Vec<(usize, Turn)>, coverage: &Coverage) -> Result<(), TestCaseError> {
    let mut store = Store::default();
    let mut views = [Download::new(ID), Download::new(ID), Download::new(ID)];
    let mut told: Vec<Entry> = Vec::new();
    let mut unheard = 0;
    for (now, (by, turn)) in (1..).zip(turns) {
        let (saying, dies) = match turn {
            Turn::Reads => {
                views[by] = store.fold();
                continue;
            }
            Turn::Says(saying) => (saying, false),
            Turn::SaysAndDies(saying) => (saying, true),
        };
        let view = &mut views[by];
        let Ok(events) = decide(view, now, saying.input(view)) else {
            continue;
        };
        let entries = entries_of(view, by, now, events);
        match store.append(view.seq, &entries) {
            Ok(()) if dies => {
                coverage.sometimes(!entries.is_empty(), "an append that nobody heard of");
                unheard += entries.len();
                *view = Download::new(ID);
            }
            Ok(()) => {
                for entry in &entries {
                    view.apply(Ok(entry));
                }
                told.extend(entries);
            }
            Err(_) if entries.is_empty() => {}
            Err(found) => {
                coverage.reached("a conflict");
                coverage.sometimes(entries.len() > 1, "a conflict of two entries at once");
                prop_assert!(found > view.seq, "a conflict with nobody");
            }
        }
    }
    let numbers: Vec<u64> = store.0.keys().copied().collect();
    let gapless: Vec<u64> = (1..=store.last()).collect();
    prop_assert_eq!(numbers, gapless);
    for entry in &told {
        prop_assert_eq!(
            store.0.get(&entry.seq),
            Some(&entry.encode()),
            "an event is lost"
        );
    }
    prop_assert_eq!(store.0.len(), told.len() + unheard);
    let folded = store.fold();
    prop_assert!(!folded.degraded);
    let mut reference = Reference::default();
    let mut writers = Vec::new();
    for text in store.0.values() {
        let entry = Entry::decode(text).map_err(|error| TestCaseError::fail(error.to_string()))?;
        reference.take(&entry.event).map_err(TestCaseError::fail)?;
        writers.push(entry.origin);
    }
    coverage.sometimes(
        writers.contains(&Origin::Page) && writers.contains(&Origin::ServiceWorker),
        "three writers",
    );
    coverage.sometimes(folded.attempt > 1, "a second attempt");
    Ok(())
}
