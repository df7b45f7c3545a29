//! Firefox for the end-to-end tests, with geckodriver, which Debian does not package: cargo builds it.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Result, bail};

use super::browser::named;
use super::system;
use crate::shell;
use crate::workspace;

/// The variable that names a Firefox of one's own.
const FIREFOX: &str = "FIREFOX";
/// The variable that names its WebDriver.
const GECKODRIVER: &str = "GECKODRIVER";
/// The version that is built.
const VERSION: &str = "0.37.0";

/// Finds Firefox and geckodriver, or installs them; returns a line that says where they are.
pub(super) fn ensure() -> Result<String> {
    let firefox = firefox()?;
    let driver = driver()?;
    Ok(format!(
        "Firefox: {} with {}",
        firefox.display(),
        workspace::shown(&driver)
    ))
}

fn firefox() -> Result<PathBuf> {
    if let Some(firefox) = find_firefox()? {
        return Ok(firefox);
    }
    if !system::has_apt() {
        bail!(
            "Firefox was not found, which only the browser tests need; install it so that `firefox` or `firefox-esr` is on the PATH, or name it in the environment variable {FIREFOX}, then run the command again. `cargo xtask test --engines chromium` does without it."
        );
    }
    println!(
        "setup: Firefox ESR, which the end-to-end tests drive beside Chromium (about 80 MB to download; only the browser tests need it)."
    );
    system::apt_install(&["firefox-esr"])?;
    match find_firefox()? {
        Some(firefox) => Ok(firefox),
        None => bail!(
            "the package firefox-esr is installed, yet `firefox-esr` is not on the PATH; name it in {FIREFOX}, then run the command again."
        ),
    }
}

fn find_firefox() -> Result<Option<PathBuf>> {
    Ok(match named(FIREFOX)? {
        Some(path) => Some(path),
        None => ["firefox-esr", "firefox"]
            .iter()
            .find_map(|name| shell::which(name)),
    })
}

fn driver() -> Result<PathBuf> {
    let root = workspace::target().join("tools");
    let built = root
        .join("bin/geckodriver")
        .with_extension(std::env::consts::EXE_EXTENSION);
    let present = match named(GECKODRIVER)? {
        Some(path) => Some(path),
        None => Some(built.clone())
            .filter(|path| path.is_file())
            .or_else(|| shell::which("geckodriver")),
    };
    if let Some(driver) = present {
        return Ok(driver);
    }
    println!(
        "setup: geckodriver {VERSION}, through which the end-to-end tests drive Firefox. Debian has no package of it, so cargo builds it into {}; that takes some minutes, once (only the browser tests need it).",
        workspace::shown(&root)
    );
    shell::run(
        install().args(["--root"]).arg(&root),
        "check the network, or name a geckodriver of your own in GECKODRIVER, then run the command again",
    )?;
    Ok(built)
}

/// `cargo install`, which leaves the machine to whoever else works on it.
fn install() -> Command {
    let cargo = shell::cargo();
    let mut command = match shell::which("nice") {
        Some(nice) => {
            let mut command = Command::new(nice);
            command.args(["-n", "10"]).arg(cargo.get_program());
            shell::forget_cargo(&mut command);
            command.current_dir(workspace::root());
            command
        }
        None => cargo,
    };
    command.args(["install", "geckodriver", "--version", VERSION, "--locked"]);
    command
}
