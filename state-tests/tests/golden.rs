//! Histories of released versions: they read the same for ever.

use longhaul_core::{Download, ENTRY_VERSION, Entry, Event, FailReason, Snapshot};
use longhaul_state_tests::scenario::ID;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A history with a digest (FNV-1a, 64 bits) of it and of its snapshot. A released file never changes: where one of these
/// is wrong, it is the file that has to go back to what it was.
type Pinned = (&'static str, u64, u64);

/// The histories of version 1.
const V1: &[Pinned] = &[
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

/// The histories of version 2.
const V2: &[Pinned] = &[
    ("a-whole-life", 0xd508_3dd2_fb70_2da5, 0x0368_4864_13a5_15ac),
    (
        "changed-and-evicted",
        0x8d86_e3d3_b487_40dd,
        0x4583_0089_084a_282b,
    ),
    ("every-word", 0x3138_c628_681d_dca7, 0xbbe6_0cb7_ff0a_a656),
    (
        "from-elsewhere",
        0x03e8_aae0_5077_a4d9,
        0x6c6c_ef36_952b_3139,
    ),
    (
        "in-the-background",
        0x0372_fc7e_6f58_4b5a,
        0x776e_5d20_9903_9d5d,
    ),
    (
        "signed-and-cancelled",
        0x60c1_102c_374c_4a2e,
        0x339a_044c_b295_2cdc,
    ),
    ("trouble", 0xbbaa_993a_25f6_c9eb, 0xdd95_869e_75a6_7f47),
];

const VERSIONS: [(u32, &[Pinned]); 2] = [(1, V1), (ENTRY_VERSION, V2)];

fn digest(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn folder(version: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("golden/v{version}"))
}

fn stored(version: u32, name: &str, kind: &str) -> String {
    let path = folder(version).join(format!("{name}.{kind}"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn golden_files_are_what_they_were_when_they_were_released() {
    for (version, pinned) in VERSIONS {
        let there: BTreeSet<String> = fs::read_dir(folder(version))
            .expect("the golden histories are committed")
            .map(|file| {
                file.expect("readable")
                    .file_name()
                    .into_string()
                    .expect("a plain name")
            })
            .collect();
        let names: BTreeSet<String> = pinned
            .iter()
            .flat_map(|(name, ..)| [format!("{name}.ndjson"), format!("{name}.json")])
            .collect();
        assert_eq!(there, names);
        for (name, history, snapshot) in pinned {
            for (kind, pinned) in [("ndjson", *history), ("json", *snapshot)] {
                let found = digest(&stored(version, name, kind));
                assert_eq!(found, pinned, "v{version}/{name}.{kind} is {found:#x}");
            }
        }
    }
}

#[test]
fn golden_histories_fold_to_the_snapshots_they_always_folded_to() {
    for (version, pinned) in VERSIONS {
        for (name, ..) in pinned {
            let history = stored(version, name, "ndjson");
            let download = Download::fold(ID, history.lines());
            let shown = Snapshot::of(&download).expect("every story begins with a request");
            assert_eq!(
                shown.canonical_json() + "\n",
                stored(version, name, "json"),
                "v{version}/{name}"
            );
        }
    }
}

/// The entries of all histories but those that hold what a later version wrote.
fn known(version: u32, pinned: &'static [Pinned]) -> impl Iterator<Item = String> {
    pinned
        .iter()
        .filter(|(name, ..)| *name != "from-elsewhere")
        .flat_map(move |(name, ..)| {
            let history = stored(version, name, "ndjson");
            history.lines().map(str::to_owned).collect::<Vec<_>>()
        })
}

#[test]
fn golden_entries_are_written_today_as_they_were_then() {
    let mut count = 0;
    for line in known(ENTRY_VERSION, V2) {
        let entry = Entry::decode(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(entry.encode(), line);
        count += 1;
    }
    assert!(count > 80, "{count} entries");
}

#[test]
fn golden_entries_of_version_1_are_written_today_with_the_words_of_version_2_and_nothing_else() {
    let mut count = 0;
    for line in known(1, V1) {
        let entry = Entry::decode(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
        let upcast = line
            .replace(r#""version":1,"#, r#""version":2,"#)
            .replace(
                r#""type":"started","try":"#,
                r#""type":"started","transfer":"#,
            )
            .replace(r#""try":"#, r#""retries":"#)
            .replace(r#""why":"at-rest""#, r#""why":"stored""#);
        assert_eq!(entry.encode(), upcast);
        assert_eq!(Entry::decode(&upcast), Ok(entry));
        count += 1;
    }
    assert!(count > 80, "{count} entries");
}

#[test]
fn golden_histories_hold_every_type_of_event_and_every_word() {
    for (version, failures) in [(1, 15), (ENTRY_VERSION, FailReason::ALL.len())] {
        let history = stored(version, "every-word", "ndjson");
        let events: Vec<Event> = history
            .lines()
            .map(|line| Entry::decode(line).expect("of a version we know").event)
            .collect();
        let types: BTreeSet<&str> = events.iter().map(Event::name).collect();
        assert_eq!(types.len(), 9, "{types:?}");
        let reasons = |of: &str| events.iter().filter(|event| event.name() == of).count();
        assert_eq!((reasons("waiting"), reasons("failure")), (10, failures));
        assert_eq!((reasons("aborted"), reasons("evicted")), (3, 2));
    }
}

#[test]
fn what_comes_from_a_later_version_is_counted_and_shown() {
    for (version, _) in VERSIONS {
        let history = stored(version, "from-elsewhere", "ndjson");
        let download = Download::fold(ID, history.lines());
        assert!(download.degraded);
        assert_eq!(download.seq, 8);
        // What could be read was.
        assert_eq!((download.downloaded, download.stored), (70, 60));
        let known = Download::fold(ID, history.lines().take(3));
        assert!(!known.degraded, "fields of a later version are passed over");
        assert_eq!(known.stored, 60);
    }
}

#[test]
fn a_head_of_another_shape_is_refused_so_that_its_history_is_folded() {
    for (version, pinned) in VERSIONS {
        for (name, ..) in pinned {
            let history = stored(version, name, "ndjson");
            let head = Download::fold(ID, history.lines()).encode();
            assert!(Download::decode(&head).is_some(), "{head}");
            let of_the_first_build = head
                .replace(r#""retries":"#, r#""failedRounds":"#)
                .replace(r#""number":"#, r#""try":"#);
            assert_eq!(Download::decode(&of_the_first_build), None, "{head}");
            let later = head.replacen('{', r#"{"later":1,"#, 1);
            assert_eq!(Download::decode(&later), None, "{later}");
        }
    }
}
