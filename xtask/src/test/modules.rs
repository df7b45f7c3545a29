//! Who may know whom: crates by their manifests, files by what they `use`.

#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::shell;
use crate::workspace;

/// What each crate may know of the others, by its folder and name.
const CRATES: [(&str, &str, &[&str]); 9] = [
    ("core", "longhaul-core", &[]),
    ("runner", "longhaul-runner", &["longhaul-core"]),
    (
        "browser",
        "longhaul-browser",
        &["longhaul-core", "longhaul-runner"],
    ),
    ("page-adapter", "longhaul-page", ADAPTER),
    ("sw-adapter", "longhaul-sw", ADAPTER),
    ("wasm", "longhaul-wasm", &["longhaul-page", "longhaul-sw"]),
    (
        "state-tests",
        "longhaul-state-tests",
        &[
            "longhaul-core",
            "longhaul-runner",
            "longhaul-browser",
            "longhaul-page",
            "longhaul-sw",
        ],
    ),
    // The demo uses the written package; its tests read histories.
    ("demo", "longhaul-demo", &["longhaul-core"]),
    ("xtask", "xtask", &["longhaul-core"]),
];
const ADAPTER: &[&str] = &["longhaul-core", "longhaul-runner", "longhaul-browser"];

/// What no native build of these may hold.
const OF_BROWSERS: [&str; 4] = ["wasm-bindgen", "js-sys", "web-sys", "wasm-bindgen-futures"];

/// Circles that are still there, which may shrink and vanish, but not grow.
const CIRCLES: [(&str, &[&str], &str); 3] = [
    (
        "state-tests",
        &[
            "sim::context",
            "sim::handles",
            "sim::history",
            "sim::jobs",
            "sim::laws",
            "sim::licence",
            "sim::locks",
            "sim::manager",
            "sim::network",
            "sim::pages",
            "sim::transfer",
            "sim::worker",
            "sim::world",
        ],
        "the simulated world holds what is in it, and what is in it acts on the world",
    ),
    (
        "state-tests",
        &["sim::adversary", "sim::run"],
        "the adversary is run by what it disturbs",
    ),
    (
        "demo",
        &["app", "models", "server"],
        "the router of the app names its handlers, and these the app's state",
    ),
];

/// Where files lead by what they use: from a module to modules of its crate.
type Arrows = BTreeMap<String, BTreeSet<String>>;

/// The modules of a crate that have a file of their own, with what is in it, but for tests and comments.
fn files_of(source: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut folders = vec![source.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("sources can be listed") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let relative = path.strip_prefix(source).expect("it lies there");
            let module = relative.with_extension("");
            let mut names: Vec<_> = module.iter().filter_map(|name| name.to_str()).collect();
            if names.last() == Some(&"mod") {
                names.pop();
            }
            let is_source = path.extension().is_some_and(|end| end == "rs");
            if is_source && names != ["lib"] && names != ["main"] {
                let text = fs::read_to_string(&path).expect("sources can be read");
                found.insert(names.join("::"), code(&text));
            }
        }
    }
    found
}

/// A source without its comments and its tests, which stand at the end.
fn code(text: &str) -> String {
    let own = text.split("#[cfg(test)]\nmod tests").next();
    let lines = own.unwrap_or_default().lines();
    let lines = lines.filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The paths that a tree of `use` names: `a::{b, c::{d, e}}` are three.
fn paths(tree: &str) -> Vec<String> {
    let Some((before, group)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or_default();
        return vec![path.trim().to_owned()];
    };
    let group = group.trim_end().strip_suffix('}').unwrap_or(group);
    let (mut found, mut depth, mut from) = (Vec::new(), 0, 0);
    for (at, letter) in group.char_indices().chain([(group.len(), ',')]) {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let branch = group[from..at].trim();
                from = at + 1;
                if !branch.is_empty() {
                    let branches = paths(branch);
                    found.extend(
                        branches
                            .iter()
                            .map(|path| format!("{}{path}", before.trim())),
                    );
                }
            }
            _ => {}
        }
    }
    found
}

/// Where the files of a crate lead.
fn arrows(files: &BTreeMap<String, String>) -> Arrows {
    let mut arrows = Arrows::new();
    for (module, text) in files {
        let to = arrows.entry(module.clone()).or_default();
        for statement in text.split("use ").skip(1) {
            let Some((tree, _)) = statement.split_once(';') else {
                continue;
            };
            for path in paths(tree) {
                to.extend(target(module, &path, files).filter(|target| target != module));
            }
        }
    }
    arrows
}

/// The file that a path of `use` in a module leads to, if it is one of the crate.
fn target(module: &str, path: &str, files: &BTreeMap<String, String>) -> Option<String> {
    let mut names: Vec<&str> = path.split("::").collect();
    let mut from: Vec<&str> = module.split("::").collect();
    match names.first() {
        Some(&"crate") => from.clear(),
        Some(&"super") => {}
        _ => return None,
    }
    if from.is_empty() {
        names.remove(0);
    }
    while names.first() == Some(&"super") {
        names.remove(0);
        from.pop();
    }
    from.extend(names);
    let longest = (1..=from.len()).rev().map(|len| from[..len].join("::"));
    longest
        .into_iter()
        .find(|module| files.contains_key(module))
}

/// Everything that can be reached from a module.
fn reached(from: &str, arrows: &Arrows) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut next = vec![from];
    while let Some(module) = next.pop() {
        for to in arrows.get(module).into_iter().flatten() {
            if found.insert(to.clone()) {
                next.push(to);
            }
        }
    }
    found
}

/// Modules that reach each other, each group once.
fn circles(arrows: &Arrows) -> BTreeSet<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for module in arrows.keys() {
        let reached_from = reached(module, arrows);
        if reached_from.contains(module) {
            let both = reached_from.into_iter();
            let both = both.filter(|other| reached(other, arrows).contains(module));
            found.insert(both.collect());
        }
    }
    found
}

fn circles_of(folder: &str) -> BTreeSet<BTreeSet<String>> {
    circles(&arrows(&files_of(&workspace::path(folder).join("src"))))
}

fn output_of(command: &mut Command) -> String {
    let output = command
        .current_dir(workspace::root())
        .output()
        .expect("cargo can be started");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn no_crate_knows_one_above_it() {
    let told = output_of(shell::cargo().args(["metadata", "--no-deps", "--format-version", "1"]));
    let metadata: Value = serde_json::from_str(&told).expect("cargo writes JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    assert_eq!(packages.len(), CRATES.len(), "a crate is missing here");
    for (folder, name, may) in CRATES {
        let package = packages.iter().find(|package| package["name"] == name);
        let known = package.expect(name)["dependencies"].as_array().expect(name);
        let known = known.iter().filter_map(|known| known["name"].as_str());
        for known in known.filter(|known| known.starts_with("longhaul")) {
            assert!(may.contains(&known), "{name} must not know {known}");
        }
        for (module, text) in files_of(&workspace::path(folder).join("src")) {
            for (_, other, _) in CRATES.iter().filter(|(_, other, _)| *other != name) {
                let uses = text.contains(&format!("{}::", other.replace('-', "_")));
                assert!(
                    !uses || may.contains(other),
                    "{module} must not use {other}"
                );
            }
        }
    }
}

/// What a crate is built with natively, its own name first.
fn built_with(package: &str) -> Vec<String> {
    let host = output_of(Command::new("rustc").arg("-vV"));
    let host = host.lines().find_map(|line| line.strip_prefix("host: "));
    let mut tree = shell::cargo();
    tree.args(["tree", "-e", "normal", "--prefix", "none", "-p", package]);
    tree.args(["--target", host.expect("rustc has a host")]);
    let names = output_of(&mut tree);
    let names = names.lines().filter_map(|line| line.split(' ').next());
    names.map(str::to_owned).collect()
}

#[test]
fn core_and_runner_are_built_without_a_browser() {
    let of_browsers = |name: &&String| OF_BROWSERS.contains(&name.as_str());
    for package in ["longhaul-core", "longhaul-runner"] {
        let names = built_with(package);
        assert_eq!(names.first().map(String::as_str), Some(package));
        assert_eq!(names.iter().find(of_browsers), None, "{package}");
    }
    let seen = built_with("longhaul-browser");
    assert!(seen.iter().any(|name| of_browsers(&name)), "{seen:?}");
}

#[test]
fn no_files_of_a_crate_know_each_other_in_a_circle() {
    for (folder, _, _) in CRATES {
        for circle in circles_of(folder) {
            let allowed = CIRCLES.iter().any(|(of, modules, _)| {
                *of == folder
                    && circle
                        .iter()
                        .all(|module| modules.contains(&module.as_str()))
            });
            assert!(allowed, "{folder}: a circle of {circle:?}");
        }
    }
}

#[test]
fn what_is_let_pass_is_still_there() {
    for (folder, modules, reason) in CIRCLES {
        let found = circles_of(folder);
        let found: BTreeSet<&str> = found.iter().flatten().map(String::as_str).collect();
        for module in modules {
            assert!(
                found.contains(module),
                "{folder}: {module} is in no circle any more ({reason})"
            );
        }
    }
}

#[test]
fn a_circle_is_found_through_groups_and_parents() {
    let file = |name: &str, text: &str| (name.to_owned(), code(text));
    let files = BTreeMap::from([
        file("a", "use crate::{b::{C, d::E}, f};\nuse std::fmt;"),
        file("b", "pub use super::g::H as I;"),
        file("b::d", "// use crate::a;\nuse super::super::f::G;"),
        file("f", "use crate::a::Z;"),
        file("g", "#[cfg(test)]\nmod tests {\n    use crate::a::Y;\n}"),
    ]);
    let arrows = arrows(&files);
    let to = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    assert_eq!(arrows["a"], to(&["b", "b::d", "f"]));
    assert_eq!(arrows["b"], to(&["g"]));
    assert_eq!(arrows["g"], to(&[]));
    assert_eq!(circles(&arrows), BTreeSet::from([to(&["a", "b::d", "f"])]));
}
