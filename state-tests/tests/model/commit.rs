//! From an input to an appended event, a step at a time, as `Node::commit` and `Driver::commit` go.

use crate::moment::{Commit, Moment, Outcome, Part, Stage, without_clock};
use crate::world::{Bug, WORKER, World};
use longhaul_core::{
    Download, Entry, Event, Input, Job, JobEnd, Observation, Origin, Range, Signal, StoredParts,
    decide,
};
use longhaul_state_tests::scenario::{ID, START, digest};
use std::sync::Arc;

/// What became of an attempt to append.
pub(crate) enum Appended {
    /// It is stored, if anything was decided: whether it was.
    Done(bool),
    /// Another writer was faster.
    Conflict,
}

impl World {
    /// Takes the next step of reading and looking, or all at once where the world is not a fine one.
    pub(crate) fn advance(&self, m: &Moment, who: usize, commit: &mut Commit) {
        loop {
            self.advance_once(m, who, commit);
            if self.fine || commit.stage == Stage::Append {
                return;
            }
        }
    }

    fn advance_once(&self, m: &Moment, who: usize, commit: &mut Commit) {
        match commit.stage {
            Stage::Load => {
                commit.view = Arc::clone(&m.history);
                commit.jobs.clear();
                commit.handling.clear();
                commit.rest.clear();
                commit.unstarted = None;
                commit.idle = false;
                commit.stage = if self.background {
                    Stage::Jobs
                } else {
                    Stage::StoredParts
                };
            }
            Stage::Jobs => {
                let jobs = m.jobs.iter();
                commit.jobs = jobs
                    .map(|(id, job)| (id.clone(), 30 * job.records.len() as u64))
                    .collect();
                let current = commit
                    .view
                    .state
                    .transfer()
                    .and_then(|t| t.registration.as_ref());
                let absent = current.is_some_and(|id| !m.jobs.contains_key(id));
                let asks = absent && self.bug != Some(Bug::TakesAbsentForLost);
                commit.stage = if asks { Stage::Ask } else { Stage::StoredParts };
            }
            Stage::Ask => {
                commit.handling = m.completions.keys().cloned().collect();
                commit.stage = Stage::StoredParts;
            }
            Stage::StoredParts => {
                commit.rest = m.rest.keys().copied().collect();
                let place = &m.places[who];
                commit.unstarted.clone_from(&place.unstarted);
                commit.idle = place.watched.as_ref().is_some_and(|watched| watched.idle);
                commit.stage = Stage::Append;
            }
            Stage::Append => {}
        }
    }

    /// The observation that was taken on the way.
    pub(crate) fn observation(&self, who: usize, commit: &Commit) -> Observation {
        Observation {
            stored: rest_of(commit.rest.iter().copied()),
            jobs: commit
                .jobs
                .iter()
                .map(|(registration, downloaded)| Job {
                    registration: registration.clone(),
                    downloaded: *downloaded,
                })
                .collect(),
            handling: commit.handling.clone(),
            unstarted: commit.unstarted.clone(),
            idle_ms: commit.idle.then_some(60_000),
            room: None,
            context: self.context(who),
        }
    }

    /// Decides on an outcome and appends; checks on the way that a stale one says no more than a look.
    pub(crate) fn tell(
        &self,
        m: &mut Moment,
        who: usize,
        outcome: &Outcome,
        commit: &Commit,
    ) -> Appended {
        let observation = self.observation(who, commit);
        let stale = outcome.is_stale(&commit.view);
        let mut told = outcome.clone();
        if self.bug == Some(Bug::AcceptsAStaleAttempt) {
            told.is_of(commit.view.attempt);
        }
        let decided = decide(&commit.view, START, told.input(observation.clone()));
        let events = decided.expect("signals are not rejected");
        if stale && !events.is_empty() && events != look(&commit.view, observation) {
            m.broke("L7: a stale outcome says more than a look");
        }
        self.append(m, who, commit, &events)
    }

    /// Appends on condition.
    pub(crate) fn append(
        &self,
        m: &mut Moment,
        who: usize,
        commit: &Commit,
        events: &[Event],
    ) -> Appended {
        if events.is_empty() {
            return Appended::Done(false);
        }
        if self.bug == Some(Bug::ActsBeforeAppending)
            && acts_first(m, &commit.view, events, &self.observation(who, commit))
        {
            return Appended::Conflict;
        }
        if commit.view.seq != m.history.seq {
            if self.bug != Some(Bug::SkipsTheConflictCheck) {
                return Appended::Conflict;
            }
            m.history = Arc::clone(&commit.view);
        }
        let origin = if who == WORKER {
            Origin::ServiceWorker
        } else {
            Origin::Page
        };
        for event in events {
            let history = Arc::make_mut(&mut m.history);
            let entry = Entry::new(ID, history.seq + 1, START, origin, event.clone());
            history.apply(Ok(&entry));
            without_clock(history);
            m.told += 1;
            if let Err(sentence) = m.ledger.take(event) {
                m.broke(law_of(&sentence));
            }
            if let Event::Started { registration, .. } = event {
                m.places[who].unstarted.clone_from(registration);
            }
        }
        m.places[who].appended = m.history.seq;
        for (n, place) in m.places.iter_mut().enumerate() {
            if n == who {
                place.woken |= place.driver.is_some();
            } else if place.open && n != WORKER {
                place.heard = true;
            }
        }
        Appended::Done(true)
    }
}

/// What a look decides.
pub(crate) fn look(view: &Download, observation: Observation) -> Vec<Event> {
    let look = Input::Signal(Signal::Observed(Box::new(observation)));
    decide(view, START, look).expect("a look is not rejected")
}

/// Parts stored as the machine is shown them.
pub(crate) fn rest_of(parts: impl Iterator<Item = Part>) -> StoredParts {
    let mut rest = StoredParts::new();
    for (version, index) in parts {
        let file = World::file(version);
        let range: Range = file.layout().range(index).expect("a part of the file");
        rest.entry(file.key()).or_default().push(range);
    }
    rest
}

fn law_of(sentence: &str) -> &'static str {
    match sentence.get(..2) {
        Some("L3") => "L3: an attempt has two endings",
        Some("L4") => "L4: figures fell, or passed the total",
        _ => "the table of phases",
    }
}

impl Outcome {
    /// Whether it is of another attempt or job than the present one.
    pub(crate) fn is_stale(&self, view: &Download) -> bool {
        match self {
            Self::Probed(attempt, _)
            | Self::PartFailed(attempt, _)
            | Self::Verified(attempt, _) => *attempt != view.attempt,
            Self::Refused(registration) | Self::Ended(registration, ..) => {
                let current = view.state.transfer().and_then(|t| t.registration.as_ref());
                current != Some(registration)
            }
        }
    }

    /// Makes it one of this attempt; see the planted bugs.
    fn is_of(&mut self, now: u32) {
        if let Self::Probed(attempt, _)
        | Self::PartFailed(attempt, _)
        | Self::Verified(attempt, _) = self
        {
            *attempt = now;
        }
    }

    pub(crate) fn input(self, observation: Observation) -> Input {
        let observation = Box::new(observation);
        Input::Signal(match self {
            Self::Probed(attempt, answer) => Signal::Probed {
                attempt,
                answers: vec![answer],
                observation,
            },
            Self::Refused(registration) => Signal::JobRefused {
                registration,
                quota: false,
                observation,
            },
            Self::PartFailed(attempt, fault) => Signal::PartFailed {
                attempt,
                resource: 0,
                fault,
                observation,
            },
            Self::Verified(attempt, digit) => Signal::Verified {
                attempt,
                digests: vec![(0, digest(digit))],
                answers: Vec::new(),
                observation,
            },
            Self::Ended(registration, end, faults) => Signal::JobEnded {
                registration,
                end,
                faults,
                observation,
            },
        })
    }
}

/// Hands over the job that an event would license, before that is stored; see the planted bugs.
fn acts_first(
    m: &mut Moment,
    view: &Download,
    events: &[Event],
    observation: &Observation,
) -> bool {
    let mut ahead = view.clone();
    let mut observation = observation.clone();
    for event in events {
        longhaul_core::evolve(&mut ahead, event);
        if let Event::Started { registration, .. } = event {
            observation.unstarted.clone_from(registration);
        }
    }
    for effect in longhaul_core::plan(&ahead, &observation, START) {
        if let longhaul_core::Effect::StartJob {
            registration,
            parts,
            ..
        } = effect
            && !m.jobs.contains_key(&registration)
        {
            crate::browser::start(m, registration, &parts);
            return true;
        }
    }
    false
}

/// Whether the worker stores what a job brought: not where it was aborted and nobody wants it any more.
pub(crate) fn is_wanted(m: &Moment, end: JobEnd) -> bool {
    end != JobEnd::Abort || m.history.state.is_running()
}
