//! What comes between: the page goes in the middle of a real model, the browser is killed, the server is away or not there yet.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use longhaul_demo::{DEFAULT_MODEL, Ending};
use serde_json::json;

use crate::suite::{Cell, Suite};
use crate::support::model::{
    Asked, BLANK, BYTES, IN_FLIGHT, MIB, Model, Moment, PART, PARTS, check_course, settled,
    until_sent, until_stored,
};
use crate::support::world::{SOON, World, target};

const RATE: u64 = 6 * MIB;

/// Bytes per second of the real model: eleven seconds for the whole. No connection brings more than the 10 MB/s from which on a part's
/// storing overlaps the next one's coming: what is in flight at the reload is four parts, wherever it falls.
const REAL_RATE: u64 = 9 * MIB;

/// How long the network is gone.
const AWAY: Duration = Duration::from_mins(1);

/// How long it may take from the return of the network to the end: half as long again as it was gone, and the rest.
const BACK: Duration = Duration::from_mins(1);

pub(crate) fn announce(suite: &mut Suite) {
    suite.for_each_engine("the real model, reloaded", the_real_model);
    suite.for_each_engine("the browser is killed", the_browser_is_killed);
    suite.for_each_engine("a dead server", a_dead_server);
    suite
        .for_each_engine("no network for 60 s", no_network)
        .patient();
}

async fn the_real_model(world: &mut World, cell: &Cell) -> Result<()> {
    let known = DEFAULT_MODEL;
    let file = target().join("models").join(known.file);
    ensure!(
        file.metadata()
            .is_ok_and(|metadata| metadata.len() == known.bytes),
        "{} is not there: run `cargo xtask setup`, which fetches it",
        file.display()
    );
    let url = format!(
        "{}/models/{}?rateTotal={REAL_RATE}",
        world.server.origin(),
        known.file
    );
    let resource = json!({ "url": url, "bytes": known.bytes, "sha256": known.sha256 });
    let (id, spec) = ("real", json!({ "id": "real", "resources": [resource] }));
    let page = settled(world).await?;
    page.request(&spec).await?;
    until_sent(world, known.bytes / 2).await?;
    page.reload().await?;

    let attached = page.request(&spec).await?;
    ensure!(
        attached.phase == "transferring" && attached.attempt == 1 && attached.stored > 0,
        "{attached:?}"
    );
    page.until_available(id, SOON).await?;
    let history = page.history(id).await?;
    check_course(world.browser.engine(), &history)?;
    let verified = &history.only("success")?.event["verified"];
    ensure!(*verified == json!([0]), "not verified: {verified}");
    let (size, hash) = page.hash_of(id).await?;
    ensure!(
        size == known.bytes && hash == known.sha256,
        "{size} bytes with the hash {hash}"
    );
    let part = history.only("started")?.event["files"][0]["partBytes"]
        .as_u64()
        .context("it comes in parts")?;
    let parts = usize::try_from(known.bytes.div_ceil(part))?;
    let asked = Asked::of(world, part);
    asked.check(parts, IN_FLIGHT)?;
    cell.note(format_args!(
        "{parts} parts, {} of them asked for again",
        asked.again()
    ));
    Ok(())
}

async fn the_browser_is_killed(world: &mut World, cell: &Cell) -> Result<()> {
    let model = Model::throttled(world, "killed", BYTES, RATE);
    let page = settled(world).await?;
    page.request(&model.spec).await?;
    until_stored(&page, &model, BYTES / 2).await?;
    world.browser.kill().await?;
    world.browser.relaunch().await?;

    // Nobody asks for it again: a page that opens Longhaul is enough.
    let page = world.browser.open(BLANK).await?;
    let left = Moment::of(world, &page, PART).await?;
    page.longhaul(json!({})).await?;
    let found = page.snapshot(model.id()).await?;
    ensure!(
        found.phase == "transferring" && found.stored > 0,
        "what was there is lost: {found:?}"
    );
    page.until_available(model.id(), SOON).await?;
    check_course(world.browser.engine(), &page.history(model.id()).await?)?;
    model.check_bytes(&page).await?;
    left.check(world)?;
    let asked = Asked::of(world, PART);
    cell.note(format_args!(
        "{} of {BYTES} bytes at rest after the kill, {} parts asked for again",
        found.stored,
        asked.again()
    ));
    if world.browser.engine().has_background_fetch() {
        // The job begins its unfinished records anew, also those that a page has brought meanwhile.
        return Ok(());
    }
    asked.check(PARTS, IN_FLIGHT)
}

/// A server of another origin that is dead looks to a page as one without CORS does; but it may come back.
async fn a_dead_server(world: &mut World, cell: &Cell) -> Result<()> {
    let mut model = Model::unthrottled(world, "dead", BYTES);
    model.url = format!("{}{}", world.server.second_origin(), model.file.path());
    model.spec["resources"][0]["url"] = json!(model.url);
    let page = world.browser.open(BLANK).await?;
    page.longhaul(json!({})).await?;
    world.server.close_second(Ending::Fin);
    page.request(&model.spec).await?;
    let waits = page.until(model.id(), SOON, "snapshot.waiting !== undefined");
    let snapshot = waits.await?;
    let waiting = snapshot.waiting.context("it waits")?;
    ensure!(
        snapshot.phase == "requested" && waiting["reason"] == "unreachable",
        "{} and waits: {waiting}",
        snapshot.phase
    );
    ensure!(
        waiting["until"].is_u64(),
        "it does not say until when: {waiting}"
    );

    world.server.open_second()?;
    let back = crate::support::model::now();
    let snapshot = page.until_available(model.id(), SOON).await?;
    ensure!(snapshot.attempt == 1, "{snapshot:?}");
    let history = page.history(model.id()).await?;
    check_course(world.browser.engine(), &history)?;
    let started = history.only("started")?.at.saturating_sub(back);
    cell.note(format_args!(
        "begun {started} ms after the server came back"
    ));
    model.check_bytes(&page).await?;
    // The server is another origin: what a job brings from there counts, and is not brought by the page as well.
    let helped = world.browser.engine().has_background_fetch();
    Asked::of(world, PART).check(PARTS, if helped { IN_FLIGHT } else { 0 })
}

async fn no_network(world: &mut World, cell: &Cell) -> Result<()> {
    let model = Model::throttled(world, "cut-off", BYTES, RATE);
    let page = settled(world).await?;
    page.request(&model.spec).await?;
    until_sent(world, BYTES / 2).await?;
    world.server.close(Ending::Rst);
    let gone = tokio::time::Instant::now();
    // A background job waits by itself, and says so by no event; a page says what it found.
    let reason = if world.browser.engine().has_background_fetch() {
        "browser"
    } else {
        "unreachable"
    };
    let waits = format!("snapshot.waiting?.reason === '{reason}'");
    let waiting = page.until(model.id(), AWAY, &waits).await?;
    ensure!(waiting.phase == "transferring", "{waiting:?}");
    tokio::time::sleep_until(gone + AWAY).await;
    let still = page.snapshot(model.id()).await?;
    ensure!(
        still.phase == "transferring" && still.attempt == 1 && still.waiting.is_some(),
        "{still:?}"
    );

    world.server.open()?;
    let back = crate::support::model::now();
    let snapshot = page.until_available(model.id(), BACK).await?;
    ensure!(snapshot.attempt == 1, "{snapshot:?}");
    let history = page.history(model.id()).await?;
    if world.browser.engine().has_background_fetch() {
        // The records under way when the network went fail with the job, and the next one brings them.
        history.check()?;
        let course = history.course();
        ensure!(
            matches!(
                course[..],
                ["requested", "started", "success"]
                    | ["requested", "started", "started", "success"]
            ),
            "{course:?}"
        );
    } else {
        check_course(world.browser.engine(), &history)?;
    }
    let waits: Vec<_> = history.0.iter().filter(|e| e.kind() == "waiting").collect();
    ensure!(
        waits.iter().any(|entry| entry.event["reason"] == reason),
        "no wait for that reason: {waits:?}"
    );
    let counted = waits.iter().find(|entry| entry.event["retries"] != 0);
    ensure!(counted.is_none(), "counted as a retry: {counted:?}");
    model.check_bytes(&page).await?;
    let asked = Asked::of(world, PART);
    let took = history.only("success")?.at.saturating_sub(back);
    cell.note(format_args!(
        "done {took} ms after the network came back, {} parts asked for again",
        asked.again()
    ));
    asked.check(PARTS, IN_FLIGHT)
}
