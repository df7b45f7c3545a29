//! The core is pure: its wasm asks the world for nothing.

use std::fs;

use anyhow::{Context, Result, bail};
use walrus::Module;

use crate::setup::wasm_target;
use crate::shell;
use crate::workspace;

const CRATE: &str = "longhaul-core";
/// Functions that must be in the wasm, or the check would look at nothing.
const MUST_BE_THERE: [&str; 3] = ["decide", "evolve", "plan"];

/// Links the whole core into one wasm module, dead code included, and looks at its imports.
pub(crate) fn check() -> Result<()> {
    let compiler = wasm_target::ensure()?;
    shell::run(
        compiler
            .cargo("rustc")
            .args(["-p", CRATE, "--lib", "--crate-type", "cdylib"])
            // An allocator and a panic handler are the standard library's.
            .args(["--features", "std", "--"])
            // Nothing is exported from the core, so without these the linker would keep none of it.
            .args(["-Clink-dead-code", "-Clink-arg=--no-gc-sections"])
            // Optimized, its functions would be parts of each other.
            .arg("-Copt-level=0"),
        "see the compiler's message above",
    )?;
    let wasm = compiler.artifact(CRATE, "debug");
    let bytes =
        fs::read(&wasm).with_context(|| format!("cargo left no {}", workspace::shown(&wasm)))?;
    let module = Module::from_buffer(&bytes)?;
    let functions: Vec<&str> = module
        .funcs
        .iter()
        .filter_map(|function| function.name.as_deref())
        .collect();
    for name in MUST_BE_THERE {
        if !functions.iter().any(|function| is_of_core(function, name)) {
            bail!(
                "the core's wasm holds no function `{name}`, so this check would show nothing; it must be adapted."
            );
        }
    }
    let imports: Vec<String> = module
        .imports
        .iter()
        .map(|import| format!("{}.{}", import.module, import.name))
        .collect();
    if !imports.is_empty() {
        bail!(
            "the core must not know its surroundings, but its wasm imports {}.",
            imports.join(", ")
        );
    }
    println!("{} functions, no imports", functions.len());
    Ok(())
}

/// Whether a mangled symbol is a function of the core with this name: `_ZN13longhaul_core6decide17h...E`.
fn is_of_core(symbol: &str, name: &str) -> bool {
    symbol.contains("longhaul_core") && symbol.contains(&format!("{}{name}17h", name.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mangled_name_is_recognized() {
        assert!(is_of_core(
            "_ZN13longhaul_core6decide6decide17h0123456789abcdefE",
            "decide"
        ));
        assert!(is_of_core(
            "_ZN13longhaul_core4plan17h0123456789abcdefE",
            "plan"
        ));
        assert!(!is_of_core(
            "_ZN13longhaul_core6decide6refuse17h0123456789abcdefE",
            "decide"
        ));
        assert!(!is_of_core("_ZN5other4plan17h0123456789abcdefE", "plan"));
    }
}
