//! The package as npm packs it: looked at by the tools that its readers would ask, and installed for what compiles against it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::setup::npm;
use crate::shell;
use crate::workspace;

/// Exports that are files to serve and not modules to import, so that there is nothing to type.
const SERVED: [&str; 2] = ["./longhaul_bg.wasm", "./longhaul.worker.js"];

/// Packs `dist/`.
pub(crate) fn pack() -> Result<PathBuf> {
    let folder = workspace::target().join("tarball");
    if folder.is_dir() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    shell::run_quietly(
        npm::npm()
            .args(["pack", "--offline", "--pack-destination"])
            .arg(&folder)
            .current_dir(workspace::path("dist")),
        "npm pack",
        "the package cannot be packed",
    )?;
    Ok(folder.join(format!("longhaul-{}.tgz", workspace::VERSION)))
}

/// Installs it in a project, as an app has it.
pub(crate) fn install(tarball: &Path, project: &Path) -> Result<()> {
    shell::run_quietly(
        npm::npm()
            .args(["install", "--no-save", "--offline", "--ignore-scripts"])
            .arg(tarball)
            .current_dir(project),
        "npm install",
        "the package cannot be installed",
    )
}

/// What publint finds, suggestions included: files that are named and missing, conditions in the wrong order, forms that bundlers misread.
pub(crate) fn publint() -> Result<()> {
    shell::run(
        tool("publint/src/cli.js")
            .args(["run", "--strict"])
            .arg(pack()?),
        "see publint's findings above",
    )
}

/// Whether every entry's types are found and of its kind, wherever modules can be imported. The package has no other form.
pub(crate) fn types_are_found() -> Result<()> {
    shell::run(
        tool("@arethetypeswrong/cli/dist/index.js")
            .arg(pack()?)
            .args(["--no-color", "--profile", "esm-only"])
            .arg("--exclude-entrypoints")
            .args(SERVED),
        "see its findings above",
    )
}

fn tool(script: &str) -> Command {
    let mut node = Command::new("node");
    node.arg(npm::TOOLS.node_modules().join(script));
    node
}
