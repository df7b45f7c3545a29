//! Downloads by real Background Fetch, and what may happen in the middle of one: the page goes, comes back, changes its mind.

mod support;

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use longhaul_demo::{Entry as Request, Outcome};
use serde_json::json;
use support::client::Snapshot;
use support::history::History;
use support::model::{BLANK, MIB, Model, now, settled, watch_worker_finish};
use support::page::Page;
use support::world::{SOON, World, scenario};

/// How often each byte offset was asked for as the start of a range, probes (`bytes=0-0`) left out.
fn starts_among<'a>(log: impl IntoIterator<Item = &'a Request>) -> BTreeMap<u64, usize> {
    let mut starts = BTreeMap::new();
    for range in log
        .into_iter()
        .filter_map(|request| request.range.as_deref())
    {
        if let Some((first, last)) = range
            .strip_prefix("bytes=")
            .and_then(|range| range.split_once('-'))
            && let Ok(first) = first.parse()
            && last != "0"
        {
            *starts.entry(first).or_default() += 1;
        }
    }
    starts
}

/// Waits until the background job itself has brought parts, and they are at rest. (In the first seconds of a browser's life it may
/// bring nothing for so long that the page helps it: what the server is asked then says nothing of the job.)
async fn until_parts_rest(page: &Page, id: &str, parts: u64) -> Result<Snapshot> {
    page.until(id, SOON, &format!("snapshot.stored >= {}", parts * MIB))
        .await
        .context("the download never began")
}

fn check_single_job(history: &History, parts: usize) -> Result<()> {
    history.check()?;
    ensure!(history.count("requested") == 1, "{:?}", history.kinds());
    let started = &history.only("started")?.event;
    ensure!(started["transport"] == "background-fetch", "{started}");
    let named = started["missing"][0]["parts"].as_str().unwrap_or_default();
    ensure!(named == format!("0-{}", parts - 1), "{started}");
    history.only("success")?;
    Ok(())
}

#[tokio::test]
async fn a_page_closed_in_mid_download_finds_the_model_available_when_it_opens_again() -> Result<()>
{
    scenario(async |world: &mut World| {
        let model = Model::throttled(world, "closed", 8 * MIB, MIB);
        let page = settled(world).await?;
        page.request(&model.spec).await?;
        until_parts_rest(&page, "closed", 2).await?;
        page.close().await?;
        let closed = now();

        // Nobody but the browser and the worker is left: every byte comes without a page.
        let all = |log: &[Request]| {
            let received = log
                .iter()
                .filter(|request| request.outcome == Outcome::Done);
            starts_among(received)
                .keys()
                .filter(|start| **start % MIB == 0)
                .count()
                == 8
        };
        tokio::time::timeout(SOON, world.server.log().until(all))
            .await
            .context("the browser did not go on without the page")?;
        watch_worker_finish(world).await?;

        let page = world.browser.open(BLANK).await?;
        page.until_available("closed", SOON).await?;
        let history = page.history("closed").await?;
        check_single_job(&history, 8)?;
        let success = history.only("success")?;
        ensure!(
            success.origin == "service-worker",
            "finished by {success:?}"
        );
        ensure!(success.at > closed, "finished before the page was closed");
        model.check_bytes(&page).await
    })
    .await
}

/// The parts at rest, by the offset at which each begins.
async fn resting(page: &Page) -> Result<BTreeSet<u64>> {
    let rest = page.at_rest().await?;
    let offset = |url: &&String| url.rsplit('/').next()?.split('+').next()?.parse().ok();
    Ok(rest.parts().iter().filter_map(offset).collect())
}

#[tokio::test]
async fn a_page_reloaded_in_mid_download_attaches_to_the_running_job() -> Result<()> {
    scenario(async |world: &mut World| {
        let model = Model::throttled(world, "reloaded", 16 * MIB, 3 * MIB);
        let page = settled(world).await?;
        page.request(&model.spec).await?;
        until_parts_rest(&page, "reloaded", 4).await?;
        let at_rest = resting(&page).await?;
        ensure!(at_rest.len() >= 4, "at rest: {at_rest:?}");
        world.server.log().clear();
        page.reload().await?;

        let attached = page.request(&model.spec).await?;
        ensure!(
            attached.phase == "transferring" && attached.attempt == 1,
            "{attached:?}"
        );
        let jobs = page.at_rest().await?.jobs;
        ensure!(jobs.len() == 1, "there should be one job: {jobs:?}");
        let before = attached.downloaded;
        page.until("reloaded", SOON, &format!("snapshot.downloaded > {before}"))
            .await
            .context("no progress after the reload")?;
        // The browser freezes the job for half a minute after the reload; the page does not wait for that.
        page.until_available("reloaded", SOON).await?;

        check_single_job(&page.history("reloaded").await?, 16)?;
        model.check_bytes(&page).await?;
        // Two records are in flight when the browser freezes the job: those may be asked for again by the page, and no more.
        let log = world.server.log().entries();
        let again: Vec<u64> = starts_among(&log)
            .into_keys()
            .filter(|start| at_rest.contains(&(start / MIB * MIB)))
            .collect();
        ensure!(again.is_empty(), "asked for again: {again:?}");
        let sent: u64 = log.iter().map(|request| request.sent).sum();
        let missing = model.file.bytes - at_rest.len() as u64 * MIB;
        ensure!(
            sent <= missing + 2 * MIB,
            "{sent} bytes were sent for {missing} that were missing"
        );
        Ok(())
    })
    .await
}

/// What an abort behind Longhaul's back must leave behind: one `aborted`, no bytes, no job.
async fn check_nothing_left(page: &Page, id: &str) -> Result<()> {
    let history = page.history(id).await?;
    history.check()?;
    ensure!(history.count("requested") == 1, "{:?}", history.kinds());
    let aborted = &history.only("aborted")?.event;
    ensure!(aborted["by"] == "browser", "{aborted}");
    let rest = page
        .eval::<support::client::AtRest>(
            // The ending is appended before its clean-up is done: wait for the locks under which that happens.
            "const lh = await longhaul();
             await navigator.locks.request(`longhaul/longhaul/${args}`, () => {});
             return atRest();",
            json!(id),
        )
        .await?;
    ensure!(
        rest.parts().is_empty(),
        "left in the store: {:?}",
        rest.parts()
    );
    ensure!(
        rest.jobs.is_empty(),
        "left in the list of jobs: {:?}",
        rest.jobs
    );
    let thrown = page
        .throws(
            "return (await (await (await longhaul()).get(args)).blob()).size",
            json!(id),
        )
        .await?;
    ensure!(thrown.code() == "not-available", "{thrown}");
    Ok(())
}

#[tokio::test]
async fn an_abort_by_the_browser_is_one_aborted_and_leaves_nothing_behind() -> Result<()> {
    scenario(async |world: &mut World| {
        let model = Model::throttled(world, "cancelled", 8 * MIB, MIB);
        let page = settled(world).await?;
        page.request(&model.spec).await?;
        until_parts_rest(&page, "cancelled", 2).await?;
        // What the browser's own cancel button does, behind Longhaul's back.
        page.eval::<()>(
            "const { registration } = (await longhaul()).serviceWorker;
             const [id] = await registration.backgroundFetch.getIds();
             if (!(await (await registration.backgroundFetch.get(id)).abort())) throw new Error('not aborted');",
            json!(null),
        )
        .await?;
        page.until("cancelled", SOON, "snapshot.phase === 'aborted'").await?;
        check_nothing_left(&page, "cancelled").await
    })
    .await
}
