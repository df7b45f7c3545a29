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

use anyhow::Result;
use fastrand::Rng;
use longhaul_demo::Server;

use support::chance::chance_for;
use support::engine::Engine;
use support::world::{World, scenario_in};

/// Whether there is time for the long variant.
fn is_deep() -> bool {
    std::env::var_os("LONGHAUL_DEEP").is_some()
}

/// Runs a test in an engine, if that is wanted, with chance of its own.
async fn chaos<F>(engine: Engine, name: &str, test: F) -> Result<()>
where
    F: AsyncFnOnce(&mut World, &mut Rng) -> Result<()>,
{
    if let Some(why) = engine.left_out()? {
        println!("left out: {name} ({why})");
        return Ok(());
    }
    let mut chance = chance_for(name)?;
    let server = Server::builder().spawn()?;
    scenario_in(engine, server, name, async |world: &mut World| {
        test(world, &mut chance).await
    })
    .await
}
