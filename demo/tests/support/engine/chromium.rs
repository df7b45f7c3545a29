//! Chromium: chromedriver says its port; a profile says which process holds it.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use serde_json::json;
use thirtyfour::common::log::LoggingPrefsLogLevel;
use thirtyfour::{Capabilities, ChromiumLikeCapabilities, DesiredCapabilities, WebDriver};

use super::{Driver, START, number_after, program};
use crate::support::process::Tree;

pub(super) fn start_driver() -> Result<Driver> {
    let chromedriver = program("CHROMEDRIVER", ["chromedriver".into()])?;
    let mut command = Command::new(chromedriver);
    command.arg("--port=0");
    let program = Tree::start(command)?;
    let port = program.await_line(START, |line| {
        number_after(line, "started successfully on port ")
    })?;
    Ok(Driver {
        program,
        _display: None,
        address: format!("http://127.0.0.1:{port}"),
    })
}

pub(super) fn capabilities(profile: &Path, extra: &[&str]) -> Result<Capabilities> {
    let mut capabilities = DesiredCapabilities::chrome();
    if let Ok(binary) = std::env::var("CHROME") {
        capabilities.set_binary(&binary)?;
    }
    let profile = format!("--user-data-dir={}", profile.display());
    let fixed = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-component-update",
        "--disable-sync",
        "--window-size=1280,900",
        // This machine under a name that is not trustworthy.
        "--host-resolver-rules=MAP app.test 127.0.0.1",
        profile.as_str(),
    ];
    for argument in fixed.iter().chain(extra) {
        capabilities.add_arg(argument)?;
    }
    // By default a page may start one background job by itself; a second one without a person's gesture is refused, and from then on
    // every one, gesture or not.
    let allowed = json!({ "profile.default_content_setting_values.automatic_downloads": 1 });
    capabilities.add_experimental_option("prefs", allowed)?;
    capabilities.set_browser_log_level(LoggingPrefsLogLevel::All)?;
    Ok(capabilities.into())
}

/// The browser process that holds a profile: its singleton lock is a link to `<host>-<pid>`.
pub(super) fn process(profile: &Path) -> Option<u32> {
    let target = fs::read_link(profile.join("SingletonLock")).ok()?;
    target.to_str()?.rsplit('-').next()?.parse().ok()
}

pub(super) async fn close(session: &WebDriver) {
    let _ = session.cdp().send_raw("Browser.close", json!({})).await;
}

pub(super) async fn console(session: &WebDriver) -> Result<Vec<String>> {
    let entries = session.browser_log().await?;
    Ok(entries
        .into_iter()
        .map(|entry| format!("{} {} {}", entry.timestamp, entry.level, entry.message))
        .collect())
}
