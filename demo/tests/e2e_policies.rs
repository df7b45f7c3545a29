//! Pages with policies of their own, and servers that do not give the page's wasm as it is: what works works, and the rest is said with
//! its cause.

mod support;

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use longhaul_demo::Server;
use serde_json::{Value, json};
use support::engine::Engine;
use support::model::{MIB, Model};
use support::page::Page;
use support::site::{Answer, Site, package_file};
use support::world::{SOON, World, scenario_in};

const INDEX: &str = "<!doctype html><title>The site</title><link rel=icon href=data:,><script src=/blank.js></script>";

/// Where the page's wasm stands.
const WASM: &str = "/longhaul/longhaul_bg.wasm";

/// What every policy here allows.
const SCRIPTS: &str = "script-src 'self' 'wasm-unsafe-eval'";

async fn at<F>(name: &str, site: &Arc<Site>, test: F) -> Result<()>
where
    F: AsyncFnOnce(&mut World) -> Result<()>,
{
    site.put("/index.html", Answer::html(INDEX));
    let server = Server::builder().site(Arc::clone(site) as _).spawn()?;
    scenario_in(Engine::Chromium, server, name, test).await
}

/// A page under a policy, at an address of its own.
fn put_page(site: &Site, path: &str, policy: &str) {
    let page = Answer::html(INDEX);
    site.put(path, page.with("content-security-policy", policy));
}

/// Opens Longhaul, downloads, and gives the transport and the problem with the worker, if there is one.
async fn downloads(
    world: &World,
    page: &Page,
    id: &str,
    options: &str,
) -> Result<(String, Option<String>)> {
    page.eval::<()>(&format!("await longhaul({options})"), json!(null))
        .await?;
    let model = Model::unthrottled(world, id, 2 * MIB);
    page.request(&model.spec).await?;
    page.until_available(id, SOON).await?;
    model.check_bytes(page).await?;
    let history = page.history(id).await?;
    let started = history.0.iter().rfind(|entry| entry.kind() == "started");
    let started = &started.context("it never began")?.event;
    let transport = started["transport"]
        .as_str()
        .context("a transport")?
        .to_owned();
    let problem = page
        .eval(
            "return (await longhaul()).serviceWorker?.problem ?? null",
            json!(null),
        )
        .await?;
    Ok((transport, problem))
}

#[tokio::test]
async fn a_policy_without_wasm_is_named_before_anything_is_asked_for() -> Result<()> {
    let site = Site::new([]);
    put_page(&site, "/strict.html", "script-src 'self'");
    put_page(
        &site,
        "/disconnected.html",
        "script-src 'self' 'wasm-unsafe-eval'; connect-src 'none'",
    );
    at("policy_without_wasm", &site, async |world: &mut World| {
        let page = world.browser.open("/strict.html").await?;
        let thrown = page.throws("await longhaul()", json!(null)).await?;
        ensure!(thrown.code() == "blocked-by-policy", "{thrown}");
        for word in ["script-src", "'wasm-unsafe-eval'"] {
            ensure!(thrown.message.contains(word), "{thrown}");
        }
        // Its wasm is a request like any other.
        page.goto("/disconnected.html").await?;
        let thrown = page.throws("await longhaul()", json!(null)).await?;
        ensure!(thrown.code() == "blocked-by-policy", "{thrown}");
        ensure!(thrown.message.contains("connect-src"), "{thrown}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn under_trusted_types_the_worker_is_registered_or_what_to_allow_is_said() -> Result<()> {
    let site = Site::new([(
        "/sw.js",
        Answer::script("import { attach } from '/longhaul/sw.js'; attach()"),
    )]);
    let demand = format!("{SCRIPTS}; require-trusted-types-for 'script'");
    put_page(&site, "/any.html", &demand);
    put_page(
        &site,
        "/ours.html",
        &format!("{demand}; trusted-types longhaul"),
    );
    put_page(
        &site,
        "/none.html",
        &format!("{demand}; trusted-types 'none'"),
    );
    put_page(&site, "/apps.html", &format!("{demand}; trusted-types app"));
    at("trusted_types", &site, async |world: &mut World| {
        let page = world.browser.open("/none.html").await?;
        let (transport, problem) = downloads(world, &page, "none", "").await?;
        ensure!(transport == "foreground", "{transport}");
        let problem = problem.context("it does not say what is the matter")?;
        for word in ["trusted-types", "longhaul", "TrustedScriptURL"] {
            ensure!(problem.contains(word), "{problem}");
        }

        for path in ["/any", "/ours"] {
            page.goto(&format!("{path}.html")).await?;
            let (transport, problem) = downloads(world, &page, path.trim_matches('/'), "").await?;
            ensure!(problem.is_none() && transport == "background-fetch", "{path}: {transport} {problem:?}");
        }

        page.goto("/apps.html").await?;
        let handed = "{ serviceWorker: trustedTypes.createPolicy('app', { createScriptURL: (url) => url }).createScriptURL('/sw.js') }";
        let (transport, problem) = downloads(world, &page, "apps", handed).await?;
        ensure!(problem.is_none() && transport == "background-fetch", "{transport} {problem:?}");
        let script: String = page
            .eval("return new URL((await longhaul()).serviceWorker.registration.active.scriptURL).pathname", json!(null))
            .await?;
        ensure!(script == "/sw.js", "{script}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn wasm_that_does_not_come_is_told_from_a_bug() -> Result<()> {
    let site = Site::new([]);
    let wasm = package_file("longhaul_bg.wasm")?;
    // What stands there, and what the message must name.
    let wrong: [(&str, Answer, &str); 4] = [
        ("404", Answer::not_found(), "404"),
        (
            "HTML",
            Answer::html("<!doctype html><div id=root></div>"),
            "text/html",
        ),
        (
            "a text that claims to be wasm",
            Answer::bytes("application/wasm", b"<!doctype html>".to_vec()),
            "longhaul_bg.wasm",
        ),
        (
            "half of it",
            Answer::bytes("application/wasm", wasm[..wasm.len() / 2].to_vec()),
            "longhaul_bg.wasm",
        ),
    ];
    at("page_wasm", &site, async |world: &mut World| {
        let page = world.browser.open("/").await?;
        for (name, answer, named) in wrong {
            site.put(WASM, answer);
            page.reload().await?;
            let thrown = page
                .throws("await longhaul()", json!(null))
                .await
                .context(name)?;
            ensure!(
                thrown.code() == "unsupported-environment",
                "{name}: {thrown}"
            );
            ensure!(
                thrown.message.contains("longhaul_bg.wasm") && thrown.message.contains(named),
                "{name}: {thrown}"
            );
        }
        // Nobody listens any more.
        site.remove(WASM);
        page.reload().await?;
        page.eval::<()>("await load('/longhaul/index.js')", json!(null))
            .await?;
        world.server.close(longhaul_demo::Ending::Rst);
        let thrown = page.throws("await longhaul()", json!(null)).await?;
        world.server.open()?;
        ensure!(thrown.code() == "unsupported-environment", "{thrown}");
        // A type that is wrong is no reason not to start, nor is one failure.
        site.put(WASM, Answer::bytes("application/octet-stream", wasm));
        let (transport, problem) = downloads(world, &page, "typeless", "").await?;
        ensure!(
            problem.is_none() && transport == "background-fetch",
            "{transport} {problem:?}"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_page_below_others_finds_the_worker_or_says_where_it_looked() -> Result<()> {
    let site = Site::new([
        ("/deep/er/page.html", Answer::html(INDEX)),
        (
            "/deep/sw.js",
            Answer::script("import { attach } from '/longhaul/sw.js'; attach()"),
        ),
    ]);
    at("below_others", &site, async |world: &mut World| {
        let page = world.browser.open("/deep/er/page.html").await?;
        let (transport, problem) = downloads(world, &page, "default", "").await?;
        ensure!(
            problem.is_none() && transport == "background-fetch",
            "{transport} {problem:?}"
        );

        page.goto("/deep/er/page.html?beside").await?;
        let beside = "{ serviceWorker: './sw.js' }";
        let (transport, problem) = downloads(world, &page, "beside", beside).await?;
        ensure!(transport == "foreground", "{transport}");
        let problem = problem.context("it does not say what is the matter")?;
        ensure!(
            problem.contains("/deep/er/sw.js") && problem.contains("404"),
            "{problem}"
        );

        page.goto("/deep/er/page.html?above").await?;
        let above = "{ serviceWorker: { url: '../sw.js', type: 'module' } }";
        let (transport, problem) = downloads(world, &page, "above", above).await?;
        ensure!(
            problem.is_none() && transport == "background-fetch",
            "{transport} {problem:?}"
        );
        let scope: Value = page
            .eval(
                "return new URL((await longhaul()).serviceWorker.registration.scope).pathname",
                json!(null),
            )
            .await?;
        ensure!(scope == "/deep/", "{scope}");
        Ok(())
    })
    .await
}
