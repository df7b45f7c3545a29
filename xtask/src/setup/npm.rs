//! Packages from npm, exactly as the lock files name them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::shell;
use crate::workspace;

/// A folder with a `package.json` and its lock file.
pub(crate) struct Packages {
    folder: &'static str,
    why: &'static str,
}

/// The build tools.
pub(crate) const TOOLS: Packages = Packages {
    folder: "xtask/tools",
    why: "wasm-opt (binaryen) and esbuild make the package small, tsc checks the contract's types",
};

/// What the demo's page loads.
pub(crate) const DEMO: Packages = Packages {
    folder: "demo",
    why: "wllama runs the language model in the demo's page",
};

/// What the sites are made with that the end-to-end tests visit.
pub(crate) const GUESTS: Packages = Packages {
    folder: "demo/tests/guests",
    why: "Workbox makes service workers of the kind that sites have before they have Longhaul; only the browser tests need it",
};

impl Packages {
    /// Installs what the lock file names, unless it is there; returns a line that says so.
    pub(crate) fn ensure(&self) -> Result<String> {
        if let Some(missing) = self.missing()? {
            println!(
                "setup: npm packages in {} ({missing} is not there): {}.",
                self.folder, self.why
            );
            self.install()?;
        }
        Ok(format!("npm packages: {}/node_modules", self.folder))
    }

    fn install(&self) -> Result<()> {
        if shell::which("node").is_none() {
            bail!(
                "Node.js is not on the PATH; install Node.js 20 or newer (on Debian: apt-get install nodejs npm) and run the command again."
            );
        }
        let npm = if cfg!(windows) { "npm.cmd" } else { "npm" };
        shell::run(
            Command::new(npm)
                .arg("ci")
                .current_dir(workspace::path(self.folder)),
            "check that npm is installed and that this machine reaches the npm registry, then run the command again",
        )
    }

    /// The folder that packages are installed into.
    pub(crate) fn node_modules(&self) -> PathBuf {
        workspace::path(self.folder).join("node_modules")
    }

    /// The first package of the lock file that is not installed in its version.
    fn missing(&self) -> Result<Option<String>> {
        let folder = workspace::path(self.folder);
        let lock = folder.join("package-lock.json");
        let text = fs::read_to_string(&lock)
            .with_context(|| format!("{} cannot be read", workspace::shown(&lock)))?;
        let lock: Value = serde_json::from_str(&text)?;
        Ok(first_missing(&lock, |key| {
            installed_version(&folder.join(key))
        }))
    }
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
