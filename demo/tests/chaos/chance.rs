//! Chance that can be had again: all of it comes from one printed seed.

use std::ops::Range;

use anyhow::{Context, Result};

use crate::support::model::now;

/// The variable that repeats a run's moments.
const SEED: &str = "LONGHAUL_CHAOS_SEED";

/// A source of chance (splitmix64), good enough to draw moments.
pub(crate) struct Chance(u64);

impl Chance {
    /// The source for a test: from the variable's seed or a new one, which is printed. Tests that share a seed draw differently.
    pub(crate) fn for_test(name: &str) -> Result<Self> {
        let seed = match std::env::var(SEED) {
            Ok(text) => text
                .parse()
                .with_context(|| format!("{SEED} is `{text}`, which is no number"))?,
            Err(_) => now(),
        };
        println!("{name}: {SEED}={seed}");
        let own = |state: u64, byte: u8| state.rotate_left(8) ^ u64::from(byte);
        Ok(Self(name.bytes().fold(seed, own)))
    }

    /// A number of a range that is not empty.
    pub(crate) fn among(&mut self, range: Range<u64>) -> u64 {
        range.start + self.next() % (range.end - range.start)
    }

    /// True `of` times in a hundred.
    pub(crate) fn percent(&mut self, of: u64) -> bool {
        self.among(0..100) < of
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
