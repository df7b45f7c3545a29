//! An app's folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use longhaul_demo::Generated;
use tokio::sync::{Mutex, MutexGuard, OnceCell};

use crate::support::readme::{Readme, replaced};
use crate::support::world::{target, workspace};

/// What every app keeps when it is laid out anew: installed packages and what names them.
const KEPT: [&str; 3] = ["node_modules", "package.json", "package-lock.json"];

/// The package as npm packs it, once for all tests of a run.
static TARBALL: OnceCell<PathBuf> = OnceCell::const_new();

/// Several tests lay out one app, each in its own way: one after the other.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// The file that the app gets, and where.
pub(crate) struct Wanted {
    /// The file.
    pub(crate) file: Generated,
    /// Its address.
    pub(crate) url: String,
}

/// A new user's app: a bundler from npm, the package, the README's code and the app's own few lines.
pub(crate) struct App {
    folder: PathBuf,
    readme: Readme,
    _alone: MutexGuard<'static, ()>,
}

impl App {
    /// Lays out the app over the bundler that `cargo xtask setup` has installed under this name. Its own files are those of the folders
    /// `sources` beside this file, the later ones over the earlier ones.
    pub(crate) async fn lay_out(name: &str, sources: &[&str]) -> Result<Self> {
        let alone = ONE_AT_A_TIME.lock().await;
        let folder = target().join("newcomers").join(name);
        ensure!(
            folder.join("package.json").is_file(),
            "{} is not there: run `cargo xtask setup`",
            folder.display()
        );
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            if KEPT.iter().any(|kept| entry.file_name() == *kept) {
                continue;
            }
            if entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
            } else {
                fs::remove_file(entry.path())?;
            }
        }
        for source in sources {
            let source = workspace().join("demo/tests/newcomers").join(source);
            copy(&source, &folder)?;
        }
        // What a bundler has kept of another run is of another package.
        for kept in [".vite", ".cache"] {
            let kept = folder.join("node_modules").join(kept);
            if kept.is_dir() {
                fs::remove_dir_all(kept)?;
            }
        }
        let tarball = TARBALL.get_or_try_init(pack).await?;
        let mut npm = npm();
        npm.args(["install", "--no-save", "--ignore-scripts"]);
        run(npm.arg(tarball).current_dir(&folder)).await?;
        let readme = Readme::of(&folder.join("node_modules/longhaul"))?;
        Ok(Self {
            folder,
            readme,
            _alone: alone,
        })
    }

    /// The app's folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The README in the package.
    pub(crate) fn readme(&self) -> &Readme {
        &self.readme
    }

    /// Writes the README's main module to `path`.
    pub(crate) fn write_model(&self, path: &str, wanted: &Wanted) -> Result<()> {
        let code = self.readme.get_model(&wanted.url, &wanted.file.sha256())?;
        self.write(path, &code)
    }

    /// The same for an app with a worker of its own: `open` stands there as `code` has it.
    pub(crate) fn write_model_with(&self, path: &str, wanted: &Wanted, code: &str) -> Result<()> {
        let sha256 = wanted.file.sha256();
        let module = self.readme.get_model(&wanted.url, &sha256)?;
        let (_, call) = code.split_once("await open(").context("it opens nothing")?;
        let call = call.trim_end_matches(");");
        let module = replaced(&module, "await open(", ");", call)?;
        self.write(path, &module)
    }

    /// Writes a file of the app.
    pub(crate) fn write(&self, path: &str, text: &str) -> Result<()> {
        let path = self.folder.join(path);
        fs::create_dir_all(path.parent().context("a file lies in a folder")?)?;
        Ok(fs::write(path, text)?)
    }

    /// Runs a line of the README's shell code in the app's folder.
    pub(crate) async fn shell(&self, line: &str) -> Result<()> {
        let mut shell = Command::new("sh");
        shell.args(["-c", line]).current_dir(&self.folder);
        run(quiet(&mut shell)).await
    }

    /// A program of a package, run by Node in the app's folder.
    pub(crate) fn program(&self, script: &str, arguments: &[&str]) -> Command {
        let mut node = Command::new("node");
        node.arg(format!("node_modules/{script}"))
            .args(arguments)
            .current_dir(&self.folder);
        quiet(&mut node);
        node
    }

    /// Runs such a program to its end.
    pub(crate) async fn build(&self, script: &str, arguments: &[&str]) -> Result<()> {
        run(&mut self.program(script, arguments)).await
    }
}

async fn pack() -> Result<PathBuf> {
    let dist = workspace().join("dist");
    ensure!(
        dist.join("package.json").is_file(),
        "there is no package: run `cargo xtask dist`"
    );
    let folder = target().join("newcomers");
    let manifest: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(dist.join("package.json"))?)?;
    let version = manifest["version"].as_str().context("it has a version")?;
    let mut npm = npm();
    npm.arg("pack").arg("--pack-destination").arg(&folder);
    run(npm.current_dir(dist)).await?;
    Ok(folder.join(format!("longhaul-{version}.tgz")))
}

fn npm() -> Command {
    let mut npm = Command::new("npm");
    quiet(&mut npm);
    npm
}

/// No colours, no network where npm is concerned, nothing told to anybody.
fn quiet(command: &mut Command) -> &mut Command {
    command
        .env("NO_COLOR", "1")
        .env_remove("FORCE_COLOR")
        .env("npm_config_offline", "true")
        .env("npm_config_update_notifier", "false")
        .env("NEXT_TELEMETRY_DISABLED", "1")
}

async fn run(command: &mut Command) -> Result<()> {
    let shown = format!("{command:?}");
    let mut command = tokio::process::Command::from(std::mem::replace(command, Command::new("")));
    let output = command.kill_on_drop(true).output().await;
    let output = output.with_context(|| format!("{shown} does not start"))?;
    if !output.status.success() {
        bail!(
            "{shown} failed:\n{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

/// Copies a folder's contents into another one.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    let entries = fs::read_dir(from).with_context(|| format!("{} is missing", from.display()))?;
    for entry in entries {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
