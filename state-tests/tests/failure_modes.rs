//! The tables of `docs/failure-modes.md` name tests that exist, and every code and reason of the contract has one.

use std::collections::BTreeMap;
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
    if program.contains("/src/") {
        let source = read(&root().join(program));
        let (_, tests) = source.split_once("mod tests {").expect("it has tests");
        return tests.to_owned();
    }
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

/// Demands that everything which the last cell of a row names is there; how many tests that are. A `word` must stand in the
/// sources of one of them.
fn check(cell: &str, word: Option<&str>) -> usize {
    let mut tests = 0;
    let mut mentioned = word.is_none();
    let mut look = |source: &str| mentioned |= word.is_some_and(|word| mentions(source, word));
    for named in cell
        .split("; ")
        .filter(|named| !["–", "the same"].contains(named))
    {
        let Some((program, functions)) = named
            .strip_prefix('`')
            .and_then(|named| named.split_once('`'))
        else {
            let scenario = named.trim_start_matches("engines: ");
            let source = sources("engines");
            let is_there = source.contains(&format!("\"{scenario}\""));
            assert!(is_there, "there is no scenario `{scenario}`");
            look(&source);
            tests += 1;
            continue;
        };
        let source = sources(program);
        look(&source);
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
    assert!(mentioned, "{cell} does not mention {word:?}");
    tests
}

/// Whether a test says a word of the contract: as a text, or by the name that it has in Rust.
fn mentions(source: &str, word: &str) -> bool {
    let capitalised = |part: &str| {
        let (first, rest) = part.split_at(1);
        first.to_uppercase() + rest
    };
    let variant: String = word.split('-').map(capitalised).collect();
    ["\"", "'"]
        .iter()
        .any(|quote| source.contains(&format!("{quote}{word}{quote}")))
        || source.contains(&format!("Reason::{variant}"))
}

/// Rows of a table: the first cell and the last, without the table's head.
fn rows<'a>(document: &'a str, head: &str) -> Vec<(&'a str, &'a str)> {
    let table = document
        .lines()
        .skip_while(|line| !line.starts_with(&format!("| {head} | ")));
    let rows = table.skip(2).take_while(|line| line.starts_with("| "));
    rows.filter_map(|row| {
        let row = row.strip_prefix("| ")?.strip_suffix(" |")?;
        Some((row.split_once(" | ")?.0, row.rsplit_once(" | ")?.1))
    })
    .collect()
}

/// The keys of an interface in `index.d.ts`; those that are texts stand in quotes.
fn keys<'a>(types: &'a str, name: &str) -> Vec<&'a str> {
    let begin = format!("export interface {name} {{\n");
    let (_, rest) = types.split_once(&begin).expect("the interface is there");
    let (interface, _) = rest.split_once("\n}").expect("it ends");
    let keys = interface.lines().filter_map(|line| {
        let key = line.strip_prefix("  ")?.split_once(": ")?.0;
        Some(key.trim_matches('"'))
    });
    keys.filter(|key| !key.contains([' ', '*', '/'])).collect()
}

/// The words of a union of texts in `index.d.ts`.
fn union<'a>(types: &'a str, name: &str) -> Vec<&'a str> {
    let begin = format!("export type {name} =");
    let (_, rest) = types.split_once(&begin).expect("the type is there");
    let (union, _) = rest.split_once(';').expect("it ends");
    union.split('"').skip(1).step_by(2).collect()
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
    let tests: usize = rows.into_iter().map(|cell| check(cell, None)).sum();
    assert!(tests > 60, "{tests} tests");
}

#[test]
#[should_panic(expected = "no test")]
fn a_name_that_is_wrong_is_found() {
    check("`e2e_room` no_such_test", None);
}

#[test]
fn every_code_and_reason_of_the_contract_is_provoked_by_a_test() {
    let document = read(&root().join("docs/failure-modes.md"));
    let types = read(&root().join("page-adapter/js/index.d.ts"));
    let lists = [
        ("error code", keys(&types, "ErrorData"), 14),
        ("waiting reason", union(&types, "WaitReason"), 8),
        ("failure reason", union(&types, "FailReason"), 16),
    ];
    for (head, mut words, at_least) in lists {
        let mut shown = BTreeMap::new();
        for (word, cell) in rows(&document, head) {
            let word = word.trim_matches('`');
            assert!(check(cell, Some(word)) > 0, "{head} {word} has no test");
            assert!(shown.insert(word, cell).is_none(), "{head} {word} twice");
        }
        assert!(words.len() >= at_least, "{head}: {words:?}");
        words.sort_unstable();
        let shown: Vec<&str> = shown.into_keys().collect();
        assert_eq!(words, shown, "{head} in index.d.ts, and in the table");
    }
}

#[test]
#[should_panic(expected = "does not mention")]
fn a_test_that_does_not_say_the_word_does_not_show_it() {
    check(
        "`e2e_room` a_page_asks_once_that_nothing_is_evicted_and_at_its_first_request",
        Some("unauthorized"),
    );
}
