//! What stands around an owner, as the driver of the runner does: it performs what the owner says, a step at a time, and
//! tells it what came of it.

use crate::completion::is_current;
use crate::happens::see_to;
use crate::moment::{
    Aloft, Asked, Bytes, Clock, Flight, MEMORY, Moment, Part, Record, Request, Seat, Stage, Work,
    waits,
};
use crate::world::{Bug, PARTS, WORKER, World};
use longhaul_core::owner::{Input, Outcome, Output, Owner};
use longhaul_core::{Batch, Download, Effect, EffectId, Event, Origin, TransferError, plan};
use longhaul_state_tests::scenario::{ID, digest};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// No owner waits longer without looking, in these worlds: the longest delay of the policy.
const LONGEST_MS: u64 = 60_000;

impl World {
    /// Who writes there.
    pub(crate) const fn origin(who: usize) -> Origin {
        if who == WORKER {
            Origin::ServiceWorker
        } else {
            Origin::Page
        }
    }

    /// An owner begins its work.
    pub(crate) fn begin_work(&self, m: &mut Moment, n: usize) {
        let work = Work {
            owner: Owner::new(ID, self.settings(n)),
            asked: None,
            flights: BTreeMap::new(),
            watches: None,
            timed: false,
            assists: false,
            failed: BTreeSet::new(),
            done: false,
        };
        m.places[n].seat = Some(Seat::Works(Arc::new(work)));
        self.with(m, n, |_, _| {});
    }

    /// Lets somebody do something to the owner there, then does what it says until it waits.
    pub(crate) fn with(
        &self,
        m: &mut Moment,
        n: usize,
        change: impl FnOnce(&mut Moment, &mut Work),
    ) {
        let Some(Seat::Works(mut shared)) = m.places[n].seat.take_if(|seat| *seat != Seat::Queued)
        else {
            return;
        };
        let work = Arc::make_mut(&mut shared);
        if !work.done {
            change(m, work);
            self.poll(m, work);
            work.owner.rebase(MEMORY, MEMORY);
        }
        m.places[n].seat = Some(Seat::Works(shared));
    }

    /// Tells the owner there something, if there is one.
    pub(crate) fn tell(&self, m: &mut Moment, n: usize, input: Input) {
        self.with(m, n, |m, work| work.owner.handle(m.now(), input));
    }

    fn poll(&self, m: &mut Moment, work: &mut Work) {
        while let Some(output) = work.owner.poll(m.now()) {
            match output {
                Output::Read => work.asked = Some(Asked::Read),
                Output::Observe(look) => work.asked = Some(Asked::Look(look, self.sight())),
                Output::Append(batch) => work.asked = Some(Asked::Append(batch)),
                Output::Start(licensed) => self.start(m, work, licensed.effect().clone()),
                Output::Cancel(id) => cancel(work, &id),
                Output::Watch(registration) => watch(m, work, registration),
                Output::Wait { until, .. } => {
                    if until.is_some_and(|until| until > MEMORY + LONGEST_MS) {
                        m.broke("L17: a wait is longer than its own length");
                    }
                    work.timed = until.is_some();
                    return;
                }
                Output::Release => unreachable!("nobody lacks headers in these worlds"),
                Output::Done => work.done = true,
            }
        }
    }

    /// Sets something going. Only what the history licenses may be, and once.
    fn start(&self, m: &mut Moment, work: &mut Work, effect: Effect) {
        let id = effect.id();
        if id.attempt > m.history.attempt
            || (id.attempt == m.history.attempt && id.transfer > m.ledger.tries())
        {
            m.broke("the one law: something runs that no event licenses");
        }
        for request in self.requests(&effect) {
            if work.failed.contains(&request) {
                m.broke("L18: what failed is asked for again without a delay");
            }
            m.asks_for(request);
        }
        let flight = Flight {
            effect,
            assists: work.assists,
            quick: false,
            stage: Aloft::Air,
        };
        if work.flights.insert(id, flight).is_some() {
            m.broke("the one law: something was started that was under way");
        }
    }

    /// What somebody outside is asked for by an effect of a page.
    fn requests(&self, effect: &Effect) -> Vec<Request> {
        match effect {
            Effect::Probe { .. } => (0..self.resources).map(Request::Probe).collect(),
            Effect::Fetch { resource, part, .. } => {
                vec![Request::Part(Self::part_of(*resource, part))]
            }
            _ => Vec::new(),
        }
    }

    /// The requests of which an outcome says that they did not come.
    fn failed(&self, effect: &Effect, outcome: &Outcome) -> Vec<Request> {
        match outcome {
            Outcome::Failed(_) => self.requests(effect),
            Outcome::Probed(answers) => {
                let failed = (0..).zip(answers).filter(|(_, answer)| answer.is_err());
                failed.map(|(of, _)| Request::Probe(of)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// The next step of what the owner wants done with the stores, or, where it is done, its leave.
    pub(crate) fn drive(&self, m: &mut Moment, n: usize) {
        let Some(work) = m.places[n].work() else {
            return self.begin_work(m, n);
        };
        if work.done {
            return self.leave(m, n);
        }
        loop {
            self.with(m, n, |m, work| self.go_on(m, n, work));
            let asked = m.places[n].work().and_then(|work| work.asked.as_ref());
            let is_whole = |asked: &Asked| matches!(asked, Asked::Look(_, sight) if sight.stage == Stage::Whole);
            if self.fine || asked.is_none_or(is_whole) {
                return;
            }
        }
    }

    fn go_on(&self, m: &mut Moment, n: usize, work: &mut Work) {
        let now = m.now();
        match work.asked.take() {
            Some(Asked::Read) => {
                let known = work.owner.download().waiting == m.history.waiting;
                if m.clock == Clock::Forth && waits(&m.history) && !known {
                    // To one who has not seen it begin, the wait is over.
                    m.forgive();
                    work.failed.clear();
                }
                let read = self.as_read(&m.history);
                work.owner.handle(now, Input::Read(read));
            }
            Some(Asked::Look(look, mut sight)) if sight.stage != Stage::Whole => {
                self.see(m, &mut sight, work.owner.download(), &look.keys);
                work.asked = Some(Asked::Look(look, sight));
            }
            Some(Asked::Look(_, sight)) => {
                work.assists = !sight.jobs.is_empty();
                let observation = Box::new(self.observation(n, sight));
                let held = Vec::new();
                work.owner
                    .handle(now, Input::Observed { observation, held });
            }
            Some(Asked::Append(batch)) => {
                let acted =
                    self.bug == Some(Bug::ActsBeforeAppending) && self.acts_first(m, &batch);
                let view = Arc::clone(work.owner.download());
                let input = if !acted && self.append(m, n, &view, batch.events()) {
                    Input::Appended(batch)
                } else {
                    Input::Conflict
                };
                work.owner.handle(now, input);
            }
            None => {}
        }
    }

    /// The history as it is read; see the planted bugs.
    fn as_read(&self, history: &Arc<Download>) -> Arc<Download> {
        let mut read = Arc::clone(history);
        if self.bug == Some(Bug::RepeatsWithoutADelay) {
            Arc::make_mut(&mut read).waiting = None;
        }
        if self.bug == Some(Bug::SkipsTheHash) && read.state.transfer().is_some() {
            let spec = Arc::make_mut(&mut read).spec.as_mut();
            for resource in spec.into_iter().flat_map(|spec| &mut spec.resources) {
                resource.sha256 = None;
            }
        }
        read
    }

    /// The lock is given on.
    fn leave(&self, m: &mut Moment, n: usize) {
        m.queue.retain(|of| *of != n);
        if let Some(Seat::Works(work)) = m.places[n].seat.take() {
            m.remember(&work);
        }
        // A request that came while it was leaving.
        if n != WORKER && m.history.is_running() {
            see_to(self, m, n);
        }
    }

    /// The next step of something that the owner has started.
    pub(crate) fn fly(&self, m: &mut Moment, n: usize, id: &EffectId) {
        let (flight, _) = in_flight(m, n, id);
        let next = match (&flight.stage, &flight.effect) {
            (Aloft::Over(_), _) => return self.tell_outcome(m, n, id, false),
            (stage, Effect::Harvest { registration }) => self.harvest(m, stage, registration),
            (_, effect) => Aloft::Over(self.perform(m, effect)),
        };
        // Where nothing can be made of it but a look, nobody is any the wiser between the end and its being told.
        let is_told = matches!(
            next,
            Aloft::Over(Outcome::Done | Outcome::Stored(_) | Outcome::Harvested { .. })
        );
        self.put(m, n, id, next);
        if is_told && !self.fine {
            self.tell_outcome(m, n, id, false);
        }
    }

    /// How far something in flight is by now.
    pub(crate) fn put(&self, m: &mut Moment, n: usize, id: &EffectId, stage: Aloft) {
        self.with(m, n, |_, work| {
            if let Some(flight) = work.flights.get_mut(id) {
                flight.stage = stage;
            }
        });
    }

    fn perform(&self, m: &mut Moment, effect: &Effect) -> Outcome {
        match effect {
            Effect::Probe { .. } => Outcome::Probed(vec![
                Ok(self.probe_answer(m.server));
                self.resources as usize
            ]),
            Effect::StartJob {
                registration,
                parts,
                ..
            } => {
                crate::browser::start(m, registration.clone(), parts);
                Outcome::Done
            }
            Effect::Fetch { resource, part, .. } => {
                let (range, of) = (part.range(), Self::part_of(*resource, part));
                if of.version != m.server {
                    return Outcome::Failed(TransferError::Changed);
                }
                self.comes(m, of, Bytes::Right);
                Outcome::Stored(range.expect("a part of the file"))
            }
            Effect::Verify { resources, .. } => {
                let is_right = |resource: u32| {
                    let part = |index| Part {
                        version: 1,
                        resource,
                        index,
                    };
                    let mut parts = (0..PARTS / self.resources).map(part);
                    parts.all(|part| m.rest.get(&part) == Some(&Bytes::Right))
                };
                let digest = |of: u32| digest(if is_right(of) { '1' } else { 'f' });
                let digests = resources.iter().map(|of| (*of, digest(*of))).collect();
                let answers = Vec::new();
                Outcome::Verified { digests, answers }
            }
            Effect::AbortJob { registration } => {
                crate::browser::abort(m, registration);
                Outcome::Done
            }
            Effect::DeleteFiles { keys, .. } | Effect::Discard { keys, .. } => {
                m.delete(|part| !keys.contains(self.key_of(part)));
                Outcome::Done
            }
            Effect::Harvest { .. } | Effect::Wait { .. } => unreachable!("{effect:?}"),
        }
    }

    /// A part that a page asked for comes.
    pub(crate) fn comes(&self, m: &mut Moment, part: Part, bytes: Bytes) {
        m.rest.entry(part).or_insert(bytes);
        if !self.background {
            m.came.insert(part);
        }
    }

    fn harvest(&self, m: &mut Moment, stage: &Aloft, registration: &str) -> Aloft {
        let job = m.jobs.get(registration).cloned();
        let (mut stored, repeated) = if let Aloft::Harvesting(stored, repeated) = stage {
            (stored.clone(), *repeated)
        } else {
            let records = job
                .iter()
                .flat_map(|job| job.parts.iter().zip(&job.records));
            let is_stored = |(part, _): &(&Part, &Record)| m.rest.contains_key(part);
            (Vec::new(), records.filter(is_stored).count())
        };
        match job.and_then(|job| self.harvest_one(m, &job)) {
            Some(part) => {
                stored.push((self.key_of(part).clone(), self.range_of(part)));
                Aloft::Harvesting(stored, repeated)
            }
            None => Aloft::Over(Outcome::Harvested { stored, repeated }),
        }
    }

    /// Tells the owner what came of something; twice, where the message is doubled.
    pub(crate) fn tell_outcome(&self, m: &mut Moment, n: usize, id: &EffectId, twice: bool) {
        let (flight, read) = in_flight(m, n, id);
        let Aloft::Over(outcome) = flight.stage else {
            return;
        };
        // What a person hurries on need not wait, although it failed a moment ago.
        let counts = is_of(&flight.effect, &m.history) && read >= m.hurried;
        let failed = self.failed(&flight.effect, &outcome);
        if matches!(outcome, Outcome::Failed(_)) && self.bug == Some(Bug::DiscardsWhatOthersBrought)
        {
            self.discard_others(m, n, id);
        }
        let told = if self.bug == Some(Bug::AcceptsAStaleAttempt) {
            EffectId {
                attempt: m.history.attempt,
                ..id.clone()
            }
        } else {
            id.clone()
        };
        let tell = |m: &mut Moment, outcome: Outcome| {
            self.with(m, n, |m, work| {
                work.flights.remove(id);
                if counts {
                    work.failed.extend(&failed);
                }
                work.owner
                    .handle(m.now(), Input::Ended(told.clone(), outcome));
            });
        };
        // The same, had it come to nothing.
        let looked = (!is_of(&flight.effect, &m.history)).then(|| m.clone());
        tell(m, outcome.clone());
        if let Some(mut looked) = looked {
            tell(&mut looked, Outcome::Cancelled);
            if self.looks(m, n) != self.looks(&looked, n) {
                m.broke("L7: a stale outcome says more than a look");
            }
        }
        if twice {
            let once = m.clone();
            tell(m, outcome.clone());
            let mut decided = once.clone();
            self.to_the_end(&mut decided, n);
            let mut later = decided.clone();
            let work = later.places[n].work();
            if !work.is_some_and(|work| work.flights.contains_key(id)) {
                self.tell(&mut later, n, Input::Ended(told.clone(), outcome));
            }
            if self.looks(m, n) != self.looks(&once, n)
                || self.looks(&later, n) != self.looks(&decided, n)
            {
                m.broke("L6: an outcome that came twice was told twice");
            }
        }
    }

    /// The history that comes about where nothing more happens but that an owner looks, and appends what it decides.
    fn looks(&self, m: &Moment, n: usize) -> Arc<Download> {
        let mut m = m.clone();
        self.tell(&mut m, n, Input::Notified);
        self.to_the_end(&mut m, n);
        m.history
    }

    fn to_the_end(&self, m: &mut Moment, n: usize) {
        let is_busy = |work: &Work| !work.done && work.asked.is_some();
        while m.places[n].work().is_some_and(is_busy) {
            self.drive(m, n);
        }
    }

    /// A request of the owner breaks. Of a probe, the answer of one resource.
    pub(crate) fn breaks(&self, m: &mut Moment, n: usize, id: &EffectId, resource: u32) {
        let outcome = if id.kind == "probe" {
            let answer = |of| {
                if of == resource {
                    Err(TransferError::Network)
                } else {
                    Ok(self.probe_answer(m.server))
                }
            };
            Outcome::Probed((0..self.resources).map(answer).collect())
        } else {
            Outcome::Failed(TransferError::Network)
        };
        self.put(m, n, id, Aloft::Over(outcome));
    }

    /// All bytes of a part have come, and are being stored.
    pub(crate) fn comes_quickly(&self, m: &mut Moment, n: usize, id: &EffectId) {
        self.with(m, n, |m, work| {
            if let Some(flight) = work.flights.get_mut(id) {
                flight.quick = true;
            }
            work.owner.handle(m.now(), Input::Received(id.clone()));
        });
    }

    /// Time passes there, until everything that was to come is due.
    pub(crate) fn time_passes(&self, m: &mut Moment, n: usize) {
        m.end_the_wait();
        self.with(m, n, |m, work| {
            work.owner.rebase(2 * MEMORY, MEMORY);
            work.owner.handle(m.now(), Input::Elapsed);
        });
    }

    /// The device's clock is set. Only who measures by it, as a planted bug does, is told another time.
    pub(crate) fn set_clock(&self, m: &mut Moment, clock: Clock) {
        m.clock = clock;
        if self.bug == Some(Bug::WaitsByTheWallClock) && clock == Clock::Back {
            for n in [0, 1, WORKER] {
                self.with(m, n, |_, work| work.owner.rebase(0, MEMORY));
            }
        }
    }

    /// Hands over the job that a batch would license, before it is stored; see the planted bugs.
    fn acts_first(&self, m: &mut Moment, batch: &Batch) -> bool {
        let mut observation = self.everything(m, 0);
        for event in batch.events() {
            if let Event::Started { registration, .. } = event {
                observation.unstarted.clone_from(registration);
            }
        }
        for effect in plan(batch.after(), &observation, m.time()) {
            if let Effect::StartJob {
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

    /// What the requests beside one that failed have brought is thrown away; see the planted bugs.
    fn discard_others(&self, m: &mut Moment, n: usize, id: &EffectId) {
        let mut lost = Vec::new();
        self.with(m, n, |_, work| {
            for (other, flight) in &mut work.flights {
                if other != id
                    && let Effect::Fetch { resource, part, .. } = &flight.effect
                    && matches!(flight.stage, Aloft::Over(Outcome::Stored(_)))
                {
                    lost.push(Self::part_of(*resource, part));
                    flight.stage = Aloft::Over(Outcome::Cancelled);
                }
            }
        });
        m.rest.retain(|part, _| !lost.contains(part));
    }
}

/// What is in flight there under an id, and how much of the history its owner has read.
fn in_flight(m: &Moment, n: usize, id: &EffectId) -> (Flight, u64) {
    let work = m.places[n].work().expect("an owner started it");
    (work.flights[id].clone(), work.owner.download().seq)
}

/// A page's request, and a hash that is being computed, end at once; what a server was asked comes anyway.
fn cancel(work: &mut Work, id: &EffectId) {
    if let Some(flight) = work.flights.get_mut(id)
        && flight.stage == Aloft::Air
        && matches!(flight.effect, Effect::Fetch { .. } | Effect::Verify { .. })
    {
        flight.stage = Aloft::Over(Outcome::Cancelled);
    }
}

/// Watches a job, as far as it can still be found.
fn watch(m: &Moment, work: &mut Work, registration: Option<String>) {
    let job = registration.as_ref().and_then(|id| m.jobs.get(id));
    let input = match (&registration, job) {
        (Some(registration), Some(job)) => Input::JobMoved {
            registration: registration.clone(),
            downloaded: job.downloaded(),
        },
        (Some(_), None) => Input::NotWatched,
        (None, _) => {
            work.watches = None;
            return;
        }
    };
    work.watches = registration.filter(|_| job.is_some());
    work.owner.handle(m.now(), input);
}

/// Whether an effect is of the present attempt, or job.
pub(crate) fn is_of(effect: &Effect, history: &Download) -> bool {
    match effect {
        Effect::StartJob { registration, .. } => is_current(history, registration),
        _ => [0, history.attempt].contains(&effect.id().attempt),
    }
}
