//! rustfmt and clippy, which a minimal toolchain lacks.

use std::process::Command;

use anyhow::{Result, bail};

use crate::shell;

/// Cargo's subcommand and rustup's component.
const COMPONENTS: [(&str, &str); 2] = [("fmt", "rustfmt"), ("clippy", "clippy")];

/// Finds both, or lets rustup add them; returns a line that says so.
pub(crate) fn ensure() -> Result<String> {
    for (subcommand, component) in COMPONENTS {
        if is_there(subcommand) {
            continue;
        }
        println!(
            "setup: rustup component add {component}, which `cargo xtask test` checks the sources with"
        );
        let added = Command::new("rustup")
            .args(["component", "add", component])
            .status();
        if !added.is_ok_and(|status| status.success()) || !is_there(subcommand) {
            bail!(
                "`cargo {subcommand}` is missing and rustup cannot add it; install {component} for your Rust toolchain, then run the command again."
            );
        }
    }
    Ok("lints: rustfmt and clippy".to_owned())
}

fn is_there(subcommand: &str) -> bool {
    shell::answer(shell::cargo().args([subcommand, "--version"])).is_some()
}
