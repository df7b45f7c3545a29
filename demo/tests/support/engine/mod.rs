//! What differs between browser engines, and nothing else does: the `WebDriver` program and how it is started, the capabilities of a
//! session, how the browser's process is found, how a script gets into the page's own world, and what an engine cannot do.

mod chromium;
mod firefox;
mod webkit;

use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use thirtyfour::{Capabilities, WebDriver};

use super::process::Tree;

/// How long a `WebDriver` program or a display may take to say that it is ready.
const START: Duration = Duration::from_secs(30);

/// Names the engines to run, separated by commas; without it all are.
const ONLY: &str = "LONGHAUL_ENGINES";

/// A browser engine as a test asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Engine {
    /// Chromium in its new headless mode.
    Chromium,
    /// Chromium without the Background Fetch API, as every other engine is.
    ChromiumForeground,
    /// Firefox, headless.
    Firefox,
    /// WebKitGTK on a virtual display.
    WebKit,
    /// The same with the Background Fetch API switched on, which refuses every job. No column of the tables is its own.
    WebKitWithBackgroundFetch,
}

impl Engine {
    /// Every engine that has a column, in the order of the tables.
    pub(crate) const ALL: [Self; 4] = [
        Self::Chromium,
        Self::ChromiumForeground,
        Self::Firefox,
        Self::WebKit,
    ];

    /// The engine's name in test output, file names and [`ONLY`].
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Chromium => "chromium",
            Self::ChromiumForeground => "chromium-foreground",
            Self::Firefox => "firefox",
            Self::WebKit => "webkit",
            Self::WebKitWithBackgroundFetch => "webkit-with-background-fetch",
        }
    }

    /// Why this engine is left out of this run, if it is.
    pub(crate) fn left_out(self) -> Result<Option<String>> {
        let Ok(only) = std::env::var(ONLY) else {
            return Ok(None);
        };
        let mut chosen = false;
        for name in only.split(',').map(str::trim) {
            ensure!(
                Self::ALL.iter().any(|engine| engine.name() == name),
                "{ONLY} names `{name}`, which is no engine; there are {}",
                Self::ALL.map(Self::name).join(", ")
            );
            chosen |= name == self.name();
        }
        Ok((!chosen).then(|| format!("{ONLY} is {only}")))
    }

    /// Whether it has Background Fetch.
    pub(crate) fn has_background_fetch(self) -> bool {
        self == Self::Chromium
    }

    /// Whether pages may do more for a person who clicks: start a second background job. Elsewhere nothing here depends on it, and
    /// WebKitGTK delivers no click to a tab that is not at the front.
    pub(crate) fn asks_for_gestures(self) -> bool {
        self.has_background_fetch()
    }

    /// Whether it speaks the `DevTools` protocol.
    pub(crate) fn has_devtools(self) -> bool {
        matches!(self, Self::Chromium | Self::ChromiumForeground)
    }

    /// Starts the `WebDriver` program on a free port. Where a port is free in one address family only, or taken by another program
    /// before the driver takes it, another one is tried.
    pub(crate) fn start_driver(self, profile: &Path) -> Result<Driver> {
        let start = || match self {
            Self::Chromium | Self::ChromiumForeground => chromium::start_driver(),
            Self::Firefox => firefox::start_driver(profile),
            Self::WebKit | Self::WebKitWithBackgroundFetch => webkit::start_driver(),
        };
        let again = |_| start();
        start().or_else(again).or_else(again)
    }

    /// The capabilities of a session that keeps its data in `profile`. The name `app.test` is this machine there, and a browser that knows
    /// no such names asks the server at `origin` for it.
    pub(crate) fn capabilities(self, profile: &Path, origin: &str) -> Result<Capabilities> {
        match self {
            Self::Chromium => chromium::capabilities(profile, &[]),
            Self::ChromiumForeground => {
                chromium::capabilities(profile, &["--disable-blink-features=BackgroundFetch"])
            }
            Self::Firefox => firefox::capabilities(profile),
            Self::WebKit => webkit::capabilities(profile, origin, &[]),
            Self::WebKitWithBackgroundFetch => {
                webkit::capabilities(profile, origin, &["BackgroundFetchAPI"])
            }
        }
    }

    /// The browser's main process, of a session whose driver and profile these are.
    pub(crate) fn process(self, driver: &Driver, profile: &Path) -> Option<u32> {
        match self {
            Self::Chromium | Self::ChromiumForeground => chromium::process(profile),
            Self::Firefox | Self::WebKit | Self::WebKitWithBackgroundFetch => {
                driver.program.children().into_iter().next()
            }
        }
    }

    /// Closes the browser in good order, as a user does. The answer may be lost with the browser that should send it.
    pub(crate) async fn close(self, session: &WebDriver) {
        match self {
            Self::Chromium | Self::ChromiumForeground => chromium::close(session).await,
            // Their drivers close the browser with its last window.
            Self::Firefox | Self::WebKit | Self::WebKitWithBackgroundFetch => {
                let _ = session.clone().quit().await;
            }
        }
    }

    /// What the pages wrote to their consoles since the last call, a line each; whatever else the browser and its driver say.
    pub(crate) async fn console(self, session: &WebDriver, driver: &Driver) -> Result<Vec<String>> {
        match self {
            Self::Chromium | Self::ChromiumForeground => chromium::console(session).await,
            Self::Firefox | Self::WebKit | Self::WebKitWithBackgroundFetch => {
                Ok(driver.program.take_output())
            }
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A running `WebDriver` program.
#[derive(Debug)]
pub(crate) struct Driver {
    // Fields drop in this order: a browser whose display went first would only add noise.
    program: Tree,
    _display: Option<Tree>,
    address: String,
}

impl Driver {
    /// Where it listens, as a URL.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// What it, and its browser, said last; for messages.
    pub(crate) fn last_words(&self) -> String {
        self.program.last_words()
    }
}

/// A program: the one that a variable names, else the first of these that is there.
fn program(variable: &str, candidates: impl IntoIterator<Item = PathBuf>) -> Result<PathBuf> {
    if let Some(named) = std::env::var_os(variable).map(PathBuf::from) {
        ensure!(
            named.is_file(),
            "{variable} names {}, which is not there",
            named.display()
        );
        return Ok(named);
    }
    let candidates: Vec<PathBuf> = candidates.into_iter().collect();
    for path in &candidates {
        if path.is_file() {
            return Ok(path.clone());
        }
        if path.components().count() == 1
            && let Some(found) = on_path(path)
        {
            return Ok(found);
        }
    }
    let names: Vec<_> = candidates
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    bail!(
        "none of {} was found: run `cargo xtask setup`, or name the program in {variable}",
        names.join(", ")
    )
}

fn on_path(program: &Path) -> Option<PathBuf> {
    let path: OsString = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|path| path.is_file())
}

/// The digits behind `mark` in a line.
fn number_after(line: &str, mark: &str) -> Option<u16> {
    let (_, rest) = line.split_once(mark)?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}
