//! Golden histories fold to the same texts here as where they were written: law L2, in every engine that runs this.

use longhaul_core::{Download, Snapshot};

use super::{Outcome, cases, ensure_eq};

/// A history as released, the snapshot it folds to, and a digest (FNV-1a, 64 bits) of the whole folded state.
struct Story {
    history: &'static str,
    snapshot: &'static str,
    state: u64,
}

macro_rules! stories {
    ($($case:ident($version:literal, $file:literal, $state:literal);)*) => {
        cases! {
            /// Runs one case; the context is not needed.
            fn run(_context: &()) {
                $($case,)*
            }
        }

        $(async fn $case(_context: &()) -> Outcome {
            folds(&Story {
                history: include_str!(concat!("../../golden/", $version, "/", $file, ".ndjson")),
                snapshot: include_str!(concat!("../../golden/", $version, "/", $file, ".json")),
                state: $state,
            })
        })*
    };
}

stories! {
    a_whole_life_of_version_1("v1", "a-whole-life", 0x72f9_badf_4f40_631c);
    changed_and_evicted_of_version_1("v1", "changed-and-evicted", 0xac3a_7541_d7a7_28d8);
    every_word_of_version_1("v1", "every-word", 0x4539_b602_2acc_7da9);
    from_elsewhere_of_version_1("v1", "from-elsewhere", 0x1547_86ec_54d3_0544);
    in_the_background_of_version_1("v1", "in-the-background", 0x87bf_72f4_2dbb_93b5);
    signed_and_cancelled_of_version_1("v1", "signed-and-cancelled", 0xcd11_219f_4024_1560);
    trouble_of_version_1("v1", "trouble", 0xde41_19c1_446b_6e07);
    a_whole_life("v2", "a-whole-life", 0x72f9_badf_4f40_631c);
    changed_and_evicted("v2", "changed-and-evicted", 0x7b8c_ab61_a72d_86e1);
    every_word("v2", "every-word", 0xe7f3_ee4c_f52d_1b54);
    from_elsewhere("v2", "from-elsewhere", 0x2488_7b89_3d62_6d31);
    in_the_background("v2", "in-the-background", 0x87bf_72f4_2dbb_93b5);
    signed_and_cancelled("v2", "signed-and-cancelled", 0xcd11_219f_4024_1560);
    trouble("v2", "trouble", 0xde41_19c1_446b_6e07);
}

/// Every story is about one download.
const ID: &str = "model";

fn folds(story: &Story) -> Outcome {
    let download = Download::fold(ID, story.history.lines());
    let shown = Snapshot::of(&download).map(|shown| shown.canonical_json());
    ensure_eq!(
        shown.as_deref(),
        Some(story.snapshot.trim_end()),
        "the snapshot"
    );
    ensure_eq!(
        digest(&download.encode()),
        story.state,
        "the whole state, by its digest"
    );
    Ok(())
}

fn digest(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
