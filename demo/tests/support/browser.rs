//! A real browser with a profile that outlives it: launch, close in good order, kill, launch again.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::{Value, json};
use tempfile::TempDir;
use thirtyfour::WebDriver;

use super::engine::{Driver, Engine};
use super::page::Page;
use super::process;

/// The longest that one `WebDriver` command may take; scripts have limits of their own below this.
const COMMAND: Duration = Duration::from_mins(10);

/// How long a browser may take to go.
const EXIT: Duration = Duration::from_secs(20);

/// A browser under test. Dropping it kills every process that belongs to it and removes its profile.
#[derive(Debug)]
pub(crate) struct Browser {
    engine: Engine,
    session: Option<WebDriver>,
    // Fields drop in this order: the processes must be gone before their profile is removed.
    driver: Driver,
    profile: TempDir,
    origin: String,
}

impl Browser {
    /// Launches a browser with a new profile whose pages are those of `origin`.
    pub(crate) async fn launch(engine: Engine, origin: &str) -> Result<Self> {
        let profile = tempfile::Builder::new().prefix("longhaul-e2e-").tempdir()?;
        let driver = start_driver(engine, profile.path()).await?;
        let mut browser = Self {
            engine,
            session: None,
            driver,
            profile,
            origin: origin.to_owned(),
        };
        browser.start().await?;
        Ok(browser)
    }

    /// Launches the browser again over the profile it had, after [`Browser::quit`] or [`Browser::kill`].
    pub(crate) async fn relaunch(&mut self) -> Result<()> {
        // A driver whose browser was killed under it is not worth trusting with the next one.
        self.driver = start_driver(self.engine, self.profile.path()).await?;
        self.start().await
    }

    async fn start(&mut self) -> Result<()> {
        let capabilities = self
            .engine
            .capabilities(self.profile.path(), &self.origin)?;
        let session = WebDriver::builder(self.driver.address(), capabilities)
            .request_timeout(COMMAND)
            .await
            .with_context(|| {
                let said = self.driver.last_words();
                format!("{} does not start; of its driver, {said}", self.engine)
            })?;
        self.session = Some(session);
        Ok(())
    }

    /// The engine that runs.
    pub(crate) fn engine(&self) -> Engine {
        self.engine
    }

    /// The browser's main process.
    pub(crate) fn process(&self) -> Option<u32> {
        self.engine.process(&self.driver, self.profile.path())
    }

    /// The profile's directory.
    pub(crate) fn profile(&self) -> &Path {
        self.profile.path()
    }

    /// The `WebDriver` session.
    pub(crate) fn session(&self) -> Result<&WebDriver> {
        self.session.as_ref().context("the browser is not running")
    }

    /// Opens `path` in a new tab. The tab the browser started with stays as it is, so that any other may be closed.
    pub(crate) async fn open(&self, path: &str) -> Result<Page> {
        let session = self.session()?;
        let handle = session.new_tab().await?;
        let page = Page::new(self.engine, session.clone(), handle, &self.origin);
        page.goto(path).await?;
        Ok(page)
    }

    /// Every tab there is.
    pub(crate) async fn pages(&self) -> Result<Vec<Page>> {
        let session = self.session()?;
        let handles = session.windows().await?;
        Ok(handles
            .into_iter()
            .map(|handle| Page::new(self.engine, session.clone(), handle, &self.origin))
            .collect())
    }

    /// Sends a command of the `DevTools` protocol to the current tab.
    pub(crate) async fn devtools(&self, method: &str, params: impl Serialize) -> Result<Value> {
        self.session()?
            .cdp()
            .send_raw(method, params)
            .await
            .with_context(|| format!("DevTools refused {method}"))
    }

    /// Stops every running service worker, as the browser does with idle ones.
    pub(crate) async fn stop_workers(&self) -> Result<()> {
        self.devtools("ServiceWorker.enable", json!({})).await?;
        self.devtools("ServiceWorker.stopAllWorkers", json!({}))
            .await?;
        Ok(())
    }

    /// Limits what the origin may store to `bytes`; without a number the limit is lifted.
    pub(crate) async fn limit_quota(&self, bytes: Option<u64>) -> Result<()> {
        let mut params = json!({ "origin": self.origin });
        if let Some(bytes) = bytes {
            params["quotaSize"] = json!(bytes);
        }
        self.devtools("Storage.overrideQuotaForOrigin", params)
            .await?;
        Ok(())
    }

    /// What the pages wrote to their consoles since the last call, a line each.
    pub(crate) async fn console(&self) -> Result<Vec<String>> {
        self.engine.console(self.session()?, &self.driver).await
    }

    /// Closes the browser in good order, as a user does, and waits until it is gone.
    pub(crate) async fn quit(&mut self) -> Result<()> {
        // Some engines write to the profile in processes that outlive the main one by a moment.
        let tree = self.process().map(process::tree);
        let session = self.session.take().context("the browser is not running")?;
        // What counts is that the processes end.
        self.engine.close(&session).await;
        wait_for_end(tree.unwrap_or_default()).await?;
        let _ = session.leak();
        Ok(())
    }

    /// Kills the browser with all its processes, as a power cut does, and waits until it is gone.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        let session = self.session.take().context("the browser is not running")?;
        let pid = self
            .process()
            .context("the browser's process is not to be found")?;
        wait_for_end(process::kill_tree(pid)).await?;
        let _ = session.leak();
        Ok(())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if let Some(pid) = self.process() {
            // The profile can only be removed when nobody writes to it any more.
            let _ = process::wait_for_end(&process::kill_tree(pid), EXIT);
        }
        if let Some(session) = self.session.take() {
            // Its browser is dead: there is nothing left to say goodbye to.
            let _ = session.leak();
        }
    }
}

/// Starting blocks, and so wants a thread of its own.
async fn start_driver(engine: Engine, profile: &Path) -> Result<Driver> {
    let profile = profile.to_owned();
    tokio::task::spawn_blocking(move || engine.start_driver(&profile)).await?
}

async fn wait_for_end(tree: Vec<u32>) -> Result<()> {
    tokio::task::spawn_blocking(move || process::wait_for_end(&tree, EXIT)).await?
}
