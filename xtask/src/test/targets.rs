//! The test programs, examples and benchmarks of the workspace and what they are, from cargo's own list.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::kinds::Kind;
use crate::shell;

/// File names of tests that drive a browser start like this.
const BROWSER_PREFIX: &str = "e2e_";
/// The one among them that runs the stores' suites, compiled to wasm, inside it.
const SUITES: &str = "e2e_conformance";

/// Integration tests, examples and benchmarks.
pub(crate) struct Targets {
    tests: Vec<(String, Kind)>,
    /// Package and name.
    examples: Vec<(String, String)>,
    /// Package and name.
    benches: Vec<(String, String)>,
}

impl Targets {
    /// Asks cargo.
    pub(crate) fn read() -> Result<Self> {
        let output = shell::cargo()
            .args(["metadata", "--no-deps", "--format-version", "1"])
            .stderr(Stdio::inherit())
            .output()
            .context("cargo could not be started")?;
        if !output.status.success() {
            bail!("`cargo metadata` failed; see its message above.");
        }
        let metadata: Value = serde_json::from_slice(&output.stdout)?;
        let mut found = Self {
            tests: Vec::new(),
            examples: Vec::new(),
            benches: Vec::new(),
        };
        for package in metadata["packages"].as_array().into_iter().flatten() {
            for target in package["targets"].as_array().into_iter().flatten() {
                found.add(text(&package["name"])?, target)?;
            }
        }
        Ok(found)
    }

    fn add(&mut self, package: &str, target: &Value) -> Result<()> {
        let name = text(&target["name"])?.to_owned();
        match target["kind"][0].as_str() {
            Some("test") => {
                let kind = classify(&name, Path::new(text(&target["src_path"])?))?;
                self.tests.push((name, kind));
            }
            Some("bench") => self.benches.push((package.to_owned(), name)),
            Some("example") => self.examples.push((package.to_owned(), name)),
            _ => {}
        }
        Ok(())
    }

    /// Names of the integration tests that need no browser.
    pub(crate) fn native_tests(&self) -> impl Iterator<Item = &str> {
        self.tests_where(|kind| !is_in_browser(kind))
    }

    /// Names of the tests that drive one.
    pub(crate) fn browser_tests(&self) -> impl Iterator<Item = &str> {
        self.tests_where(is_in_browser)
    }

    fn tests_where(&self, wanted: fn(Kind) -> bool) -> impl Iterator<Item = &str> {
        self.tests
            .iter()
            .filter(move |(_, kind)| wanted(*kind))
            .map(|(name, _)| name.as_str())
    }

    /// Names of a package's examples.
    pub(crate) fn examples_of(&self, package: &str) -> impl Iterator<Item = &str> {
        self.examples
            .iter()
            .filter(move |(owner, _)| owner == package)
            .map(|(_, name)| name.as_str())
    }

    /// Packages and names of the benchmarks.
    pub(crate) fn benches(&self) -> impl Iterator<Item = (&str, &str)> {
        self.benches
            .iter()
            .map(|(package, name)| (package.as_str(), name.as_str()))
    }

    /// What the tests in a program are; a program that is no integration test holds unit tests.
    pub(crate) fn kind_of(&self, program: &str) -> Kind {
        self.tests
            .iter()
            .find(|(name, _)| name.replace('-', "_") == program)
            .map_or(Kind::Unit, |(_, kind)| *kind)
    }

    #[cfg(test)]
    pub(crate) fn of_tests(tests: &[(&str, Kind)]) -> Self {
        let tests = tests
            .iter()
            .map(|(name, kind)| ((*name).to_owned(), *kind))
            .collect();
        Self {
            tests,
            examples: Vec::new(),
            benches: Vec::new(),
        }
    }
}

fn is_in_browser(kind: Kind) -> bool {
    matches!(kind, Kind::Store | Kind::EndToEnd)
}

/// A test whose source uses proptest is a property test.
fn classify(name: &str, source: &Path) -> Result<Kind> {
    if name == SUITES {
        return Ok(Kind::Store);
    }
    if name.starts_with(BROWSER_PREFIX) {
        return Ok(Kind::EndToEnd);
    }
    let source = fs::read_to_string(source)
        .with_context(|| format!("{} cannot be read", source.display()))?;
    Ok(if source.contains("proptest") {
        Kind::Property
    } else {
        Kind::Unit
    })
}

fn text(value: &Value) -> Result<&str> {
    value
        .as_str()
        .context("`cargo metadata` answered in an unknown form")
}
