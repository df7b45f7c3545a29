//! What becomes of a moment when something happens.

use crate::actions::Action;
use crate::commit::{Appended, is_wanted};
use crate::moment::{
    Bytes, Commit, Driver, Flight, Flying, Handling, Moment, Outcome, Stage, Timer, after_the_wait,
};
use crate::world::{Ask, Bug, TABS, WORKER, World};
use longhaul_core::{Command, Effect, EvictedBy, FailReason, Input, State, decide};
use longhaul_state_tests::scenario::START;
use std::collections::BTreeMap;
use std::sync::Arc;

impl World {
    /// The moment after.
    pub(crate) fn after(&self, before: &Moment, action: Action) -> Moment {
        let mut m = before.clone();
        match action {
            Action::Drive(n) => self.drive(&mut m, n),
            Action::Fly(n, flying) => self.fly(&mut m, n, &flying, false),
            Action::Repeat(n, flying) => {
                m.left.repeats -= 1;
                self.fly(&mut m, n, &flying, true);
            }
            Action::Command(n) => self.command(&mut m, n),
            Action::Handle(id) => self.handle(&mut m, &id, false),
            Action::RepeatEnd(id) => {
                m.left.repeats -= 1;
                self.handle(&mut m, &id, true);
            }
            Action::Hear(n) => hear(&mut m, n),
            Action::Wake(n) => wake(&mut m, n),
            Action::Idle(n) => {
                m.left.idles -= 1;
                wake(&mut m, n);
            }
            Action::Open(n) => self.open(&mut m, n),
            Action::Work(id) => work(&mut m, &id, None),
            Action::Ask(n, ask) => {
                m.asked += 1;
                // The history is read with the first step of the command.
                m.places[n].asking = Some((ask, Arc::clone(&m.history)));
            }
            unkind => self.suffer(&mut m, unkind),
        }
        m
    }

    /// What the adversary does.
    fn suffer(&self, m: &mut Moment, action: Action) {
        match action {
            Action::Crash(n) => {
                m.left.crashes -= 1;
                die(m, n);
            }
            Action::Blackout => {
                m.left.blackouts -= 1;
                blackout(m);
            }
            Action::Drop(n) => {
                m.left.drops -= 1;
                m.places[n].heard = false;
            }
            Action::Echo(n) => {
                m.left.echoes -= 1;
                m.places[n].heard = true;
            }
            Action::Break(n, flying) => {
                m.left.breaks -= 1;
                self.breaks(m, n, flying);
            }
            Action::Refuse(n) => {
                m.left.refusals -= 1;
                self.refuse(m, n);
            }
            Action::Hollow(id) => {
                m.left.hollow -= 1;
                let version = m.server;
                work(
                    m,
                    &id,
                    Some(crate::moment::Record::Of(version, Bytes::None)),
                );
            }
            Action::Splice(id) => {
                m.left.spliced -= 1;
                let version = m.server;
                work(
                    m,
                    &id,
                    Some(crate::moment::Record::Of(version, Bytes::Spliced)),
                );
            }
            Action::SpliceFetch(n, flying) => {
                m.left.spliced -= 1;
                if let Flying::Fetch(_, _, part, _) = flying {
                    m.rest.entry(part).or_insert(Bytes::Spliced);
                }
                m.places[n].flights.remove(&flying);
                m.places[n].woken = true;
            }
            Action::Gone(id) => {
                m.left.gone -= 1;
                work(m, &id, Some(crate::moment::Record::Gone));
            }
            Action::Vanish(id) => {
                m.left.vanishing -= 1;
                m.jobs.remove(&id);
            }
            Action::Change => {
                m.left.changes -= 1;
                m.server = 2;
            }
            Action::LatePart(part) => {
                m.late_parts.remove(&part);
                m.rest.entry(part).or_insert(Bytes::Right);
            }
            Action::LateJob(id) => {
                if let Some(job) = m.late_jobs.remove(&id) {
                    m.jobs.insert(id, job);
                }
            }
            Action::Delete(n) => {
                m.places[n].rash = false;
                m.rest.clear();
            }
            fair => unreachable!("{fair:?} is fair"),
        }
    }

    fn refuse(&self, m: &mut Moment, n: usize) {
        let first = self.first(m, n);
        let place = &mut m.places[n];
        if let Some(Driver::Performs(effects, _)) = place.driver.take()
            && let Some(Effect::StartJob { registration, .. }) = effects.into_iter().next()
        {
            place.unstarted = None;
            place.driver = Some(Driver::Refused(registration, first));
        }
    }

    /// The app's command: the history is read, then the decision appended.
    fn command(&self, m: &mut Moment, n: usize) {
        let (ask, view) = m.places[n].asking.take().expect("something was asked");
        let command = match ask {
            Ask::Request => Command::Request(Box::new(
                self.spec().validated().expect("one that can be asked for"),
            )),
            Ask::Abort => Command::Abort,
            Ask::Retry => Command::Retry,
            Ask::Remove => Command::Remove,
        };
        let events = decide(&view, START, Input::Command(command)).unwrap_or_default();
        let commit = Commit {
            stage: Stage::Append,
            view,
            ..Commit::new()
        };
        if let Appended::Conflict = self.append(m, n, &commit, &events) {
            m.places[n].asking = Some((ask, Arc::clone(&m.history)));
            return;
        }
        // Who asks need not wait.
        m.failed.clear();
        if !events.is_empty() {
            m.hurried = m.history.seq;
        }
        if self.bug == Some(Bug::DeletesWithoutTheLock) && matches!(ask, Ask::Abort | Ask::Remove) {
            m.places[n].rash = true;
        }
        // Whoever asks sees to it that the download has an owner.
        self.see_to(m, n);
    }

    /// A driver in this tab: woken, or queued for the lock.
    fn see_to(&self, m: &mut Moment, n: usize) {
        if m.places[n].driver.is_some() {
            m.places[n].woken = true;
        } else {
            enqueue(m, n);
            if self.bug == Some(Bug::WorksWithoutTheLock) {
                m.places[n].driver = Some(Driver::Looks(self.first(m, n)));
            }
        }
    }

    /// A tab opens and looks after what it finds.
    fn open(&self, m: &mut Moment, n: usize) {
        m.places[n].open = true;
        let left_behind = matches!(
            m.history.state,
            State::Aborted { .. }
                | State::Evicted {
                    by: EvictedBy::Removal
                }
        ) || matches!(&m.history.state, State::Failed { failure } if failure.reason == FailReason::Integrity);
        if m.history.is_running() || !m.jobs.is_empty() || (left_behind && !m.rest.is_empty()) {
            self.see_to(m, n);
        }
    }

    /// The next step of the handler of a completion.
    fn handle(&self, m: &mut Moment, id: &str, twice: bool) {
        let mut completion = m.completions.remove(id).expect("its event has begun");
        let early = self.bug == Some(Bug::AccountsBeforeStoring);
        completion.stage = match completion.stage {
            Handling::Starting if early => Handling::Accounting(self.first(m, WORKER)),
            Handling::Starting => Handling::Storing(0, Vec::new()),
            Handling::Storing(from, mut faults) => {
                let wanted = is_wanted(m, completion.end);
                match completion.job.records.get(from).filter(|_| wanted) {
                    Some(record) => {
                        let part = completion.job.parts[from];
                        if !m.rest.contains_key(&part) {
                            faults.extend(self.store(m, part, *record).err());
                        }
                        Handling::Storing(from + 1, faults)
                    }
                    None if early => return self.accounted(m),
                    None => {
                        completion.job.faults = faults;
                        Handling::Accounting(self.first(m, WORKER))
                    }
                }
            }
            Handling::Accounting(mut commit) if commit.stage != Stage::Append => {
                self.advance(m, WORKER, &mut commit);
                Handling::Accounting(commit)
            }
            Handling::Accounting(commit) => {
                let faults = completion.job.faults.clone();
                let outcome = Outcome::Ended(id.to_owned(), completion.end, faults);
                match self.tell(m, WORKER, &outcome, &commit) {
                    Appended::Conflict => Handling::Accounting(self.first(m, WORKER)),
                    Appended::Done(new) => {
                        if !outcome.is_stale(&commit.view) {
                            let failed = completion.job.failed(&m.rest);
                            m.has_failed(failed, commit.view.seq);
                        }
                        if twice {
                            self.tell_again(m, WORKER, &outcome, new);
                        }
                        if !early {
                            return self.accounted(m);
                        }
                        Handling::Storing(0, Vec::new())
                    }
                }
            }
        };
        m.completions.insert(id.to_owned(), completion);
    }

    /// A completion is accounted for: the worker does what is left, and tells all clients.
    fn accounted(&self, m: &mut Moment) {
        self.see_to(m, WORKER);
        for n in TABS {
            m.places[n].heard |= m.places[n].open;
        }
    }
}

/// Queues for the lock.
pub(crate) fn enqueue(m: &mut Moment, n: usize) {
    m.places[n].driver = Some(Driver::Queued);
    if !m.queue.contains(&n) {
        m.queue.push(n);
    }
}

/// A message said "read again".
fn hear(m: &mut Moment, n: usize) {
    m.places[n].heard = false;
    if m.places[n].driver.is_some() {
        m.places[n].woken = true;
    } else if m.history.is_running() {
        enqueue(m, n);
    }
}

/// A rest is over by itself.
fn wake(m: &mut Moment, n: usize) {
    let Some(Driver::Rests(timer)) = &m.places[n].driver else {
        return;
    };
    match timer {
        Timer::Wait => {
            after_the_wait(&mut m.history);
            m.failed.clear();
            for place in &mut m.places {
                forget_waits(place);
            }
            for completion in m.completions.values_mut() {
                if let Handling::Accounting(commit) = &mut completion.stage {
                    after_the_wait(&mut commit.view);
                }
            }
        }
        Timer::Idle => {
            if let Some(watched) = &mut m.places[n].watched {
                watched.idle = true;
            }
        }
        Timer::Now | Timer::None => {}
    }
    m.places[n].woken = true;
}

fn forget_waits(place: &mut crate::moment::Place) {
    if let Some((_, view)) = &mut place.asking {
        after_the_wait(view);
    }
    if let Some(Driver::Looks(commit) | Driver::Refused(_, commit)) = &mut place.driver {
        after_the_wait(&mut commit.view);
    }
    for flight in place.flights.values_mut() {
        if let Flight::Told(_, commit) = flight {
            after_the_wait(&mut commit.view);
        }
    }
}

fn work(m: &mut Moment, id: &str, record: Option<crate::moment::Record>) {
    crate::browser::work(m, id, record);
}

/// A context dies. The browser releases its lock; what it had sent may still arrive.
pub(crate) fn die(m: &mut Moment, n: usize) {
    let place = std::mem::take(&mut m.places[n]);
    m.queue.retain(|of| *of != n);
    if m.left.late > 0 {
        m.left.late -= 1;
        for flying in place.flights.keys() {
            if let Flying::Fetch(_, _, part, _) = flying
                && part.0 == m.server
            {
                m.late_parts.insert(*part);
            }
        }
        if let Some(Driver::Performs(effects, _)) = place.driver
            && let Some(Effect::StartJob {
                registration,
                parts,
                ..
            }) = effects.first()
        {
            let job = crate::browser::job_of(parts);
            m.late_jobs.insert(
                registration.clone(),
                crate::moment::Job { late: true, ..job },
            );
        }
    }
    if n == WORKER {
        m.places[n].open = true;
        m.completions.clear();
    }
}

/// The browser is killed: contexts, completions under way and requests in flight are gone, jobs and bytes stay.
fn blackout(m: &mut Moment) {
    for n in [0, 1, WORKER] {
        die(m, n);
    }
    m.late_parts = std::collections::BTreeSet::new();
    m.late_jobs = BTreeMap::new();
}
