//! Tabs crash and the server is killed, in an order and at moments that a seed draws.

use std::time::Duration;

use anyhow::Result;
use fastrand::Rng;
use longhaul_demo::Ending;
use tokio::time::sleep;

use crate::ledger::{Cost, Ledger};
use crate::support::chance::percent;
use crate::support::engine::Engine;
use crate::support::model::{BLANK, BYTES, MIB, Model, PART, PARTS, settled, until_sent};
use crate::support::world::{SOON, World};
use crate::{chaos, is_deep};

/// Bytes per second of the whole download.
const RATE: u64 = 6 * MIB;

/// Blows to a download.
const EACH: usize = 3;

/// The longest that the server is away, in milliseconds.
const AWAY_MS: u64 = 4_000;

#[tokio::test]
async fn crashed_tabs_and_killed_servers_lose_no_download() -> Result<()> {
    let name = "rounds";
    let rounds = if is_deep() { 10 } else { 2 };
    chaos(Engine::Chromium, name, async |world, chance| {
        let mut total = Cost::default();
        for round in 0..rounds {
            let model = Model::throttled(world, &format!("{name}-{round}"), BYTES, RATE);
            total += one_round(world, &model, chance).await?;
        }
        println!("{name} in all: {total}");
        Ok(())
    })
    .await
}

async fn one_round(world: &mut World, model: &Model, chance: &mut Rng) -> Result<Cost> {
    let mut page = settled(world).await?;
    let mut ledger = Ledger::new(world, model, PART);
    page.request(&model.spec).await?;
    for blow in 0..EACH {
        let share = 2 * ledger.left(world) / (EACH - blow + 1) as u64;
        let sent = Ledger::sent(world) + chance.u64(0..share.max(1));
        until_sent(world, sent).await?;
        if percent(chance, 50) {
            ledger
                .strike(world, "crash of the tab", async |_| page.crash().await)
                .await?;
            page = world.browser.open(BLANK).await?;
            page.request(&model.spec).await?;
        } else {
            let how = if percent(chance, 50) {
                Ending::Rst
            } else {
                Ending::Fin
            };
            ledger
                .strike(world, "kill of the server", async |world| {
                    world.server.close(how);
                    Ok(())
                })
                .await?;
            sleep(Duration::from_millis(chance.u64(0..AWAY_MS))).await;
            world.server.open()?;
        }
    }
    page.until_available(model.id(), 2 * SOON).await?;
    // A job that was frozen with two of its records unfinished brings once more all that the page brought meanwhile.
    let most = |cost: &Cost| cost.found() + PARTS;
    let cost = ledger.settle(world, &page, most).await?;
    page.forget(model.id()).await?;
    page.close().await?;
    Ok(cost)
}
