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
    ($($case:ident($file:literal, $state:literal);)*) => {
        cases! {
            /// Runs one case; the context is not needed.
            fn run(_context: &()) {
                $($case,)*
            }
        }

        $(async fn $case(_context: &()) -> Outcome {
            folds(&Story {
                history: include_str!(concat!("../../golden/v1/", $file, ".ndjson")),
                snapshot: include_str!(concat!("../../golden/v1/", $file, ".json")),
                state: $state,
            })
        })*
    };
}

stories! {
    a_whole_life("a-whole-life", 0x6658_b96c_0033_e178);
    changed_and_evicted("changed-and-evicted", 0xbe1e_02a3_4c10_f0c4);
    every_word("every-word", 0x7723_9a2b_ad3a_95ef);
    from_elsewhere("from-elsewhere", 0x3a72_cb33_ab1e_9b93);
    in_the_background("in-the-background", 0x9ee6_7350_add0_7e8b);
    signed_and_cancelled("signed-and-cancelled", 0x13b9_875d_7079_ec4c);
    trouble("trouble", 0xb48b_9df4_be04_df31);
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
