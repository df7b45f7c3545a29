//! Looking and appending, a step at a time, as `Node::observe` and `Node::append` go.

use crate::moment::{Clock, Moment, Sight, Stage, without_clock};
use crate::world::{Bug, World};
use longhaul_core::{Download, Entry, Event, Job, Observation, StoredParts};
use longhaul_state_tests::scenario::ID;
use std::sync::Arc;

impl World {
    /// A look that begins.
    pub(crate) const fn sight(&self) -> Sight {
        Sight {
            stage: if self.background {
                Stage::Jobs
            } else {
                Stage::Stored
            },
            jobs: Vec::new(),
            handling: Vec::new(),
            rest: StoredParts::new(),
        }
    }

    /// Takes the next step of a look. What was read before says which job is the current one.
    pub(crate) fn see(&self, m: &Moment, sight: &mut Sight, view: &Download, keys: &[String]) {
        match sight.stage {
            Stage::Jobs => {
                sight.jobs = jobs(m);
                let current = view.state.transfer().and_then(|t| t.registration.as_ref());
                let absent = current.is_some_and(|id| !m.jobs.contains_key(id));
                let asks = absent && self.bug != Some(Bug::TakesAbsentForLost);
                sight.stage = if asks { Stage::Handling } else { Stage::Stored };
            }
            Stage::Handling => {
                sight.handling = m.completions.keys().cloned().collect();
                sight.stage = Stage::Stored;
            }
            Stage::Stored => {
                for key in keys {
                    sight.rest.entry(key.clone()).or_default();
                }
                let all = self.rest(m);
                for (key, ranges) in all.iter().filter(|(key, _)| keys.contains(key)) {
                    sight.rest.insert(key.clone(), ranges.clone());
                }
                sight.stage = Stage::Whole;
            }
            Stage::Whole => {}
        }
    }

    /// The observation that a look came to.
    pub(crate) fn observation(&self, who: usize, sight: Sight) -> Observation {
        Observation {
            stored: sight.rest,
            jobs: sight.jobs,
            handling: sight.handling,
            context: self.context(who),
            ..Observation::default()
        }
    }

    /// All that one would see who looks now, at once.
    pub(crate) fn everything(&self, m: &Moment, who: usize) -> Observation {
        Observation {
            stored: self.rest(m),
            jobs: jobs(m),
            handling: m.completions.keys().cloned().collect(),
            context: self.context(who),
            ..Observation::default()
        }
    }

    fn rest(&self, m: &Moment) -> StoredParts {
        let mut rest = StoredParts::new();
        for part in m.rest.keys() {
            let key = self.key_of(*part).clone();
            rest.entry(key).or_default().push(self.range_of(*part));
        }
        rest
    }

    /// Appends on condition: whether nobody else was faster than one who has read this.
    pub(crate) fn append(
        &self,
        m: &mut Moment,
        who: usize,
        view: &Download,
        events: &[Event],
    ) -> bool {
        if events.is_empty() {
            return true;
        }
        if view.seq != m.history.seq {
            if self.bug != Some(Bug::SkipsTheConflictCheck) {
                return false;
            }
            m.history = Arc::new(view.clone());
            without_clock(Arc::make_mut(&mut m.history));
        }
        let at = m.time();
        for event in events {
            let history = Arc::make_mut(&mut m.history);
            let entry = Entry::new(ID, history.seq + 1, at, Self::origin(who), event.clone());
            history.apply(Ok(&entry));
            m.told += 1;
            if let Err(sentence) = m.ledger.take(event) {
                m.broke(law_of(&sentence));
            }
        }
        without_clock(Arc::make_mut(&mut m.history));
        if m.clock == Clock::Forth {
            m.clock = Clock::Even;
        }
        for n in crate::world::TABS {
            m.places[n].heard |= n != who && m.places[n].open;
        }
        true
    }
}

fn jobs(m: &Moment) -> Vec<Job> {
    let jobs = m.jobs.iter();
    jobs.map(|(registration, job)| Job {
        registration: registration.clone(),
        downloaded: job.downloaded(),
    })
    .collect()
}

fn law_of(sentence: &str) -> &'static str {
    match sentence.get(..2) {
        Some("L3") => "L3: an attempt has two endings",
        Some("L4") => "L4: figures fell, or passed the total",
        _ => "the table of phases",
    }
}
