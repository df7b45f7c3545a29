//! Counting tests in the output of `cargo test`.

use super::kinds::Kind;
use super::targets::Targets;

/// Results of some tests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) ignored: u64,
}

impl Tally {
    /// Adds the results of other tests.
    pub(crate) fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }
}

/// Reads `cargo test`'s output line by line.
pub(crate) struct Counter<'a> {
    targets: &'a Targets,
    /// Kind of the test program that is running.
    now: Option<Kind>,
    /// The cases that it has said something about.
    cases: Option<Tally>,
    results: Vec<(Kind, Tally)>,
}

impl<'a> Counter<'a> {
    /// Has counted nothing yet.
    pub(crate) fn new(targets: &'a Targets) -> Self {
        Self {
            targets,
            now: None,
            cases: None,
            results: Vec::new(),
        }
    }

    /// Takes in one line, whole or with its end.
    pub(crate) fn line(&mut self, line: &str) {
        let line = line.trim();
        if line.starts_with("Doc-tests ") {
            self.now = Some(Kind::Doc);
        } else if let Some(program) = running(line) {
            self.now = Some(self.targets.kind_of(program));
            self.cases = None;
        } else if let (Some(Kind::Store), Some(passed)) = (self.now, case(line)) {
            let cases = self.cases.get_or_insert_default();
            cases.passed += u64::from(passed);
            cases.failed += u64::from(!passed);
        } else if let (Some(kind), Some(tally)) = (self.now, result(line)) {
            // Where one test runs a suite of cases, it is the cases that count.
            self.results
                .push((kind, self.cases.take().unwrap_or(tally)));
        }
    }

    /// The results, one for each test program.
    pub(crate) fn results(&self) -> &[(Kind, Tally)] {
        &self.results
    }
}

/// The source of the test program that starts: `Running tests/laws.rs (target/debug/deps/laws-0123)` is `laws`,
/// `Running unittests src/lib.rs (...)` is the empty name.
fn running(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("Running ")?;
    let (source, program) = rest.split_once(" (")?;
    if source.starts_with("unittests ") {
        return Some("");
    }
    let file = program.trim_end_matches(')').rsplit(['/', '\\']).next()?;
    Some(file.rsplit_once('-').map_or(file, |(name, _)| name))
}

/// `conformance an_append_is_read_back ... ok`, maybe behind the name of the test that runs it: whether it passed.
fn case(line: &str) -> Option<bool> {
    let (_, rest) = line.rsplit_once("conformance ")?;
    let (name, outcome) = rest.split_once(" ... ")?;
    if name.contains(' ') {
        return None;
    }
    match outcome {
        "ok" => Some(true),
        _ => outcome.starts_with("FAILED").then_some(false),
    }
}

/// `test result: ok. 5 passed; 0 failed; 1 ignored; ...`
fn result(line: &str) -> Option<Tally> {
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let mut tally = Tally::default();
    for count in counts.split("; ") {
        let (number, what) = count.split_once(' ')?;
        match what {
            "passed" => tally.passed = number.parse().ok()?,
            "failed" => tally.failed = number.parse().ok()?,
            "ignored" => tally.ignored = number.parse().ok()?,
            _ => {}
        }
    }
    Some(tally)
}

/// Counts in the output of Node's test runner, in its TAP form, where each stands on a line of its own.
pub(crate) fn tap(output: &str) -> Tally {
    let count = |what: &str| {
        output
            .lines()
            .filter_map(|line| {
                line.strip_prefix("# ")?
                    .strip_prefix(what)?
                    .trim()
                    .parse::<u64>()
                    .ok()
            })
            .sum()
    };
    Tally {
        passed: count("pass "),
        failed: count("fail ") + count("cancelled "),
        ignored: count("skipped ") + count("todo "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "
   Compiling longhaul-core v0.1.0
    Finished `test` profile [unoptimized + debuginfo] target(s) in 2.5s
     Running unittests src/lib.rs (target/debug/deps/longhaul_core-0a1b2c)

running 3 tests
test parts::a_part_is_never_empty ... ok
test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s

     Running tests/some-laws.rs (target/debug/deps/some_laws-99aa)
test result: FAILED. 4 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 9.10s
     Running tests/e2e_trap.rs (target/debug/deps/e2e_trap-77)
test result: ok. 7 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 30.00s
   Doc-tests longhaul_core
test result: ok. 6 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s
test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s
";

    #[test]
    fn every_test_program_is_counted_under_its_kind() {
        let targets =
            Targets::of_tests(&[("some_laws", Kind::Property), ("e2e_trap", Kind::EndToEnd)]);
        let mut counter = Counter::new(&targets);
        OUTPUT.lines().for_each(|line| counter.line(line));
        let tally = |passed, failed, ignored| Tally {
            passed,
            failed,
            ignored,
        };
        assert_eq!(
            counter.results(),
            [
                (Kind::Unit, tally(2, 0, 1)),
                (Kind::Property, tally(4, 1, 0)),
                (Kind::EndToEnd, tally(7, 0, 0)),
                (Kind::Doc, tally(6, 0, 0)),
                (Kind::Doc, tally(1, 0, 0)),
            ]
        );
    }

    #[test]
    fn a_result_that_no_program_was_announced_for_is_not_counted() {
        let targets = Targets::of_tests(&[]);
        let mut counter = Counter::new(&targets);
        counter.line("test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out");
        assert_eq!(counter.results(), []);
    }

    #[test]
    fn where_one_test_runs_a_suite_its_cases_are_counted() {
        let targets = Targets::of_tests(&[("e2e_conformance", Kind::Store)]);
        let mut counter = Counter::new(&targets);
        for line in [
            "Running tests/e2e_conformance.rs (target/debug/deps/e2e_conformance-1)",
            "running 1 test",
            "test every_case_passes ... conformance a_fresh_store_is_empty ... ok",
            "conformance a_limit_of_zero ... FAILED: found 1",
            "conformance ids_may_be_any_text ... ok",
            "conformance: 2 passed",
            "FAILED",
            "test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out",
        ] {
            counter.line(line);
        }
        let cases = Tally {
            passed: 2,
            failed: 1,
            ignored: 0,
        };
        assert_eq!(counter.results(), [(Kind::Store, cases)]);
    }

    #[test]
    fn a_suite_that_reached_no_case_counts_as_its_one_test() {
        let targets = Targets::of_tests(&[("e2e_conformance", Kind::Store)]);
        let mut counter = Counter::new(&targets);
        counter.line("Running tests/e2e_conformance.rs (target/debug/deps/e2e_conformance-1)");
        counter
            .line("test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out");
        let one = Tally {
            passed: 0,
            failed: 1,
            ignored: 0,
        };
        assert_eq!(counter.results(), [(Kind::Store, one)]);
    }

    #[test]
    fn the_summary_of_node_is_counted() {
        let output = "ok 1 - a\n# tests 9\n# suites 0\n# pass 5\n# fail 1\n# cancelled 1\n# skipped 2\n# todo 0\n# duration_ms 5.1\n";
        assert_eq!(
            tap(output),
            Tally {
                passed: 5,
                failed: 2,
                ignored: 2
            }
        );
    }
}
