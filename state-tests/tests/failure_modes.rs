//! The tables of `docs/failure-modes.md` name tests that exist.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The sources of a test program: one file, or all of a folder.
fn sources(program: &str) -> String {
    let demo = root().join("demo/tests");
    let file = match program.strip_suffix(".rs") {
        Some(_) => root().join("state-tests/tests").join(program),
        None => demo.join(format!("{program}.rs")),
    };
    if file.exists() {
        return read(&file);
    }
    let folder = demo.join(program.strip_prefix("e2e_").unwrap_or(program));
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{program}: {error}"));
    files
        .map(|file| read(&file.expect("a file of the folder").path()))
        .collect()
}

/// Demands that everything which the last cell of a row names is there; how many tests that are.
fn check(cell: &str) -> usize {
    let mut tests = 0;
    for named in cell
        .split("; ")
        .filter(|named| !["–", "the same"].contains(named))
    {
        let Some((program, functions)) = named
            .strip_prefix('`')
            .and_then(|named| named.split_once('`'))
        else {
            let scenario = named.trim_start_matches("engines: ");
            let is_there = sources("engines").contains(&format!("\"{scenario}\""));
            assert!(is_there, "there is no scenario `{scenario}`");
            tests += 1;
            continue;
        };
        let source = sources(program);
        for function in functions
            .split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
        {
            let is_there = source.contains(&format!("fn {function}("));
            assert!(is_there, "{program} has no test {function}");
            tests += 1;
        }
    }
    tests
}

#[test]
fn every_test_that_a_failure_mode_names_exists() {
    let document = read(&root().join("docs/failure-modes.md"));
    let rows: Vec<&str> = document
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| ---"))
        .filter_map(|line| line.trim_end_matches(" |").rsplit(" | ").next())
        .filter(|cell| *cell != "shown by")
        .collect();
    assert!(rows.len() > 40, "{} rows", rows.len());
    let tests: usize = rows.into_iter().map(check).sum();
    assert!(tests > 60, "{tests} tests");
}

#[test]
#[should_panic(expected = "no test")]
fn a_name_that_is_wrong_is_found() {
    check("`e2e_room` no_such_test");
}
