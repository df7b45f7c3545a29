//! What becomes of a moment when something happens.

use crate::actions::Action;
use crate::moment::{Aloft, Bytes, Moment, Part, Record, Running, Seat};
use crate::world::{Ask, Bug, WORKER, World};
use longhaul_core::owner::{self, Outcome};
use longhaul_core::{Command, Effect, EffectId, EvictedBy, FailReason, Input, State, decide};
use std::collections::BTreeMap;
use std::sync::Arc;

impl World {
    /// The moment after.
    pub(crate) fn after(&self, before: &Moment, action: Action) -> Moment {
        let mut m = before.clone();
        match action {
            Action::Drive(n) => self.drive(&mut m, n),
            Action::Fly(n, id) => self.fly(&mut m, n, &id),
            Action::Repeat(n, id) => {
                m.left.repeats -= 1;
                self.tell_outcome(&mut m, n, &id, true);
            }
            Action::Command(n) => self.command(&mut m, n),
            Action::Handle(id) => self.handle(&mut m, &id, false),
            Action::RepeatEnd(id) => {
                m.left.repeats -= 1;
                self.handle(&mut m, &id, true);
            }
            Action::Hear(n) => self.hear(&mut m, n),
            Action::Wake(n) => self.time_passes(&mut m, n),
            Action::Idle(n) => {
                m.left.idles -= 1;
                self.time_passes(&mut m, n);
            }
            Action::Open(n) => self.open(&mut m, n),
            Action::Work(id) => self.work(&mut m, &id, None),
            Action::Ask(n, ask) => {
                m.asked += 1;
                // The history is read with the first step of the command.
                let read = Arc::clone(&m.history);
                m.places[n].asking = Some((ask, read));
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
            Action::Break(n, id, resource) => {
                m.left.breaks -= 1;
                self.breaks(m, n, &id, resource);
            }
            Action::Refuse(n, id) => {
                m.left.refusals -= 1;
                let refused = Outcome::Refused { quota: false };
                self.put(m, n, &id, Aloft::Over(refused));
            }
            Action::Quick(n, id) => {
                m.left.quick -= 1;
                self.comes_quickly(m, n, &id);
            }
            Action::SetClock(clock) => {
                m.left.jumps -= 1;
                self.set_clock(m, clock);
            }
            Action::Hollow(id) => {
                m.left.hollow -= 1;
                self.work(m, &id, Some(Record::Of(m.server, Bytes::None)));
            }
            Action::Splice(id) => {
                m.left.spliced -= 1;
                self.work(m, &id, Some(Record::Of(m.server, Bytes::Spliced)));
            }
            Action::SpliceFetch(n, id) => {
                m.left.spliced -= 1;
                self.splice(m, n, &id);
            }
            Action::Gone(id) => {
                m.left.gone -= 1;
                self.work(m, &id, Some(Record::Gone));
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
                m.delete(|_| false);
            }
            fair => unreachable!("{fair:?} is fair"),
        }
    }

    /// A page is sent other bytes than those of the file, as many as there should be.
    fn splice(&self, m: &mut Moment, n: usize, id: &EffectId) {
        let work = m.places[n].work().expect("an owner started it");
        let Effect::Fetch { resource, part, .. } = work.flights[id].effect.clone() else {
            return;
        };
        self.comes(m, Self::part_of(resource, &part), Bytes::Spliced);
        let range = part.range().expect("a part of the file");
        self.put(m, n, id, Aloft::Over(Outcome::Stored(range)));
    }

    /// The browser gets the next record of a job, and whoever watches it is told.
    fn work(&self, m: &mut Moment, id: &str, record: Option<Record>) {
        crate::browser::work(m, id, record);
        let Some(downloaded) = m.jobs.get(id).map(Running::downloaded) else {
            return;
        };
        for n in [0, 1, WORKER] {
            let watches = |work: &crate::moment::Work| work.watches.as_deref() == Some(id);
            if m.places[n].work().is_some_and(watches) {
                let registration = id.to_owned();
                let moved = owner::Input::JobMoved {
                    registration,
                    downloaded,
                };
                self.tell(m, n, moved);
            }
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
        let events = decide(&view, m.time(), Input::Command(command)).unwrap_or_default();
        if !self.append(m, n, &view, &events) {
            m.places[n].asking = Some((ask, Arc::clone(&m.history)));
            return;
        }
        // Who asks need not wait.
        m.forgive();
        if !events.is_empty() {
            m.hurried = m.history.seq;
        }
        if self.bug == Some(Bug::DeletesWithoutTheLock) && matches!(ask, Ask::Abort | Ask::Remove) {
            m.places[n].rash = true;
        }
        // Whoever asks sees to it that the download has an owner.
        see_to(self, m, n);
    }

    /// A message said "read again".
    fn hear(&self, m: &mut Moment, n: usize) {
        m.places[n].heard = false;
        if m.places[n].seat.is_some() || m.history.is_running() {
            see_to(self, m, n);
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
            see_to(self, m, n);
        }
    }
}

/// Sees to it that the download has an owner here: it is notified, or queues for the lock.
pub(crate) fn see_to(world: &World, m: &mut Moment, n: usize) {
    if m.places[n].seat.is_some() {
        return world.tell(m, n, owner::Input::Notified);
    }
    m.places[n].seat = Some(Seat::Queued);
    if !m.queue.contains(&n) {
        m.queue.push(n);
    }
    if world.bug == Some(Bug::WorksWithoutTheLock) {
        world.begin_work(m, n);
    }
}

/// A context dies. The browser releases its lock; what it had sent may still arrive.
pub(crate) fn die(m: &mut Moment, n: usize) {
    let place = std::mem::take(&mut m.places[n]);
    if let Some(work) = place.work() {
        m.remember(work);
    }
    m.queue.retain(|of| *of != n);
    if m.left.late > 0 {
        m.left.late -= 1;
        let flights = place
            .work()
            .into_iter()
            .flat_map(|work| work.flights.values());
        for flight in flights.filter(|flight| flight.stage == Aloft::Air) {
            match &flight.effect {
                Effect::Fetch { resource, part, .. } => {
                    let part: Part = World::part_of(*resource, part);
                    if part.version == m.server {
                        m.late_parts.insert(part);
                    }
                }
                Effect::StartJob {
                    registration,
                    parts,
                    ..
                } => {
                    let late = Running {
                        late: true,
                        ..crate::browser::job_of(parts)
                    };
                    m.late_jobs.insert(registration.clone(), late);
                }
                _ => {}
            }
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
