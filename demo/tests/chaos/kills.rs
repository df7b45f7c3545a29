//! SIGKILL of the browser at random moments of one download after the other.

use std::time::Duration;

use anyhow::Result;
use fastrand::Rng;
use tokio::time::sleep;

use crate::ledger::{Cost, Ledger};
use crate::support::chance::percent;
use crate::support::engine::Engine;
use crate::support::model::{BLANK, IN_FLIGHT, MIB, Model, settled, until_sent};
use crate::support::world::{SOON, World};
use crate::{chaos, is_deep};

const BYTES: u64 = 200_000_000;

/// What the package makes of a file of that size by itself.
const PART: u64 = 2 * MIB;

/// MiB per second of the whole download: the slower, the more of it falls into the browser's own restarts.
const RATES: std::ops::Range<u64> = 5..11;

/// Of a hundred kills, those at a moment that the clock says and not the bytes: also while nothing flows.
const BY_CLOCK: u8 = 30;

/// The latest of those moments, in milliseconds after the app asked.
const LATEST_MS: u64 = 9_000;

/// Parts that a page and a background job have in flight together, at the most. Where the page has helped the job, the job comes to
/// what the page has brought, and asks for it again, until the page has seen that all are there and has ended the job: more than a
/// kill had found in flight, where it found the job alone.
const BOTH: usize = 6;

/// How many kills a download has to bear.
const EACH: usize = 5;

#[tokio::test]
async fn sigkills_of_chromium_cost_no_more_than_what_both_transports_have_in_flight() -> Result<()>
{
    let kills = if is_deep() { 50 } else { 5 };
    killed(Engine::Chromium, "kills-of-chromium", kills).await
}

#[tokio::test]
async fn sigkills_of_firefox_cost_what_was_in_flight_and_nothing_else() -> Result<()> {
    let kills = if is_deep() { 10 } else { 1 };
    killed(Engine::Firefox, "kills-of-firefox", kills).await
}

async fn killed(engine: Engine, name: &str, kills: usize) -> Result<()> {
    chaos(engine, name, async |world, chance| {
        let mut total = Cost::default();
        while total.blows < kills {
            let of_this = EACH.min(kills - total.blows);
            let id = format!("{name}-{}", total.blows);
            let rate = chance.u64(RATES) * MIB;
            let model = Model::throttled(world, &id, BYTES, rate);
            total += one_download(world, &model, of_this, chance).await?;
        }
        println!("{name} in all: {total}");
        Ok(())
    })
    .await
}

async fn one_download(
    world: &mut World,
    model: &Model,
    kills: usize,
    chance: &mut Rng,
) -> Result<Cost> {
    let mut page = settled(world).await?;
    let mut ledger = Ledger::new(world, model, PART);
    page.request(&model.spec).await?;
    for kill in 0..kills {
        if percent(chance, BY_CLOCK) {
            sleep(Duration::from_millis(chance.u64(0..LATEST_MS))).await;
        } else {
            // So that in the mean as much is left for each kill that is to come.
            let share = 2 * ledger.left(world) / (kills - kill + 1) as u64;
            let sent = Ledger::sent(world) + chance.u64(0..share.max(1));
            until_sent(world, sent).await?;
        }
        ledger
            .strike(world, "kill", async |world| world.browser.kill().await)
            .await?;
        world.browser.relaunch().await?;
        page = world.browser.open(BLANK).await?;
        page.request(&model.spec).await?;
    }
    page.until_available(model.id(), 2 * SOON).await?;
    // What the server has sent whole may still be on its way to the page, or into its store.
    let at_once = if world.browser.engine().has_background_fetch() {
        BOTH
    } else {
        IN_FLIGHT
    };
    let most = |cost: &Cost| cost.found().max(at_once * cost.blows);
    let cost = ledger.settle(world, &page, most).await?;
    page.forget(model.id()).await?;
    page.close().await?;
    Ok(cost)
}
