//! Places beside a page of its own in which Longhaul is opened: workers from a blob, frames, browsers whose storage says no, Node.

mod support;

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use longhaul_demo::Server;
use serde_json::{Value, json};
use support::engine::Engine;
use support::model::{BLANK, MIB, Model, until_sent};
use support::page::Page;
use support::site::{Answer, Site, package_file};
use support::world::{SOON, World, scenario, scenario_in, workspace};

const INDEX: &str = "<!doctype html><title>The site</title><link rel=icon href=data:,><script src=/blank.js></script>";

/// A frame that downloads what it is told to, and tells what came of it.
const FRAME: &str = r#"<!doctype html><title>A frame</title><script type="module">
    let open;
    try {
      ({ open } = await import("/longhaul/index.js"));
    } catch (error) {
      parent.postMessage({ error: String(error) }, "*");
    }
    addEventListener("message", async ({ data }) => {
      const began = performance.now();
      try {
        const longhaul = await open(data.options);
        const download = await longhaul.request(data.spec);
        await download.finished;
        const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await (await download.blob()).arrayBuffer()));
        const hash = Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
        parent.postMessage({ hash }, "*");
      } catch ({ code, message }) {
        parent.postMessage({ code, message, took: performance.now() - began }, "*");
      }
    });
    parent.postMessage("ready", "*");
</script>"#;

/// How soon it must be said that there is nowhere to store.
const AT_ONCE_MS: f64 = 1_000.0;

/// How long, and with how many requests, a store that fails may be tried.
const GIVEN_UP: Duration = Duration::from_secs(10);
const MOST_REQUESTS: usize = 5;

async fn at<F>(name: &str, site: &Arc<Site>, test: F) -> Result<()>
where
    F: AsyncFnOnce(&mut World) -> Result<()>,
{
    let server = Server::builder().site(Arc::clone(site) as _).spawn()?;
    scenario_in(Engine::Chromium, server, name, test).await
}

#[tokio::test]
async fn a_worker_made_of_a_blob_downloads() -> Result<()> {
    let site = Site::new([("/index.html", Answer::html(INDEX))]);
    at("blob_worker", &site, async |world: &mut World| {
        let page = world.browser.open("/").await?;
        let model = Model::unthrottled(world, "blob", 4 * MIB);
        // A script without an address of its own can only name others in full.
        let script = include_str!("guests/downloads.js")
            .replace("\"/longhaul/index.js\"", &format!("\"{}/longhaul/index.js\"", world.server.origin()));
        let work = "const script = new Blob([args.script], { type: 'text/javascript' });
             const worker = new Worker(URL.createObjectURL(script), { type: 'module' });
             const told = once(worker, 'message');
             worker.postMessage({ options: {}, spec: args.spec, addresses: [args.spec.resources[0].url] });
             return (await told).data";
        let done: Value = page
            .eval(work, json!({ "script": script, "spec": model.spec }))
            .await?;
        let hash = json!(model.file.sha256());
        ensure!(done["hashes"] == json!([hash, hash]), "{done}");
        // Such a worker has no folder; what begins with a slash is its origin's.
        let other = Model::unthrottled(world, "relative", 2 * MIB);
        let mut relative = other.spec.clone();
        relative["resources"][0]["url"] = json!(other.file.path());
        let done: Value = page
            .eval(work, json!({ "script": script, "spec": relative }))
            .await?;
        let hash = json!(other.file.sha256());
        ensure!(done["hashes"] == json!([hash, hash]), "{done}");
        page.request(&model.spec).await?;
        page.until_available("blob", SOON).await?;
        Ok(())
    })
    .await
}

/// What a page does that does not see the running job: a worker of it opens Longhaul, or the browser's list of registrations is late
/// for ever, or fails.
const BLIND: [(&str, &str); 3] = [
    (
        "a worker",
        "const script = new Blob([args.script], { type: 'text/javascript' });
         e2e.worker = new Worker(URL.createObjectURL(script), { type: 'module' });
         e2e.told = once(e2e.worker, 'message').then(({ data }) => data);
         e2e.worker.postMessage({ options: {}, spec: args.spec, addresses: [] })",
    ),
    (
        "no list",
        "ServiceWorkerContainer.prototype.getRegistrations = () => new Promise(() => {}); await longhaul()",
    ),
    (
        "a list that fails",
        "ServiceWorkerContainer.prototype.getRegistrations = () => Promise.reject(new Error('no list')); await longhaul()",
    ),
];

#[tokio::test]
async fn a_job_that_cannot_be_seen_is_not_lost() -> Result<()> {
    let site = Site::new([("/index.html", Answer::html(INDEX))]);
    at("blind", &site, async |world: &mut World| {
        let first = world.browser.open("/").await?;
        let model = Model::unthrottled(world, "first", MIB);
        first.request(&model.spec).await?;
        first.until_available("first", SOON).await?;
        first.close().await?;
        let script = include_str!("guests/downloads.js").replace(
            "\"/longhaul/index.js\"",
            &format!("\"{}/longhaul/index.js\"", world.server.origin()),
        );
        for (n, (name, blind)) in BLIND.into_iter().enumerate() {
            world.server.log().clear();
            let page = world.browser.open("/").await?;
            let model = Model::throttled(world, &format!("unseen-{n}"), 8 * MIB, 2 * MIB);
            page.gesture().await?;
            page.request(&model.spec).await?;
            until_sent(world, MIB).await?;
            let other = world.browser.open("/").await?;
            other
                .eval::<()>(blind, json!({ "script": script, "spec": model.spec }))
                .await
                .context(name)?;
            // Now nobody else could be its owner.
            page.select().await?;
            page.close().await?;
            other.select().await?;
            if n == 0 {
                let told: Value = other
                    .eval_within(SOON, "return e2e.told", json!(null))
                    .await?;
                ensure!(told["phase"] == "available", "{told}");
            }
            other
                .until_available(model.id(), SOON)
                .await
                .context(name)?;
            model.check_bytes(&other).await?;
            let history = other.history(model.id()).await?;
            history.check()?;
            let started = &history.only("started").context(name)?.event;
            ensure!(
                started["transport"] == "background-fetch",
                "{name}: {started}"
            );
            other.close().await?;
        }
        Ok(())
    })
    .await
}

/// What a frame with these attributes tells of a download.
async fn in_a_frame(page: &Page, attributes: &str, spec: &Value) -> Result<Value> {
    page.eval(
        "const said = (accept) => once(window, 'message', accept).then(({ data }) => data);
         const ready = said(() => true);
         document.body.insertAdjacentHTML('beforeend', `<iframe ${args.attributes}></iframe>`);
         const frame = document.body.lastElementChild;
         const begun = await ready;
         if (begun !== 'ready') return begun;
         const done = said(() => true);
         frame.contentWindow.postMessage({ options: {}, spec: args.spec }, '*');
         return done",
        json!({ "attributes": attributes, "spec": spec }),
    )
    .await
}

#[tokio::test]
async fn a_frame_downloads_or_says_at_once_why_it_cannot() -> Result<()> {
    let site = Site::new([
        ("/index.html", Answer::html(INDEX)),
        ("/frame.html", Answer::html(FRAME)),
    ]);
    // A frame that is nobody's reads nothing without its server's leave.
    for (name, kind) in [
        ("index.js", "text/javascript"),
        ("longhaul_glue.js", "text/javascript"),
        ("longhaul_bg.wasm", "application/wasm"),
    ] {
        let file = Answer::bytes(kind, package_file(name)?);
        site.put(
            &format!("/longhaul/{name}"),
            file.with("access-control-allow-origin", "*"),
        );
    }
    at("frames", &site, async |world: &mut World| {
        let page = world.browser.open("/").await?;
        let model = |id| Model::unthrottled(world, id, 3 * MIB);
        for (id, attributes) in [
            ("same", "src=/frame.html".to_owned()),
            (
                "sandboxed",
                "src=/frame.html sandbox='allow-scripts allow-same-origin'".to_owned(),
            ),
            // Its storage is its own in this page.
            (
                "partitioned",
                format!("src={}/frame.html", world.server.second_origin()),
            ),
        ] {
            let model = model(id);
            let mut spec = model.spec.clone();
            spec["resources"][0]["url"] = json!(model.file.path());
            let done = in_a_frame(&page, &attributes, &spec).await.context(id)?;
            ensure!(done["hash"] == json!(model.file.sha256()), "{id}: {done}");
        }
        let opaque = model("opaque");
        let done = in_a_frame(&page, "src=/frame.html sandbox=allow-scripts", &opaque.spec).await?;
        ensure!(done["code"] == "storage-unavailable", "{done}");
        ensure!(
            done["took"].as_f64().is_some_and(|took| took < AT_ONCE_MS),
            "{done}"
        );

        // What a frame of the page's own origin brought, the page has.
        page.request(&model("same").spec).await?;
        page.until_available("same", SOON).await?;
        Ok(())
    })
    .await
}

/// Ways in which a browser refuses to store anything from the beginning: blocked cookies, a full or damaged profile, a private window.
const REFUSALS: [(&str, &str); 5] = [
    (
        "every call of caches rejects",
        "for (const name of ['open', 'has', 'keys', 'match', 'delete']) caches[name] = () => Promise.reject(new DOMException('broken', 'UnknownError'))",
    ),
    (
        "caches throws",
        "Object.defineProperty(window, 'caches', { get() { throw new DOMException('denied', 'SecurityError') } })",
    ),
    (
        "no caches",
        "Object.defineProperty(window, 'caches', { value: undefined })",
    ),
    (
        "IndexedDB throws",
        "indexedDB.open = () => { throw new DOMException('denied', 'SecurityError') }",
    ),
    (
        "no IndexedDB",
        "Object.defineProperty(window, 'indexedDB', { value: undefined })",
    ),
];

#[tokio::test]
async fn a_browser_that_stores_nothing_is_said_to_when_longhaul_is_opened() -> Result<()> {
    let site = Site::new([]);
    at("refusals", &site, async |world: &mut World| {
        for (name, refusal) in REFUSALS {
            let page = world.browser.open(BLANK).await?;
            page.eval::<()>(
                &format!("{refusal}; await load('/longhaul/index.js')"),
                json!(null),
            )
            .await?;
            let began = Instant::now();
            let thrown = page
                .throws("await longhaul()", json!(null))
                .await
                .context(name)?;
            ensure!(thrown.code() == "storage-unavailable", "{name}: {thrown}");
            ensure!(began.elapsed() < GIVEN_UP, "{name}: {:?}", began.elapsed());
            page.close().await?;
        }
        let log = world.server.log().entries();
        ensure!(log.is_empty(), "{log:?}");
        Ok(())
    })
    .await
}

/// Ways in which a store fails later.
const LATER: [(&str, &str); 3] = [
    (
        "caches",
        "for (const name of ['open', 'has', 'keys', 'match', 'delete']) CacheStorage.prototype[name] = () => Promise.reject(new DOMException('broken', 'UnknownError'))",
    ),
    (
        "writing",
        "Cache.prototype.put = () => Promise.reject(new DOMException('broken', 'UnknownError'))",
    ),
    (
        "opening",
        "CacheStorage.prototype.open = () => Promise.reject(new DOMException('denied', 'SecurityError'))",
    ),
];

#[tokio::test]
async fn a_store_that_fails_later_ends_the_download_with_that_reason() -> Result<()> {
    scenario(async |world: &mut World| {
        for (n, (name, failing)) in LATER.into_iter().enumerate() {
            let page = world.browser.open(BLANK).await?;
            page.longhaul(json!({ "transport": "foreground" })).await?;
            world.server.log().clear();
            page.eval::<()>(failing, json!(null)).await?;
            let model = Model::unthrottled(world, &format!("later-{n}"), 4 * MIB);
            page.request(&model.spec).await?;
            let ended = page.until_ended(model.id(), GIVEN_UP).await.context(name)?;
            ensure!(ended.failure_reason() == "storage", "{name}: {ended:?}");
            let asked = world.server.log().entries().len();
            ensure!(asked <= MOST_REQUESTS, "{name}: {asked} requests");

            // With a browser that stores again, the same page's next visit goes on.
            page.reload().await?;
            page.longhaul(json!({ "transport": "foreground" })).await?;
            page.request(&model.spec).await?;
            page.until_available(model.id(), SOON).await?;
            model.check_bytes(&page).await?;
            page.close().await?;
        }
        Ok(())
    })
    .await
}

/// What Node makes of the package.
const NODE: &str = r"
    import { open, stateAt, Longhaul } from PACKAGE;
    const said = await open().catch(({ code, message }) => ({ code, message }));
    const entries = JSON.parse(process.argv[1]);
    const state = await stateAt(entries);
    const before = await stateAt(entries, 1);
    console.log(JSON.stringify({ said, phase: state.phase, before: before.phase, nothing: (await stateAt([])) ?? null, kind: typeof Longhaul }));
";

#[tokio::test]
async fn in_node_only_histories_can_be_read() -> Result<()> {
    scenario(async |world: &mut World| {
        let page = world.browser.open(BLANK).await?;
        let model = Model::unthrottled(world, "node", MIB);
        page.request(&model.spec).await?;
        page.until_available("node", SOON).await?;
        let entries: Value = page
            .eval(
                "return (await longhaul()).history({ id: 'node' })",
                json!(null),
            )
            .await?;
        let package = format!("file://{}/dist/index.js", workspace().display());
        let script = NODE.replace("PACKAGE", &json!(package).to_string());
        let done = Command::new("node")
            .args([
                "--input-type=module",
                "--eval",
                &script,
                &entries.to_string(),
            ])
            .output()
            .context("node could not be started")?;
        ensure!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
        let told: Value = serde_json::from_slice(&done.stdout)?;
        ensure!(told["said"]["code"] == "unsupported-environment", "{told}");
        ensure!(
            told["phase"] == "available" && told["before"] == "requested",
            "{told}"
        );
        ensure!(
            told["nothing"].is_null() && told["kind"] == "function",
            "{told}"
        );
        Ok(())
    })
    .await
}
