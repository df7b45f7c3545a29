//! Longhaul where there is no document, where there is no Cache Storage, and in a browser that has Background Fetch and refuses it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::suite::{Cell, Suite};
use crate::support::engine::Engine;
use crate::support::model::{BLANK, MIB, Model};
use crate::support::page::Page;
use crate::support::site::{Answer, Site};
use crate::support::world::{SOON, World};

const BYTES: u64 = 20 * MIB;

/// The worker's script, and where it stands: not beside the page.
const SCRIPT: &str = include_str!("../guests/downloads.js");
const PLACE: &str = "/workers/downloads.js";

/// How a page starts it and listens to it.
const DEDICATED: &str = "const worker = new Worker(args.place, { type: 'module' }), port = worker";
const SHARED: &str = "const worker = new SharedWorker(args.place, { type: 'module' }), { port } = worker; port.start()";

/// Why a second column would tell nothing.
const SAME: &str = "the same as in Chromium, since no background job is in it";

/// A name that every engine under test takes for this machine's, and none for a trustworthy one.
const NAME: &str = "app.test";

/// How soon it must be said that there is no Cache Storage.
const AT_ONCE: Duration = Duration::from_secs(1);

/// How long a download may take, or end, that a browser refuses to do by itself.
const REFUSED: Duration = Duration::from_secs(15);

pub(crate) fn announce(suite: &mut Suite) {
    let pages = Site::new([(PLACE, Answer::script(SCRIPT))]);
    suite
        .for_each_engine_at("in a worker", &pages, in_workers)
        .except(Engine::ChromiumForeground, SAME);
    let own = Arc::clone(&pages);
    suite
        .for_each_engine_at(
            "http without Cache Storage",
            &pages,
            async move |world: &mut World, cell: &Cell| {
                without_cache_storage(world, &own, cell).await
            },
        )
        .except(Engine::ChromiumForeground, SAME);
    suite
        .for_each_engine("Background Fetch that is refused", refused)
        .run_as(Engine::WebKit, Engine::WebKitWithBackgroundFetch)
        .only_where(
            |engine| engine == Engine::WebKit,
            "it has no Background Fetch that is always refused",
        );
}

async fn in_workers(world: &mut World, cell: &Cell) -> Result<()> {
    let mut failed = None;
    for (kind, start) in [("dedicated", DEDICATED), ("shared", SHARED)] {
        let began = Instant::now();
        let outcome = in_a_worker(world, kind, start).await;
        cell.case(kind, began.elapsed(), &outcome);
        failed = failed.or(outcome.err());
    }
    failed.map_or(Ok(()), Err)
}

/// A worker of the page downloads, and finds what it downloaded by relative and by absolute addresses; then the page has it.
async fn in_a_worker(world: &World, kind: &str, start: &str) -> Result<()> {
    let page = world.browser.open(BLANK).await?;
    let model = Model::unthrottled(world, kind, BYTES);
    // Relative to the worker's script, not to its page.
    let relative = format!("..{}", model.file.path());
    let mut spec = model.spec.clone();
    spec["resources"][0]["url"] = json!(relative);
    let body = format!(
        "{start};
         const failed = once(worker, 'error', () => true).then(({{ message }}) => ({{ error: message ?? 'no script' }}));
         const told = once(port, 'message').then(({{ data }}) => data);
         port.postMessage(args.work);
         return Promise.race([told, failed])"
    );
    let work = json!({ "options": {}, "spec": spec, "addresses": [relative, model.file.path(), model.url] });
    let done: Value = page
        .eval(&body, json!({ "place": PLACE, "work": work }))
        .await?;
    ensure!(done["phase"] == "available", "{done}");
    let hash = json!(model.file.sha256());
    ensure!(done["hashes"] == json!([hash, hash, hash, hash]), "{done}");

    world.server.log().clear();
    page.request(&model.spec).await?;
    page.until_available(kind, SOON).await?;
    model.check_bytes(&page).await?;
    let history = page.history(kind).await?;
    history.check()?;
    let last = history.0.last().context("no history")?;
    ensure!(last.kind() == "cached-hit", "{:?}", history.kinds());
    let log = world.server.log().entries();
    ensure!(log.is_empty(), "asked again: {log:?}");
    Ok(())
}

async fn without_cache_storage(world: &mut World, site: &Site, cell: &Cell) -> Result<()> {
    let origin = world.server.origin();
    let port = origin.rsplit(':').next().context("a port")?;
    let page = world.browser.open(BLANK).await?;
    page.goto(&format!("http://{NAME}:{port}{BLANK}")).await?;
    let secure: bool = page.eval("return isSecureContext", json!(null)).await?;
    ensure!(!secure, "the name is taken for trustworthy");
    page.eval::<()>("await load('/longhaul/index.js')", json!(null))
        .await?;
    ensure!(site.times("/longhaul/index.js") > 0, "{:?}", site.asked());
    site.forget_asked();
    let began = Instant::now();
    let thrown = page.throws("await longhaul()", json!(null)).await?;
    let took = began.elapsed();
    cell.note(format_args!("said after {} ms", took.as_millis()));
    ensure!(thrown.code() == "storage-unavailable", "{thrown}");
    ensure!(thrown.message.contains("HTTPS"), "{thrown}");
    ensure!(took < AT_ONCE, "after {took:?}");
    let asked = site.asked();
    ensure!(asked.is_empty(), "{asked:?}");
    Ok(())
}

async fn refused(world: &mut World, _: &Cell) -> Result<()> {
    let page = world.browser.open(BLANK).await?;
    let there: bool = page
        .eval(
            "return 'backgroundFetch' in ServiceWorkerRegistration.prototype",
            json!(null),
        )
        .await?;
    ensure!(there, "Background Fetch is not switched on");
    for id in ["first", "second"] {
        let model = Model::unthrottled(world, id, 4 * MIB);
        let began = Instant::now();
        page.request(&model.spec).await?;
        page.until_available(id, SOON).await?;
        model.check_bytes(&page).await?;
        check_refused(&page, id).await?;
        ensure!(began.elapsed() < REFUSED, "{:?}", began.elapsed());
    }
    // An app that insists is told that there is none.
    page.reload().await?;
    page.longhaul(json!({ "transport": "background-fetch" }))
        .await?;
    let model = Model::unthrottled(world, "insisting", MIB);
    page.request(&model.spec).await?;
    let ended = page.until_ended(model.id(), REFUSED).await?;
    ensure!(ended.failure_reason() == "refused", "{ended:?}");
    Ok(())
}

/// Demands that the page brought it all, because a job was refused.
async fn check_refused(page: &Page, id: &str) -> Result<()> {
    let history = page.history(id).await?;
    history.check()?;
    let started = history.0.iter().rfind(|entry| entry.kind() == "started");
    let started = &started.context("it never began")?.event;
    ensure!(
        started["transport"] == "foreground" && started["why"] == "refused",
        "{started}"
    );
    Ok(())
}
