//! Tests that mostly wait, run at the same time: the first of them that is run starts all that are wanted, each on a thread of its
//! own, and every test then waits for its own outcome. What others measure is not disturbed, because no other test runs meanwhile.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use libtest_mimic::{Arguments, Failed, Trial};

type Work = Box<dyn FnOnce() -> Result<(), Failed> + Send>;

enum Member {
    Ready(Work),
    Running(JoinHandle<Result<(), Failed>>),
    Done,
}

/// The members by the names of their tests.
#[derive(Clone, Default)]
pub(crate) struct Together(Arc<Mutex<Vec<(String, Member)>>>);

impl Together {
    /// The test that stands for a piece of work.
    pub(crate) fn test(
        &self,
        name: String,
        work: impl FnOnce() -> Result<(), Failed> + Send + 'static,
    ) -> Trial {
        self.members(|all| all.push((name.clone(), Member::Ready(Box::new(work)))));
        let (own, all) = (name.clone(), self.clone());
        Trial::test(name, move || all.outcome(&own))
    }

    /// Forgets what the command line does not ask for, so that it is not started beside what it does.
    pub(crate) fn keep_wanted(&self, arguments: &Arguments, tests: &[Trial]) {
        let wanted = |name: &str| {
            let of_name = tests.iter().find(|test| test.name() == name);
            of_name.is_some_and(|test| !arguments.is_filtered_out(test))
        };
        self.members(|all| all.retain(|(name, _)| wanted(name)));
    }

    fn outcome(&self, name: &str) -> Result<(), Failed> {
        let own = self.members(|all| {
            for (_, member) in all.iter_mut() {
                *member = match std::mem::replace(member, Member::Done) {
                    Member::Ready(work) => Member::Running(thread::spawn(work)),
                    other => other,
                };
            }
            let own = all.iter_mut().find(|(of, _)| of == name)?;
            match std::mem::replace(&mut own.1, Member::Done) {
                Member::Running(thread) => Some(thread),
                Member::Ready(_) | Member::Done => None,
            }
        });
        let own = own.ok_or_else(|| Failed::from("it was run before, or not to be run"))?;
        own.join()
            .unwrap_or_else(|_| Err("it panicked; its message is above".into()))
    }

    fn members<T>(&self, look: impl FnOnce(&mut Vec<(String, Member)>) -> T) -> T {
        // No member is left half changed by a panic.
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
