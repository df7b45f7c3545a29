//! An app's own worker that serves stored files: what it answers, and what it leaves to the app and the network.

mod support;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use support::apps::{BYTES, app, own_answer, site_with, with_a_download, worker};
use support::model::{MIB, Model, sha256};
use support::page::Page;
use support::site::{Answer, Site, site_of_workbox};
use support::world::{SOON, World};

/// Fetches of an app that have nothing to do with a download, and how long each may take in milliseconds.
const UNRELATED: usize = 200;
const ANSWERED_MS: f64 = 2_000.0;

/// An answer as the page gets it.
#[derive(Debug, Deserialize)]
struct Got {
    status: u16,
    headers: std::collections::BTreeMap<String, String>,
    size: u64,
    sha256: String,
}

async fn get(page: &Page, url: &str, init: Value) -> Result<Got> {
    page.eval(
        "const response = await fetch(args.url, { cache: 'no-store', ...args.init });
         const blob = await response.blob();
         return { status: response.status, headers: Object.fromEntries(response.headers), size: blob.size, sha256: await sha256(blob) }",
        json!({ "url": url, "init": init }),
    )
    .await
    .with_context(|| format!("{url} {init}"))
}

/// Waits until the worker, which knows nothing when it starts, answers this URL from what is stored.
async fn until_served(world: &World, page: &Page, url: &str) -> Result<()> {
    let served = async {
        loop {
            world.server.log().clear();
            get(page, url, json!({})).await?;
            if world.server.log().entries().is_empty() {
                return anyhow::Ok(());
            }
        }
    };
    tokio::time::timeout(SOON, served)
        .await
        .context("it is never served from what is stored")?
}

/// How much wasm the worker has started since it was started itself.
async fn wasm_started(page: &Page) -> Result<u64> {
    page.eval(
        "const { active } = await navigator.serviceWorker.getRegistration('/');
         const { port1, port2 } = new MessageChannel();
         const told = once(port1, 'message');
         port1.start();
         active.postMessage('started?', [port2]);
         return (await told).data",
        json!(null),
    )
    .await
}

#[tokio::test]
async fn the_apps_own_listener_answers_and_nobody_waits_for_the_database() -> Result<()> {
    tokio::try_join!(beside_its_listener(true), beside_its_listener(false))?;
    Ok(())
}

/// The same whether the app's own listener comes first or second.
async fn beside_its_listener(before: bool) -> Result<()> {
    let site = site_with(worker(1, before, "{ serve: true }"));
    site.put("/app/data", Answer::bytes("text/plain", b"data".to_vec()));
    let name = format!("serve_own_before_{before}");
    app(&name, &site, async |world: &mut World| {
        let (page, model) = with_a_download(world).await?;
        page.close().await?;
        let page = world.browser.open("/").await?;
        ensure!(own_answer(&page).await? == "build 1");
        unrelated(world, &site).await?;
        // What is stored is worth the wasm.
        until_served(world, &page, &model.url).await?;
        ensure!(own_answer(&page).await? == "build 1");
        let started = wasm_started(&page).await?;
        ensure!(started > 0, "served without wasm: the counter is broken");
        Ok(())
    })
    .await
    .context(name)
}

/// A worker that has just been started, a database that is held, and fetches that concern neither.
async fn unrelated(world: &World, site: &Site) -> Result<()> {
    let page = world.browser.open("/").await?;
    world.browser.stop_workers().await?;
    site.forget_asked();
    let (slowest, wrong): (f64, Vec<String>) = page
        .eval(
            "const db = await result(indexedDB.open('longhaul'));
             const transaction = db.transaction([...db.objectStoreNames], 'readwrite');
             const store = transaction.objectStore(db.objectStoreNames[0]);
             let held = true;
             // One request after the other keeps the transaction from ending.
             const hold = () => (store.count().onsuccess = () => held && hold());
             hold();
             let slowest = 0;
             const wrong = [];
             const ask = async (n) => {
               const [url, right] = n % 2 ? ['/app/time', 'build 1'] : [`/app/data?n=${n}`, 'data'];
               const began = performance.now();
               const text = await (await fetch(url)).text();
               slowest = Math.max(slowest, performance.now() - began);
               if (text !== right) wrong.push(text);
             };
             // One by one at first, while the worker starts; then as a page does that is busy.
             for (let n = 0; n < 20; n += 1) await ask(n);
             for (let n = 20; n < args; n += 20) await Promise.all(Array.from({ length: 20 }, (_, m) => ask(n + m)));
             held = false;
             await once(transaction, 'complete');
             db.close();
             return [slowest, wrong]",
            json!(UNRELATED),
        )
        .await?;
    ensure!(slowest < ANSWERED_MS, "one took {slowest} ms");
    ensure!(wrong.is_empty(), "{wrong:?}");
    let started = wasm_started(&page).await?;
    ensure!(started == 0, "wasm was started {started} times");
    let asked = site.times("/longhaul/longhaul_bg.wasm");
    ensure!(asked == 0, "wasm was asked for {asked} times");
    let data = site.times("/app/data");
    ensure!(data == UNRELATED / 2, "{data} of the app's requests came");
    Ok(())
}

#[tokio::test]
async fn a_stored_file_is_served_as_a_server_would() -> Result<()> {
    let site = site_with(worker(1, true, "{ serve: true }"));
    app("serve_stored", &site, async |world: &mut World| {
        let (page, model) = with_a_download(world).await?;
        let url = model.url.as_str();
        until_served(world, &page, url).await?;

        let whole = get(&page, url, json!({})).await?;
        ensure!(
            whole.status == 200 && whole.sha256 == model.file.sha256(),
            "{whole:?}"
        );
        let length = BYTES.to_string();
        ensure!(
            whole.headers.get("content-length") == Some(&length),
            "{whole:?}"
        );
        let tag = whole.headers.get("etag").context("no ETag")?.clone();

        let head = get(&page, url, json!({ "method": "HEAD" })).await?;
        ensure!(head.status == 200 && head.size == 0, "{head:?}");
        ensure!(
            head.headers.get("content-length") == Some(&length),
            "{head:?}"
        );
        ensure!(head.headers.get("etag") == Some(&tag), "{head:?}");

        // Over the end of a part, from the end, and one byte behind it.
        let (first, last) = (MIB - 10, MIB + 9);
        let range = json!({ "headers": { "Range": format!("bytes={first}-{last}") } });
        let part = get(&page, url, range).await?;
        ensure!(part.status == 206 && part.size == 20, "{part:?}");
        let told = format!("bytes {first}-{last}/{BYTES}");
        ensure!(part.headers.get("content-range") == Some(&told), "{part:?}");
        ensure!(
            part.sha256 == sha256(&model.file.slice(first..last + 1)),
            "other bytes"
        );
        let tail = get(&page, url, json!({ "headers": { "Range": "bytes=-5" } })).await?;
        ensure!(
            tail.status == 206 && tail.sha256 == sha256(&model.file.slice(BYTES - 5..BYTES)),
            "{tail:?}"
        );
        let behind = json!({ "headers": { "Range": format!("bytes={BYTES}-") } });
        let behind = get(&page, url, behind).await?;
        ensure!(behind.status == 416 && behind.size == 0, "{behind:?}");
        ensure!(
            behind.headers.get("content-range") == Some(&format!("bytes */{BYTES}")),
            "{behind:?}"
        );

        let known = get(&page, url, json!({ "headers": { "If-None-Match": tag } })).await?;
        ensure!(known.status == 304 && known.size == 0, "{known:?}");
        let any = get(&page, url, json!({ "headers": { "If-None-Match": "*" } })).await?;
        ensure!(any.status == 304, "{any:?}");
        let weak = json!({ "headers": { "If-None-Match": format!("\"other\", W/{tag}") } });
        ensure!(
            get(&page, url, weak).await?.status == 304,
            "a weak comparison"
        );
        let other = get(
            &page,
            url,
            json!({ "headers": { "If-None-Match": "\"other\"" } }),
        )
        .await?;
        ensure!(other.status == 200 && other.size == BYTES, "{other:?}");
        let of_another = json!({ "headers": { "Range": "bytes=0-9", "If-Range": "\"other\"" } });
        let of_another = get(&page, url, of_another).await?;
        ensure!(
            of_another.status == 200 && of_another.size == BYTES,
            "{of_another:?}"
        );
        let of_this = json!({ "headers": { "Range": "bytes=0-9", "If-Range": tag } });
        ensure!(
            get(&page, url, of_this).await?.size == 10,
            "If-Range with the file's own tag"
        );
        let log = world.server.log().entries();
        ensure!(log.is_empty(), "the server was asked: {log:?}");

        // What is not stored, and what is no reading, is the server's.
        let absent = Model::unthrottled(world, "absent", 5);
        ensure!(
            get(&page, &absent.url, json!({})).await?.size == 5,
            "not from the server"
        );
        let post = get(&page, url, json!({ "method": "POST" })).await?;
        ensure!(post.status == 405, "{post:?}");
        // And so is what was stored once.
        page.eval::<()>(
            "await (await (await longhaul()).get(args)).remove()",
            json!(model.id()),
        )
        .await?;
        world.server.log().clear();
        ensure!(
            get(&page, url, json!({})).await?.sha256 == model.file.sha256(),
            "other bytes"
        );
        ensure!(
            world.server.log().entries().len() == 1,
            "removed, and served all the same"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn an_app_says_which_addresses_are_served() -> Result<()> {
    let site = site_with(worker(
        1,
        true,
        "{ serve: (url) => url.searchParams.has('mine') }",
    ));
    app("serve_some", &site, async |world: &mut World| {
        let (page, model) = with_a_download(world).await?;
        let mine = Model::with_query(world, "mine", MIB, "mine=1");
        page.request(&mine.spec).await?;
        page.until_available(mine.id(), SOON).await?;
        until_served(world, &page, &mine.url).await?;
        get(&page, &model.url, json!({})).await?;
        ensure!(
            world.server.log().entries().len() == 1,
            "served against the app's word"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_route_of_workbox_answers_with_what_is_stored() -> Result<()> {
    let site = site_of_workbox("composed")?;
    app("serve_composed", &site, async |world: &mut World| {
        let (page, model) = with_a_download(world).await?;
        world.server.log().clear();
        let stored = get(&page, &model.url, json!({})).await?;
        ensure!(stored.headers.contains_key("x-composed"), "{stored:?}");
        ensure!(stored.sha256 == model.file.sha256(), "{stored:?}");
        let part = get(
            &page,
            &model.url,
            json!({ "headers": { "Range": "bytes=5-14" } }),
        )
        .await?;
        ensure!(part.status == 206 && part.size == 10, "{part:?}");
        ensure!(part.headers.contains_key("x-composed"), "{part:?}");
        let log = world.server.log().entries();
        ensure!(log.is_empty(), "the server was asked: {log:?}");
        let absent = Model::unthrottled(world, "absent", 5);
        let absent = get(&page, &absent.url, json!({})).await?;
        ensure!(
            absent.size == 5 && !absent.headers.contains_key("x-composed"),
            "{absent:?}"
        );
        Ok(())
    })
    .await
}
