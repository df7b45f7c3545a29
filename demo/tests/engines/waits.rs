//! What is waited out by a page that stays: a server that wants to be asked less, one that falls silent, a device without a network.

use anyhow::{Context, Result, ensure};
use longhaul_demo::Entry;
use serde_json::json;

use crate::suite::{Cell, Scenario, Suite};
use crate::support::engine::Engine;
use crate::support::model::{
    Asked, BYTES, IN_FLIGHT, MIB, Model, PART, PARTS, check_course, now, range, settled, until_sent,
};
use crate::support::page::Page;
use crate::support::world::{SOON, World};

/// Bytes per second: four seconds for the whole.
const RATE: u64 = 6 * MIB;

/// For how long the server wants to be left alone.
const LEFT_ALONE_MS: u64 = 2_000;

/// Timers of browsers may ring so much too early.
const EARLY_MS: u64 = 50;

/// A request may have been on its way when the server refused another one.
const ON_ITS_WAY_MS: u64 = 500;

/// A busy server may note so late that it has sent everything: a part takes ten times as long.
const NOTED_MS: u64 = 50;

pub(crate) fn announce(suite: &mut Suite) {
    suite
        .for_each_engine("a server that wants to be asked less", asked_less)
        .except(
            Engine::Chromium,
            "a background job asks again after 20 s, whatever the server says",
        );
    suite.for_each_engine("a server that falls silent", a_silent_server);
    offline(suite.for_each_engine("begun offline", begun_offline));
    offline(suite.for_each_engine("offline in the middle", offline_in_the_middle)).except(
        Engine::Chromium,
        "DevTools take the network from pages, not from background jobs",
    );
}

fn offline(scenario: Scenario<'_>) -> Scenario<'_> {
    scenario.only_where(
        Engine::has_devtools,
        "its driver cannot take the network from a page",
    )
}

async fn asked_less(world: &mut World, cell: &Cell) -> Result<()> {
    let query = format!(
        "rateTotal={RATE}&status=429&retryAfter={}&skip=7&times=1",
        LEFT_ALONE_MS / 1000
    );
    let model = Model::with_query(world, "too-much", BYTES, &query);
    let page = settled(world).await?;
    page.request(&model.spec).await?;
    let waits = "snapshot.waiting?.reason === 'retry-after'";
    let waiting = page.until(model.id(), SOON, waits).await?.waiting;
    let until = waiting.and_then(|waiting| waiting["until"].as_u64());
    let until = until.context("it does not say until when")?;

    page.until_available(model.id(), SOON).await?;
    check_course(world.browser.engine(), &page.history(model.id()).await?)?;
    model.check_bytes(&page).await?;
    let asked = Asked::of(world, PART);
    asked.check(PARTS, 1)?;
    ensure!(asked.again() == 1, "the refused part never came: {asked:?}");

    let log = world.server.log().entries();
    let refused = log.iter().find(|request| request.status == Some(429));
    let refused = refused.context("nothing was refused")?.at;
    let earliest = refused + LEFT_ALONE_MS - EARLY_MS;
    ensure!(
        until >= earliest,
        "it waits until {until}, not {LEFT_ALONE_MS} ms after {refused}"
    );
    let later: Vec<&Entry> = log
        .iter()
        .filter(|request| request.at > refused + ON_ITS_WAY_MS)
        .collect();
    let [first, second, third, ..] = later[..] else {
        anyhow::bail!("too few requests after the wait: {later:?}");
    };
    ensure!(first.at >= earliest, "asked again too soon: {log:?}");
    // Half as many at a time as before, until parts come again.
    let ended = |request: &Entry| request.ended_at.map_or(u64::MAX, |at| at - NOTED_MS);
    ensure!(
        third.at >= ended(first).min(ended(second)),
        "more than two requests at a time after the refusal: {log:?}"
    );
    let at_once = |at: u64| {
        let under_way = later.iter().filter(|one| one.at <= at && ended(one) > at);
        under_way.count()
    };
    let most = later.iter().map(|request| at_once(request.at)).max();
    ensure!(
        most == Some(IN_FLIGHT),
        "{most:?} requests at a time in the end, not {IN_FLIGHT}: {log:?}"
    );
    cell.note(format_args!(
        "asked again {} ms after the refusal",
        first.at - refused
    ));
    Ok(())
}

/// The body of the first part stops, and its connection stays open for ever.
async fn a_silent_server(world: &mut World, cell: &Cell) -> Result<()> {
    let query = format!("rateTotal={RATE}&stallAfter=1000&stallTimes=1");
    let model = Model::with_query(world, "silent", BYTES, &query);
    let page = settled(world).await?;
    // A background job bears silence for minutes; there it is the page that helps.
    let helped = world.browser.engine().has_background_fetch();
    page.longhaul(json!({ "retry": { "stallMs": 3_000 } }))
        .await?;
    page.request(&model.spec).await?;
    page.until_available(model.id(), SOON).await?;
    let history = page.history(model.id()).await?;
    check_course(world.browser.engine(), &history)?;
    model.check_bytes(&page).await?;
    let reasons: Vec<_> = history
        .0
        .iter()
        .filter(|entry| entry.kind() == "waiting")
        .filter_map(|entry| entry.event["reason"].as_str())
        .collect();
    ensure!(
        helped || reasons.contains(&"backoff"),
        "the silence is not told: {reasons:?}"
    );
    let asked = Asked::of(world, PART);
    let silent = silent_part(world).context("no body stopped")?;
    cell.note(format_args!(
        "part {silent} stopped, {} asked for again",
        asked.again()
    ));
    // Beside the silent part, what a page fetches while a job that it helps moves on.
    asked.check(PARTS, if helped { IN_FLIGHT } else { 1 })
}

/// The part whose first request brought a thousand bytes and no more.
fn silent_part(world: &World) -> Option<u64> {
    let log = world.server.log().entries();
    let silent = log.iter().find(|request| request.sent == 1_000)?;
    Some(range(silent)?.0 / PART)
}

/// Takes the network from a page, or gives it back, and waits until the page knows.
async fn set_offline(world: &World, page: &Page, offline: bool) -> Result<()> {
    page.select().await?;
    world.browser.devtools("Network.enable", json!({})).await?;
    world
        .browser
        .devtools(
            "Network.emulateNetworkConditions",
            json!({ "offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1 }),
        )
        .await?;
    let knows = "if (navigator.onLine !== args) return;
        await once(window, args ? 'offline' : 'online')";
    page.eval(knows, json!(offline)).await
}

async fn begun_offline(world: &mut World, cell: &Cell) -> Result<()> {
    let model = Model::unthrottled(world, "begun-offline", BYTES);
    let page = settled(world).await?;
    page.longhaul(json!({})).await?;
    set_offline(world, &page, true).await?;
    page.request(&model.spec).await?;
    let waits = "snapshot.waiting?.reason === 'offline'";
    let waiting = page.until(model.id(), SOON, waits).await?;
    ensure!(waiting.phase == "requested", "{waiting:?}");
    let log = world.server.log().entries();
    ensure!(log.is_empty(), "asked while offline: {log:?}");

    let back = now();
    set_offline(world, &page, false).await?;
    page.until_available(model.id(), SOON).await?;
    let history = page.history(model.id()).await?;
    check_course(world.browser.engine(), &history)?;
    model.check_bytes(&page).await?;
    let started = history.only("started")?.at.saturating_sub(back);
    cell.note(format_args!("begun {started} ms after the network came"));
    Asked::of(world, PART).check(PARTS, 0)
}

async fn offline_in_the_middle(world: &mut World, cell: &Cell) -> Result<()> {
    let model = Model::throttled(world, "offline", BYTES, RATE);
    let page = settled(world).await?;
    page.request(&model.spec).await?;
    until_sent(world, BYTES / 2).await?;
    set_offline(world, &page, true).await?;
    let waits = "snapshot.waiting?.reason === 'offline'";
    let waiting = page.until(model.id(), SOON, waits).await?;
    ensure!(
        waiting.phase == "transferring" && waiting.attempt == 1 && waiting.stored > 0,
        "{waiting:?}"
    );
    set_offline(world, &page, false).await?;
    page.until_available(model.id(), SOON).await?;
    let history = page.history(model.id()).await?;
    check_course(world.browser.engine(), &history)?;
    let mut waits = history.0.iter().filter(|entry| entry.kind() == "waiting");
    let counted = waits.find(|entry| entry.event["retries"] != 0);
    ensure!(counted.is_none(), "counted as a retry: {counted:?}");
    model.check_bytes(&page).await?;
    let asked = Asked::of(world, PART);
    cell.note(format_args!("{} parts asked for again", asked.again()));
    asked.check(PARTS, IN_FLIGHT)
}
