//! The package as a new user meets it: packed by npm, installed in an app, with the README's lines and no others. The app gets a file of
//! 30 MB from another origin, its page is closed in the middle, and when it is opened again the file is there.

mod newcomers;
mod support;

use std::fs;

use anyhow::{Context, Result, bail, ensure};
use longhaul_demo::{Entry, Generated, Server};
use serde_json::json;
use tokio::time::timeout;

use newcomers::{App, Site, Wanted};
use support::engine::Engine;
use support::model::MIB;
use support::world::{SOON, World, scenario_in, workspace};

/// Size of the file that every app gets.
const BYTES: u64 = 30 * 1_000_000;

/// How fast the server sends it, in bytes per second, all answers together. The first background job in a browser's life begins seconds
/// late, and its page fetches meanwhile: it must not be done by then.
const RATE: u64 = 4_000_000;

/// The page is closed when so much was sent, of which the browser may not have seen all yet.
const CLOSED_AT: u64 = 9_000_000;

/// What is sent after that must come without any page, at the least.
const LEFT: u64 = 15_000_000;

const VITE: &str = "vite/bin/vite.js";
const WEBPACK: &str = "webpack/bin/webpack.js";
const NEXT: &str = "next/dist/bin/next";

/// Vite's servers; the port follows.
const DEV: [&str; 4] = ["--host", "127.0.0.1", "--strictPort", "--port"];
const PREVIEW: [&str; 5] = ["preview", "--host", "127.0.0.1", "--strictPort", "--port"];

/// Runs a test in a world with a file to get.
async fn newcomer<F>(name: &str, test: F) -> Result<()>
where
    F: AsyncFnOnce(&World, &Wanted) -> Result<()>,
{
    let server = Server::builder().spawn()?;
    let file = Generated::new(BYTES, name);
    let url = format!("{}{}?rateTotal={RATE}", server.second_origin(), file.path());
    let wanted = Wanted { file, url };
    let folder = format!("newcomer-{name}");
    scenario_in(
        Engine::Chromium,
        server,
        &folder,
        async |world: &mut World| test(world, &wanted).await,
    )
    .await
}

/// The bytes of the file that the server has sent.
fn sent(log: &[Entry]) -> u64 {
    log.iter().map(|request| request.sent).sum()
}

/// The app's page is opened, closed in the middle and opened again.
async fn comes_with_the_page_closed(world: &World, site: &Site, wanted: &Wanted) -> Result<()> {
    let log = world.server.log();
    let page = world.browser.open(site.address()).await?;
    let began = timeout(SOON, log.until(|log| sent(log) >= CLOSED_AT)).await;
    if began.is_err() {
        let shown: String = page
            .eval(
                "return document.querySelector('#out').textContent",
                json!(null),
            )
            .await?;
        let console = world.browser.console().await?.join("\n");
        bail!("the app asks for too little; it shows `{shown}` and says\n{console}");
    }
    page.close().await?;
    let closed_at = sent(&log.entries());
    ensure!(closed_at + LEFT <= BYTES, "closed after {closed_at} bytes");

    // No page of the app is left: what goes on is the browser's background job.
    let whole =
        |log: &[Entry]| sent(log) >= BYTES && log.iter().all(|request| request.ended_at.is_some());
    let come = timeout(SOON, log.until(whole)).await;
    come.with_context(|| format!("with the page closed it came to {}", sent(&log.entries())))?;

    log.clear();
    let page = world.browser.open(site.address()).await?;
    let text = page
        .shown("#out", SOON, "element.textContent !== ''")
        .await?;
    let right = format!("{BYTES} bytes, {}", wanted.file.sha256());
    ensure!(text == right, "the app shows `{text}`");
    let again = sent(&log.entries());
    ensure!(again < MIB, "{again} bytes were sent once more");
    Ok(())
}

/// A worker with `serve` answers what the page fetches, once it controls it.
async fn is_served_by_the_worker(world: &World, site: &Site, wanted: &Wanted) -> Result<()> {
    let page = world.browser.open(site.address()).await?;
    world.server.log().clear();
    let (status, hash): (u16, String) = page
        .eval(
            "const response = await fetch(args);
             return [response.status, await sha256(await response.blob())]",
            json!(wanted.url),
        )
        .await?;
    ensure!(
        status == 200 && hash == wanted.file.sha256(),
        "{status}, {hash}"
    );
    let asked = world.server.log().entries().len();
    ensure!(asked == 0, "the server was asked {asked} times");
    Ok(())
}

async fn static_app(wanted: &Wanted) -> Result<App> {
    let app = App::lay_out("static", &["static"]).await?;
    app.write_model("public/model.js", wanted)?;
    app.write("public/main.js", include_str!("newcomers/page/main.js"))?;
    app.shell(app.readme().line("sh", "npx longhaul copy")?)
        .await?;
    let map = app.readme().block("html", "importmap")?;
    let page = include_str!("newcomers/static/public/index.html");
    app.write("public/index.html", &page.replace("<!-- README -->\n", map))?;
    Ok(app)
}

#[tokio::test]
async fn a_static_folder_with_an_import_map() -> Result<()> {
    newcomer("static", async |world, wanted| {
        let app = static_app(wanted).await?;
        let site = Site::of_files(&app.folder().join("public"))?;
        comes_with_the_page_closed(world, &site, wanted).await
    })
    .await
}

#[tokio::test]
async fn a_static_folder_with_a_classic_worker_of_its_own() -> Result<()> {
    newcomer("classic", async |world, wanted| {
        let app = static_app(wanted).await?;
        let open = app.readme().line("js", "type: \"classic\"")?;
        app.write_model_with("public/model.js", wanted, open)?;
        app.write("public/sw.js", app.readme().block("js", "importScripts(")?)?;
        let site = Site::of_files(&app.folder().join("public"))?;
        comes_with_the_page_closed(world, &site, wanted).await?;
        is_served_by_the_worker(world, &site, wanted).await
    })
    .await
}

#[tokio::test]
async fn node() -> Result<()> {
    let app = App::lay_out("static", &["static", "node"]).await?;
    let history = workspace().join("state-tests/golden/v1/a-whole-life.ndjson");
    app.write("history.ndjson", &fs::read_to_string(history)?)?;
    app.shell("node main.mjs").await
}

/// Vite without any configuration.
async fn vite_app(packages: &str, wanted: &Wanted) -> Result<App> {
    let app = App::lay_out(packages, &["page"]).await?;
    app.write_model("model.js", wanted)?;
    Ok(app)
}

async fn vite_dev(packages: &str) -> Result<()> {
    newcomer(&format!("{packages}-dev"), async |world, wanted| {
        let app = vite_app(packages, wanted).await?;
        let site = Site::of_program(&app, VITE, &DEV).await?;
        comes_with_the_page_closed(world, &site, wanted).await
    })
    .await
}

async fn vite_build(packages: &str) -> Result<()> {
    newcomer(&format!("{packages}-build"), async |world, wanted| {
        let app = vite_app(packages, wanted).await?;
        app.build(VITE, &["build"]).await?;
        let site = Site::of_program(&app, VITE, &PREVIEW).await?;
        comes_with_the_page_closed(world, &site, wanted).await
    })
    .await
}

#[tokio::test]
async fn vite_in_development() -> Result<()> {
    vite_dev("vite").await
}

#[tokio::test]
async fn vite_built() -> Result<()> {
    vite_build("vite").await
}

#[tokio::test]
#[ignore = "one version of many: for the long run"]
async fn vite_7() -> Result<()> {
    vite_dev("vite7").await?;
    vite_build("vite7").await?;
    vite_with_worker("vite7").await
}

#[tokio::test]
#[ignore = "one version of many: for the long run"]
async fn vite_5() -> Result<()> {
    vite_dev("vite5").await?;
    vite_build("vite5").await?;
    vite_with_worker("vite5").await
}

/// An app whose own worker, a module, is bundled like its page.
async fn vite_app_with_worker(packages: &str, wanted: &Wanted) -> Result<App> {
    let app = App::lay_out(packages, &["page"]).await?;
    let config = app.readme().block("js", "rollupOptions")?;
    app.write("vite.config.js", config)?;
    let open = app
        .readme()
        .line("js", "open({ serviceWorker: \"/sw.js\"")?;
    app.write_model_with("model.js", wanted, open)?;
    app.write("sw.js", app.readme().block("js", "from \"longhaul/sw\"")?)?;
    Ok(app)
}

async fn vite_with_worker(packages: &str) -> Result<()> {
    newcomer(&format!("{packages}-own-dev"), async |world, wanted| {
        let app = vite_app_with_worker(packages, wanted).await?;
        let site = Site::of_program(&app, VITE, &DEV).await?;
        comes_with_the_page_closed(world, &site, wanted).await?;
        is_served_by_the_worker(world, &site, wanted).await
    })
    .await?;
    newcomer(&format!("{packages}-own-build"), async |world, wanted| {
        let app = vite_app_with_worker(packages, wanted).await?;
        app.build(VITE, &["build"]).await?;
        let site = Site::of_program(&app, VITE, &PREVIEW).await?;
        comes_with_the_page_closed(world, &site, wanted).await?;
        is_served_by_the_worker(world, &site, wanted).await
    })
    .await
}

#[tokio::test]
async fn vite_with_a_worker_of_its_own() -> Result<()> {
    vite_with_worker("vite").await
}

#[tokio::test]
async fn webpack() -> Result<()> {
    newcomer("webpack", async |world, wanted| {
        let app = App::lay_out("webpack", &["page", "webpack"]).await?;
        app.write_model("model.js", wanted)?;
        app.build(WEBPACK, &[]).await?;
        let site = Site::of_files(&app.folder().join("dist"))?;
        comes_with_the_page_closed(world, &site, wanted).await
    })
    .await
}

#[tokio::test]
async fn webpack_with_a_worker_of_its_own() -> Result<()> {
    newcomer("webpack-own", async |world, wanted| {
        let app = App::lay_out("webpack", &["page", "webpack"]).await?;
        let open = app.readme().line("js", "serviceWorker.register(new URL(")?;
        app.write_model_with("model.js", wanted, open)?;
        app.write("sw.js", app.readme().block("js", "from \"longhaul/sw\"")?)?;
        app.build(WEBPACK, &[]).await?;
        let site = Site::of_files(&app.folder().join("dist"))?;
        comes_with_the_page_closed(world, &site, wanted).await?;
        is_served_by_the_worker(world, &site, wanted).await
    })
    .await
}

async fn next_built(name: &str, bundler: &[&str]) -> Result<()> {
    newcomer(name, async |world, wanted| {
        let app = App::lay_out("next", &["next"]).await?;
        app.write_model("model.js", wanted)?;
        app.build(NEXT, &[&["build"], bundler].concat()).await?;
        let start = ["start", "--hostname", "127.0.0.1", "--port"];
        let site = Site::of_program(&app, NEXT, &start).await?;
        comes_with_the_page_closed(world, &site, wanted).await
    })
    .await
}

#[tokio::test]
#[ignore = "its packages are large: for the long run"]
async fn next() -> Result<()> {
    newcomer("next-dev", async |world, wanted| {
        let app = App::lay_out("next", &["next"]).await?;
        app.write_model("model.js", wanted)?;
        let dev = ["dev", "--hostname", "127.0.0.1", "--port"];
        let site = Site::of_program(&app, NEXT, &dev).await?;
        comes_with_the_page_closed(world, &site, wanted).await
    })
    .await?;
    next_built("next-turbopack", &[]).await?;
    next_built("next-webpack", &["--webpack"]).await
}
