//! An app with a worker of its own that has Longhaul in it: `guests/serving.js`, and the page that registers it.

use std::sync::Arc;

use anyhow::Result;
use longhaul_demo::Server;
use serde_json::json;

use super::engine::Engine;
use super::model::{MIB, Model};
use super::page::Page;
use super::site::{Answer, Site};
use super::world::{SOON, World, scenario_in};

const WORKER: &str = include_str!("../guests/serving.js");

/// A page with nothing on it.
pub(crate) const INDEX: &str = "<!doctype html><title>The app</title><link rel=icon href=data:,><script src=/blank.js></script>";

/// What the app's page opens Longhaul with.
pub(crate) const OPTIONS: &str = "{ serviceWorker: { url: '/sw.js', type: 'module' } }";

/// What its file weighs: the last part is a short one.
pub(crate) const BYTES: u64 = 3 * MIB + 17;

/// The app's worker of this build. `before` says whether the app's own listener comes first; `options` are those of `attach`.
pub(crate) fn worker(build: u32, before: bool, options: &str) -> Answer {
    let text = WORKER
        .replace("BUILD = 1", &format!("BUILD = {build}"))
        .replace("BEFORE = true", &format!("BEFORE = {before}"))
        .replace("OPTIONS", options);
    Answer::script(&text)
}

/// A site with that worker.
pub(crate) fn site_with(worker: Answer) -> Arc<Site> {
    Site::new([("/index.html", Answer::html(INDEX)), ("/sw.js", worker)])
}

/// Runs a test at such a site.
pub(crate) async fn app<F>(name: &str, site: &Arc<Site>, test: F) -> Result<()>
where
    F: AsyncFnOnce(&mut World) -> Result<()>,
{
    let server = Server::builder().site(Arc::clone(site) as _).spawn()?;
    scenario_in(Engine::Chromium, server, name, test).await
}

/// Opens Longhaul in the app's page.
pub(crate) async fn open(page: &Page) -> Result<()> {
    page.eval(&format!("await longhaul({OPTIONS})"), json!(null))
        .await
}

/// A page that the worker controls, with a download that is available.
pub(crate) async fn with_a_download(world: &World) -> Result<(Page, Model)> {
    let page = world.browser.open("/").await?;
    open(&page).await?;
    // The worker controls pages that begin after it.
    page.eval::<()>("await navigator.serviceWorker.ready", json!(null))
        .await?;
    page.reload().await?;
    open(&page).await?;
    let model = Model::unthrottled(world, "served", BYTES);
    page.request(&model.spec).await?;
    page.until_available(model.id(), SOON).await?;
    Ok((page, model))
}

/// What `/app/time` says.
pub(crate) async fn own_answer(page: &Page) -> Result<String> {
    page.eval("return (await fetch('/app/time')).text()", json!(null))
        .await
}
