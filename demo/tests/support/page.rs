//! One tab of the browser, and what a test can do in it.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use thirtyfour::{By, WebDriver, WebElement, WindowHandle};

use super::engine::Engine;

/// What every evaluated script can call.
const PRELUDE: &str = include_str!("prelude.js");

/// How long an evaluated script may take unless the test says otherwise.
const LIMIT: Duration = Duration::from_mins(1);

/// An exception that a script in the page ended with.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Thrown {
    /// The error's class, for example `TypeError` or `LonghaulError`.
    pub(crate) name: String,
    /// The stable code of a `LonghaulError`; a `DOMException`'s number.
    #[serde(default)]
    pub(crate) code: Value,
    /// What it says.
    pub(crate) message: String,
    /// The data of a `LonghaulError`.
    #[serde(default)]
    pub(crate) data: Value,
    #[serde(default)]
    stack: Value,
}

impl Thrown {
    /// The code as text; empty where there is none.
    pub(crate) fn code(&self) -> &str {
        self.code.as_str().unwrap_or_default()
    }
}

impl std::fmt::Display for Thrown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} [{}] {} {}\n{}",
            self.name,
            self.code,
            self.message,
            self.data,
            self.stack.as_str().unwrap_or_default()
        )
    }
}

impl std::error::Error for Thrown {}

/// A tab. Every call makes it the current one of the session first, so that tests may take turns between tabs as they like.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    driver: WebDriver,
    handle: WindowHandle,
    origin: String,
    engine: Engine,
}

impl Page {
    /// The tab `handle` of a session; addresses are resolved against `origin`.
    pub(crate) fn new(
        engine: Engine,
        driver: WebDriver,
        handle: WindowHandle,
        origin: &str,
    ) -> Self {
        Self {
            driver,
            handle,
            origin: origin.to_owned(),
            engine,
        }
    }

    /// Makes this the session's current tab.
    pub(crate) async fn select(&self) -> Result<()> {
        self.driver
            .switch_to_window(self.handle.clone())
            .await
            .context("the tab is gone")
    }

    /// Goes to a path of the test server, or to a full address.
    pub(crate) async fn goto(&self, path: &str) -> Result<()> {
        self.select().await?;
        let address = if path.starts_with('/') {
            format!("{}{path}", self.origin)
        } else {
            path.to_owned()
        };
        self.driver
            .goto(&address)
            .await
            .with_context(|| format!("cannot open {address}"))
    }

    /// Loads the page anew.
    pub(crate) async fn reload(&self) -> Result<()> {
        self.select().await?;
        Ok(self.driver.refresh().await?)
    }

    /// Closes the tab. The session must have another one left, which becomes the current one: without one it takes no command.
    pub(crate) async fn close(self) -> Result<()> {
        self.select().await?;
        self.driver.close_window().await?;
        let left = self.driver.windows().await?;
        let left = left.into_iter().next().context("no tab is left")?;
        Ok(self.driver.switch_to_window(left).await?)
    }

    /// Crashes the process that draws the tab, without a navigation, which would stop background jobs. For engines that speak the
    /// `DevTools` protocol.
    pub(crate) async fn crash(self) -> Result<()> {
        self.select().await?;
        // The answer goes down with the tab.
        if self
            .driver
            .cdp()
            .send_raw("Page.crash", json!({}))
            .await
            .is_ok()
        {
            bail!("the tab survived");
        }
        let others = self.driver.windows().await?.into_iter();
        let mut others = others.filter(|handle| *handle != self.handle);
        let other = others.next().context("no other tab is left")?;
        Ok(self.driver.switch_to_window(other).await?)
    }

    /// A person's click on nothing in particular, where the engine asks for gestures.
    pub(crate) async fn gesture(&self) -> Result<()> {
        if !self.engine.asks_for_gestures() {
            return Ok(());
        }
        self.select().await?;
        let click = self.driver.action_chain().move_to(1, 1).click();
        Ok(click.perform().await?)
    }

    /// The element that a CSS selector finds.
    pub(crate) async fn find(&self, css: &str) -> Result<WebElement> {
        self.select().await?;
        self.driver
            .find(By::Css(css))
            .await
            .with_context(|| format!("nothing matches `{css}`"))
    }

    /// Waits until the element that a CSS selector finds satisfies a JavaScript condition over `element`; gives its text.
    pub(crate) async fn shown(
        &self,
        css: &str,
        limit: Duration,
        condition: &str,
    ) -> Result<String> {
        let body = format!("return (await shown(args, (element) => {condition})).textContent");
        self.eval_within(limit, &body, Value::from(css))
            .await
            .with_context(|| format!("`{css}` never came to: {condition}"))
    }

    /// Writes a picture of what the tab shows.
    pub(crate) async fn screenshot(&self, file: &Path) -> Result<()> {
        self.select().await?;
        Ok(self.driver.screenshot(file).await?)
    }

    /// Runs `body`, the inside of an async function with one parameter `args`, and gives what it returns.
    ///
    /// The helpers of `prelude.js` are in scope. An exception comes back as [`Thrown`] inside the error.
    pub(crate) async fn eval<T: DeserializeOwned>(&self, body: &str, args: Value) -> Result<T> {
        self.eval_within(LIMIT, body, args).await
    }

    /// Like [`Page::eval`], with a time limit of its own.
    pub(crate) async fn eval_within<T: DeserializeOwned>(
        &self,
        limit: Duration,
        body: &str,
        args: Value,
    ) -> Result<T> {
        match self.outcome(limit, body, args).await? {
            Ok(value) => serde_json::from_value(value.clone())
                .with_context(|| format!("unexpected shape of a result: {value}")),
            Err(thrown) => Err(anyhow!(thrown).context(format!("the script threw:\n{body}"))),
        }
    }

    /// Runs `body` like [`Page::eval`] and demands that it throws, but no `bug`: nothing that a test does to a page is one.
    pub(crate) async fn throws(&self, body: &str, args: Value) -> Result<Thrown> {
        match self.outcome(LIMIT, body, args).await? {
            Ok(value) => bail!("the script should have thrown but gave {value}:\n{body}"),
            Err(thrown) if thrown.code() == "bug" => bail!("{thrown}\n{body}"),
            Err(thrown) => Ok(thrown),
        }
    }

    async fn outcome(
        &self,
        limit: Duration,
        body: &str,
        args: Value,
    ) -> Result<Result<Value, Thrown>> {
        self.select().await?;
        // A deadline inside the page gives a better message than the driver's own, which stays as the last resort.
        let script = format!(
            "{PRELUDE}
            const [args, limit, done] = arguments;
            const late = new Promise((_, reject) => setTimeout(
                () => reject(Object.assign(new Error(`not done after ${{limit}} ms`), {{ name: 'Late' }})), limit));
            const run = (async () => {{ {body}
            }})();
            Promise.race([run, late]).then(
                (value) => done(JSON.stringify({{ value: value === undefined ? null : value }})),
                (error) => done(JSON.stringify({{ error: plainError(error) }})));"
        );
        let millis = u64::try_from(limit.as_millis())?;
        self.driver
            .set_script_timeout(limit + Duration::from_secs(15))
            .await?;
        let answer = self
            .driver
            .execute_async(script, vec![args, json!(millis)])
            .await
            .with_context(|| format!("the driver could not run:\n{body}"))?;
        let text = answer
            .json()
            .as_str()
            .context("the script's answer is not a text")?;
        let answer: Value = serde_json::from_str(text)?;
        match answer.get("error") {
            Some(error) => Ok(Err(serde_json::from_value(error.clone())?)),
            None => Ok(Ok(answer["value"].clone())),
        }
    }
}
