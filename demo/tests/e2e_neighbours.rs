//! Others on the same origin: an app under another path with another build of Longhaul, and a worker that deletes what it does not know.

mod support;

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use longhaul_demo::Server;
use serde_json::json;
use support::apps::INDEX;
use support::engine::Engine;
use support::model::{Asked, MIB, Model, PART, until_sent};
use support::page::Page;
use support::site::{Answer, Site, package_file};
use support::world::{SOON, World, scenario_in};

/// The files of the package that a page and its worker need.
const PACKAGE: [(&str, &str); 4] = [
    ("index.js", "text/javascript"),
    ("longhaul_glue.js", "text/javascript"),
    ("longhaul_bg.wasm", "application/wasm"),
    ("longhaul.worker.js", "text/javascript"),
];

/// Requests beyond one for each part, where a page and a job bring the same file.
const BOTH: usize = 6;

async fn at<F>(name: &str, site: &Arc<Site>, test: F) -> Result<()>
where
    F: AsyncFnOnce(&mut World) -> Result<()>,
{
    let server = Server::builder().site(Arc::clone(site) as _).spawn()?;
    scenario_in(Engine::Chromium, server, name, test).await
}

/// An app under a path of its own. Its build is another one where it says so: the digest in the worker's script is what differs.
fn put_app(site: &Site, path: &str, other_build: bool) -> Result<()> {
    site.put(&format!("{path}/index.html"), Answer::html(INDEX));
    for (name, kind) in PACKAGE {
        let mut bytes = package_file(name)?;
        if other_build && name == "longhaul.worker.js" {
            let script = String::from_utf8(bytes)?;
            let build = script
                .split('"')
                .find(|text| text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit()))
                .context("the worker's script names its build")?;
            bytes = script.replace(build, "0123456789abcdef").into_bytes();
        }
        site.put(
            &format!("{path}/longhaul/{name}"),
            Answer::bytes(kind, bytes),
        );
    }
    Ok(())
}

fn wasm_of(app: &str) -> String {
    format!("{app}/longhaul/longhaul_bg.wasm")
}

fn put_wasm(site: &Site, app: &str) -> Result<()> {
    let wasm = package_file("longhaul_bg.wasm")?;
    site.put(&wasm_of(app), Answer::bytes("application/wasm", wasm));
    Ok(())
}

/// What a page has that needs no wasm of its app's, and has none for a worker either.
const COMPILED: &str =
    "{ wasm: await WebAssembly.compileStreaming(fetch('/longhaul/longhaul_bg.wasm')) }";

/// A page of the app, with that app's own Longhaul.
async fn visit(world: &World, app: &str) -> Result<Page> {
    visit_with(world, app, "{}").await
}

/// The same; `options` is an expression.
async fn visit_with(world: &World, app: &str, options: &str) -> Result<Page> {
    let page = world.browser.open(&format!("{app}/index.html")).await?;
    page.eval::<()>(
        &format!(
            "const {{ open }} = await load(`${{args}}/longhaul/index.js`);
             e2e.longhaul = await open({options})"
        ),
        json!(app),
    )
    .await?;
    Ok(page)
}

/// Downloads something small, and demands that a background job brought it.
async fn by_a_job(world: &World, page: &Page, id: &str) -> Result<()> {
    let model = Model::unthrottled(world, id, MIB);
    page.request(&model.spec).await?;
    page.until_available(id, SOON).await?;
    let problem: Option<String> = page
        .eval(
            "return (await longhaul()).serviceWorker.problem ?? null",
            json!(null),
        )
        .await?;
    let history = page.history(id).await?;
    let transport = &history.only("started")?.event["transport"];
    ensure!(
        *transport == "background-fetch",
        "{id}: {transport} {problem:?}"
    );
    Ok(())
}

#[tokio::test]
async fn apps_under_two_paths_share_downloads_and_keep_their_own_code() -> Result<()> {
    let site = Site::new([]);
    put_app(&site, "/one", false)?;
    put_app(&site, "/two", true)?;
    at("two_paths", &site, async |world: &mut World| {
        for (app, id) in [("/one", "by-one"), ("/two", "by-two")] {
            let page = visit(world, app).await?;
            by_a_job(world, &page, id).await?;
            page.close().await?;
        }
        // Each starts from the code that it kept, whatever the other one has done since.
        for app in ["/one", "/two"] {
            site.put(&wasm_of(app), Answer::not_found());
        }
        world.browser.pages().await?[0].select().await?;
        world.browser.stop_workers().await?;
        for (app, id) in [("/one", "again-by-one"), ("/two", "again-by-two")] {
            let page = visit_with(world, app, COMPILED).await?;
            by_a_job(world, &page, id).await?;
            page.close().await?;
        }
        for app in ["/one", "/two"] {
            put_wasm(&site, app)?;
        }

        // What one began the other one finds.
        world.server.log().clear();
        let model = Model::throttled(world, "shared", 16 * MIB, 4 * MIB);
        let page = visit(world, "/one").await?;
        page.request(&model.spec).await?;
        until_sent(world, 3 * MIB).await?;
        page.close().await?;
        let page = visit(world, "/two").await?;
        page.until_available("shared", SOON).await?;
        model.check_bytes(&page).await?;
        let history = page.history("shared").await?;
        history.check()?;
        ensure!(history.count("requested") == 1, "{:?}", history.kinds());
        Asked::for_file(world, &model.file, PART).check(16, BOTH)
    })
    .await
}

/// A worker of the app's that has no Longhaul in it, and deletes all caches but its own when its next build begins.
const DELETES: &str = "
    addEventListener('install', () => skipWaiting());
    addEventListener('activate', (event) => event.waitUntil((async () => {
      for (const name of await caches.keys()) if (name !== 'app-2') await caches.delete(name);
    })()));";

#[tokio::test]
async fn a_worker_that_deletes_caches_it_does_not_know_is_noticed_and_survived() -> Result<()> {
    let site = Site::new([
        ("/index.html", Answer::html(INDEX)),
        (
            "/sw.js",
            Answer::script("addEventListener('fetch', () => {})"),
        ),
    ]);
    at("deletes_caches", &site, async |world: &mut World| {
        let page = world.browser.open("/").await?;
        page.eval::<()>(
            "await navigator.serviceWorker.register('/sw.js'); await navigator.serviceWorker.ready",
            json!(null),
        )
        .await?;
        by_a_job(world, &page, "kept").await?;
        site.put("/sw.js", Answer::script(DELETES));
        page.eval::<()>(
            "const registration = await navigator.serviceWorker.getRegistration('/');
             const before = registration.active;
             await registration.update();
             await eventually(() => registration.active !== before && registration.active.state === 'activated')",
            json!(null),
        )
        .await?;

        // The page that was open all the time, and one that opens now, see it; nothing is fetched before somebody asks.
        world.server.log().clear();
        let gone: bool = page
            .eval("return (await (await longhaul()).match(args)) === undefined", json!(Model::unthrottled(world, "kept", MIB).url))
            .await?;
        ensure!(gone, "a file without bytes");
        page.reload().await?;
        page.longhaul(json!({})).await?;
        let snapshot = page.snapshot("kept").await?;
        ensure!(snapshot.phase == "evicted" && snapshot.by == "eviction", "{snapshot:?}");
        let log = world.server.log().entries();
        ensure!(log.is_empty(), "{log:?}");

        // The worker's kept code went as well.
        let model = Model::unthrottled(world, "kept", MIB);
        page.request(&model.spec).await?;
        page.until_available("kept", SOON).await?;
        model.check_bytes(&page).await?;
        let history = page.history("kept").await?;
        history.check()?;
        let started = history.0.iter().rfind(|entry| entry.kind() == "started");
        let transport = &started.context("begun")?.event["transport"];
        ensure!(*transport == "background-fetch", "{transport}");
        Ok(())
    })
    .await
}
