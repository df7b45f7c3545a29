//! WebKitGTK for the end-to-end tests: its WebDriver, its bindings for Python, in which the tests' own small browser is written, and
//! a virtual display, because it has no headless mode.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use super::browser::named;
use super::system;
use crate::shell;

/// The variables that name programs of one's own.
const DRIVER: &str = "WEBKIT_DRIVER";
const PYTHON: &str = "WEBKIT_PYTHON";
const XVFB: &str = "XVFB";

const PACKAGES: [&str; 4] = [
    "webkit2gtk-driver",
    "gir1.2-webkit2-4.1",
    "python3-gi",
    "xvfb",
];

/// The system's own Python: another one would lack the system's bindings.
const SYSTEM_PYTHON: &str = "/usr/bin/python3";

/// Finds all three, or installs Debian's; returns a line that says where they are.
pub(super) fn ensure() -> Result<String> {
    if let Some(found) = find()? {
        return Ok(found);
    }
    if !system::has_apt() {
        bail!(
            "WebKitWebDriver, Python with WebKitGTK's bindings (gi, WebKit2 4.1) and Xvfb were not found, which only the browser tests need; install them, or name the programs in the environment variables {DRIVER}, {PYTHON} and {XVFB}, then run the command again. `cargo xtask test --engines chromium,chromium-foreground,firefox` does without them."
        );
    }
    println!(
        "setup: WebKitGTK with its WebDriver, its bindings for Python, and Xvfb as its display, which the end-to-end tests drive beside Chromium (about 60 MB to download; only the browser tests need them)."
    );
    system::apt_install(&PACKAGES)?;
    match find()? {
        Some(found) => Ok(found),
        None => bail!(
            "the packages {} are installed, yet WebKitWebDriver, {SYSTEM_PYTHON} with WebKitGTK's bindings, or Xvfb was not found; name them in {DRIVER}, {PYTHON} and {XVFB}, then run the command again.",
            PACKAGES.join(", ")
        ),
    }
}

fn find() -> Result<Option<String>> {
    let driver = program(DRIVER, "WebKitWebDriver")?;
    let display = program(XVFB, "Xvfb")?;
    let python = match named(PYTHON)? {
        Some(python) => Some(python),
        None => Some(PathBuf::from(SYSTEM_PYTHON)).filter(|path| path.is_file()),
    };
    let Some(((driver, display), python)) = driver.zip(display).zip(python) else {
        return Ok(None);
    };
    if !has_bindings(&python) {
        return Ok(None);
    }
    Ok(Some(format!(
        "WebKitGTK: {} and {} on {}",
        driver.display(),
        python.display(),
        display.display()
    )))
}

fn program(variable: &str, name: &str) -> Result<Option<PathBuf>> {
    Ok(named(variable)?.or_else(|| shell::which(name)))
}

fn has_bindings(python: &PathBuf) -> bool {
    let ask = "import gi; gi.require_version('Gtk', '3.0'); gi.require_version('WebKit2', '4.1')";
    shell::answer(Command::new(python).args(["-c", ask])).is_some()
}
