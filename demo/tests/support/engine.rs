//! What differs between browser engines: the `WebDriver` program, how it says its port, and the capabilities of a session.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use thirtyfour::common::log::LoggingPrefsLogLevel;
use thirtyfour::{Capabilities, ChromiumLikeCapabilities, DesiredCapabilities};

use super::process::Tree;

/// How long a `WebDriver` program may take to say that it listens.
const START: Duration = Duration::from_secs(30);

/// A browser engine as a test asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Engine {
    /// Chromium in its new headless mode.
    Chromium,
    /// Chromium without the Background Fetch API, as every other engine is.
    ChromiumWithoutBackgroundFetch,
}

impl Engine {
    /// The engine's name in test output and file names.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Chromium => "chromium",
            Self::ChromiumWithoutBackgroundFetch => "chromium-without-background-fetch",
        }
    }

    /// Starts the `WebDriver` program on a free port; gives the process and its address.
    pub(crate) fn start_driver(self) -> Result<(Tree, String)> {
        let (program, mark) = match self {
            Self::Chromium | Self::ChromiumWithoutBackgroundFetch => (
                std::env::var("CHROMEDRIVER").unwrap_or_else(|_| "chromedriver".to_owned()),
                "started successfully on port ",
            ),
        };
        let mut command = Command::new(&program);
        command.arg("--port=0");
        let mut tree = Tree::start(command)?;
        let port = announced_port(&mut tree, mark)
            .with_context(|| format!("`{program}` did not say on which port it listens"))?;
        Ok((tree, format!("http://127.0.0.1:{port}")))
    }

    /// The capabilities of a session that keeps its data in `profile`.
    pub(crate) fn capabilities(self, profile: &Path) -> Result<Capabilities> {
        match self {
            Self::Chromium => chromium(profile, &[]),
            Self::ChromiumWithoutBackgroundFetch => {
                chromium(profile, &["--disable-blink-features=BackgroundFetch"])
            }
        }
    }
}

fn chromium(profile: &Path, extra: &[&str]) -> Result<Capabilities> {
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
        profile.as_str(),
    ];
    for argument in fixed.iter().chain(extra) {
        capabilities.add_arg(argument)?;
    }
    capabilities.set_browser_log_level(LoggingPrefsLogLevel::All)?;
    Ok(capabilities.into())
}

/// Reads the program's output until the line that names the port. The rest is read and dropped, so that the pipe never fills.
fn announced_port(tree: &mut Tree, mark: &'static str) -> Result<u16> {
    let output = tree
        .child()
        .stdout
        .take()
        .context("standard output is not piped")?;
    let (said, heard) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if let Some((_, rest)) = line.split_once(mark) {
                let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
                // Nobody listens any more once the port is known.
                let _ = said.send(digits);
            }
        }
    });
    let digits = heard
        .recv_timeout(START)
        .map_err(|_| anyhow!("nothing was said within {START:?}"))?;
    Ok(digits.parse()?)
}
