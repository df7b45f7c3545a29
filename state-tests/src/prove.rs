//! Running a property: the same cases every time, with a count of what they reached.
//!
//! A law that says "never" holds emptily where the interesting case never comes up. So each proof names what it must
//! have come across ([`Coverage::reached`]), and fails when it did not.
//!
//! The cases come from a fixed seed, so that the counts do not depend on luck. `PROPTEST_RNG_SEED` and `PROPTEST_CASES`
//! choose others; a case that failed once is kept in `regressions/` and runs first from then on.

use proptest::strategy::Strategy;
use proptest::test_runner::{
    Config, FileFailurePersistence, RngSeed, TestCaseError, TestError, TestRunner,
};
use std::cell::RefCell;
use std::collections::BTreeMap;

/// Cases of a whole run. A shorter one, as mutation testing makes, judges what it reaches, not what
/// it does not, and shows a case that breaks a law as it came.
const WHOLE: u32 = 256;

/// The seed of every proof, where the environment does not name another.
const SEED: u64 = 0x001a_0c0d;

/// What a proof came across, and how often.
#[derive(Debug, Default)]
pub struct Coverage {
    counts: RefCell<BTreeMap<String, u64>>,
}

impl Coverage {
    /// Notes that the case called `what` was reached.
    pub fn reached(&self, what: &str) {
        let mut counts = self.counts.borrow_mut();
        match counts.get_mut(what) {
            Some(count) => *count += 1,
            None => {
                counts.insert(what.to_owned(), 1);
            }
        }
    }

    /// Notes it where `condition` holds, which it hands back.
    pub fn sometimes(&self, condition: bool, what: &str) -> bool {
        if condition {
            self.reached(what);
        }
        condition
    }

    /// How often `what` was reached.
    #[must_use]
    pub fn count(&self, what: &str) -> u64 {
        self.counts.borrow().get(what).copied().unwrap_or(0)
    }
}

/// Checks `property` for the cases of `strategy`, then that each of `sometimes` was reached.
///
/// `regressions` is the file, below this crate's folder, that keeps the seeds of cases that failed.
///
/// # Panics
/// With the smallest case found that breaks the property, or with what was never reached.
#[track_caller]
pub fn prove<S: Strategy>(
    regressions: &'static str,
    strategy: &S,
    sometimes: &[&str],
    property: impl Fn(S::Value, &Coverage) -> Result<(), TestCaseError>,
) {
    let mut config = Config::default();
    let whole = config.cases >= WHOLE;
    config.max_shrink_iters = if whole { 20_000 } else { 0 };
    // Absent where the environment forbids it.
    if config.failure_persistence.is_some() {
        let file = FileFailurePersistence::Direct(regressions);
        config.failure_persistence = Some(Box::new(file));
    }
    if config.rng_seed == RngSeed::Random {
        config.rng_seed = RngSeed::Fixed(SEED);
    }
    let coverage = Coverage::default();
    let result = TestRunner::new(config).run(strategy, |case| property(case, &coverage));
    match result {
        Ok(()) => {}
        Err(TestError::Abort(reason)) => panic!("the proof gave up: {reason}"),
        Err(TestError::Fail(reason, case)) => panic!("{reason}\nsmallest case: {case:#?}"),
    }
    let never: Vec<_> = sometimes
        .iter()
        .filter(|what| whole && coverage.count(what) == 0)
        .collect();
    assert!(
        never.is_empty(),
        "never reached: {never:?}; reached: {:#?}",
        coverage.counts.borrow()
    );
}
