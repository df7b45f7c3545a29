//! One page, one download: the whole of it, interrupted, aborted, asked for again, read.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::suite::{Cell, Suite};
use crate::support::client::AtRest;
use crate::support::engine::Engine;
use crate::support::model::{
    Asked, BLANK, BYTES, IN_FLIGHT, MIB, Model, PART, PARTS, check_course, settled, sha256,
    until_sent, until_stored,
};
use crate::support::page::Page;
use crate::support::world::{SOON, World};

/// Bytes per second: four seconds for the whole, which leaves time to interrupt it.
const RATE: u64 = 6 * MIB;

/// What one connection gives, in bytes per second, and how many times as fast as one fetch a download must be.
/// So little that it is the connections that are compared, not what this machine has to do besides.
const CONNECTION: u64 = 8_000_000;
const GAIN: f64 = 3.0;
/// So large that the beginning and the end, where not all connections are busy, hardly count.
const FAST_BYTES: u64 = 80 * MIB;
/// For how long it may be measured again: whatever else the machine does makes it slower, never faster.
const MEASURED: Duration = Duration::from_secs(110);

pub(crate) fn announce(suite: &mut Suite) {
    suite.for_each_engine("a download", a_download);
    suite.for_each_engine("a reload in the middle", a_reload_in_the_middle);
    suite.for_each_engine("an abort", an_abort);
    suite.for_each_engine("a signal", a_signal);
    suite.for_each_engine("asking again for what is stored", asking_again);
    suite.for_each_engine("reading what is stored", reading);
    suite
        .for_each_engine("faster than one fetch", faster_than_one_fetch)
        .except(
            Engine::WebKit,
            "Cache Storage takes less than three connections bring, with or without Longhaul",
        );
}

async fn a_download(world: &mut World, cell: &Cell) -> Result<()> {
    let model = Model::unthrottled(world, "whole", BYTES);
    let page = settled(world).await?;
    page.request(&model.spec).await?;
    let snapshot = page.until_available(model.id(), SOON).await?;
    ensure!(
        snapshot.downloaded == BYTES && snapshot.stored == BYTES && snapshot.total == Some(BYTES),
        "{snapshot:?}"
    );
    let history = page.history(model.id()).await?;
    check_course(world.browser.engine(), &history)?;
    let success = &history.only("success")?.event;
    ensure!(success["sizes"] == json!([BYTES]), "{success}");
    ensure!(success["verified"] == json!([0]), "{success}");
    ensure!(history.count("progress") > 0, "{:?}", history.kinds());
    model.check_bytes(&page).await?;
    Asked::of(world, PART).check(PARTS, 0)?;
    let took = history.took()?;
    cell.note(format_args!("{BYTES} bytes in {took} ms"));
    Ok(())
}

async fn a_reload_in_the_middle(world: &mut World, cell: &Cell) -> Result<()> {
    let model = Model::throttled(world, "reloaded", BYTES, RATE);
    let page = settled(world).await?;
    page.request(&model.spec).await?;
    until_stored(&page, &model, BYTES / 2).await?;
    page.reload().await?;

    let attached = page.request(&model.spec).await?;
    ensure!(
        attached.phase == "transferring" && attached.attempt == 1 && attached.stored > 0,
        "{attached:?}"
    );
    page.until_available(model.id(), SOON).await?;
    let history = page.history(model.id()).await?;
    check_course(world.browser.engine(), &history)?;
    model.check_bytes(&page).await?;
    let asked = Asked::of(world, PART);
    asked.check(PARTS, IN_FLIGHT)?;
    cell.note(format_args!("{} parts asked for again", asked.again()));
    Ok(())
}

async fn an_abort(world: &mut World, _: &Cell) -> Result<()> {
    let model = Model::throttled(world, "stopped", BYTES, RATE);
    let page = settled(world).await?;
    page.request(&model.spec).await?;
    until_sent(world, BYTES / 4).await?;
    let thrown = page
        .throws(
            "const download = e2e.downloads.stopped;
             await download.abort();
             await download.finished;",
            json!(null),
        )
        .await?;
    ensure!(thrown.code() == "aborted", "{thrown}");
    check_nothing_left(&page, model.id()).await?;
    // A second abort has nothing to do and says nothing.
    page.eval::<()>("await e2e.downloads.stopped.abort()", json!(null))
        .await?;
    check_nothing_left(&page, model.id()).await?;

    // What is aborted can be had anew, and starts from nothing.
    world.server.log().clear();
    page.request(&model.spec).await?;
    page.until_available(model.id(), SOON).await?;
    model.check_bytes(&page).await?;
    Asked::of(world, PART).check(PARTS, 0)
}

/// The app's own signal, and the updates that it follows meanwhile.
async fn a_signal(world: &mut World, _: &Cell) -> Result<()> {
    let model = Model::throttled(world, "signalled", BYTES, RATE);
    let page = settled(world).await?;
    request_with_signal(&page, &model).await?;
    until_sent(world, BYTES / 4).await?;
    let thrown = page
        .throws(
            "e2e.controller.abort();
             await e2e.downloads.signalled.finished;",
            json!(null),
        )
        .await?;
    ensure!(thrown.code() == "aborted", "{thrown}");
    let phases: Vec<String> = page.eval("return e2e.phases", json!(null)).await?;
    ensure!(
        phases.contains(&"transferring".to_owned())
            && phases.last().is_some_and(|phase| phase == "aborted"),
        "{phases:?}"
    );
    // The ending is told before everything is cleared up.
    let cleared = "await eventually(async () => {
        const { caches, databases, jobs } = await atRest();
        const left = Object.keys(caches).some((name) => name.startsWith('longhaul/'));
        return !left && jobs.length === 0 && databases.longhaul.links === 0;
      })";
    page.eval::<()>(cleared, json!(null)).await?;
    check_nothing_left(&page, model.id()).await?;

    // Once its attempt is over, a signal is none of a later one's business.
    request_with_signal(&page, &model).await?;
    page.until_available(model.id(), SOON).await?;
    page.eval::<()>("await e2e.downloads.signalled.remove()", json!(null))
        .await?;
    world.server.log().clear();
    page.request(&model.spec).await?;
    until_sent(world, BYTES / 4).await?;
    page.eval::<()>("e2e.controller.abort()", json!(null))
        .await?;
    let snapshot = page.until_available(model.id(), SOON).await?;
    ensure!(snapshot.attempt == 3, "{snapshot:?}");
    page.history(model.id()).await?.check()?;
    model.check_bytes(&page).await?;
    Asked::of(world, PART).check(PARTS, 0)
}

/// Asks for a download with a signal that the page keeps, and has the page note every phase until the end.
async fn request_with_signal(page: &Page, model: &Model) -> Result<()> {
    page.gesture().await?;
    page.eval(
        "const { signal } = (e2e.controller = new AbortController());
         const download = await (await longhaul()).request(args, { signal });
         (e2e.downloads ??= {})[args.id] = download;
         e2e.phases = (async () => {
           const phases = [];
           for await (const snapshot of download.updates()) {
             phases.push(snapshot.phase);
             if (ended(snapshot)) return phases;
           }
         })();",
        model.spec.clone(),
    )
    .await
}

async fn check_nothing_left(page: &Page, id: &str) -> Result<()> {
    let history = page.history(id).await?;
    history.check()?;
    let aborted = &history.only("aborted")?.event;
    ensure!(aborted["by"] == "app", "{aborted}");
    let rest: AtRest = page.eval("return atRest()", json!(null)).await?;
    ensure!(rest.parts().is_empty(), "left behind: {:?}", rest.parts());
    ensure!(rest.jobs.is_empty(), "left behind: {:?}", rest.jobs);
    for (name, stores) in &rest.databases {
        let links = stores.get("links").copied().unwrap_or_default();
        ensure!(links == 0, "{name} still holds {links} full URLs");
    }
    let read = "return (await (await (await longhaul()).get(args)).blob()).size";
    let thrown = page.throws(read, json!(id)).await?;
    ensure!(thrown.code() == "not-available", "{thrown}");
    Ok(())
}

async fn asking_again(world: &mut World, _: &Cell) -> Result<()> {
    let model = Model::unthrottled(world, "again", BYTES);
    let page = settled(world).await?;
    page.request(&model.spec).await?;
    page.until_available(model.id(), SOON).await?;
    world.server.log().clear();

    page.request(&model.spec).await?;
    let second = "snapshot.attempt === 2 && ended(snapshot)";
    let snapshot = page.until(model.id(), SOON, second).await?;
    ensure!(snapshot.phase == "available", "{snapshot:?}");
    // The same from a page that has just been opened.
    page.reload().await?;
    page.request(&model.spec).await?;
    let third = "snapshot.attempt === 3 && ended(snapshot)";
    page.until(model.id(), SOON, third).await?;

    let history = page.history(model.id()).await?;
    history.check()?;
    let course = history.course();
    ensure!(
        course[3..] == ["requested", "cached-hit", "requested", "cached-hit"],
        "{course:?}"
    );
    model.check_bytes(&page).await?;
    let log = world.server.log().entries();
    ensure!(log.is_empty(), "the server was asked: {log:?}");
    Ok(())
}

async fn reading(world: &mut World, _: &Cell) -> Result<()> {
    let model = Model::unthrottled(world, "read", BYTES);
    let page = settled(world).await?;
    page.request(&model.spec).await?;
    page.until_available(model.id(), SOON).await?;
    world.server.log().clear();
    let read: Value = page
        .eval(
            "const lh = await longhaul();
             const download = await lh.get(args.id);
             const blob = await download.blob();
             const [response, matched, other] = [
               await download.response(), await lh.match(args.url), await lh.match(args.url + '&other=1')];
             // Across the borders of parts, which is where a wrong composition shows.
             const piece = blob.slice(args.from, args.to);
             return {
               blob: [blob.size, await sha256(blob)],
               piece: [piece.size, await sha256(piece)],
               response: [response.status, response.headers.get('Content-Length'), await sha256(response)],
               matched: [matched?.status, matched?.headers.get('Content-Length'), await sha256(matched)],
               other: other === undefined,
             };",
            json!({ "id": model.id(), "url": model.url, "from": PART - 5, "to": 3 * PART + 5 }),
        )
        .await?;
    let (hash, length) = (model.file.sha256(), BYTES.to_string());
    let piece = sha256(&model.file.slice(PART - 5..3 * PART + 5));
    let expected = json!({
        "blob": [BYTES, hash],
        "piece": [2 * PART + 10, piece],
        "response": [200, length, hash],
        "matched": [200, length, hash],
        "other": true,
    });
    ensure!(read == expected, "{read}\nis not\n{expected}");
    let log = world.server.log().entries();
    ensure!(log.is_empty(), "the server was asked: {log:?}");
    Ok(())
}

async fn faster_than_one_fetch(world: &mut World, cell: &Cell) -> Result<()> {
    let page = world.browser.open(BLANK).await?;
    // Background Fetch has two requests at once in the whole browser; it is the page's own transfer that is measured.
    page.longhaul(json!({ "transport": "foreground" })).await?;
    // Nothing is compared that happens once in a page's life.
    let first = Model::unthrottled(world, "first", MIB);
    page.request(&first.spec).await?;
    page.until_available(first.id(), SOON).await?;

    let query = format!("rate={CONNECTION}");
    let url = Model::with_query(world, "one", FAST_BYTES, &query).url;
    let one: u64 = page
        .eval_within(
            SOON,
            "const began = performance.now();
             const response = await fetch(args, { cache: 'no-store' });
             const reader = response.body.getReader();
             while (!(await reader.read()).done);
             return Math.round(performance.now() - began);",
            json!(url),
        )
        .await?;
    let mut gains = Vec::new();
    let began = Instant::now();
    while gains.iter().all(|gain| *gain < GAIN) && began.elapsed() < MEASURED {
        let mut model =
            Model::with_query(world, &format!("all-{}", gains.len()), FAST_BYTES, &query);
        // Only the transfers are compared: a plain fetch checks no hash either.
        model.spec["resources"] = json!([model.url]);
        page.request(&model.spec).await?;
        page.until_available(model.id(), SOON).await?;
        let history = page.history(model.id()).await?;
        history.check()?;
        let transport = &history.only("started")?.event["transport"];
        ensure!(*transport == "foreground", "{transport}");
        let all = history.took()?;
        model.check_bytes(&page).await?;
        // What is stored, and on its way to the disk, would slow down the next round.
        page.forget(model.id()).await?;
        #[expect(clippy::cast_precision_loss, reason = "milliseconds of a test")]
        let gain = one as f64 / all as f64;
        cell.note(format_args!(
            "one fetch {one} ms, Longhaul {all} ms: {gain:.1} times as fast"
        ));
        gains.push(gain);
    }
    ensure!(
        gains.iter().any(|gain| *gain >= GAIN),
        "never {GAIN} times as fast as one fetch: {gains:?}"
    );
    Ok(())
}
