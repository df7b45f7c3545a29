//! The types of the package, compiled from outside: against the contract, and in an app's strict code that uses all of them.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::tarball;
use crate::setup::npm;
use crate::shell;
use crate::workspace;

/// How apps have modules resolved: `module` and `moduleResolution`.
const RESOLUTIONS: [[&str; 2]; 3] = [
    ["esnext", "bundler"],
    ["node16", "node16"],
    ["nodenext", "nodenext"],
];

/// Lays out a project that has the package installed, as an app has, and compiles the tests in it.
pub(crate) fn check() -> Result<()> {
    let project = workspace::target().join("types");
    fs::create_dir_all(&project)?;
    let sources = workspace::path("xtask/types");
    for entry in fs::read_dir(&sources)
        .with_context(|| format!("{} cannot be read", workspace::shown(&sources)))?
    {
        let entry = entry?;
        fs::copy(entry.path(), project.join(entry.file_name()))?;
    }
    tarball::install(&tarball::pack()?, &project)?;
    RESOLUTIONS
        .iter()
        .try_for_each(|resolution| compile(&project, *resolution))
}

fn compile(project: &Path, [module, resolution]: [&str; 2]) -> Result<()> {
    shell::run(
        Command::new("node")
            .arg(npm::TOOLS.node_modules().join("typescript/bin/tsc"))
            .arg("--project")
            .arg(project)
            .args(["--module", module, "--moduleResolution", resolution]),
        "the package's types do not fit",
    )
}
