//! What failed tests said, to be repeated at the end: a log of this length is read there first, and may be cut before.

/// So many lines of one failed test are repeated, the last ones.
const LINES: usize = 24;
/// So many characters of a line are.
const WIDTH: usize = 600;

/// Collects from the output of `cargo test`, line by line, what belongs to tests that failed.
#[derive(Default)]
pub(crate) struct Reasons {
    /// What was printed since the last test began.
    current: Vec<String>,
    /// Whether test programs list their failures now.
    listing: bool,
    /// Whether a backtrace is being printed, which says little to whoever has not the machine.
    tracing: bool,
    kept: Vec<String>,
}

impl Reasons {
    /// Takes in one line, whole or with its end.
    pub(crate) fn line(&mut self, line: &str) {
        let line = line.trim_end();
        if line.starts_with("test result: ") || line.trim_start().starts_with("Running ") {
            self.listing = false;
            self.current.clear();
        } else if line == "failures:" {
            self.listing = true;
        } else if self.listing {
            self.keep(line);
        } else {
            let begins = line.starts_with("test ") && line.contains(" ... ");
            let ends = line.ends_with("FAILED");
            if begins {
                self.current.clear();
            }
            self.tracing = !begins && !ends && (self.tracing || is_backtrace(line));
            if !self.tracing {
                self.current.push(line.to_owned());
            }
            if ends {
                let last = self.current.len().saturating_sub(LINES);
                for said in self.current.split_off(last) {
                    self.keep(&said);
                }
                self.current.clear();
            }
        }
    }

    /// The lines so far.
    pub(crate) fn kept(&self) -> &[String] {
        &self.kept
    }

    fn keep(&mut self, line: &str) {
        if !line.is_empty() {
            self.kept.push(line.chars().take(WIDTH).collect());
        }
    }
}

/// The first line of a backtrace, as the standard library and anyhow write it.
fn is_backtrace(line: &str) -> bool {
    line.eq_ignore_ascii_case("stack backtrace:")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(output: &str) -> Vec<String> {
        let mut reasons = Reasons::default();
        output.lines().for_each(|line| reasons.line(line));
        reasons.kept().to_vec()
    }

    #[test]
    fn what_a_test_printed_while_it_failed_is_kept() {
        let output = "test a ... ok\ntest b ... started\npanicked at x\nFAILED\ntest c ... ok";
        assert_eq!(
            kept(output),
            ["test b ... started", "panicked at x", "FAILED"]
        );
    }

    #[test]
    fn what_a_program_lists_at_its_end_is_kept() {
        let output = "test a ... ok\n\nfailures:\n\n---- b ----\n5 parts, not 4\n\n\ntest result: FAILED. 1 passed\nafter";
        assert_eq!(kept(output), ["---- b ----", "5 parts, not 4"]);
    }

    #[test]
    fn of_a_talkative_test_the_end_is_kept_and_of_a_long_line_the_beginning() {
        let long = "x".repeat(2 * WIDTH);
        let said = format!("test a ... \n{}{long}\nFAILED", "more\n".repeat(2 * LINES));
        let kept = kept(&said);
        assert_eq!(kept.len(), LINES);
        assert_eq!(kept[LINES - 1], "FAILED");
        assert_eq!(kept[LINES - 2].len(), WIDTH);
    }

    #[test]
    fn backtraces_are_left_out() {
        let output = "test a ... \nError: no\n\nStack backtrace:\n   0: main\n             at x.rs:1\nFAILED\ntest b ... FAILED";
        assert_eq!(
            kept(output),
            ["test a ... ", "Error: no", "FAILED", "test b ... FAILED"].map(str::trim_end)
        );
    }

    #[test]
    fn nothing_of_what_passed_is_kept() {
        assert!(kept("test a ... said something\nok\ntest result: ok. 1 passed").is_empty());
    }
}
