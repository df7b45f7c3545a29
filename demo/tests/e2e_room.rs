//! Too little room: below, at and above what a download needs, and in the middle of one. Chromium enforces the quota that its
//! `DevTools` protocol sets, but `estimate()` does not tell it; what a page does where that tells the truth is tried with an
//! `estimate()` of the test's own.

mod support;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use support::client::{AtRest, Snapshot};
use support::model::{
    Asked, BLANK, BYTES, IN_FLIGHT, MIB, Model, PART, PARTS, settled, until_sent,
};
use support::page::Page;
use support::world::{SOON, World, scenario};

/// So much less than what is needed is too little: Chromium weighs each part against what is stored when its storing begins,
/// and twice as many as are fetched at once may be stored at once.
const TOO_LITTLE: u64 = (2 * IN_FLIGHT as u64 + 2) * PART;

/// Bytes that the origin stores now, as the browser counts them.
async fn usage_now(page: &Page) -> Result<u64> {
    let usage = "return (await navigator.storage.estimate()).usage";
    page.eval(usage, json!(null)).await
}

/// The same, once it counts the same twice: what a job has brought goes only after
/// its worker has ended.
async fn usage(page: &Page) -> Result<u64> {
    let usage = "let before, now;
        await eventually(async () => {
          [before, now] = [now, (await navigator.storage.estimate()).usage];
          return before === now;
        }, 300);
        return now;";
    page.eval(usage, json!(null)).await
}

/// The room that a whole download takes, headers and bookkeeping of the cache included.
async fn needed(world: &World, page: &Page) -> Result<u64> {
    let model = Model::unthrottled(world, "measured", BYTES);
    let before = usage(page).await?;
    page.request(&model.spec).await?;
    page.until_available(model.id(), SOON).await?;
    let after = usage(page).await?;
    page.forget(model.id()).await?;
    ensure!(after >= before + BYTES, "{before} and then {after} bytes");
    Ok(after - before)
}

/// Has a download that failed tried again, and demands that it succeeds and has the right bytes. The server's log is that of this
/// attempt alone.
async fn retry(world: &World, page: &Page, model: &Model) -> Result<()> {
    world.server.log().clear();
    page.gesture().await?;
    page.eval::<()>("await e2e.downloads[args].retry()", json!(model.id()))
        .await?;
    let again = "snapshot.attempt > 1 && ended(snapshot)";
    let done = page.until(model.id(), SOON, again).await?;
    ensure!(done.phase == "available", "{done:?}");
    model.check_bytes(page).await
}

/// Lets the origin store so many bytes more than it does.
async fn leave(world: &World, page: &Page, room: u64) -> Result<()> {
    let quota = usage(page).await? + room;
    world.browser.limit_quota(Some(quota)).await
}

fn parts_of(rest: &AtRest, model: &Model) -> Vec<String> {
    let of = rest
        .caches
        .iter()
        .filter(|(name, _)| name.contains(&model.file.path()));
    of.flat_map(|(_, parts)| parts.clone()).collect()
}

/// Demands that a failure for want of room has kept everything, gives it room, and demands that only the rest is asked for.
async fn goes_on_with_room(world: &World, page: &Page, model: &Model) -> Result<()> {
    let stored = page.snapshot(model.id()).await?.stored;
    let kept = parts_of(&page.at_rest().await?, model);
    ensure!(
        stored == kept.len() as u64 * PART,
        "{stored} bytes are said to be stored, and {} parts are",
        kept.len()
    );
    world.browser.limit_quota(None).await?;
    retry(world, page, model).await?;
    Asked::of(world, PART).check(PARTS - kept.len(), IN_FLIGHT)
}

/// One download with so much room; what became of it, and how many parts are at rest.
async fn with_room(
    world: &World,
    page: &Page,
    id: &str,
    room: u64,
) -> Result<(Model, Snapshot, usize)> {
    let model = Model::unthrottled(world, id, BYTES);
    leave(world, page, room).await?;
    page.request(&model.spec).await?;
    let ended = page.until_ended(id, SOON).await?;
    let history = page.history(id).await?;
    history.check()?;
    let parts = parts_of(&page.at_rest().await?, &model).len();
    println!(
        "{id}: {} {} with {parts} of {PARTS} parts by {:?}",
        ended.phase,
        ended.failure_reason(),
        history.course()
    );
    ensure!(
        ended.phase == "available" || ended.failure_reason() == "quota",
        "{ended:?}"
    );
    Ok((model, ended, parts))
}

#[tokio::test]
async fn a_page_stores_what_has_room_and_goes_on_when_there_is_more() -> Result<()> {
    scenario(async |world: &mut World| {
        let page = world.browser.open(BLANK).await?;
        page.longhaul(json!({ "transport": "foreground" })).await?;
        let needed = needed(world, &page).await?;

        let below = with_room(world, &page, "below", needed - TOO_LITTLE).await?;
        ensure!(below.1.phase == "failed", "{:?}", below.1);
        ensure!(below.2 >= PARTS / 2, "only {} parts were kept", below.2);
        goes_on_with_room(world, &page, &below.0).await?;

        // The last parts may or may not fit: the cache's bookkeeping is not the same each time.
        for (id, room) in [("just-below", needed - 2 * PART), ("at", needed)] {
            let (model, ended, _) = with_room(world, &page, id, room).await?;
            if ended.phase == "failed" {
                goes_on_with_room(world, &page, &model).await?;
            }
            model.check_bytes(&page).await?;
        }

        let above = with_room(world, &page, "above", needed + 2 * PART).await?;
        ensure!(above.1.phase == "available", "{:?}", above.1);
        above.0.check_bytes(&page).await
    })
    .await
}

#[tokio::test]
async fn a_job_that_lacks_room_for_its_second_copy_is_finished_in_pieces() -> Result<()> {
    scenario(async |world: &mut World| {
        let page = settled(world).await?;
        let needed = needed(world, &page).await?;

        let below = with_room(world, &page, "job-below", needed - TOO_LITTLE).await?;
        ensure!(below.1.phase == "failed", "{:?}", below.1);
        goes_on_with_room(world, &page, &below.0).await?;

        // A job fits, and what it keeps a second time does not.
        for (id, room) in [
            ("job-once", needed + 2 * PART),
            ("job-half", needed * 3 / 2),
        ] {
            let (model, ended, _) = with_room(world, &page, id, room).await?;
            ensure!(ended.phase == "available", "{id}: {ended:?}");
            model.check_bytes(&page).await?;
        }

        // What fits to the byte once may not fit the next time: the cache's bookkeeping is not the same.
        for (id, room) in [("job-at-once", needed), ("job-at-twice", 2 * needed)] {
            let (model, ended, _) = with_room(world, &page, id, room).await?;
            if ended.phase == "failed" {
                goes_on_with_room(world, &page, &model).await?;
            }
            model.check_bytes(&page).await?;
        }

        let (model, ended, _) = with_room(world, &page, "job-twice", 2 * needed + 2 * PART).await?;
        ensure!(ended.phase == "available", "{ended:?}");
        let history = page.history(model.id()).await?;
        let course = history.course();
        ensure!(course == ["requested", "started", "success"], "{course:?}");
        model.check_bytes(&page).await
    })
    .await
}

#[tokio::test]
async fn room_that_is_lost_in_the_middle_costs_nothing_that_is_stored() -> Result<()> {
    scenario(async |world: &mut World| {
        let page = world.browser.open(BLANK).await?;
        page.longhaul(json!({ "transport": "foreground" })).await?;
        let other = Model::unthrottled(world, "other", BYTES);
        page.request(&other.spec).await?;
        page.until_available(other.id(), SOON).await?;
        world.server.log().clear();

        let model = Model::throttled(world, "halved", BYTES, 6 * MIB);
        page.request(&model.spec).await?;
        until_sent(world, BYTES / 2).await?;
        let quota = usage_now(&page).await? + PART;
        world.browser.limit_quota(Some(quota)).await?;
        let ended = page.until_ended(model.id(), SOON).await?;
        ensure!(ended.failure_reason() == "quota", "{ended:?}");
        let kept = parts_of(&page.at_rest().await?, &model);
        ensure!(kept.len() >= PARTS / 4, "kept {kept:?}");

        // The limit stays: what is removed makes the room.
        page.eval::<()>("await e2e.downloads.other.remove()", json!(null))
            .await?;
        retry(world, &page, &model).await?;
        Asked::of(world, PART).check(PARTS - kept.len(), 0)
    })
    .await
}

/// Has the page's `estimate()` tell so much room.
async fn told_room(page: &Page, room: u64) -> Result<()> {
    let stub = "navigator.storage.estimate = async () => ({ usage: 1000, quota: 1000 + args })";
    page.eval(stub, json!(room)).await
}

#[tokio::test]
async fn a_browser_that_tells_its_room_is_believed_before_a_byte_is_asked_for() -> Result<()> {
    scenario(async |world: &mut World| {
        let page = settled(world).await?;
        let model = Model::unthrottled(world, "told", BYTES);
        told_room(&page, BYTES - 3 * PART).await?;
        page.request(&model.spec).await?;
        let ended = page.until_ended(model.id(), SOON).await?;
        let failure: &Value = ended.failure.as_ref().context("no failure")?;
        ensure!(
            failure["reason"] == "quota" && failure["missingBytes"] == 3 * PART,
            "{failure}"
        );
        let thrown = page
            .throws("await e2e.downloads.told.finished", json!(null))
            .await?;
        ensure!(
            thrown.code() == "failed" && thrown.data["missingBytes"] == 3 * PART,
            "{thrown}"
        );
        let sent: u64 = world
            .server
            .log()
            .entries()
            .iter()
            .map(|request| request.sent)
            .sum();
        ensure!(sent <= 1, "{sent} bytes were sent");

        // Enough for the file, but not for all of it twice: the first job brings less, and what follows the rest.
        told_room(&page, BYTES + BYTES / 4).await?;
        retry(world, &page, &model).await?;
        let history = page.history(model.id()).await?;
        history.check()?;
        ensure!(history.count("started") >= 2, "{:?}", history.kinds());
        Asked::of(world, PART).check(PARTS, 0)
    })
    .await
}

#[tokio::test]
async fn a_page_asks_once_that_nothing_is_evicted_and_at_its_first_request() -> Result<()> {
    scenario(async |world: &mut World| {
        let page = world.browser.open(BLANK).await?;
        let count = "e2e.asked = 0;
             navigator.storage.persist = async () => { e2e.asked += 1; throw new Error('never'); };
             await longhaul();
             return e2e.asked;";
        let asked: u64 = page.eval(count, json!(null)).await?;
        ensure!(asked == 0, "asked {asked} times before anything is wanted");
        for id in ["once", "twice"] {
            let model = Model::unthrottled(world, id, MIB);
            page.request(&model.spec).await?;
            page.until_available(id, SOON).await?;
        }
        let asked: u64 = page.eval("return e2e.asked", json!(null)).await?;
        ensure!(asked == 1, "asked {asked} times");
        Ok(())
    })
    .await
}
