//! Chance, from a seed that is printed.

use anyhow::{Context, Result};
use fastrand::Rng;

/// Where what is random in a test comes from: `LONGHAUL_CHAOS_SEED` repeats what a seed that was printed did.
pub(crate) fn chance() -> Result<Rng> {
    let seed = match std::env::var("LONGHAUL_CHAOS_SEED") {
        Ok(seed) => seed.parse().context("LONGHAUL_CHAOS_SEED is no number")?,
        Err(_) => fastrand::u64(..),
    };
    println!("LONGHAUL_CHAOS_SEED={seed}");
    Ok(Rng::with_seed(seed))
}
