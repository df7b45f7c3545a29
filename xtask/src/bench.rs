//! `cargo xtask bench`: the sizes of the package, and the benchmarks of the crates.

use std::fs;

use anyhow::Result;

use crate::dist;
use crate::setup::{self, Part};
use crate::shell;
use crate::test::targets::Targets;
use crate::workspace;

/// Names the folder in which a benchmark leaves its figures, one JSON file for each table it prints.
const FOLDER_VARIABLE: &str = "LONGHAUL_BENCH_DIR";

/// Measures everything there is to measure; figures go to `target/bench/`.
pub(crate) fn run() -> Result<()> {
    let folder = workspace::target().join("bench");
    fs::create_dir_all(&folder)?;
    setup::ensure(&[Part::Browser, Part::Firefox, Part::WebKit])?;
    let sizes = dist::build()?;
    print!("{}", sizes.table());
    fs::write(folder.join("sizes.json"), format!("{:#}\n", sizes.json()))?;
    for (package, bench) in Targets::read()?.benches() {
        println!("\n== {package}: {bench} ==");
        shell::run(
            // What is measured runs in browsers, compiled as it ships; the program around it can be the tests' own.
            shell::cargo()
                .args(["bench", "--profile", "dev", "-p", package, "--bench", bench])
                .env(FOLDER_VARIABLE, &folder),
            "see its output above",
        )?;
    }
    println!("\nfigures: {}", workspace::shown(&folder));
    Ok(())
}
