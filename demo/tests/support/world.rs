//! A test's world: the demo's server and one browser, and what is kept of them when the test fails.

use std::any::type_name_of_val;
use std::fmt::Write as _;
use std::fs;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::FutureExt;
use longhaul_demo::Server;
use serde_json::json;
use tokio::time::timeout;

use super::browser::Browser;
use super::engine::Engine;

/// The longest that anything may take where a test does not say otherwise.
pub(crate) const SOON: Duration = Duration::from_mins(1);

/// How long a browser may take to show what is there after a failure.
const KEEPING: Duration = Duration::from_secs(45);

/// The server and the browser of one test.
pub(crate) struct World {
    /// The demo's server, in this process.
    pub(crate) server: Server,
    /// The browser.
    pub(crate) browser: Browser,
}

/// Runs a test in a world of its own. Where it fails, pictures of all tabs, their consoles and histories, and the server's log are written to
/// `target/e2e/<name of the test>/`.
pub(crate) async fn scenario<F>(test: F) -> Result<()>
where
    F: AsyncFnOnce(&mut World) -> Result<()>,
{
    let server = Server::builder()
        .spawn()
        .context("the demo's server does not start")?;
    scenario_on(server, test).await
}

/// Like [`scenario`], against a server that the test has built.
pub(crate) async fn scenario_on<F>(server: Server, test: F) -> Result<()>
where
    F: AsyncFnOnce(&mut World) -> Result<()>,
{
    let name = type_name_of_val(&test)
        .split("::")
        .filter(|part| !part.starts_with("{{"))
        .last()
        .unwrap_or("unnamed")
        .to_owned();
    scenario_in(Engine::Chromium, server, &name, test).await
}

/// Like [`scenario_on`], in an engine of the test's choice; `name` is the folder's.
pub(crate) async fn scenario_in<F>(
    engine: Engine,
    server: Server,
    name: &str,
    test: F,
) -> Result<()>
where
    F: AsyncFnOnce(&mut World) -> Result<()>,
{
    let browser = Browser::launch(engine, &server.origin()).await?;
    let mut world = World { server, browser };
    let outcome = AssertUnwindSafe(test(&mut world)).catch_unwind().await;
    if !matches!(outcome, Ok(Ok(()))) {
        let folder = target().join("e2e").join(name);
        match timeout(KEEPING, world.keep(&folder)).await {
            Ok(Ok(())) => eprintln!("{name}: what was there is kept in {}", folder.display()),
            Ok(Err(error)) => eprintln!("{name}: nothing could be kept: {error:#}"),
            Err(_) => eprintln!("{name}: the browser does not say what is there"),
        }
    }
    outcome.unwrap_or_else(|panic| resume_unwind(panic))
}

impl World {
    async fn keep(&mut self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder)?;
        fs::write(
            folder.join("server-log.json"),
            serde_json::to_string_pretty(&self.server.log().entries())?,
        )?;
        fs::write(
            folder.join("console.txt"),
            self.browser.console().await?.join("\n"),
        )?;
        for (n, page) in self.browser.pages().await?.iter().enumerate() {
            page.screenshot(&folder.join(format!("tab-{n}.png")))
                .await?;
            let mut told = String::new();
            for (what, body) in [
                ("address", "return location.href"),
                ("at rest", "return JSON.stringify(await atRest(), null, 1)"),
                (
                    "history",
                    "return (await e2e.longhaul.exportHistory()).text()",
                ),
            ] {
                // A tab without Longhaul, or one that hangs, has nothing to tell; the others do.
                let text = page
                    .eval_within::<String>(Duration::from_secs(5), body, json!(null))
                    .await
                    .unwrap_or_else(|error| format!("({error:#})"));
                writeln!(told, "== {what}\n{text}")?;
            }
            fs::write(folder.join(format!("tab-{n}.txt")), told)?;
        }
        Ok(())
    }
}

/// The workspace's folder.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the demo lies in the workspace")
        .to_owned()
}

/// The workspace's `target`.
pub(crate) fn target() -> PathBuf {
    workspace().join("target")
}
