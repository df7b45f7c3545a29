//! What was run, what came of it, and the lines at the end.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::Result;

use super::counts::Tally;
use super::kinds::Kind;

/// Collects the results of checks and tests.
pub(crate) struct Report {
    start: Instant,
    checks: Tally,
    tests: BTreeMap<Kind, Tally>,
    failures: Vec<String>,
    said: Vec<String>,
    not_run: Vec<String>,
}

impl Report {
    /// The clock starts here.
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
            checks: Tally::default(),
            tests: BTreeMap::new(),
            failures: Vec::new(),
            said: Vec::new(),
            not_run: Vec::new(),
        }
    }

    /// Announces what comes next.
    pub(crate) fn heading(&self, title: &str) {
        println!(
            "\n== {title} (at {}) ==",
            minutes(self.start.elapsed().as_secs())
        );
    }

    /// Runs one check; says whether it passed.
    pub(crate) fn check(&mut self, title: &str, check: impl FnOnce() -> Result<()>) -> bool {
        self.heading(title);
        match check() {
            Ok(()) => {
                self.checks.passed += 1;
                true
            }
            Err(error) => {
                println!("{title}: {error:#}");
                self.fail(title.to_owned());
                false
            }
        }
    }

    /// Notes what was left out, with the reason.
    pub(crate) fn not_run(&mut self, what: &str) {
        self.not_run.push(what.to_owned());
    }

    /// Takes the results of one run: each test program's, and whether the run as a whole succeeded.
    pub(crate) fn add(&mut self, title: &str, results: &[(Kind, Tally)], success: bool) {
        let mut failed = 0;
        for (kind, tally) in results {
            self.tests.entry(*kind).or_default().add(*tally);
            failed += tally.failed;
        }
        if failed > 0 {
            self.failures.push(format!("{title}: {failed} failed"));
        } else if !success {
            self.fail(format!(
                "{title} ended early: a test program could not be built or broke off"
            ));
        }
    }

    /// Notes what failed tests said, to be said again at the end.
    pub(crate) fn said(&mut self, lines: &[String]) {
        self.said.extend_from_slice(lines);
    }

    fn fail(&mut self, what: String) {
        self.checks.failed += 1;
        self.failures.push(what);
    }
    /// Prints the summary; true if all went well and every expected kind of test was there at all.
    pub(crate) fn finish(mut self, expected: &[Kind]) -> bool {
        for kind in expected {
            if self.tests.get(kind).copied().unwrap_or_default().ran() == 0 {
                self.fail(format!("not one {} test ran", kind.name()));
            }
        }
        println!(
            "\n== summary ({}) ==",
            minutes(self.start.elapsed().as_secs())
        );
        for what in &self.not_run {
            println!("not run: {what}");
        }
        for what in &self.failures {
            println!("FAILED: {what}");
        }
        for line in &self.said {
            println!("| {line}");
        }
        println!("{}", self.ran());
        let mut all = self.checks;
        self.tests.values().for_each(|tally| all.add(*tally));
        if all.ignored > 0 {
            println!(
                "ignored: {} tests are marked so in their source",
                all.ignored
            );
        }
        println!("{} passed, {} failed", all.passed, all.failed);
        all.failed == 0
    }

    fn ran(&self) -> String {
        let mut parts = vec![format!("ran: {} checks", self.checks.ran())];
        for kind in Kind::ALL {
            let tally = self.tests.get(&kind).copied().unwrap_or_default();
            parts.push(format!("{} {}", tally.ran(), kind.name()));
        }
        format!("{} tests", parts.join(", "))
    }
}

impl Tally {
    fn ran(self) -> u64 {
        self.passed + self.failed
    }
}

fn minutes(seconds: u64) -> String {
    format!("{} min {:02} s", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::super::counts::Counter;
    use super::super::targets::Targets;
    use super::*;

    fn counted(lines: &[&str]) -> Report {
        let targets = Targets::of_tests(&[("laws", Kind::Property)]);
        let mut counter = Counter::new(&targets);
        for line in lines {
            counter.line(line);
        }
        let mut report = Report::new();
        report.add("tests", counter.results(), true);
        report
    }

    const UNIT: &str = "Running unittests src/lib.rs (target/debug/deps/a-1)";
    const PASSED: &str =
        "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out";
    const FAILED: &str =
        "test result: FAILED. 1 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out";

    #[test]
    fn all_is_well_when_everything_passed() {
        let mut report = counted(&[UNIT, PASSED]);
        assert!(report.check("format", || Ok(())));
        assert_eq!(
            report.ran(),
            "ran: 1 checks, 2 native unit, 0 doc, 0 property, 0 page script, 0 wasm store in the browser, 0 end-to-end tests"
        );
        assert!(report.finish(&[Kind::Unit]));
    }

    #[test]
    fn a_kind_of_which_no_test_ran_is_a_failure() {
        assert!(!counted(&[UNIT, PASSED]).finish(&[Kind::Unit, Kind::Property]));
    }

    #[test]
    fn a_failed_test_or_check_is_a_failure() {
        assert!(!counted(&[UNIT, FAILED]).finish(&[]));
        let mut report = counted(&[UNIT, PASSED]);
        assert!(!report.check("format", || Err(anyhow!("no"))));
        assert!(!report.finish(&[]));
    }

    #[test]
    fn a_run_that_broke_off_is_a_failure_even_if_all_counted_tests_passed() {
        let mut report = counted(&[UNIT, PASSED]);
        report.add("tests", &[], false);
        assert!(!report.finish(&[]));
    }
}
