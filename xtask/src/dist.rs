//! `cargo xtask dist`: the JavaScript package, built and measured.

mod files;
mod order;
mod script;
pub(crate) mod sizes;
mod wasm;

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
use script::Format;
use sizes::EntryPoint;
use wasm::Optimize;

/// One side of the package: a crate's wasm with its glue.
struct Side {
    crate_name: &'static str,
    /// Name of the generated module, without extension.
    out_name: &'static str,
    /// Folder of the hand-written modules and types.
    scripts: &'static str,
    /// What hand-written modules call this build.
    build_name: &'static str,
}

const SIDES: [Side; 2] = [
    Side {
        crate_name: "longhaul-page",
        out_name: "page",
        scripts: "page-adapter/js",
        build_name: "__LONGHAUL_PAGE_BUILD__",
    },
    Side {
        crate_name: "longhaul-sw",
        out_name: "worker",
        scripts: "sw-adapter/js",
        build_name: "__LONGHAUL_WORKER_BUILD__",
    },
];

/// One script of the package, made of the hand-written module of the same name and what that imports.
struct Entry {
    file: &'static str,
    /// Index of the side whose wasm it loads.
    side: usize,
    /// A classic script has the glue in itself, too; a module imports it.
    format: Format,
    /// Compressed size that all which a browser loads for it should stay under, in KiB.
    gzip_budget_kib: usize,
}

const ENTRIES: [Entry; 4] = [
    Entry {
        file: "index.js",
        side: 0,
        format: Format::Module,
        gzip_budget_kib: 90,
    },
    Entry {
        file: "sw.js",
        side: 1,
        format: Format::Module,
        gzip_budget_kib: 75,
    },
    Entry {
        file: "sw.classic.js",
        side: 1,
        format: Format::Classic,
        gzip_budget_kib: 75,
    },
    Entry {
        file: "longhaul.worker.js",
        side: 1,
        format: Format::Classic,
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
    compile(
        compiler.build_to_ship(),
        &SIDES.each_ref().map(|side| side.crate_name),
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
    let mut sides = Vec::new();
    let mut names = vec![(
        "__LONGHAUL_FORMAT__".to_owned(),
        longhaul_core::JOB_FORMAT.to_string(),
    )];
    for side in &SIDES {
        let wasm = compiler.artifact(side.crate_name, "wasm");
        let files = wasm::generate(&wasm, side.out_name, Optimize::Yes)?;
        let build = format!("\"{}\"", build_of(&files)?);
        names.push((side.build_name.to_owned(), build));
        for (path, bytes) in &files {
            folder.add(path.clone(), bytes.clone());
        }
        for (path, bytes) in types(&workspace::path(side.scripts))? {
            folder.add(path, bytes);
        }
        sides.push(files);
    }
    let mut points = Vec::new();
    for entry in &ENTRIES {
        let mut point = EntryPoint::new(entry.name(), entry.gzip_budget_kib);
        let bytes = entry.script(&sides[entry.side], &names)?;
        point.add(entry.file, &bytes)?;
        for (path, bytes) in &sides[entry.side] {
            // A classic script has the glue in itself.
            if entry.format == Format::Module || path.ends_with("_bg.wasm") {
                point.add(path, bytes)?;
            }
        }
        folder.add(entry.file.into(), bytes);
        points.push(point);
    }
    for (path, bytes) in papers()? {
        folder.add(path, bytes);
    }
    folder.write()?;
    Ok(points)
}

impl Entry {
    /// What tables call it: by the module that it is made for.
    fn name(&self) -> &'static str {
        match self.file {
            "index.js" => "page",
            "sw.js" => "worker",
            other => other,
        }
    }

    /// The script as it ships. Whenever the wasm is another one, so is the script, which is how a browser notices a new
    /// version of a service worker.
    fn script(&self, files: &[(String, Vec<u8>)], names: &[(String, String)]) -> Result<Vec<u8>> {
        let side = &SIDES[self.side];
        let module = workspace::path(side.scripts).join(self.file);
        if !module.is_file() {
            bail!(
                "{} is missing; the package cannot be built without it.",
                workspace::shown(&module)
            );
        }
        let glue = format!("{}.js", side.out_name);
        let (_, text) = files
            .iter()
            .find(|(path, _)| *path == glue)
            .context("wasm-bindgen left no glue")?;
        script::bundle(&module, self.format, (&glue, text), names)
    }
}

/// The manifest, the README, the licences and the command.
fn papers() -> Result<Vec<(String, Vec<u8>)>> {
    let mut papers = vec![("package.json".to_owned(), manifest()?.into_bytes())];
    for paper in ["README.md", "cli.js"] {
        let path = workspace::path("xtask/package").join(paper);
        papers.push((paper.to_owned(), fs::read(path)?));
    }
    for license in ["LICENSE-MIT", "LICENSE-APACHE"] {
        papers.push((license.to_owned(), fs::read(workspace::path(license))?));
    }
    Ok(papers)
}

/// Two runs at a time would write the same files; the second waits until the first lets go of this.
fn lock() -> Result<File> {
    fs::create_dir_all(wasm::cache_root())?;
    let file = File::create(wasm::cache_root().join("lock"))?;
    file.lock()?;
    Ok(file)
}

/// The types of a folder, by file name.
fn types(folder: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".d.ts") {
            found.push((name, fs::read(entry.path())?));
        }
    }
    found.sort();
    Ok(found)
}

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

/// The package's manifest. The order of the conditions counts (`types` before `default`), so that it stays a text.
fn manifest() -> Result<String> {
    let text = fs::read_to_string(workspace::path("xtask/package/package.json"))?;
    Ok(text.replace("{version}", workspace::VERSION))
}

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
        assert!(build_of(&files[..1]).is_err());
    }

    #[test]
    fn a_script_is_another_one_whenever_its_wasm_is() {
        let glue = |text: &str| [("worker.js".to_owned(), text.as_bytes().to_vec())];
        let glue = glue("export default function init() {}; export class WorkerNode {}");
        let worker = &ENTRIES[3];
        let script = |build: &str| {
            let names = [
                (
                    "__LONGHAUL_WORKER_BUILD__".to_owned(),
                    format!("\"{build}\""),
                ),
                ("__LONGHAUL_FORMAT__".to_owned(), "1".to_owned()),
            ];
            String::from_utf8(worker.script(&glue, &names).unwrap()).unwrap()
        };
        let first = script("ba7816bf8f01cfea");
        assert!(first.contains("ba7816bf8f01cfea") && !first.contains("__LONGHAUL"));
        assert!(!first.contains("import"), "a classic script has no imports");
        assert_ne!(first, script("0000000000000000"));
    }

    #[test]
    fn the_manifest_names_files_that_the_package_holds() {
        let manifest: Value = serde_json::from_str(&manifest().unwrap()).unwrap();
        assert_eq!(manifest["version"], workspace::VERSION);
        let mut held: Vec<String> = ENTRIES.iter().map(|entry| entry.file.into()).collect();
        for side in &SIDES {
            held.push(format!("{}_bg.wasm", side.out_name));
            held.extend(
                types(&workspace::path(side.scripts))
                    .unwrap()
                    .into_iter()
                    .map(|(name, _)| name),
            );
        }
        held.extend(papers().unwrap().into_iter().map(|(name, _)| name));
        let exports = manifest["exports"].as_object().unwrap();
        let named = exports.values().flat_map(|export| match export {
            Value::Object(conditions) => conditions.values().collect(),
            file => vec![file],
        });
        for file in named.chain([&manifest["types"], &manifest["bin"]["longhaul"]]) {
            let file = file.as_str().unwrap().trim_start_matches("./").to_owned();
            assert!(held.contains(&file), "{file}");
        }
    }

    #[test]
    fn the_command_copies_every_file_that_browsers_load() {
        let command = fs::read_to_string(workspace::path("xtask/package/cli.js")).unwrap();
        let glue = SIDES.iter().flat_map(|side| {
            [
                format!("{}.js", side.out_name),
                format!("{}_bg.wasm", side.out_name),
            ]
        });
        for file in ENTRIES
            .iter()
            .map(|entry| entry.file.to_owned())
            .chain(glue)
        {
            assert!(command.contains(&format!("\"{file}\":")), "{file}");
        }
    }
}
