//! Packages from npm, exactly as the lock files name them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::shell;
use crate::workspace;

/// What a `package.json` and its lock file name.
pub(crate) struct Packages {
    /// The folder with the two files.
    folder: &'static str,
    /// The folder below `target` that they are installed in, where it is not their own.
    into: Option<&'static str>,
    why: &'static str,
}

/// The build tools.
pub(crate) const TOOLS: Packages = Packages {
    folder: "xtask/tools",
    into: None,
    why: "wasm-opt (binaryen) and esbuild make the package small; tsc, publint and attw check it",
};

/// What the demo's page loads.
pub(crate) const DEMO: Packages = Packages {
    folder: "demo",
    into: None,
    why: "wllama runs the language model in the demo's page",
};

/// The apps of new users that every test run makes. They are laid out anew for each test, and so beside the sources.
pub(crate) const NEWCOMERS: [Packages; 3] = [
    Packages::of_newcomer("demo/tests/newcomers/static", "newcomers/static"),
    Packages::of_newcomer("demo/tests/newcomers/vite", "newcomers/vite"),
    Packages::of_newcomer("demo/tests/newcomers/webpack", "newcomers/webpack"),
];

/// Those that only the long run makes.
pub(crate) const MORE_NEWCOMERS: [Packages; 3] = [
    Packages::of_newcomer("demo/tests/newcomers/vite5", "newcomers/vite5"),
    Packages::of_newcomer("demo/tests/newcomers/vite7", "newcomers/vite7"),
    Packages::of_newcomer("demo/tests/newcomers/next", "newcomers/next"),
];

/// Installs several; returns a line that says so.
pub(crate) fn ensure_all(all: &[Packages]) -> Result<String> {
    let lines: Result<Vec<_>> = all.iter().map(Packages::ensure).collect();
    Ok(lines?.join(", "))
}
/// What the sites are made with that the end-to-end tests visit.
pub(crate) const GUESTS: Packages = Packages {
    folder: "demo/tests/guests",
    into: None,
    why: "Workbox makes service workers of the kind that sites have before they have Longhaul; only the browser tests need it",
};

impl Packages {
    const fn of_newcomer(folder: &'static str, into: &'static str) -> Self {
        Self {
            folder,
            into: Some(into),
            why: "the tests make an app with it, as a new user does",
        }
    }

    /// Installs what the lock file names, unless it is there; returns a line that says so.
    pub(crate) fn ensure(&self) -> Result<String> {
        if let Some(missing) = self.missing()? {
            println!(
                "setup: npm packages in {} ({missing} is not there): {}.",
                self.folder, self.why
            );
            self.install()?;
        }
        let there = workspace::shown(&self.node_modules());
        Ok(format!("npm packages: {there}"))
    }

    fn install(&self) -> Result<()> {
        if shell::which("node").is_none() {
            bail!(
                "Node.js is not on the PATH; install Node.js 20.19 or newer (on Debian: apt-get install nodejs npm) and run the command again."
            );
        }
        let home = self.home();
        if self.into.is_some() {
            fs::create_dir_all(&home)?;
            for file in ["package.json", "package-lock.json"] {
                fs::copy(workspace::path(self.folder).join(file), home.join(file))?;
            }
        }
        shell::run(
            npm().arg("ci").current_dir(home),
            "check that npm is installed and that this machine reaches the npm registry, then run the command again",
        )
    }

    /// The folder that packages are installed into.
    pub(crate) fn node_modules(&self) -> PathBuf {
        self.home().join("node_modules")
    }

    fn home(&self) -> PathBuf {
        match self.into {
            Some(folder) => workspace::target().join(folder),
            None => workspace::path(self.folder),
        }
    }

    /// The first package of the lock file that is not installed in its version.
    fn missing(&self) -> Result<Option<String>> {
        let lock = workspace::path(self.folder).join("package-lock.json");
        let text = fs::read_to_string(&lock)
            .with_context(|| format!("{} cannot be read", workspace::shown(&lock)))?;
        let home = self.home();
        let missing = first_missing(&serde_json::from_str(&text)?, |key| {
            installed_version(&home.join(key))
        });
        // A folder of its own has the two files as well, where no package is missing because there is none.
        let own = self.into.is_none()
            || fs::read_to_string(home.join("package-lock.json")).is_ok_and(|there| there == text);
        Ok(missing.or_else(|| (!own).then(|| "package-lock.json".to_owned())))
    }
}

/// npm's program.
pub(crate) fn npm() -> Command {
    Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" })
}

fn installed_version(package: &Path) -> Option<String> {
    let text = fs::read_to_string(package.join("package.json")).ok()?;
    let manifest: Value = serde_json::from_str(&text).ok()?;
    Some(manifest["version"].as_str()?.to_owned())
}

/// Compares a lock file with what is installed. Optional packages are for other platforms.
fn first_missing(lock: &Value, installed: impl Fn(&str) -> Option<String>) -> Option<String> {
    let packages = lock["packages"].as_object()?;
    packages
        .iter()
        .filter(|(key, package)| !key.is_empty() && package["optional"] != Value::Bool(true))
        .find(|(key, package)| installed(key).as_deref() != package["version"].as_str())
        .map(|(key, _)| key.rsplit("node_modules/").next().unwrap_or(key).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn lock() -> Value {
        json!({ "packages": {
            "": { "name": "tools" },
            "node_modules/a": { "version": "1.0.0" },
            "node_modules/@s/b": { "version": "2.0.0" },
            "node_modules/other-platform": { "version": "3.0.0", "optional": true },
        }})
    }

    #[test]
    fn nothing_is_missing_when_every_version_is_installed() {
        let found = first_missing(&lock(), |key| match key {
            "node_modules/a" => Some("1.0.0".into()),
            "node_modules/@s/b" => Some("2.0.0".into()),
            _ => None,
        });
        assert_eq!(found, None);
    }

    #[test]
    fn another_version_counts_as_missing() {
        let found = first_missing(&lock(), |key| match key {
            "node_modules/a" => Some("1.0.0".into()),
            _ => Some("1.9.9".into()),
        });
        assert_eq!(found.as_deref(), Some("@s/b"));
    }
}
