//! Effects, how they are performed, and how their outcomes arrive.

use super::jobs::{Completion, RunningJob};
use super::outcome::Outcome;
use super::{JobFate, Luck, Rumour, Served, World};
use crate::scenario::{ID, digest};
use longhaul_core::{Effect, Input, JobEnd, JobId, Signal, TransferError, decide, plan};

impl World<'_> {
    /// What is planned for the owner now, after the history was read and a look was taken.
    pub(super) fn planned(&mut self) -> Result<Vec<Effect>, String> {
        let owner = self.owner;
        self.read(owner);
        self.look(owner)?;
        let observation = self.observation(owner);
        let effects = plan(&self.writers[owner].view, &observation, self.now);
        self.check_plan(&effects, &observation)?;
        if self.spoken.len() < 16 && !effects.is_empty() {
            self.spoken.push(format!("{effects:?}"));
        }
        Ok(effects)
    }

    pub(super) fn perform_one(&mut self, which: usize, luck: Luck) -> Result<(), String> {
        let effects = self.planned()?;
        if effects.is_empty() {
            return Ok(());
        }
        let effect = effects[which % effects.len()].clone();
        let outcome = self.perform(effect, luck);
        if let Some(outcome) = outcome
            && luck != Luck::Unheard
        {
            self.mail.push((self.owner, outcome));
        }
        Ok(())
    }

    pub(super) fn perform(&mut self, effect: Effect, luck: Luck) -> Option<Outcome> {
        match effect {
            Effect::Probe { attempt } => {
                let answers = self.servers.iter().map(Served::probe);
                Some(Outcome::Probed(attempt, answers.collect()))
            }
            Effect::StartJob {
                registration,
                parts,
                ..
            } => {
                self.writers[self.owner].unstarted = None;
                if luck == Luck::Breaks || luck == Luck::Quota {
                    return Some(Outcome::Refused(registration, luck == Luck::Quota));
                }
                let job = RunningJob {
                    parts,
                    records: Vec::new(),
                    downloaded: 0,
                };
                self.jobs.insert(registration, job);
                None
            }
            Effect::Harvest { registration } => {
                let job = self.jobs.get(&registration)?.clone();
                // A page reads early; what is wrong with a record is the worker's to report.
                drop(self.harvest(&job, usize::MAX));
                None
            }
            Effect::Fetch {
                attempt,
                resource,
                part,
                ..
            } => {
                let record = match luck {
                    Luck::Breaks => Err(TransferError::Network),
                    Luck::Quota => Err(TransferError::Quota),
                    _ => self.answer(resource, &part),
                };
                let fault = self.store(&part, &record).err()?;
                Some(Outcome::PartFailed(attempt, resource, fault))
            }
            Effect::Verify {
                attempt,
                resources,
                confirm,
            } => {
                let answers = confirm
                    .iter()
                    .map(|n| (*n, self.servers[*n as usize].probe()));
                let answers: Vec<_> = answers.collect();
                self.coverage
                    .sometimes(!answers.is_empty(), "a version was asked for again");
                let digests = resources.iter().filter_map(|n| {
                    let file = self.folded.files.get(*n as usize)?;
                    Some((*n, self.digest(&file.key())))
                });
                Some(Outcome::Verified(attempt, digests.collect(), answers))
            }
            Effect::AbortJob { registration } => {
                let job = self.jobs.remove(&registration)?;
                let end = JobEnd::Abort;
                self.handling.insert(registration, Completion { job, end });
                None
            }
            Effect::DeleteFiles { keys, .. } | Effect::Discard { keys, .. } => {
                for key in keys {
                    self.rest.remove(&key);
                }
                None
            }
            Effect::Wait { until, .. } => {
                if luck == Luck::Good {
                    self.now = until.unwrap_or(self.now);
                }
                None
            }
        }
    }

    pub(super) fn deliver(&mut self, which: usize, again: bool) -> Result<(), String> {
        if self.mail.is_empty() {
            return Ok(());
        }
        let place = which % self.mail.len();
        let (by, outcome) = if again {
            self.mail[place].clone()
        } else {
            self.mail.remove(place)
        };
        self.arrives(by, &outcome)
    }

    pub(super) fn rumour(&mut self, of: &Rumour, before: u32) -> Result<(), String> {
        let attempt = self.folded.attempt.saturating_sub(before);
        let transfer = self.folded.state.transfer().map_or(1, |t| t.number);
        let registration = JobId {
            name: self.writers[0].context.name.clone(),
            download: ID.into(),
            attempt,
            transfer: transfer.saturating_sub(before).max(1),
        };
        let registration = registration.to_string();
        let count = self.spec.resources.len();
        let outcome = match of.clone() {
            Rumour::Probed(answer) => Outcome::Probed(attempt, vec![answer; count]),
            Rumour::Refused { quota } => Outcome::Refused(registration, quota),
            Rumour::Ended(end, faults) => Outcome::Ended(registration, end, faults),
            Rumour::PartFailed(fault) => Outcome::PartFailed(attempt, 0, fault),
            Rumour::Verified => Outcome::Verified(attempt, vec![(0, digest('e'))], Vec::new()),
        };
        self.arrives(self.owner, &outcome)
    }

    /// An outcome reaches a writer, and then reaches it again.
    pub(super) fn arrives(&mut self, by: usize, outcome: &Outcome) -> Result<(), String> {
        let stale = outcome.is_stale(&self.folded);
        let looked = if stale {
            self.read(by);
            let look = Input::Signal(Signal::Observed(Box::new(self.observation(by))));
            decide(&self.folded, self.now, look).ok()
        } else {
            None
        };
        let first = self.take(by, |observation| outcome.input(observation))?;
        if stale {
            self.coverage.reached(&format!("stale: {}", outcome.name()));
            let said = first.as_ref().ok().cloned().unwrap_or_default();
            self.coverage
                .sometimes(!said.is_empty(), "stale, and as good as a look");
            if !said.is_empty() && Some(&said) != looked.as_ref() {
                return Err(format!("L7: {outcome:?} is stale and led to {said:?}"));
            }
        }
        if let Outcome::Ended(registration, ..) = outcome {
            self.handling.remove(registration);
        }
        let look = Input::Signal(Signal::Observed(Box::new(self.observation(by))));
        let looked = decide(&self.writers[by].view, self.now, look);
        let second = self.take(by, |observation| outcome.input(observation))?;
        if first.as_ref().is_ok_and(|events| !events.is_empty()) && !stale {
            let name = outcome.name();
            self.coverage
                .reached(&format!("told, then told again: {name}"));
        }
        // What anyone who looks would say by now is not said by the outcome.
        if second.as_ref().is_ok_and(|events| !events.is_empty()) && second != looked {
            return Err(format!(
                "L6: {outcome:?} led to {first:?}, and a second time to {second:?}"
            ));
        }
        Ok(())
    }

    /// From here on nothing goes wrong any more: every server heals, a page with headers stays, all outcomes arrive.
    /// The download must come to an end.
    ///
    /// # Errors
    /// What broke, or that no end came.
    pub fn finish(&mut self) -> Result<(), String> {
        for server in &mut self.servers {
            server.trouble = None;
            server.claimed = server.version;
        }
        for writer in &mut self.writers {
            writer.context.offline = false;
        }
        self.take_over(0);
        for _ in 0..400 {
            self.work(1);
            let done: Vec<usize> = (0..self.jobs.len())
                .filter(|n| self.jobs.values().nth(*n).is_some_and(RunningJob::is_done))
                .collect();
            if let Some(n) = done.first() {
                self.end_job(*n, JobFate::Success);
            }
            self.handle(false);
            while !self.mail.is_empty() {
                self.deliver(0, false)?;
            }
            let effects = self.planned()?;
            let waits = effects.iter().find_map(|effect| match effect {
                Effect::Wait { until, .. } => *until,
                _ => None,
            });
            if let Some(until) = waits {
                self.now = until;
            }
            let idle = effects.is_empty();
            for effect in effects {
                if let Some(outcome) = self.perform(effect, Luck::Good) {
                    self.mail.push((self.owner, outcome));
                }
            }
            self.check()?;
            if idle && !self.folded.is_running() && self.jobs.is_empty() {
                return Ok(());
            }
        }
        Err(format!("no end came: {:#?}", self.folded))
    }
}
