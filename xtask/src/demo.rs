//! `cargo xtask demo`: everything built and served.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::dist;
use crate::setup::{self, Part, model};
use crate::shell;
use crate::workspace;

/// How the demo is served.
#[derive(Args)]
pub(crate) struct Options {
    /// Port to listen at; 0 for any free one
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// A model of your own (a GGUF file) in place of the default one
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
}

const CRATE: &str = "longhaul-demo";

/// Sets up, builds, and turns into the server; Ctrl-C ends it.
pub(crate) fn run(options: Options) -> Result<()> {
    if let Some(model) = options.model.as_ref().filter(|model| !model.is_file()) {
        bail!(
            "there is no model file {}; name a GGUF file with --model, or leave it out.",
            model.display()
        );
    }
    setup::ensure(&[Part::WasmTarget, Part::Tools, Part::DemoPackages])?;
    if options.model.is_none() {
        setup::ensure(&[Part::Model])?;
    }
    dist::run()?;
    shell::run(
        shell::cargo().args(["build", "-p", CRATE, "--bin", CRATE]),
        "see the compiler's message above",
    )?;
    let program = workspace::target()
        .join("debug")
        .join(CRATE)
        .with_extension(std::env::consts::EXE_EXTENSION);
    let mut server = Command::new(program);
    server
        .arg("--port")
        .arg(options.port.to_string())
        .arg("--models")
        .arg(model::folder());
    if let Some(model) = options.model {
        // The server runs in the workspace's folder, the path is meant from here.
        server.arg("--model").arg(std::path::absolute(model)?);
    }
    server.current_dir(workspace::root());
    println!("Starting the demo; Ctrl-C ends it.");
    become_it(&mut server)
}

/// Hands this process over, so that signals reach the server alone.
#[cfg(unix)]
fn become_it(server: &mut Command) -> Result<()> {
    use std::os::unix::process::CommandExt as _;
    Err(server.exec()).context("the demo's server could not be started; run the command again")
}

#[cfg(not(unix))]
fn become_it(server: &mut Command) -> Result<()> {
    shell::run(server, "see its message above")
}
