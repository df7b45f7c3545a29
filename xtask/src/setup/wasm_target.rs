//! A compiler for `wasm32-unknown-unknown`: rustup's standard library for it, or Debian's compiler, which
//! builds the standard library from source (ADR 0012).

use std::env;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;

use anyhow::{Result, bail};

use super::system;
use crate::shell;
use crate::workspace;

/// The target that browsers run.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
const DEBIAN_LLD: &str = "/usr/bin/rust-lld";
const DEBIAN_SOURCE: &str = "/usr/lib/rustlib/src/rust/library/std/Cargo.toml";

/// What makes panics traps. Not stable, like `-Zbuild-std`, which it needs.
const SMALL: [&str; 3] = [
    "-Cpanic=immediate-abort",
    "-Zlocation-detail=none",
    "-Zunstable-options",
];

/// Which compiler builds the wasm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WasmCompiler {
    /// The compiler that builds everything else; it has the target's standard library.
    Own,
    /// Debian's compiler.
    Debian,
}

impl fmt::Display for WasmCompiler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Own => write!(f, "wasm: the compiler in use has {TARGET}"),
            Self::Debian => write!(f, "wasm: {DEBIAN_RUSTC} builds {TARGET} from source"),
        }
    }
}

impl WasmCompiler {
    /// `cargo build` for the target, in the profile `wasm`.
    pub(crate) fn build(self) -> Command {
        let mut command = self.cargo("build");
        command.args(["--profile", "wasm"]);
        command.env("CARGO_ENCODED_RUSTFLAGS", without_paths_of_this_machine());
        if self == Self::Own && own_has_source() {
            // Only `build_to_ship` needs it, but crates that look at it are built anew whenever it changes.
            command.env("RUSTC_BOOTSTRAP", "1");
        }
        command
    }

    /// `cargo build` of what ships: where the sources of the standard library are there, it is built for size, too,
    /// and a panic is a trap without a message, whose text and formatting would make the package a seventh larger.
    pub(crate) fn build_to_ship(self) -> Command {
        let mut command = self.build();
        if !self.ships_small() {
            return command;
        }
        if self == Self::Own {
            command.arg("-Zbuild-std=std,panic_abort");
        }
        let mut flags = without_paths_of_this_machine();
        for flag in SMALL {
            flags.push("\u{1f}");
            flags.push(flag);
        }
        command
            .arg("-Zbuild-std-features=optimize_for_size")
            .env("CARGO_ENCODED_RUSTFLAGS", flags);
        command
    }

    /// Whether what ships has a standard library of its own, built for size.
    pub(crate) fn ships_small(self) -> bool {
        self == Self::Debian || own_has_source()
    }

    /// A cargo command for the target.
    pub(crate) fn cargo(self, subcommand: &str) -> Command {
        let mut command = match self {
            Self::Own => shell::cargo(),
            Self::Debian => {
                let mut command = Command::new(DEBIAN_CARGO);
                shell::forget_cargo(&mut command);
                command
                    .env("RUSTC", DEBIAN_RUSTC)
                    // `-Zbuild-std` is not stable; this lets a stable compiler have it.
                    .env("RUSTC_BOOTSTRAP", "1")
                    .env_remove("RUSTUP_TOOLCHAIN")
                    .env_remove("RUSTC_WRAPPER")
                    .current_dir(workspace::root());
                command
            }
        };
        command.args([subcommand, "--target", TARGET]);
        if self == Self::Debian {
            command.arg("-Zbuild-std=std,panic_abort");
        }
        command.arg("--target-dir").arg(self.target_dir());
        command
    }

    /// The wasm made of a library crate; the folder is the profile's (`wasm` or `debug`).
    pub(crate) fn artifact(self, crate_name: &str, profile: &str) -> PathBuf {
        let file = format!("{}.wasm", crate_name.replace('-', "_"));
        self.target_dir().join(TARGET).join(profile).join(file)
    }

    /// Two compilers in one folder would rebuild all that the other has built.
    fn target_dir(self) -> PathBuf {
        match self {
            Self::Own => workspace::target(),
            Self::Debian => workspace::target().join("wasm-debian"),
        }
    }
}

/// The compiler that is there, if one is.
pub(crate) fn present() -> Option<WasmCompiler> {
    if own_has_target() {
        Some(WasmCompiler::Own)
    } else if debian_is_complete() {
        Some(WasmCompiler::Debian)
    } else {
        None
    }
}

/// Finds or installs a compiler for the target.
pub(crate) fn ensure() -> Result<WasmCompiler> {
    let compiler = ensure_target()?;
    if compiler == WasmCompiler::Own {
        static ASKED: Once = Once::new();
        ASKED.call_once(look_for_source);
    }
    Ok(compiler)
}

/// The sources are not needed, so it is no error where they cannot be had.
fn look_for_source() {
    if own_has_source() {
        return;
    }
    println!("setup: the sources of the standard library make what ships smaller.");
    if shell::which("rustup").is_some() {
        println!("setup: rustup component add rust-src");
        // Where the server cannot be reached, that is to be known soon; the status is what `own_has_source` tells.
        let _ = Command::new("rustup")
            .args(["component", "add", "rust-src"])
            .env("RUSTUP_MAX_RETRIES", "0")
            .current_dir(workspace::root())
            .status();
    }
    if !own_has_source() {
        println!("setup: they cannot be had here, so the package will be a seventh larger.");
    }
}

fn ensure_target() -> Result<WasmCompiler> {
    if let Some(compiler) = present() {
        return Ok(compiler);
    }
    println!("setup: the compiler lacks {TARGET}, which the browser's part is built for.");
    if shell::which("rustup").is_some() {
        println!("setup: rustup target add {TARGET}");
        let added = Command::new("rustup")
            .args(["target", "add", TARGET])
            .current_dir(workspace::root())
            .status();
        if added.is_ok_and(|status| status.success()) && own_has_target() {
            return Ok(WasmCompiler::Own);
        }
        println!("setup: rustup cannot add the target here.");
    }
    if !system::has_apt() {
        bail!(
            "there is no compiler for {TARGET}; make `rustup target add {TARGET}` succeed (it needs the network), then run the command again."
        );
    }
    println!(
        "setup: Debian's own Rust compiler can build it from source (about 170 MB to download)."
    );
    system::apt_install(&["rustc-web", "cargo-web", "rust-web-src", "rust-web-llvm"])?;
    if let Some(linker) = missing_linker() {
        system::apt_install(&[&linker])?;
    }
    if !debian_is_complete() {
        bail!(
            "Debian's packages rustc-web, cargo-web, rust-web-src and rust-web-llvm are installed, but {DEBIAN_LLD} or {DEBIAN_SOURCE} is missing; install rustup with the target {TARGET} instead."
        );
    }
    Ok(WasmCompiler::Debian)
}

/// Panic messages name source files. What ships must not tell where its builder keeps them.
fn without_paths_of_this_machine() -> OsString {
    // The variable that is set here hides the other one.
    let mut flags = env::var_os("CARGO_ENCODED_RUSTFLAGS")
        .or_else(|| {
            let flags = env::var("RUSTFLAGS").ok()?;
            let flags: Vec<&str> = flags.split_whitespace().collect();
            Some(flags.join("\u{1f}").into())
        })
        .unwrap_or_default();
    let home = env::var_os("CARGO_HOME").map(PathBuf::from).or_else(|| {
        let user = env::var_os("HOME").or_else(|| env::var_os("USERPROFILE"))?;
        Some(Path::new(&user).join(".cargo"))
    });
    let named = [
        home.map(|home| (home.join("registry/src"), "crates")),
        ask_rustc(&["--print", "sysroot"]).map(|root| (PathBuf::from(root), "rust")),
        Some((workspace::root().to_path_buf(), "longhaul")),
    ];
    for (path, name) in named.into_iter().flatten() {
        if !flags.is_empty() {
            flags.push("\u{1f}");
        }
        flags.push("--remap-path-prefix=");
        flags.push(path);
        flags.push("=");
        flags.push(name);
    }
    flags
}

/// Asks the compiler where it keeps the target's library, and looks.
fn own_has_target() -> bool {
    ask_rustc(&["--print", "target-libdir", "--target", TARGET])
        .is_some_and(|dir| has_core_library(Path::new(&dir)))
}

/// Whether rustup's sources of the standard library are there, which belong to the very compiler in use.
fn own_has_source() -> bool {
    ask_rustc(&["--print", "sysroot"]).is_some_and(|root| {
        Path::new(&root)
            .join("lib/rustlib/src/rust/library/Cargo.lock")
            .is_file()
    })
}

fn ask_rustc(question: &[&str]) -> Option<String> {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    shell::answer(
        Command::new(rustc)
            .args(question)
            .current_dir(workspace::root()),
    )
}

fn has_core_library(dir: &Path) -> bool {
    fs::read_dir(dir).is_ok_and(|entries| {
        entries
            .flatten()
            .any(|entry| entry.file_name().to_string_lossy().starts_with("libcore-"))
    })
}

fn debian_is_complete() -> bool {
    // `exists` follows links: rust-lld is a link into a package of its own.
    [DEBIAN_RUSTC, DEBIAN_CARGO, DEBIAN_LLD, DEBIAN_SOURCE]
        .iter()
        .all(|path| Path::new(path).exists())
}

/// The linker's package is only recommended, and its name carries LLVM's version: the dangling link tells it.
fn missing_linker() -> Option<String> {
    let link = fs::read_link(DEBIAN_LLD).ok()?;
    if Path::new(DEBIAN_LLD).exists() {
        return None;
    }
    Some(link.file_name()?.to_string_lossy().into_owned())
}
