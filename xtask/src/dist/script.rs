//! JavaScript modules as they ship: small.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};
use walrus::{Module, ModuleConfig};

use crate::workspace;

/// What a script of the package is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// An ES module, which imports the glue.
    Module,
    /// A classic script of its own.
    Classic,
}

const ADVICE: &str = "esbuild cannot be run; run `cargo xtask setup`";

/// The glue without comments, white space, needless words and long names.
pub(crate) fn minify(module: &[u8]) -> Result<Vec<u8>> {
    let mut node = Command::new("node")
        .arg(workspace::path("xtask/tools/minify.mjs"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context(ADVICE)?;
    // The script reads everything before it writes anything.
    node.stdin
        .take()
        .expect("it was piped")
        .write_all(module)
        .context(ADVICE)?;
    written(&node.wait_with_output()?)
}

/// One small script of a hand-written module and what it imports. `glue` is the name and the text of the generated module,
/// `names` are what stands for facts of this build.
pub(crate) fn bundle(
    module: &Path,
    format: Format,
    glue: (&str, &str),
    names: &[(String, String)],
) -> Result<Vec<u8>> {
    let (name, text) = glue;
    let import = format!("./{name}");
    let folder = workspace::target().join("dist-cache/glue");
    fs::create_dir_all(&folder)?;
    let file = folder.join(name);
    fs::write(&file, without_effects(text))?;
    let define: Map<String, Value> = names
        .iter()
        .map(|(name, value)| (name.clone(), value.as_str().into()))
        .collect();
    let recipe = json!({
        "entry": module,
        "format": if format == Format::Module { "esm" } else { "iife" },
        "external": if format == Format::Module { vec![&import] } else { Vec::new() },
        "found": { &import: file },
        "define": define,
    });
    let output = Command::new("node")
        .arg(workspace::path("xtask/tools/bundle.mjs"))
        .arg(recipe.to_string())
        .stderr(Stdio::inherit())
        .output()
        .context(ADVICE)?;
    written(&output)
}

fn written(output: &Output) -> Result<Vec<u8>> {
    if !output.status.success() || output.stdout.is_empty() {
        bail!("esbuild failed on a module; see its message above");
    }
    Ok(output.stdout.clone())
}

/// Gives short names to what the glue and the wasm call each other by. wasm-bindgen's names end in hashes, which no
/// compression makes smaller, and stand in both files.
pub(crate) fn shorten_names(wasm: &[u8], glue: &str) -> Result<(Vec<u8>, String)> {
    let mut module = ModuleConfig::new()
        .generate_name_section(true)
        .parse(wasm)
        .context("the wasm that wasm-bindgen made cannot be read")?;
    let names = rename(&mut module);
    Ok((module.emit_wasm(), replace_words(glue, &names)))
}

fn rename(module: &mut Module) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    let mut short = |name: &mut String| {
        let new = format!("_{}", names.len());
        let new: &String = names.entry(name.clone()).or_insert(new);
        name.clone_from(new);
    };
    for import in module.imports.iter_mut() {
        if import.name.starts_with("__wb") {
            short(&mut import.name);
        }
    }
    for export in module.exports.iter_mut() {
        // Closures' callers; the others' names are words of the glue's own.
        if export.name.starts_with("wasm_bindgen_") {
            short(&mut export.name);
        }
    }
    names
}

/// The glue with registries marked as what may be left out, together with the class they are for, by a script that has no use for it.
fn without_effects(glue: &str) -> String {
    glue.replace(
        "new FinalizationRegistry(",
        "/* @__PURE__ */ new FinalizationRegistry(",
    )
}

/// The glue without the lines that make its classes disposable for `using`, which nobody asks of them: a bundler keeps any class
/// that such a line names.
pub(crate) fn without_disposal(glue: &str) -> String {
    glue.lines()
        .filter(|line| !line.starts_with("if (Symbol.dispose) "))
        .flat_map(|line| [line, "\n"])
        .collect()
}

fn replace_words(text: &str, names: &BTreeMap<String, String>) -> String {
    let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_word) {
        let (between, from) = rest.split_at(start);
        let (word, after) = from.split_at(from.find(|c| !is_word(c)).unwrap_or(from.len()));
        replaced.push_str(between);
        replaced.push_str(names.get(word).map_or(word, String::as_str));
        rest = after;
    }
    replaced.push_str(rest);
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_words_are_replaced() {
        let names = [("__wbg_a_1f".to_owned(), "_0".to_owned())].into();
        assert_eq!(
            replace_words(
                "{__wbg_a_1f: x.__wbg_a_1f2, é: $__wbg_a_1f, y: __wbg_a_1f}",
                &names
            ),
            "{_0: x.__wbg_a_1f2, é: $__wbg_a_1f, y: _0}"
        );
        assert_eq!(replace_words("", &names), "");
    }

    #[test]
    fn what_a_script_never_calls_is_not_in_it() {
        let glue = "class Engine { free() {} }
if (Symbol.dispose) Engine.prototype[Symbol.dispose] = Engine.prototype.free;
const EngineFinalization = (typeof FinalizationRegistry === 'undefined')
    ? { register: () => {}, unregister: () => {} }
    : new FinalizationRegistry(ptr => wasm.__wbg_engine_free(ptr, 1));
class WorkerNode {}
export { Engine, WorkerNode };
";
        let glue = minify(without_disposal(glue).as_bytes()).unwrap();
        let folder = std::env::temp_dir().join(format!("longhaul-xtask-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let module = folder.join("worker.js");
        fs::write(
            &module,
            "import { WorkerNode } from './g.js'; self.made = WorkerNode;",
        )
        .unwrap();
        let glue = String::from_utf8(glue).unwrap();
        let script = bundle(&module, Format::Classic, ("g.js", &glue), &[]).unwrap();
        fs::remove_dir_all(folder).unwrap();
        let script = String::from_utf8(script).unwrap();
        assert!(script.contains("made"), "{script}");
        assert!(
            !script.contains("engine") && !script.contains("free"),
            "{script}"
        );
    }

    #[test]
    fn imports_of_the_glue_and_exported_closures_are_renamed() {
        let mut module = Module::default();
        let kind = module.types.add(&[], &[]);
        let (function, _) = module.add_import_func("./page_bg.js", "__wbg_now_12", kind);
        module.add_import_func("env", "other", kind);
        module.exports.add("wasm_bindgen__closure_34", function);
        module.exports.add("engine_open", function);
        let glue = "{ __wbg_now_12: () => wasm.wasm_bindgen__closure_34() + wasm.engine_open() }";
        let (wasm, glue) = shorten_names(&module.emit_wasm(), glue).unwrap();
        assert_eq!(glue, "{ _0: () => wasm._1() + wasm.engine_open() }");
        let module = Module::from_buffer(&wasm).unwrap();
        let imports: Vec<_> = module
            .imports
            .iter()
            .map(|import| import.name.as_str())
            .collect();
        let exports: Vec<_> = module
            .exports
            .iter()
            .map(|export| export.name.as_str())
            .collect();
        assert_eq!(
            (imports, exports),
            (vec!["_0", "other"], vec!["_1", "engine_open"])
        );
    }
}
