//! `cargo xtask dist`: the JavaScript package, built and measured.

mod files;
pub(crate) mod sizes;
mod wasm;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::Path;

use anyhow::{Result, bail};
use serde_json::json;

use crate::setup::{self, Part, wasm_target};
use crate::shell;
use crate::workspace;
use files::Folder;
use sizes::EntryPoint;
use wasm::Optimize;

/// One entry point of the package: a crate and the hand-written modules around it.
struct Entry {
    crate_name: &'static str,
    /// Name of the generated module, without extension.
    out_name: &'static str,
    /// Folder of the hand-written modules.
    scripts: &'static str,
    /// The modules that must be there.
    needed: [&'static str; 2],
    /// Compressed size that the entry point should stay under, in KiB.
    gzip_budget_kib: usize,
}

const ENTRIES: [Entry; 2] = [
    Entry {
        crate_name: "longhaul-page",
        out_name: "page",
        scripts: "page-adapter/js",
        needed: ["index.js", "index.d.ts"],
        gzip_budget_kib: 90,
    },
    Entry {
        crate_name: "longhaul-sw",
        out_name: "worker",
        scripts: "sw-adapter/js",
        needed: ["sw.js", "sw.d.ts"],
        gzip_budget_kib: 75,
    },
];

const CONFORMANCE_CRATE: &str = "longhaul-state-tests";

/// Builds everything and prints the table.
pub(crate) fn run() -> Result<()> {
    print!("{}", sizes::table(&build()?));
    Ok(())
}

/// Builds everything.
pub(crate) fn build() -> Result<Vec<EntryPoint>> {
    for entry in &ENTRIES {
        for file in entry.needed {
            let path = workspace::path(entry.scripts).join(file);
            if !path.is_file() {
                bail!(
                    "{} is missing; the package cannot be built without it.",
                    workspace::shown(&path)
                );
            }
        }
    }
    setup::ensure(&[Part::WasmTarget, Part::Tools])?;
    let compiler = wasm_target::ensure()?;
    let advice = "see the compiler's message above";
    // Two builds: what the test crate asks of shared dependencies must not reach what ships.
    shell::run(
        compiler.build().args([
            "--lib",
            "-p",
            ENTRIES[0].crate_name,
            "-p",
            ENTRIES[1].crate_name,
        ]),
        advice,
    )?;
    shell::run(
        compiler.build().args(["--lib", "-p", CONFORMANCE_CRATE]),
        advice,
    )?;

    let _alone = lock()?;
    let mut dist = Folder::new(workspace::path("dist"));
    let mut entry_points = Vec::new();
    for entry in &ENTRIES {
        let mut point = EntryPoint::new(entry.out_name, entry.gzip_budget_kib);
        let generated = wasm::generate(
            &compiler.artifact(entry.crate_name, "wasm"),
            entry.out_name,
            Optimize::Yes,
        )?;
        for (path, bytes) in generated
            .into_iter()
            .chain(scripts(&workspace::path(entry.scripts))?)
        {
            if !path.ends_with(".d.ts") {
                point.add(&path, &bytes)?;
            }
            dist.add(path, bytes);
        }
        entry_points.push(point);
    }
    dist.add("package.json".into(), package_json().into_bytes());
    for license in ["LICENSE-MIT", "LICENSE-APACHE"] {
        dist.add(license.into(), fs::read(workspace::path(license))?);
    }
    dist.write()?;

    let mut conformance = Folder::new(workspace::target().join("conformance"));
    for (path, bytes) in wasm::generate(
        &compiler.artifact(CONFORMANCE_CRATE, "wasm"),
        "conformance",
        Optimize::No,
    )? {
        conformance.add(path, bytes);
    }
    conformance.write()?;

    Ok(entry_points)
}

/// Two runs at a time would write the same files; the second waits until the first lets go of this.
fn lock() -> Result<File> {
    fs::create_dir_all(wasm::cache_root())?;
    let file = File::create(wasm::cache_root().join("lock"))?;
    file.lock()?;
    Ok(file)
}

/// The hand-written modules and types of a folder, by file name.
fn scripts(folder: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let extension = entry.path().extension().map(OsStr::to_os_string);
        if name.ends_with(".d.ts") || extension.is_some_and(|extension| extension == "js") {
            found.push((name, fs::read(entry.path())?));
        }
    }
    found.sort();
    Ok(found)
}

fn package_json() -> String {
    let manifest = json!({
        "name": "longhaul",
        "version": workspace::VERSION,
        "description": "Downloads large files in the browser and never loses them: one state machine, an append-only history, Background Fetch where there is one",
        "license": "MIT OR Apache-2.0",
        "type": "module",
        "exports": {
            ".": { "types": "./index.d.ts", "default": "./index.js" },
            "./sw": { "types": "./sw.d.ts", "default": "./sw.js" },
            "./package.json": "./package.json",
        },
        "types": "./index.d.ts",
    });
    format!("{manifest:#}\n")
}
