//! Packages of the system, on Debian and its relatives.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Result, bail};

use crate::shell;

/// No package may stop to ask something.
const QUIET: (&str, &str) = ("DEBIAN_FRONTEND", "noninteractive");
/// Where the system is updating itself just now, wait for it.
const LOCK_WAIT: [&str; 2] = ["-o", "DPkg::Lock::Timeout=300"];

/// Whether this system takes packages by apt.
pub(crate) fn has_apt() -> bool {
    Path::new("/etc/debian_version").exists() && shell::which("apt-get").is_some()
}

/// Installs packages of the system. The package lists are fetched once.
pub(crate) fn apt_install(packages: &[&str]) -> Result<()> {
    static UPDATED: OnceLock<()> = OnceLock::new();
    let advice = "check the network and the package sources, then run the command again";
    if UPDATED.get().is_none() {
        println!("setup: fetching the package lists (apt-get update)");
        shell::run(apt_get()?.args(["update", "-q"]), advice)?;
        let _ = UPDATED.set(());
    }
    println!("setup: apt-get install {}", packages.join(" "));
    shell::run(
        apt_get()?
            .args(["install", "-q", "-y", "--no-install-recommends"])
            .args(packages),
        advice,
    )
}

/// apt-get, through sudo where this is not root.
fn apt_get() -> Result<Command> {
    static SAID: OnceLock<()> = OnceLock::new();
    if is_root() {
        let mut command = Command::new("apt-get");
        command.env(QUIET.0, QUIET.1).args(LOCK_WAIT);
        return Ok(command);
    }
    if shell::which("sudo").is_none() {
        bail!(
            "system packages are missing, and this is neither root nor is sudo installed; install them as root and run the command again."
        );
    }
    if SAID.set(()).is_ok() {
        println!("setup: system packages are installed with sudo, which may ask for your password");
    }
    let mut command = Command::new("sudo");
    // sudo clears the environment.
    command
        .arg("env")
        .arg(format!("{}={}", QUIET.0, QUIET.1))
        .arg("apt-get")
        .args(LOCK_WAIT);
    Ok(command)
}

fn is_root() -> bool {
    shell::answer(Command::new("id").arg("-u")).as_deref() == Some("0")
}
