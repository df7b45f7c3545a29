//! Histories of released versions: they read the same for ever.

use longhaul_core::{Download, Entry, Event, Snapshot};
use longhaul_state_tests::scenario::ID;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The histories of version 1, with a digest (FNV-1a, 64 bits) of each and of its snapshot. A released file never
/// changes: where one of these is wrong, it is the file that has to go back to what it was.
const V1: &[(&str, u64, u64)] = &[
    ("a-whole-life", 0x5d76_63b0_920a_cc01, 0x0368_4864_13a5_15ac),
    (
        "changed-and-evicted",
        0x2dbe_6d79_48e8_711c,
        0x72c9_c12a_e6fa_c7a0,
    ),
    ("every-word", 0xd4ea_ad4c_4138_bfaa, 0x60f7_b5fc_03e7_cef8),
    (
        "from-elsewhere",
        0xc852_6d47_9144_5b4d,
        0x6c6c_ef36_952b_3139,
    ),
    (
        "in-the-background",
        0xd66c_1756_9db3_4a65,
        0x776e_5d20_9903_9d5d,
    ),
    (
        "signed-and-cancelled",
        0x6314_9248_5cfc_2edc,
        0x339a_044c_b295_2cdc,
    ),
    ("trouble", 0xd090_e95b_991a_6ecc, 0xdd95_869e_75a6_7f47),
];

fn digest(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn stored(name: &str, kind: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("golden/v1/{name}.{kind}"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn golden_files_are_what_they_were_when_they_were_released() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/v1");
    let there: BTreeSet<String> = fs::read_dir(folder)
        .expect("the golden histories are committed")
        .map(|file| {
            file.expect("readable")
                .file_name()
                .into_string()
                .expect("a plain name")
        })
        .collect();
    let pinned: BTreeSet<String> = V1
        .iter()
        .flat_map(|(name, ..)| [format!("{name}.ndjson"), format!("{name}.json")])
        .collect();
    assert_eq!(there, pinned);
    for (name, history, snapshot) in V1 {
        assert_eq!(
            digest(&stored(name, "ndjson")),
            *history,
            "{name}.ndjson has changed"
        );
        assert_eq!(
            digest(&stored(name, "json")),
            *snapshot,
            "{name}.json has changed"
        );
    }
}

#[test]
fn golden_histories_fold_to_the_snapshots_they_always_folded_to() {
    for (name, ..) in V1 {
        let history = stored(name, "ndjson");
        let download = Download::fold(ID, history.lines());
        let shown = Snapshot::of(&download).expect("every story begins with a request");
        assert_eq!(
            shown.canonical_json() + "\n",
            stored(name, "json"),
            "{name}"
        );
    }
}

#[test]
fn golden_entries_are_written_today_as_they_were_then() {
    let mut known = 0;
    for (name, ..) in V1.iter().filter(|(name, ..)| *name != "from-elsewhere") {
        for line in stored(name, "ndjson").lines() {
            let entry = Entry::decode(line).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(entry.encode(), line, "{name}");
            known += 1;
        }
    }
    assert!(known > 80, "{known} entries");
}

#[test]
fn golden_histories_hold_every_type_of_event_and_every_word() {
    let history = stored("every-word", "ndjson");
    let events: Vec<Event> = history
        .lines()
        .map(|line| Entry::decode(line).expect("of this version").event)
        .collect();
    let types: BTreeSet<&str> = events.iter().map(Event::name).collect();
    assert_eq!(types.len(), 9, "{types:?}");
    let reasons = |of: &str| events.iter().filter(|event| event.name() == of).count();
    assert_eq!((reasons("waiting"), reasons("failure")), (10, 15));
    assert_eq!((reasons("aborted"), reasons("evicted")), (3, 2));
}

#[test]
fn what_comes_from_a_later_version_is_counted_and_shown() {
    let history = stored("from-elsewhere", "ndjson");
    let download = Download::fold(ID, history.lines());
    assert!(download.degraded);
    assert_eq!(download.seq, 8);
    // What could be read was.
    assert_eq!((download.downloaded, download.stored), (70, 60));
    let known = Download::fold(ID, history.lines().take(3));
    assert!(!known.degraded, "fields of a later version are passed over");
    assert_eq!(known.stored, 60);
}
