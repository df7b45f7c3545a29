//! Pages that open while a background job ends. The browser tells the worker alone, once, and has forgotten the job by then: a
//! page that opens in between sees neither the job nor all that it brought, and must not take it for lost.

mod support;

use std::fs;

use anyhow::{Context, Result, ensure};
use longhaul_demo::{Entry as Request, Folders, Server};
use serde::Deserialize;
use serde_json::{Value, json};
use support::chance::chance_for;
use support::engine::Engine;
use support::model::{Asked, BLANK, MIB, Model, settled, until_sent};
use support::world::{SOON, World, scenario_in, workspace};
use tokio::time::timeout;

const PART: u64 = MIB;
const PARTS: usize = 6;

/// Jobs that come to their ends, and the pages that open around each of these.
const ROUNDS: usize = 10;
const PAGES: usize = 5;

/// How much longer a slow worker takes to start, in milliseconds.
const SLOW_MS: u64 = 2_000;

/// Within how many milliseconds after the server has sent everything the pages open.
const QUICK_WITHIN_MS: u64 = 600;
const SLOW_WITHIN_MS: u64 = 5_000;

/// An app's page: opens Longhaul as soon as it can, and asks for the download or only looks.
const APP: &str = "\
import { open } from '/longhaul/index.js';
const { id, spec } = JSON.parse(decodeURIComponent(location.search.slice(1)));
const opened = async () => {
  const longhaul = await open({ serviceWorker: '/sw.js' });
  const download = spec ? await longhaul.request(spec) : await longhaul.get(id);
  return { longhaul, seen: download.snapshot };
};
globalThis.e2e = { at: Date.now(), opened: opened() };
";

/// What a page saw when it had opened.
#[derive(Debug, Deserialize)]
struct Opened {
    /// When its script ran, in milliseconds since 1970.
    at: u64,
    /// The phase that it saw first.
    phase: String,
}

/// How many pages opened on which side of the end.
#[derive(Debug, Default)]
struct Around {
    before: usize,
    after: usize,
}

#[tokio::test]
async fn pages_that_open_around_the_end_of_a_job_begin_nothing_anew() -> Result<()> {
    rounds("around_the_end_quick_worker", "", QUICK_WITHIN_MS).await?;
    Ok(())
}

#[tokio::test]
async fn pages_that_open_while_a_slow_worker_starts_wait_for_what_it_will_say() -> Result<()> {
    // A worker that is started for an event runs its script first; what is told to it waits as long.
    let slow = format!("for (const until = Date.now() + {SLOW_MS}; Date.now() < until; );");
    let around = rounds("around_the_end_slow_worker", &slow, SLOW_WITHIN_MS).await?;
    ensure!(
        around.before > 0 && around.after > 0,
        "all pages opened on the same side of the end: {around:?}"
    );
    Ok(())
}

/// Half of the rounds, with a worker that does something `before` it listens.
async fn rounds(what: &str, before: &str, within_ms: u64) -> Result<Around> {
    let page = tempfile::tempdir()?;
    let worker = format!("import {{ attach }} from '/longhaul/sw.js';\n{before}\nattach();\n");
    fs::write(page.path().join("sw.js"), worker)?;
    fs::write(page.path().join("app.js"), APP)?;
    let app = "<!doctype html><title>App</title><script type=module src=/app.js></script>";
    fs::write(page.path().join("app.html"), app)?;
    let folders = Folders {
        page: page.path().to_owned(),
        ..Folders::of_checkout(&workspace())
    };
    let server = Server::builder().folders(folders).spawn()?;
    let mut random = chance_for(what)?;
    let mut around = Around::default();
    scenario_in(Engine::Chromium, server, what, async |world: &mut World| {
        settled(world).await?.close().await?;
        for round in 0..ROUNDS / 2 {
            let moments: Vec<u64> = (0..PAGES).map(|_| random.u64(..within_ms)).collect();
            one_end(world, round, &moments, &mut around).await?;
        }
        Ok(())
    })
    .await?;
    println!("{what}: {around:?}");
    Ok(around)
}

/// One download whose job ends while pages open, each at one of the `moments`: milliseconds after the server has sent everything.
async fn one_end(world: &World, round: usize, moments: &[u64], around: &mut Around) -> Result<()> {
    world.server.log().clear();
    let bytes = PART * PARTS as u64;
    let model = Model::throttled(world, &format!("end-{round}"), bytes, 3 * MIB);
    let (first, opener) = (
        world.browser.open(BLANK).await?,
        world.browser.open(BLANK).await?,
    );
    first.longhaul(json!({ "serviceWorker": "/sw.js" })).await?;
    // A slow worker is no worker until it has answered.
    let fit = "const lh = await longhaul(); await eventually(() => !lh.serviceWorker.problem)";
    first.eval::<()>(fit, json!(null)).await?;
    first.request(&model.spec).await?;
    until_sent(world, PART).await?;
    // Without this page nothing is stored before the end, and nobody keeps the worker awake. (Going elsewhere would freeze the job.)
    first.close().await?;
    opener.select().await?;
    world.browser.stop_workers().await?;
    let all = |log: &[Request]| log.iter().map(|request| request.sent).sum::<u64>() >= bytes;
    timeout(SOON, world.server.log().until(all))
        .await
        .context("the job brought nothing more")?;

    let known = world.browser.pages().await?.len();
    // Every other page only looks; the rest ask again, as an app does that knows nothing of the first.
    let spec = |n: usize| (n % 2 == 1).then_some(&model.spec);
    let tabs: Vec<Value> = (0..)
        .zip(moments)
        .map(|(n, moment)| {
            json!({ "moment": moment, "query": { "id": model.id(), "spec": spec(n) } })
        })
        .collect();
    opener
        .eval_within::<()>(
            SOON,
            "await Promise.all(args.map(async ({ moment, query }) => {
               await new Promise((elapsed) => setTimeout(elapsed, moment));
               if (!open(`/app.html?${encodeURIComponent(JSON.stringify(query))}`)) throw new Error('no tab');
             }));",
            json!(tabs),
        )
        .await?;
    let pages = world.browser.pages().await?.split_off(known);
    ensure!(pages.len() == moments.len(), "{} tabs opened", pages.len());
    let mut views: Vec<Opened> = Vec::new();
    for tab in &pages {
        let seen = "if (!e2e.opened) await once(globalThis, 'load');
             const { longhaul, seen } = await e2e.opened;
             e2e.longhaul = longhaul;
             return { at: e2e.at, phase: seen.phase };";
        views.push(tab.eval_within(SOON, seen, json!(null)).await?);
        tab.until_available(model.id(), SOON).await?;
    }

    let history = pages[0].history(model.id()).await?;
    history.check()?;
    let again = history.count("requested") - 1;
    ensure!(
        history.count("started") == 1 && again == history.count("cached-hit"),
        "a second attempt: {:?}",
        history.kinds()
    );
    Asked::of(world, PART).check(PARTS, 0)?;
    model.check_bytes(&pages[0]).await?;
    let end = history.only("success")?.at;
    for Opened { at, phase } in views {
        // One that opened before the end may still have looked after it, but none the other way about.
        ensure!(at <= end || phase == "available", "{phase} after the end");
        *(if at <= end {
            &mut around.before
        } else {
            &mut around.after
        }) += 1;
    }
    for tab in pages {
        tab.close().await?;
    }
    opener.close().await
}
