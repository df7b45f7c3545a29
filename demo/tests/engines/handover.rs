//! One transport finishes what the other began: jobs that are lost, jobs that end with their browser, pages that hand over to a
//! job; and a job that is frozen all the time.

use anyhow::{Context, Result, ensure};
use longhaul_demo::Outcome;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::suite::{Cell, Scenario, Suite};
use crate::support::engine::Engine;
use crate::support::history::History;
use crate::support::model::{
    BLANK, BYTES, MIB, Model, Moment, PART, settled, until_sent, until_stored,
};
use crate::support::page::Page;
use crate::support::world::{SOON, World};

const RATE: u64 = 6 * MIB;

/// A download of twenty seconds.
const SLOW_BYTES: u64 = 20 * MIB;
const SLOW_RATE: u64 = MIB;

/// How often the page navigates meanwhile, in milliseconds, and how many times as long it may take then.
const NAVIGATION_MS: u64 = 10_000;
const MOST_TIMES: f64 = 1.5;
/// How often it may be measured: whatever else the machine does makes it longer, never shorter.
const ROUNDS: u32 = 3;

pub(crate) fn announce(suite: &mut Suite) {
    in_background(suite.for_each_engine("a lost job", a_lost_job));
    in_background(suite.for_each_engine("a job that ends with its browser", a_job_that_ends));
    in_background(suite.for_each_engine("from the page to a job", from_the_page_to_a_job));
    in_background(suite.for_each_engine("a navigation every 10 s", navigations)).patient();
}

fn in_background(scenario: Scenario<'_>) -> Scenario<'_> {
    scenario.only_where(Engine::has_background_fetch, "there is no Background Fetch")
}

/// Demands one attempt, begun by the one transport and finished by the other.
fn check_tries(history: &History, transports: [&str; 2]) -> Result<()> {
    let found = tries(history)?;
    ensure!(
        found.len() > 1 && found[0] == transports[0] && found[found.len() - 1] == transports[1],
        "{found:?}"
    );
    Ok(())
}

/// The transports of the tries of one attempt that succeeded.
fn tries(history: &History) -> Result<Vec<&Value>> {
    history.check()?;
    let course = history.course();
    ensure!(
        course.first() == Some(&"requested") && course.last() == Some(&"success"),
        "{course:?}"
    );
    ensure!(history.count("requested") == 1, "{course:?}");
    let tries = history.0.iter().filter(|entry| entry.kind() == "started");
    Ok(tries.map(|entry| &entry.event["transport"]).collect())
}

async fn a_lost_job(world: &mut World, cell: &Cell) -> Result<()> {
    let model = Model::throttled(world, "lost", BYTES, RATE);
    let page = settled(world).await?;
    page.request(&model.spec).await?;
    until_stored(&page, &model, BYTES / 2).await?;
    // As a person does who clears the site's data, but for the data: the job is dead, and nobody is told.
    let workers = json!({ "origin": world.server.origin(), "storageTypes": "service_workers" });
    world
        .browser
        .devtools("Storage.clearDataForOrigin", workers)
        .await?;
    let lost = Moment::of(world, &page, PART).await?;
    page.until_available(model.id(), SOON).await?;
    check_tries(
        &page.history(model.id()).await?,
        ["background-fetch", "foreground"],
    )?;
    model.check_bytes(&page).await?;
    let rest = lost.check_once(world)?;
    cell.note(format_args!("{rest} parts fetched by the page"));
    Ok(())
}

async fn a_job_that_ends(world: &mut World, cell: &Cell) -> Result<()> {
    let model = Model::throttled(world, "closed", BYTES, RATE);
    let page = settled(world).await?;
    page.request(&model.spec).await?;
    until_stored(&page, &model, BYTES / 2).await?;
    world.browser.quit().await?;
    world.browser.relaunch().await?;

    let page = world.browser.open(BLANK).await?;
    let found = Moment::of(world, &page, PART).await?;
    page.longhaul(json!({ "transport": "foreground" })).await?;
    page.until_available(model.id(), SOON).await?;
    // Chromium ends the job seconds after its launch, which makes another try, or keeps it without going on, and the page
    // overtakes it: either way the page fetches what is not at rest, and nothing else.
    let history = page.history(model.id()).await?;
    let tries = tries(&history)?;
    ensure!(tries[0] == "background-fetch", "{tries:?}");
    model.check_bytes(&page).await?;
    if tries.len() == 1 {
        // The job that is kept begins its unfinished records anew, also those that the page has brought meanwhile.
        found.check(world)?;
        cell.note("the browser kept the job, and the page overtook it");
        return Ok(());
    }
    let rest = found.check_once(world)?;
    cell.note(format_args!(
        "{rest} parts fetched by the page, in try {}",
        tries.len()
    ));
    Ok(())
}

async fn from_the_page_to_a_job(world: &mut World, cell: &Cell) -> Result<()> {
    let model = Model::throttled(world, "handed-over", BYTES, RATE);
    settled(world).await?.close().await?;
    let page = world.browser.open(BLANK).await?;
    page.longhaul(json!({ "transport": "foreground" })).await?;
    page.request(&model.spec).await?;
    until_sent(world, BYTES / 2).await?;
    let close = "e2e.longhaul.close(); e2e.longhaul = undefined;";
    page.eval::<()>(close, json!(null)).await?;
    let quiet = world
        .server
        .log()
        .until(|log| log.iter().all(|entry| entry.outcome != Outcome::Running));
    timeout(SOON, quiet).await.context("the page goes on")?;

    let handed = Moment::of(world, &page, PART).await?;
    page.longhaul(json!({ "transport": "background-fetch" }))
        .await?;
    page.until_available(model.id(), SOON).await?;
    check_tries(
        &page.history(model.id()).await?,
        ["foreground", "background-fetch"],
    )?;
    model.check_bytes(&page).await?;
    let rest = handed.check_once(world)?;
    cell.note(format_args!("{rest} parts fetched by the job"));
    Ok(())
}

/// Navigations freeze a background job for half a minute each, so that one every ten seconds stops it for good.
async fn navigations(world: &mut World, cell: &Cell) -> Result<()> {
    let page = settled(world).await?;
    let still = timed(world, &page, "still").await?;
    let navigate = "e2e.navigated = 0;
        e2e.navigating = setInterval(() => history.pushState(null, '', `?${++e2e.navigated}`), args);";
    page.eval::<()>(navigate, json!(NAVIGATION_MS)).await?;
    let mut all = Vec::new();
    for round in 1..=ROUNDS {
        let moving = timed(world, &page, &format!("moving-{round}")).await?;
        let times: u32 = page.eval("return e2e.navigated", json!(null)).await?;
        ensure!(
            times >= 2 * round,
            "only {times} navigations in {round} rounds"
        );
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of a test")]
        let longer = moving as f64 / still as f64;
        cell.note(format_args!(
            "{still} ms without navigations, {moving} ms with one every 10 s: {longer:.2} times as long"
        ));
        if longer <= MOST_TIMES {
            return Ok(());
        }
        all.push(longer);
    }
    anyhow::bail!("always more than {MOST_TIMES} times as long: {all:.2?}")
}

/// Milliseconds that a slow download takes.
async fn timed(world: &World, page: &Page, id: &str) -> Result<u64> {
    let model = Model::throttled(world, id, SLOW_BYTES, SLOW_RATE);
    page.request(&model.spec).await?;
    page.until_available(id, 3 * SOON).await?;
    let history = page.history(id).await?;
    history.check()?;
    let started = &history.only("started")?.event;
    ensure!(started["transport"] == "background-fetch", "{started}");
    model.check_bytes(page).await?;
    history.took()
}
