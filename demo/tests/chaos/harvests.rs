//! The worker is stopped in the middle of its one chance: while it stores what a job brought and no page is there.

use anyhow::{Context, Result, ensure};
use longhaul_demo::Entry;
use serde_json::json;
use tokio::time::timeout;

use crate::chaos;
use crate::support::engine::Engine;
use crate::support::model::{Asked, BLANK, Model, now, range, settled};
use crate::support::page::Page;
use crate::support::world::{SOON, World};

/// How often the worker is stopped.
const STOPS: u64 = 20;

/// How many stops of a hundred must have hit a running harvest.
const MOST: u64 = 75;

/// Small parts make a long harvest of few bytes.
const PART: u64 = 256 * 1024;
const PARTS: u64 = 64;

/// The job's first two records wait, so that the page is closed before anything is to be harvested.
const HELD: &str = "stallAfter=1000&stallMs=1000&stallTimes=2";

/// Parts at rest, of all downloads, counted until there are so many more than at first.
const UNTIL_HARVESTED: &str = "
    const count = async () => {
      const names = (await caches.keys()).filter((name) => name.startsWith('longhaul/'));
      const each = names.map(async (name) => (await (await caches.open(name)).keys()).length);
      return (await Promise.all(each)).reduce((sum, one) => sum + one, 0);
    };
    let rest;
    do rest = await count(); while (rest < args);
    return rest;";

/// What came of one stop.
struct Stopped {
    at_rest: u64,
    again: u64,
}

#[tokio::test]
async fn a_worker_stopped_in_its_harvest_costs_what_it_had_not_stored_and_nothing_else()
-> Result<()> {
    let name = "stops-in-harvest";
    chaos(Engine::Chromium, name, async |world, chance| {
        let began = now();
        settled(world).await?.close().await?;
        // A page of the origin that knows nothing of Longhaul looks on. It stays: a navigation would freeze the job.
        let watcher = world.browser.open("/api/models").await?;
        let mut all = Vec::new();
        for stop in 0..STOPS {
            let model = Model::with_query(world, &format!("stop-{stop}"), PARTS * PART, HELD);
            // The worker stores on while the stop is on its way to it.
            let harvested = chance.u64(1..PARTS * 2 / 3);
            let stopped = one_stop(world, &watcher, &model, harvested).await;
            all.push(stopped.with_context(|| format!("stop {stop} after {harvested} parts"))?);
        }
        let hit = all.iter().filter(|one| one.at_rest < PARTS).count() as u64;
        let sum = |figure: fn(&Stopped) -> u64| all.iter().map(figure).sum::<u64>();
        println!(
            "{name} in all: {STOPS} stops, {hit} of them in a running harvest; {} parts of {} not stored by then, {} asked for again; {} s",
            STOPS * PARTS - sum(|one| one.at_rest),
            STOPS * PARTS,
            sum(|one| one.again),
            (now() - began) / 1000
        );
        ensure!(hit * 100 >= STOPS * MOST, "only {hit} of {STOPS} stops hit a harvest");
        Ok(())
    })
    .await
}

async fn one_stop(world: &World, watcher: &Page, model: &Model, harvested: u64) -> Result<Stopped> {
    world.server.log().clear();
    let page = world.browser.open(BLANK).await?;
    page.longhaul(json!({ "partBytes": PART })).await?;
    page.request(&model.spec).await?;
    let of_job = |request: &&Entry| range(request).is_some_and(|(_, last)| last > 0);
    let begun = |log: &[Entry]| log.iter().filter(of_job).count() >= 2;
    timeout(SOON, world.server.log().until(begun))
        .await
        .context("the job never began")?;
    page.close().await?;

    watcher
        .eval::<u64>(UNTIL_HARVESTED, json!(harvested))
        .await
        .context("the worker never harvested")?;
    world.browser.stop_workers().await?;
    // What was on its way into the store when the worker was stopped is there by the time a page has opened.
    let page = world.browser.open(BLANK).await?;
    let at_rest: u64 = page.eval(UNTIL_HARVESTED, json!(0)).await?;
    page.longhaul(json!({ "partBytes": PART })).await?;
    page.request(&model.spec).await?;
    let snapshot = page.until_available(model.id(), SOON).await?;
    ensure!(snapshot.attempt == 1 || at_rest == PARTS, "{snapshot:?}");
    page.history(model.id()).await?.check()?;
    model.check_bytes(&page).await?;
    let again = Asked::of(world, PART).again() as u64;
    println!(
        "  {}: {at_rest} of {PARTS} parts at rest, {again} asked for again",
        model.id()
    );
    ensure!(
        again <= PARTS - at_rest,
        "{again} parts were asked for again, {at_rest} of {PARTS} were at rest"
    );
    page.eval::<()>("await e2e.downloads[args].forget()", json!(model.id()))
        .await?;
    page.close().await?;
    Ok(Stopped { at_rest, again })
}
