//! `cargo xtask dist`: the JavaScript package, built and measured.

mod files;
mod order;
mod script;
pub(crate) mod sizes;
mod wasm;

use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};

use crate::setup::wasm_target::{self, WasmCompiler};
use crate::setup::{self, Part};
use crate::shell;
use crate::workspace;
use files::Folder;
use script::LocalNames;
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

/// Builds the package and the conformance suites.
pub(crate) fn build() -> Result<Vec<EntryPoint>> {
    setup::ensure(&[Part::WasmTarget, Part::Tools])?;
    let compiler = wasm_target::ensure()?;
    // Two builds: what the test crate asks of shared dependencies must not reach what ships.
    compile(compiler.build(), &[CONFORMANCE_CRATE])?;
    write_conformance(compiler)?;
    ENTRIES.iter().try_for_each(Entry::look_for_scripts)?;
    compile(
        compiler.build_to_ship(),
        &ENTRIES.each_ref().map(|entry| entry.crate_name),
    )?;
    write_package(compiler)
}

fn compile(mut command: Command, crates: &[&str]) -> Result<()> {
    command.arg("--lib");
    for name in crates {
        command.args(["-p", name]);
    }
    shell::run(&mut command, "see the compiler's message above")
}

fn write_conformance(compiler: WasmCompiler) -> Result<()> {
    let _alone = lock()?;
    let wasm = compiler.artifact(CONFORMANCE_CRATE, "wasm");
    let mut folder = Folder::new(workspace::target().join("conformance"));
    for (path, bytes) in wasm::generate(&wasm, "conformance", Optimize::No)? {
        folder.add(path, bytes);
    }
    folder.write()
}

fn write_package(compiler: WasmCompiler) -> Result<Vec<EntryPoint>> {
    let _alone = lock()?;
    let mut folder = Folder::new(workspace::path("dist"));
    let mut points = Vec::new();
    for entry in &ENTRIES {
        let mut point = EntryPoint::new(entry.out_name, entry.gzip_budget_kib);
        let wasm = compiler.artifact(entry.crate_name, "wasm");
        let mut files = wasm::generate(&wasm, entry.out_name, Optimize::Yes)?;
        let build = build_of(&files)?;
        for (path, bytes) in scripts(&workspace::path(entry.scripts))? {
            let mut bytes = stamped(bytes, &build);
            if !path.ends_with(".d.ts") {
                bytes = script::minify(&bytes, LocalNames::Keep)?;
            }
            files.push((path, bytes));
        }
        for (path, bytes) in files {
            if !path.ends_with(".d.ts") {
                point.add(&path, &bytes)?;
            }
            folder.add(path, bytes);
        }
        points.push(point);
    }
    folder.add("package.json".into(), package_json().into_bytes());
    for license in ["LICENSE-MIT", "LICENSE-APACHE"] {
        folder.add(license.into(), fs::read(workspace::path(license))?);
    }
    folder.write()?;
    Ok(points)
}

impl Entry {
    /// Fails with the name of a module that is missing.
    fn look_for_scripts(&self) -> Result<()> {
        for file in self.needed {
            let path = workspace::path(self.scripts).join(file);
            if !path.is_file() {
                bail!(
                    "{} is missing; the package cannot be built without it.",
                    workspace::shown(&path)
                );
            }
        }
        Ok(())
    }
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

/// What a hand-written module has where the build is to be named.
const BUILD: &str = "__LONGHAUL_BUILD__";

/// The name of a build: the beginning of its wasm's digest.
fn build_of(files: &[(String, Vec<u8>)]) -> Result<String> {
    let (_, wasm) = files
        .iter()
        .find(|(path, _)| path.ends_with("_bg.wasm"))
        .context("wasm-bindgen left no wasm")?;
    let mut digest = workspace::hex(&Sha256::digest(wasm));
    digest.truncate(16);
    Ok(digest)
}

/// Names the build in a module: whenever the wasm is another one, so is the script, which is how a browser notices
/// a new version of a service worker.
fn stamped(script: Vec<u8>, build: &str) -> Vec<u8> {
    match String::from_utf8(script) {
        Ok(text) => text.replace(BUILD, build).into_bytes(),
        Err(other) => other.into_bytes(),
    }
}

/// The package's manifest. The order of the conditions counts (`types` before `default`), so it is written as text.
fn package_json() -> String {
    PACKAGE_JSON.replace("{version}", workspace::VERSION)
}

const PACKAGE_JSON: &str = r#"{
  "name": "longhaul",
  "version": "{version}",
  "description": "Downloads large files in the browser and never loses them: one state machine, an append-only history, Background Fetch where there is one",
  "license": "MIT OR Apache-2.0",
  "type": "module",
  "exports": {
    ".": { "types": "./index.d.ts", "default": "./index.js" },
    "./sw": { "types": "./sw.d.ts", "default": "./sw.js" },
    "./package.json": "./package.json"
  },
  "types": "./index.d.ts"
}
"#;

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn a_build_is_named_by_its_wasm() {
        let files = [
            ("worker.js".to_owned(), b"js".to_vec()),
            ("worker_bg.wasm".to_owned(), b"abc".to_vec()),
        ];
        let build = build_of(&files).unwrap();
        assert_eq!(build, "ba7816bf8f01cfea");
        let script = fs::read(workspace::path("sw-adapter/js/sw.js")).unwrap();
        let script = String::from_utf8(stamped(script, &build)).unwrap();
        assert!(script.contains("\"ba7816bf8f01cfea\"") && !script.contains(BUILD));
        assert!(build_of(&files[..1]).is_err());
    }

    #[test]
    fn the_manifest_names_modules_that_the_package_holds() {
        let manifest: Value = serde_json::from_str(&package_json()).unwrap();
        assert_eq!(manifest["version"], workspace::VERSION);
        let needed: Vec<&str> = ENTRIES.iter().flat_map(|entry| entry.needed).collect();
        for entry in [".", "./sw"] {
            for condition in ["default", "types"] {
                let file = manifest["exports"][entry][condition].as_str().unwrap();
                assert!(needed.contains(&file.trim_start_matches("./")), "{file}");
            }
        }
    }
}
