//! `cargo xtask dist`: the JavaScript package, built and measured.

mod files;
mod order;
mod script;
mod sizes;
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
use sizes::{Loaded, Sizes};
use wasm::Optimize;

/// The crate of the package's one wasm module.
const CRATE: &str = "longhaul-wasm";
const WASM: &str = "longhaul_bg.wasm";
/// What JavaScript calls the wasm by.
const GLUE: &str = "longhaul_glue.js";

/// Folders of the hand-written modules and their types.
const SCRIPTS: [&str; 2] = ["page-adapter/js", "sw-adapter/js"];

/// One script of the package, made of the hand-written module of the same name and what that imports.
struct Entry {
    file: &'static str,
    /// Folder of that module.
    scripts: &'static str,
    /// A classic script has the glue in itself, too; a module imports it.
    format: Format,
}

const ENTRIES: [Entry; 4] = [
    Entry {
        file: "index.js",
        scripts: SCRIPTS[0],
        format: Format::Module,
    },
    Entry {
        file: "sw.js",
        scripts: SCRIPTS[1],
        format: Format::Module,
    },
    Entry {
        file: "sw.classic.js",
        scripts: SCRIPTS[1],
        format: Format::Classic,
    },
    Entry {
        file: "longhaul.worker.js",
        scripts: SCRIPTS[1],
        format: Format::Classic,
    },
];

/// What a browser loads, in all, where a site has Longhaul for the first time: a page with the service worker that `open()` brings.
const FIRST_VISIT: [&str; 4] = ["index.js", GLUE, WASM, "longhaul.worker.js"];

/// What that may weigh compressed by gzip, in KiB. A build above it fails. Whoever raises it says in ADR 0030 what that buys.
const FIRST_VISIT_BUDGET_KIB: usize = 298;

const CONFORMANCE_CRATE: &str = "longhaul-state-tests";

/// Builds everything, prints the table, and fails where a first visit weighs too much.
pub(crate) fn run() -> Result<()> {
    let sizes = build()?;
    print!("{}", sizes.table());
    if !wasm_target::ensure()?.ships_small() {
        println!("dist: the budget is for a standard library built for size, and is not checked.");
        return Ok(());
    }
    sizes.check()
}

/// Builds the package and the conformance suites.
pub(crate) fn build() -> Result<Sizes> {
    setup::ensure(&[Part::WasmTarget, Part::Tools])?;
    let compiler = wasm_target::ensure()?;
    // Two builds: what the test crate asks of shared dependencies must not reach what ships.
    compile(compiler.build(), CONFORMANCE_CRATE)?;
    write_conformance(compiler)?;
    compile(compiler.build_to_ship(), CRATE)?;
    write_package(compiler)
}

fn compile(mut command: Command, name: &str) -> Result<()> {
    command.args(["--lib", "-p", name]);
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

fn write_package(compiler: WasmCompiler) -> Result<Sizes> {
    let _alone = lock()?;
    let Generated { wasm, glue } = generated(compiler)?;
    let mut folder = Folder::new(workspace::path("dist"));
    let names = names(&wasm);
    let mut shipped = Vec::new();
    for entry in &ENTRIES {
        shipped.push((entry.file, entry.script(&glue, &names)?));
    }
    shipped.push((GLUE, glue.into_bytes()));
    shipped.push((WASM, wasm));
    let sizes = sizes(&shipped)?;
    for (path, bytes) in shipped {
        folder.add(path.into(), bytes);
    }
    for scripts in SCRIPTS {
        for (path, bytes) in types(&workspace::path(scripts))? {
            folder.add(path, bytes);
        }
    }
    for (path, bytes) in papers()? {
        folder.add(path, bytes);
    }
    folder.write()?;
    Ok(sizes)
}

/// The one wasm module, and what JavaScript calls it by.
struct Generated {
    wasm: Vec<u8>,
    glue: String,
}

fn generated(compiler: WasmCompiler) -> Result<Generated> {
    let name = WASM.trim_end_matches("_bg.wasm");
    let mut files = wasm::generate(&compiler.artifact(CRATE, "wasm"), name, Optimize::Yes)?;
    let mut take = |path: &str| {
        let at = files.iter().position(|(there, _)| there == path);
        at.map(|at| files.swap_remove(at).1)
            .with_context(|| format!("wasm-bindgen left no {path}"))
    };
    let made = Generated {
        wasm: take(WASM)?,
        glue: String::from_utf8(take(&format!("{name}.js"))?)?,
    };
    if let Some((path, _)) = files.first() {
        bail!("the package has no place for {path}, which the glue needs");
    }
    Ok(made)
}

/// What stands for facts of this build in hand-written modules.
fn names(wasm: &[u8]) -> [(String, String); 2] {
    [
        (
            "__LONGHAUL_FORMAT__".to_owned(),
            longhaul_core::JOB_FORMAT.to_string(),
        ),
        (
            "__LONGHAUL_BUILD__".to_owned(),
            format!("\"{}\"", build_of(wasm)),
        ),
    ]
}

fn sizes(shipped: &[(&str, Vec<u8>)]) -> Result<Sizes> {
    let loaded = |name: &str, files: &[&str]| {
        let mut loaded = Loaded::new(name);
        for (path, bytes) in shipped {
            if files.contains(path) {
                loaded.add(path, bytes)?;
            }
        }
        anyhow::Ok(loaded)
    };
    let mut entries = Vec::new();
    for entry in &ENTRIES {
        entries.push(loaded(entry.name(), &entry.loads())?);
    }
    Ok(Sizes {
        entries,
        first_visit: loaded("first visit", &FIRST_VISIT)?,
        budget_kib: FIRST_VISIT_BUDGET_KIB,
    })
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

    /// All that a browser loads for it. A classic script has the glue in itself.
    fn loads(&self) -> Vec<&'static str> {
        match self.format {
            Format::Module => vec![self.file, GLUE, WASM],
            Format::Classic => vec![self.file, WASM],
        }
    }

    /// The script as it ships. Whenever the wasm is another one, so is the script, which is how a browser notices a new
    /// version of a service worker.
    fn script(&self, glue: &str, names: &[(String, String)]) -> Result<Vec<u8>> {
        let module = workspace::path(self.scripts).join(self.file);
        if !module.is_file() {
            bail!(
                "{} is missing; the package cannot be built without it.",
                workspace::shown(&module)
            );
        }
        script::bundle(&module, self.format, (GLUE, glue), names)
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
fn build_of(wasm: &[u8]) -> String {
    let mut digest = workspace::hex(&Sha256::digest(wasm));
    digest.truncate(16);
    digest
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
        assert_eq!(build_of(b"abc"), "ba7816bf8f01cfea");
    }

    #[test]
    fn a_script_is_another_one_whenever_its_wasm_is() {
        let glue =
            "export default function init() {}; export class WorkerNode {}; export class Engine {}";
        let worker = &ENTRIES[3];
        let script =
            |wasm: &[u8]| String::from_utf8(worker.script(glue, &names(wasm)).unwrap()).unwrap();
        let first = script(b"abc");
        assert!(first.contains("ba7816bf8f01cfea") && !first.contains("__LONGHAUL"));
        assert!(!first.contains("import"), "a classic script has no imports");
        assert_ne!(first, script(b"abd"));
    }

    #[test]
    fn a_first_visit_loads_the_wasm_once_for_page_and_worker() {
        let shipped = FIRST_VISIT.map(|file| (file, b"x".to_vec()));
        let sizes = sizes(&shipped).unwrap().json();
        assert_eq!(sizes["first visit"]["raw"], 4);
        assert_eq!(sizes["page"]["raw"], 3);
        assert_eq!(sizes["longhaul.worker.js"]["raw"], 2);
    }

    #[test]
    fn the_manifest_names_files_that_the_package_holds() {
        let manifest: Value = serde_json::from_str(&manifest().unwrap()).unwrap();
        assert_eq!(manifest["version"], workspace::VERSION);
        let mut held: Vec<String> = ENTRIES.iter().map(|entry| entry.file.into()).collect();
        held.extend([WASM.to_owned(), GLUE.to_owned()]);
        for scripts in SCRIPTS {
            held.extend(
                types(&workspace::path(scripts))
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
        let files = ENTRIES.iter().map(|entry| entry.file).chain([GLUE, WASM]);
        for file in files {
            assert!(command.contains(&format!("\"{file}\":")), "{file}");
        }
    }
}
