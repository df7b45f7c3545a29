//! The types of the package, compiled from outside against the contract.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::setup::npm;
use crate::shell;
use crate::workspace;

/// Lays out a project that has the package installed, as an app has, and compiles the contract's test in it.
pub(crate) fn check() -> Result<()> {
    let project = workspace::target().join("types");
    let package = project.join("node_modules/longhaul");
    if package.is_dir() {
        fs::remove_dir_all(&package)?;
    }
    fs::create_dir_all(&package)?;
    for entry in fs::read_dir(workspace::path("dist"))? {
        let entry = entry?;
        if entry.path().is_file() {
            fs::copy(entry.path(), package.join(entry.file_name()))?;
        }
    }
    let sources = workspace::path("xtask/types");
    for file in ["contract.ts", "tsconfig.json"] {
        copy(&sources.join(file), &project.join(file))?;
    }
    shell::run(
        Command::new("node")
            .arg(npm::TOOLS.node_modules().join("typescript/bin/tsc"))
            .arg("--project")
            .arg(&project),
        "the package's types do not fit the contract",
    )
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::copy(from, to).with_context(|| format!("{} cannot be read", workspace::shown(from)))?;
    Ok(())
}
