//! Chaos: browsers, workers, tabs and the server are killed at moments that a seed draws, again and again, until the download is
//! there all the same. Every blow is counted, with what was in flight when it fell and what was asked for again because of it.
//!
//! The seed is printed; `LONGHAUL_CHAOS_SEED=<n>` draws the same moments again. `LONGHAUL_DEEP=1` goes on for as long as it is worth.

#[path = "../support/mod.rs"]
mod support;

mod harvests;
mod kills;
mod ledger;
mod rounds;

/// Whether there is time for the long variant.
fn is_deep() -> bool {
    std::env::var_os("LONGHAUL_DEEP").is_some()
}
