//! Sites that had a service worker before they had Longhaul: it stays as it is, the offline page with it, and big files still come by
//! Background Fetch.

mod support;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use longhaul_demo::{Ending, Server};
use serde::Deserialize;
use serde_json::{Value, json};
use support::engine::Engine;
use support::model::{MIB, Model, until_sent};
use support::page::Page;
use support::site::{Answer, Site, package_file, site_of_workbox};
use support::world::{SOON, World, scenario_in};

/// What a download of these tests weighs, and how fast it comes: long enough to close its page in the middle.
const BYTES: u64 = 60 * MIB;
const RATE: u64 = 20 * MIB;

/// An app's own worker: a module that answers when there is no network, and updates when its page says so.
const OWN: &str = r#"
    addEventListener("fetch", (event) => {
      if (event.request.mode === "navigate") event.respondWith(fetch(event.request).catch(offline));
    });
    addEventListener("message", ({ data }) => data === "update" && skipWaiting());
    const offline = () =>
      new Response("<title>Offline</title>", { headers: { "Content-Type": "text/html" } });
"#;

/// The same worker's next build.
fn own_attached() -> String {
    format!("import {{ attach }} from \"/longhaul/sw.js\";\nattach();\n{OWN}")
}

/// What holds the site's scope, as a page sees it.
#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Held {
    script: Option<String>,
    controller: Option<String>,
    installing: bool,
    waiting: bool,
    /// Whether the worker is still the one that the page saw first.
    same: bool,
}

/// Looks at the scope of the site.
async fn held(page: &Page) -> Result<Held> {
    page.eval(
        "const path = (worker) => worker ? new URL(worker.scriptURL).pathname : null;
         const all = await navigator.serviceWorker.getRegistrations();
         const site = all.find(({ scope }) => new URL(scope).pathname === '/');
         e2e.first ??= site?.active;
         return {
           script: path(site?.active), controller: path(navigator.serviceWorker.controller),
           installing: Boolean(site?.installing), waiting: Boolean(site?.waiting),
           same: Boolean(site) && site.active === e2e.first,
         }",
        json!(null),
    )
    .await
}

/// Demands that the site's worker holds its scope, and nobody is about to take it.
async fn check_held(page: &Page, when: &str) -> Result<()> {
    let found = held(page).await?;
    let right = Held {
        script: Some("/sw.js".into()),
        controller: Some("/sw.js".into()),
        installing: false,
        waiting: false,
        same: true,
    };
    ensure!(found == right, "{when}: {found:?}");
    Ok(())
}

/// Demands that the site answers navigations without the network, and that it does so no longer with it.
async fn check_offline(world: &World) -> Result<()> {
    let page = world.browser.open("/").await?;
    world.server.close(Ending::Rst);
    // Where nobody answers, the driver says so.
    let gone = page.goto("/an/address/of/the/site").await;
    world.server.open()?;
    gone.context("offline")?;
    let title: String = page.eval("return document.title", json!(null)).await?;
    ensure!(title == "Offline", "offline the site shows `{title}`");
    page.close().await
}

/// The site's first visit, before it has Longhaul: its worker is installed, and controls the page.
async fn first_visit(world: &World, kind: &str) -> Result<Page> {
    let page = world.browser.open("/").await?;
    page.eval::<()>(
        "await navigator.serviceWorker.register('/sw.js', { type: args });
         await navigator.serviceWorker.ready",
        json!(kind),
    )
    .await?;
    page.reload().await?;
    check_held(&page, "before").await?;
    Ok(page)
}

/// Opens Longhaul in the page; `options` is an expression.
async fn open(page: &Page, options: &str) -> Result<()> {
    page.eval(&format!("await longhaul({options})"), json!(null))
        .await
}

/// A download that begins in `page`, which is closed after a tenth of it: the worker brings the rest.
async fn closed_in_the_middle(world: &World, page: Page, options: &str) -> Result<()> {
    // A browser's first job begins seconds late, and the page would help it meanwhile.
    let first = Model::unthrottled(world, "first", MIB);
    page.request(&first.spec).await?;
    page.until_available(first.id(), SOON).await?;
    page.forget(first.id()).await?;
    world.server.log().clear();

    let model = Model::throttled(world, "guest", BYTES, RATE);
    page.request(&model.spec).await?;
    until_sent(world, BYTES / 10).await?;
    page.close().await?;
    until_sent(world, BYTES).await?;

    // A page that does not open Longhaul sees the worker finish it.
    let page = world.browser.open("/").await?;
    page.eval::<()>(
        r#"await eventually(() => inDatabase("longhaul", async (db) => {
             const all = Array.from(db.objectStoreNames, (store) => result(db.transaction(store).objectStore(store).getAll()));
             return JSON.stringify(await Promise.all(all)).includes('\\"type\\":\\"success\\"');
           }))"#,
        json!(null),
    )
    .await
    .context("the worker did not finish it")?;
    check_held(&page, "at the next visit").await?;
    open(&page, options).await?;
    page.until_available("guest", SOON).await?;
    let history = page.history("guest").await?;
    history.check()?;
    let started = &history.only("started")?.event;
    ensure!(started["transport"] == "background-fetch", "{started}");
    let success = history.only("success")?;
    ensure!(success.origin == "service-worker", "{success:?}");
    model.check_bytes(&page).await?;
    check_held(&page, "at the next visit, with Longhaul open").await?;
    page.close().await
}

/// Downloads with `options` where `/sw.js` of this kind holds the scope, visits the site twice more, and demands that it is as before.
async fn lives_beside(world: &mut World, kind: &str, options: &str) -> Result<()> {
    let page = first_visit(world, kind).await?;
    open(&page, options).await?;
    check_held(&page, "with Longhaul open").await?;
    let problem: Value = page
        .eval(
            "return (await longhaul()).serviceWorker?.problem ?? null",
            json!(null),
        )
        .await?;
    ensure!(problem.is_null(), "{problem}");
    closed_in_the_middle(world, page, options).await?;
    check_offline(world).await?;
    visit_again(world, options).await
}

/// One more visit, which opens Longhaul, and finds the download and the offline page.
async fn visit_again(world: &World, options: &str) -> Result<()> {
    let page = world.browser.open("/").await?;
    check_held(&page, "at a later visit").await?;
    open(&page, options).await?;
    ensure!(page.snapshot("guest").await?.phase == "available", "gone");
    check_held(&page, "at a later visit, with Longhaul open").await?;
    page.close().await?;
    check_offline(world).await
}

async fn visit<F>(name: &str, site: &Arc<Site>, test: F) -> Result<()>
where
    F: AsyncFnOnce(&mut World) -> Result<()>,
{
    let server = Server::builder().site(Arc::clone(site) as _).spawn()?;
    scenario_in(Engine::Chromium, server, name, test).await
}

#[tokio::test]
async fn sites_keep_the_workers_that_they_made_with_workbox() -> Result<()> {
    let handed = "{ serviceWorker: await navigator.serviceWorker.ready }";
    tokio::try_join!(
        with_workbox("generated", ""),
        with_workbox("injected", ""),
        with_workbox("attached", handed),
    )?;
    Ok(())
}

/// A site with one of Workbox's workers, of which nothing changes.
async fn with_workbox(worker: &str, options: &str) -> Result<()> {
    let site = site_of_workbox(worker)?;
    let name = format!("guest_{worker}");
    visit(&name, &site, async |world: &mut World| {
        lives_beside(world, "classic", options).await?;
        let scopes = scopes(world).await?;
        // The one that is handed over is all there is.
        let expected: &[&str] = match options {
            "" => &["/", "/longhaul/longhaul/longhaul/"],
            _ => &["/"],
        };
        ensure!(scopes == expected, "{scopes:?}");
        Ok(())
    })
    .await
    .with_context(|| name.clone())
}

#[tokio::test]
async fn a_module_worker_of_the_site_stays_before_it_attaches_and_afterwards() -> Result<()> {
    let site = Site::new([
        ("/index.html", Answer::html(INDEX)),
        ("/sw.js", Answer::script(OWN)),
    ]);
    visit("guest_module", &site, async |world: &mut World| {
        lives_beside(world, "module", "").await?;

        // The app's next release: its worker attaches, its page says so, and the update waits for the app's word.
        site.put("/sw.js", Answer::script(&own_attached()));
        let page = world.browser.open("/").await?;
        page.eval::<()>(
            "const registration = await navigator.serviceWorker.getRegistration('/');
             const found = once(registration, 'updatefound');
             await registration.update();
             await found;
             const { installing } = registration;
             if (installing) await once(installing, 'statechange', () => installing.state === 'installed');
             const changed = once(navigator.serviceWorker, 'controllerchange');
             registration.waiting.postMessage('update');
             await changed",
            json!(null),
        )
        .await?;
        let options = "{ serviceWorker: { url: '/sw.js', type: 'module' } }";
        open(&page, options).await?;
        check_held(&page, "attached").await?;
        page.eval::<()>("await (await (await longhaul()).get('guest')).forget()", json!(null))
            .await?;
        world.server.log().clear();
        closed_in_the_middle(world, page, options).await?;
        check_offline(world).await?;
        visit_again(world, options).await
    })
    .await
}

const INDEX: &str = "<!doctype html><title>The site</title><link rel=icon href=data:,><script src=/blank.js></script>";

/// The paths of all scopes of the origin.
async fn scopes(world: &World) -> Result<Vec<String>> {
    let page = world.browser.open("/").await?;
    let scopes = "const all = await navigator.serviceWorker.getRegistrations();
         return all.map(({ scope }) => new URL(scope).pathname).sort()";
    let found = page.eval(scopes, json!(null)).await?;
    page.close().await?;
    Ok(found)
}

const WASM: &str = "/longhaul/longhaul_bg.wasm";

#[tokio::test]
async fn a_first_visit_asks_for_the_wasm_once_for_page_and_worker() -> Result<()> {
    tokio::try_join!(
        asked_once("ours", "", WASM),
        asked_once(
            "elsewhere",
            "{ wasm: '/elsewhere.wasm' }",
            "/elsewhere.wasm"
        ),
        asked_once("module", "{ serviceWorker: '/sw.js' }", WASM),
        asked_once(
            "classic",
            "{ serviceWorker: { url: '/classic-sw.js', type: 'classic' } }",
            WASM
        ),
    )?;
    Ok(())
}

/// The page is closed, so that the worker needs its wasm, too. Nothing that the server sends may be used again unasked: no HTTP cache helps.
async fn asked_once(worker: &str, options: &str, wasm: &str) -> Result<()> {
    const CLASSIC: &str = "importScripts('/longhaul/sw.classic.js'); longhaul.attach();";
    let site = Site::new([
        ("/index.html", Answer::html(INDEX)),
        ("/sw.js", Answer::script(&own_attached())),
        ("/classic-sw.js", Answer::script(CLASSIC)),
        (
            "/elsewhere.wasm",
            Answer::bytes("application/wasm", package_file("longhaul_bg.wasm")?),
        ),
    ]);
    let name = format!("guest_once_{worker}");
    visit(&name, &site, async |world: &mut World| {
        let page = world.browser.open("/").await?;
        open(&page, options).await?;
        let model = Model::throttled(world, "once", 12 * MIB, 4 * MIB);
        page.gesture().await?;
        page.request(&model.spec).await?;
        until_sent(world, 2 * MIB).await?;
        page.close().await?;
        let page = world.browser.open("/").await?;
        page.eval::<()>(
            r#"await written("longhaul", '\\"type\\":\\"success\\"')"#,
            json!(null),
        )
        .await?;
        let asked = site.asked();
        let of_wasm = asked
            .iter()
            .filter_map(|line| line.split('?').next())
            .filter(|path| path.contains(".wasm"));
        ensure!(of_wasm.count() == 1 && site.times(wasm) == 1, "{asked:?}");

        open(&page, options).await?;
        let history = page.history("once").await?;
        let success = history.only("success")?;
        ensure!(success.origin == "service-worker", "{success:?}");
        model.check_bytes(&page).await
    })
    .await
    .with_context(|| name.clone())
}

#[tokio::test]
async fn naming_a_worker_that_is_not_longhauls_replaces_nothing() -> Result<()> {
    let site = site_of_workbox("generated")?;
    // Ours, but the scope is taken.
    site.put("/other-sw.js", Answer::script(&own_attached()));
    visit("guest_named", &site, async |world: &mut World| {
        let page = first_visit(world, "classic").await?;
        for (n, named) in [
            "'/sw.js'",
            "new URL('/sw.js', location)",
            "{ url: '/sw.js', type: 'module' }",
            "{ url: '/sw.js', type: 'classic' }",
            "{ url: '/other-sw.js', type: 'module' }",
            "{ url: '/other-sw.js', scope: '/', type: 'module' }",
            "await navigator.serviceWorker.ready",
        ]
        .into_iter()
        .enumerate()
        {
            open(&page, &format!("{{ serviceWorker: {named} }}")).await?;
            let model = Model::unthrottled(world, &format!("named-{n}"), MIB);
            page.request(&model.spec).await?;
            page.until_available(model.id(), SOON).await?;
            let problem: Option<String> = page
                .eval(
                    "return (await longhaul()).serviceWorker.problem ?? null",
                    json!(null),
                )
                .await?;
            let problem = problem.with_context(|| format!("{named}: no problem"))?;
            ensure!(problem.contains("/sw.js"), "{named}: {problem}");
            page.reload().await?;
            check_held(&page, named).await?;
        }
        let scopes = scopes(world).await?;
        ensure!(scopes == ["/"], "{scopes:?}");
        page.close().await?;
        check_offline(world).await
    })
    .await
}

#[tokio::test]
async fn a_worker_of_the_site_that_attaches_is_used_whichever_script_is_named() -> Result<()> {
    let site = Site::new([
        ("/index.html", Answer::html(INDEX)),
        ("/sw.js", Answer::script(&own_attached())),
        ("/other-sw.js", Answer::script(&own_attached())),
    ]);
    visit("guest_attached", &site, async |world: &mut World| {
        let page = first_visit(world, "module").await?;
        for (n, named) in [
            "'/other-sw.js'",
            "{ url: '/other-sw.js', scope: '/', type: 'module' }",
            "{ url: '/longhaul/longhaul.worker.js', scope: '/' }",
        ]
        .into_iter()
        .enumerate()
        {
            open(&page, &format!("{{ serviceWorker: {named} }}")).await?;
            let model = Model::unthrottled(world, &format!("attached-{n}"), MIB);
            page.gesture().await?;
            page.request(&model.spec).await?;
            page.until_available(model.id(), SOON).await?;
            let history = page.history(model.id()).await?;
            let started = &history.only("started")?.event;
            ensure!(
                started["transport"] == "background-fetch",
                "{named}: {started}"
            );
            page.reload().await?;
            check_held(&page, named).await?;
        }
        let asked = site.times("/other-sw.js");
        ensure!(asked == 0, "the other script was asked for {asked} times");
        check_offline(world).await
    })
    .await
}

#[tokio::test]
async fn workers_of_others_under_scopes_of_their_own_are_left_alone() -> Result<()> {
    // As push services have one: a scope in which no page lies.
    const PUSH: &str = "addEventListener('push', () => {}); addEventListener('message', ({ data, ports }) => ports[0]?.postMessage(data))";
    let site = Site::new([
        ("/index.html", Answer::html(INDEX)),
        ("/push-sw.js", Answer::script(PUSH)),
    ]);
    visit("guest_push", &site, async |world: &mut World| {
        let page = world.browser.open("/").await?;
        page.eval::<()>(
            "const registration = await navigator.serviceWorker.register('/push-sw.js', { scope: '/push-scope' });
             const worker = registration.installing ?? registration.waiting ?? registration.active;
             if (worker.state !== 'activated') await once(worker, 'statechange', () => worker.state === 'activated')",
            json!(null),
        )
        .await?;
        for _ in 0..2 {
            open(&page, "").await?;
            let model = Model::unthrottled(world, "beside", 3 * MIB);
            page.request(&model.spec).await?;
            page.until_available("beside", SOON).await?;
            let started = page.history("beside").await?;
            let transport = &started.0.iter().find(|entry| entry.kind() == "started").context("begun")?.event["transport"];
            ensure!(*transport == "background-fetch", "{transport}");
            let left: Vec<String> = page
                .eval(
                    "const registration = await navigator.serviceWorker.getRegistration('/push-scope');
                     return ['active', 'waiting', 'installing'].map((state) => registration[state]?.scriptURL ?? state)",
                    json!(null),
                )
                .await?;
            ensure!(left[0].ends_with("/push-sw.js") && left[1..] == ["waiting", "installing"], "{left:?}");
            page.reload().await?;
        }
        ensure!(site.times("/push-sw.js") == 1, "{:?}", site.asked());
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_worker_that_keeps_whatever_it_sees_costs_no_right_bytes() -> Result<()> {
    let site = site_of_workbox("keeps-all")?;
    visit("guest_keeps_all", &site, async |world: &mut World| {
        let page = first_visit(world, "classic").await?;
        for (id, transport) in [("job", "auto"), ("page", "foreground")] {
            open(&page, &format!("{{ transport: '{transport}' }}")).await?;
            let model = Model::unthrottled(world, id, 12 * MIB);
            page.request(&model.spec).await?;
            page.until_available(id, Duration::from_secs(30)).await?;
            model.check_bytes(&page).await?;
            page.history(id).await?.check()?;
            page.reload().await?;
        }
        check_held(&page, "afterwards").await
    })
    .await
}

#[tokio::test]
async fn a_page_that_unregisters_every_worker_at_each_visit_still_downloads() -> Result<()> {
    let site = Site::new([("/index.html", Answer::html(INDEX))]);
    visit("guest_unregisters", &site, async |world: &mut World| {
        let model = Model::throttled(world, "again", 24 * MIB, 6 * MIB);
        let page = world.browser.open("/").await?;
        open(&page, "").await?;
        page.request(&model.spec).await?;
        page.until("again", SOON, "snapshot.stored >= 4 * 1024 * 1024")
            .await?;
        // As pages do that once had a worker and want to be rid of it.
        page.reload().await?;
        page.eval::<()>(
            "const all = await navigator.serviceWorker.getRegistrations();
             await Promise.all(all.map((registration) => registration.unregister()))",
            json!(null),
        )
        .await?;
        open(&page, "").await?;
        page.until_available("again", SOON).await?;
        model.check_bytes(&page).await?;
        page.history("again").await?.check()
    })
    .await
}
