//! The browser of the end-to-end tests: Chromium or Chrome, with the WebDriver of its version.

use std::env;
use std::fmt;
use std::path::PathBuf;

use anyhow::{Result, bail};

use super::system;
use crate::shell;

/// A browser and the program that drives it.
#[derive(Debug)]
pub(crate) struct Browser {
    pub(crate) chrome: PathBuf,
    pub(crate) driver: PathBuf,
}

impl fmt::Display for Browser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "browser: {} with {}",
            self.chrome.display(),
            self.driver.display()
        )
    }
}

/// The variable that names a browser of one's own.
pub(crate) const CHROME: &str = "CHROME";
/// The variable that names its WebDriver.
pub(crate) const CHROMEDRIVER: &str = "CHROMEDRIVER";

const MACOS_CHROME: &str = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome";

/// Finds the browser, or installs Debian's.
pub(crate) fn ensure() -> Result<Browser> {
    if let Some(browser) = find()? {
        return Ok(browser);
    }
    if !system::has_apt() {
        bail!(
            "Chromium or Chrome with its chromedriver was not found; install both so that they are on the PATH, or name them in the environment variables {CHROME} and {CHROMEDRIVER}, then run the command again."
        );
    }
    println!(
        "setup: Chromium and its WebDriver, which the end-to-end tests drive (about 130 MB to download)."
    );
    system::apt_install(&["chromium", "chromium-driver"])?;
    match find()? {
        Some(browser) => Ok(browser),
        None => bail!(
            "the packages chromium and chromium-driver are installed, yet `chromium` and `chromedriver` are not on the PATH; name them in {CHROME} and {CHROMEDRIVER}, then run the command again."
        ),
    }
}

fn find() -> Result<Option<Browser>> {
    let chrome = match named(CHROME)? {
        Some(path) => Some(path),
        None => [
            "chromium",
            "chromium-browser",
            "google-chrome",
            "google-chrome-stable",
            "chrome",
        ]
        .iter()
        .find_map(|name| shell::which(name))
        .or_else(|| Some(PathBuf::from(MACOS_CHROME)).filter(|path| path.is_file())),
    };
    let driver = match named(CHROMEDRIVER)? {
        Some(path) => Some(path),
        None => shell::which("chromedriver"),
    };
    Ok(chrome
        .zip(driver)
        .map(|(chrome, driver)| Browser { chrome, driver }))
}

/// What a variable names must exist: going on with another browser would hide the mistake.
pub(super) fn named(variable: &str) -> Result<Option<PathBuf>> {
    let Some(path) = env::var_os(variable).map(PathBuf::from) else {
        return Ok(None);
    };
    if !path.is_file() {
        bail!(
            "the environment variable {variable} names {}, which is not there; correct or unset it.",
            path.display()
        );
    }
    Ok(Some(path))
}
