//! The table of `docs/proof.md` is true at this commit.

use longhaul_state_tests::proof::{LAWS, SCORES, SIMULATION, longest_lives, table, worlds};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Whether the source has a test of this name that an ordinary run does not leave out. The worlds and the conformance
/// suite name theirs in a list.
fn is_run(source: &str, name: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let is_it = |line: &str| {
        line.starts_with(&format!("fn {name}("))
            || line.starts_with(&format!("{name}("))
            || line == format!("{name},")
    };
    let is_constant = |line: &str| line.starts_with(&format!("pub(crate) const {name}: &str"));
    (0..lines.len()).any(|n| {
        let above = n.checked_sub(1).map_or("", |above| lines[above]);
        is_constant(lines[n]) || (is_it(lines[n]) && !above.starts_with("#[ignore"))
    })
}

#[test]
fn every_law_is_held_by_tests_that_exist_and_are_run() {
    let numbers: Vec<u32> = LAWS.iter().map(|law| law.number).collect();
    assert_eq!(numbers, (1..=14).chain([18]).collect::<Vec<u32>>());
    for law in &LAWS {
        assert!(!law.properties.is_empty(), "L{}", law.number);
        for test in law.properties.iter().chain(law.model).chain([&SIMULATION]) {
            let (file, name) = test.split_once("::").expect("file::function");
            let source = read(&format!("tests/{file}"));
            assert!(is_run(&source, name), "L{} names {test}", law.number);
        }
    }
    assert!(!is_run(&read("tests/model/worlds.rs"), "no_such_test"));
}

#[test]
fn laws_that_must_be_exhausted_are() {
    for number in [3, 5, 7, 8, 9, 10, 11, 18] {
        let constant = format!("model/laws.rs::L{number}");
        let law = LAWS.iter().find(|law| law.number == number);
        let law = law.expect("it is in the table");
        assert!(law.model.contains(&constant.as_str()), "L{number}");
    }
}

#[test]
fn the_document_holds_the_tables_as_they_are_printed() {
    let document = read("../docs/proof.md");
    let (shortest, longest) = longest_lives();
    for printed in [
        table(),
        worlds(),
        format!("The longest lives have {shortest} to {longest} steps."),
    ] {
        assert!(
            document.contains(&printed),
            "write the output of `cargo run -p longhaul-state-tests --example proof` into docs/proof.md:\n{printed}"
        );
    }
}

#[test]
fn mutation_scores_are_of_files_that_exist_and_reach_what_was_promised() {
    let mut files = BTreeSet::new();
    let (mut viable, mut caught) = (0, 0);
    for score in SCORES {
        read(&format!("../core/src/{}", score.file));
        assert!(files.insert(score.file), "{} twice", score.file);
        assert!(score.caught <= score.viable, "{score:?}");
        viable += score.viable;
        caught += score.caught;
    }
    assert!(caught * 100 >= viable * 95, "{caught} of {viable}");
}
