//! From cargo's wasm to what a browser loads: glue by wasm-bindgen, then wasm-opt.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use wasm_bindgen_cli_support::{Bindgen, EncodeInto};

use super::order;
use super::script;
use crate::setup::npm;
use crate::shell;
use crate::workspace;

/// Changed by hand when this file starts to make something else of the same input.
const RECIPE: &str = "5";

/// What rustc may emit for this target, and all engines of the tests understand.
const FEATURES: [&str; 6] = [
    "--enable-bulk-memory",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
];

/// What counts is the size as it is sent: a function copied into its only caller saves raw bytes and costs more of the
/// compressed ones. State machines gain from being taken apart first.
const SMALL: [&str; 5] = [
    "--one-caller-inline-max-function-size=0",
    "--flatten",
    "--rereloop",
    "-Oz",
    "-Oz",
];

/// Functions that are alike side by side compress better, see [`order`]. The levels are for how instructions are
/// written; nothing is optimized again.
const SORTED: [&str; 6] = [
    "--optimize-level=2",
    "--shrink-level=2",
    "--reorder-functions-by-name",
    "--strip-debug",
    "--strip-producers",
    "--strip-target-features",
];

/// Whether wasm-opt is run.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Optimize {
    Yes,
    No,
}

/// Makes `<out_name>.js`, `<out_name>_bg.wasm` and what else the glue needs; the result of the same input is
/// kept, because wasm-opt takes long.
pub(crate) fn generate(
    input: &Path,
    out_name: &str,
    optimize: Optimize,
) -> Result<Vec<(String, Vec<u8>)>> {
    let bytes =
        fs::read(input).with_context(|| format!("cargo left no {}", workspace::shown(input)))?;
    let kept = cache_folder(out_name, &bytes, optimize)?;
    if !kept.is_dir() {
        let others = kept.parent().expect("the cache has a folder for each name");
        if others.is_dir() {
            fs::remove_dir_all(others)?;
        }
        // A run that is interrupted must not leave half a result under the final name.
        let work = kept.with_extension("new");
        glue(input, out_name, &work)?;
        if optimize == Optimize::Yes {
            make_small(&work, out_name)?;
        }
        fs::rename(&work, &kept)?;
    }
    let mut files = Vec::new();
    collect(&kept, "", &mut files)?;
    files.sort();
    Ok(files)
}

fn glue(input: &Path, out_name: &str, out: &Path) -> Result<()> {
    Bindgen::new()
        .input_path(input)
        .out_name(out_name)
        .web(true)?
        .typescript(false)
        // So that a call without an argument finds the wasm beside the module.
        .omit_default_module_path(false)
        .encode_into(EncodeInto::Always)
        // For stack traces, where wasm-opt is not run.
        .remove_name_section(false)
        .demangle(false)
        .remove_producers_section(true)
        .generate(out)
        .with_context(|| format!("wasm-bindgen cannot make {out_name}.js"))
}

fn make_small(folder: &Path, name: &str) -> Result<()> {
    let wasm = folder.join(format!("{name}_bg.wasm"));
    let glue = folder.join(format!("{name}.js"));
    let (bytes, text) = script::shorten_names(&fs::read(&wasm)?, &fs::read_to_string(&glue)?)?;
    fs::write(&wasm, bytes)?;
    let text = script::without_disposal(&text);
    fs::write(&glue, script::minify(text.as_bytes())?)?;
    optimize_file(&wasm, name)
}

fn optimize_file(wasm: &Path, name: &str) -> Result<()> {
    println!("dist: wasm-opt -Oz {name}");
    wasm_opt(wasm, &SMALL, name)?;
    fs::write(wasm, order::number_functions(&fs::read(wasm)?)?)?;
    wasm_opt(wasm, &SORTED, name)
}

fn wasm_opt(wasm: &Path, passes: &[&str], name: &str) -> Result<()> {
    let program = npm::TOOLS.node_modules().join("binaryen/bin/wasm-opt");
    shell::run_quietly(
        Command::new("node")
            .arg(program)
            .args(FEATURES)
            .args(passes)
            .arg(wasm)
            .arg("-o")
            .arg(wasm),
        &format!("wasm-opt {name}"),
        "see its message above",
    )
}

/// Where results are kept, one for each name.
pub(crate) fn cache_root() -> PathBuf {
    workspace::target().join("dist-cache")
}

fn cache_folder(out_name: &str, input: &[u8], optimize: Optimize) -> Result<PathBuf> {
    let mut hash = Sha256::new();
    hash.update(RECIPE);
    for flag in FEATURES.iter().chain(&SMALL).chain(&SORTED) {
        hash.update(flag);
    }
    hash.update(bindgen_version()?);
    hash.update([u8::from(optimize == Optimize::Yes)]);
    let tools = fs::read(workspace::path("xtask/tools/package-lock.json"))?;
    hash.update(Sha256::digest(tools));
    hash.update(input);
    let digest = workspace::hex(&hash.finalize());
    Ok(cache_root().join(out_name).join(&digest[..24]))
}

/// The version of wasm-bindgen's library that this program is linked with.
fn bindgen_version() -> Result<String> {
    let lock = fs::read_to_string(workspace::path("Cargo.lock"))?;
    lock.split("[[package]]")
        .find(|package| package.contains("name = \"wasm-bindgen-cli-support\""))
        .map(str::to_owned)
        .context("Cargo.lock does not name wasm-bindgen-cli-support")
}

fn collect(folder: &Path, prefix: &str, files: &mut Vec<(String, Vec<u8>)>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            collect(&entry.path(), &format!("{name}/"), files)?;
        } else {
            files.push((name, fs::read(entry.path())?));
        }
    }
    Ok(())
}
