//! Chance that can be had again: all of it comes from one printed seed.

use anyhow::{Context, Result};
use fastrand::Rng;

/// The variable that repeats what was drawn from a seed that was printed.
const SEED: &str = "LONGHAUL_CHAOS_SEED";

/// The source of chance for a test. Tests that share a seed draw differently.
pub(crate) fn chance_for(name: &str) -> Result<Rng> {
    let seed = match std::env::var(SEED) {
        Ok(text) => text
            .parse()
            .with_context(|| format!("{SEED} is `{text}`, which is no number"))?,
        Err(_) => fastrand::u64(..),
    };
    println!("{name}: {SEED}={seed}");
    let own = |state: u64, byte: u8| state.rotate_left(8) ^ u64::from(byte);
    Ok(Rng::with_seed(name.bytes().fold(seed, own)))
}

/// True `of` times in a hundred.
pub(crate) fn percent(chance: &mut Rng, of: u8) -> bool {
    chance.u8(..100) < of
}
