//! The owner of one download: the machine of whoever holds its lock, without I/O.
//!
//! It decides everything that happens while a download is looked after: when to read and to look, what to append, what to
//! start and to cancel, how much at a time, when to look again, when to let go. An embedder does what it says, and tells
//! it what came of it:
//!
//! ```text
//! loop {
//!     while let Some(output) = owner.poll(now) { perform it, or set it going }
//!     wait for whatever ends first: something that was set going, or the time of `Output::Wait`
//!     owner.handle(now, what it was)
//! }
//! ```
//!
//! What an embedder performs, in the order in which it comes:
//!
//! - [`Output::Read`]: read the history; answer with [`Input::Read`].
//! - [`Output::Observe`]: look at the world; answer with [`Input::Observed`].
//! - [`Output::Append`]: append on condition; hand the batch back with [`Input::Appended`], or say [`Input::Conflict`].
//! - [`Output::Start`]: do this beside everything else; answer with [`Input::Ended`].
//! - [`Output::Cancel`]: this is not wanted any more; its answer is still awaited.
//! - [`Output::Wait`]: nothing is to be done before then, or before something is told. Always the last one.
//! - [`Output::Release`]: give the lock to somebody else, wait until something changes and the lock is had again, then say
//!   [`Input::Acquired`].
//! - [`Output::Done`]: nothing is left to do.
//!
//! The law holds by construction: an effect comes out only after the history that licenses it was read, or its batch was
//! handed back as appended.
//! Nobody else can make one, nor a batch:
//!
//! ```compile_fail,E0423
//! use longhaul_core::{Effect, owner::Licensed};
//! let effect = Effect::Probe { attempt: 1 };
//! let licensed = Licensed(effect);
//! ```
//!
//! ```compile_fail,E0451
//! use longhaul_core::{Batch, Download, Event};
//! let after = Download::new("model");
//! let batch = Batch { expected: 0, events: vec![], entries: vec![], after };
//! ```

mod clock;
mod inflight;
mod listing;
mod messages;
mod pacing;
mod reply;
#[cfg(test)]
mod tests;
mod watch;

use alloc::boxed::Box;
use alloc::collections::{BTreeSet, VecDeque};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::mem;

use crate::batch::Batch;
use crate::decide::decide;
use crate::download::{Download, State};
use crate::effect::{Effect, EffectId};
use crate::entry::Origin;
use crate::event::{Event, WaitReason};
use crate::file::FileVersion;
use crate::input::{Observation, Role, Signal};
use crate::plan::{Fetches, plan_with_fetches};
use crate::policy::MIN_DELAY_MS;
use crate::transfer_error::TransferError;

pub use clock::Now;
use clock::{Rebase, Wait};
use inflight::{AllInFlight, InFlight, Stage, has_room};
use listing::Listing;
pub use messages::{Input, Licensed, Look, Outcome, Output, Settings, Store};
use pacing::Pacing;
use reply::{Reply, Told};
use watch::Watched;

/// How long whoever works on stores that failed leaves them alone, in milliseconds.
pub const STORE_TROUBLE_MS: u64 = 5_000;

/// How often in a row what is stored cannot be looked at before an attempt ends.
const STORAGE_FAILURES: u32 = 2;

/// How far the owner is on its way from a look to the next one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Step {
    /// Nothing is on its way. It is looked again at this time, by the monotonic clock.
    Idle { until: Option<u64> },
    /// The stores failed, and are left alone until then.
    Troubled { until: u64 },
    /// The history is being read.
    Reading,
    /// The world is being looked at, for so many replies.
    Observing {
        began: u64,
        replies: usize,
        listed: bool,
    },
    /// What was decided is being appended.
    Appending {
        /// Whether a reply led to it, or a look.
        reply: bool,
    },
    /// What was planned is being performed, one after the other.
    Performing {
        todo: VecDeque<Effect>,
        /// What is to be fetched afterwards.
        fetches: Option<Fetches>,
        /// The job whose records were looked through before it is aborted.
        harvested: Option<String>,
        until: Option<u64>,
        stays: bool,
    },
    /// The lock was given up.
    Released,
    /// Somebody wants it to stop: what is being stored is waited for.
    Closing,
    /// It is over.
    Over,
}

/// The owner of one download. See the [module](self).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Owner {
    settings: Settings,
    /// As it was last read or appended to.
    download: Arc<Download>,
    step: Step,
    outputs: VecDeque<Output>,
    /// Whether a history is being read or appended to, or the world looked at.
    asked: bool,
    /// What is to be decided on, in the order in which it was told.
    replies: VecDeque<Reply>,
    /// Something was told since the last look began.
    look: bool,
    in_flight: AllInFlight,
    /// Fetches that the last plan named and that wait for another one to end.
    queue: Option<Fetches>,
    /// Parts that were stored since the last look began.
    received: BTreeSet<(String, u32)>,
    listing: Listing,
    wait: Wait,
    waits_for: Option<WaitReason>,
    /// The registration that was licensed but not yet handed over.
    unstarted: Option<String>,
    /// Whether a part found no room since the last look.
    found_full: bool,
    watching: Option<String>,
    watched: Option<Watched>,
    pacing: Pacing,
    /// How often in a row what is stored could not be looked at, and when that was last counted.
    storage_failures: u32,
    storage_failed_at: Option<u64>,
}

impl Owner {
    /// An owner that has just got the lock of a download.
    #[must_use]
    pub fn new(id: &str, settings: Settings) -> Self {
        Self {
            pacing: Pacing::new(settings.parallel),
            settings,
            download: Arc::new(Download::new(id)),
            step: Step::Idle { until: None },
            outputs: VecDeque::new(),
            asked: false,
            replies: VecDeque::new(),
            look: true,
            in_flight: AllInFlight::new(),
            queue: None,
            received: BTreeSet::new(),
            listing: Listing::default(),
            wait: Wait::default(),
            waits_for: None,
            unstarted: None,
            found_full: false,
            watching: None,
            watched: None,
            storage_failures: 0,
            storage_failed_at: None,
        }
    }

    /// The download as it was last read, or appended to.
    #[must_use]
    pub const fn download(&self) -> &Arc<Download> {
        &self.download
    }

    /// Stored bytes of its files, as far as this owner knows.
    #[must_use]
    pub fn stored(&self) -> u64 {
        let known = self.listing.stored(&self.download);
        known.unwrap_or(self.download.stored)
    }

    /// Takes in what was told.
    pub fn handle(&mut self, now: Now, input: Input) {
        if matches!(
            input,
            Input::Read(_)
                | Input::Observed { .. }
                | Input::Appended(_)
                | Input::Conflict
                | Input::StoreFailed(_)
        ) {
            self.asked = false;
        }
        match input {
            Input::Read(download) => self.read(now, download),
            Input::Observed { observation, held } => self.observed(now, *observation, &held),
            Input::Appended(batch) => self.appended(now, *batch),
            Input::Conflict => {
                if matches!(self.step, Step::Appending { .. }) {
                    self.look_again();
                }
            }
            Input::StoreFailed(store) => self.store_failed(now, store),
            Input::Ended(id, outcome) => self.ended(now, &id, outcome),
            Input::Received(id) => self.came(now, &id),
            Input::JobMoved {
                registration,
                downloaded,
            } => self.job_moved(now, &registration, downloaded),
            Input::NotWatched => self.watching = None,
            Input::Notified => {
                self.listing.forget();
                self.look = true;
            }
            Input::Acquired => {
                if self.step == Step::Released {
                    self.look_again();
                }
            }
            Input::Elapsed => {}
            Input::Close => self.close(),
        }
    }

    /// What is to be done next; `None` after a wait was named, until something is told or its time has come.
    pub fn poll(&mut self, now: Now) -> Option<Output> {
        if self.outputs.is_empty() {
            self.advance(now);
        }
        let output = self.outputs.pop_front();
        self.asked |= matches!(
            output,
            Some(Output::Read | Output::Observe(_) | Output::Append(_))
        );
        output
    }

    /// Moves the origin of monotonic time so that `now_ms` becomes `memory_ms`: what is longer ago than that becomes so long
    /// ago, and what is due becomes due now. For model checkers, where states that differ in nothing but the time must be
    /// one state; nothing else changes as long as nothing is measured that takes longer than `memory_ms`.
    pub fn rebase(&mut self, now_ms: u64, memory_ms: u64) {
        let to = Rebase {
            now: now_ms,
            memory_ms,
        };
        match &mut self.step {
            Step::Idle { until } => until.iter_mut().for_each(|until| to.due(until)),
            Step::Troubled { until } => to.due(until),
            Step::Observing { began, .. } => to.past(began),
            Step::Performing { todo, until, .. } => {
                let waits = todo.iter_mut().filter_map(|effect| match effect {
                    Effect::Wait { until, .. } => until.as_mut(),
                    _ => None,
                });
                waits.chain(until).for_each(|until| to.due(until));
            }
            Step::Reading
            | Step::Appending { .. }
            | Step::Released
            | Step::Closing
            | Step::Over => {}
        }
        for output in &mut self.outputs {
            if let Output::Wait {
                until: Some(until), ..
            } = output
            {
                to.due(until);
            }
        }
        for flight in self.in_flight.values_mut() {
            flight.rebase(to);
        }
        self.listing.rebase(to);
        self.wait.rebase(to);
        if let Some(watched) = &mut self.watched {
            watched.rebase(to);
        }
        if let Some(at) = &mut self.storage_failed_at {
            to.past(at);
        }
    }

    /// When something is to be done without being told, by the monotonic clock.
    fn deadline(&self) -> Option<u64> {
        let rests = self
            .in_flight
            .values()
            .filter_map(|flight| match flight.stage {
                Stage::Resting { until } => Some(until),
                _ => None,
            });
        let own = match self.step {
            Step::Idle { until } => until,
            Step::Troubled { until } => Some(until),
            _ => None,
        };
        rests.chain(own).min()
    }

    fn advance(&mut self, now: Now) {
        self.end_rests(now);
        match &self.step {
            Step::Idle { until } => {
                let due = until.is_some_and(|until| until <= now.monotonic_ms);
                if !self.one_is_alone() && (due || self.look || !self.replies.is_empty()) {
                    self.begin_look();
                } else {
                    self.pause();
                }
            }
            Step::Troubled { until } if self.look || *until <= now.monotonic_ms => {
                self.begin_look();
            }
            Step::Performing { .. } => self.perform(now),
            Step::Closing if !self.asked && !self.may_store() && !self.one_is_alone() => self.end(),
            Step::Troubled { .. }
            | Step::Reading
            | Step::Observing { .. }
            | Step::Appending { .. }
            | Step::Released
            | Step::Closing => self.pause(),
            Step::Over => {}
        }
    }

    /// Whether something is in flight beside which nothing else is done.
    fn one_is_alone(&self) -> bool {
        self.in_flight.values().any(|flight| flight.alone)
    }

    fn begin_look(&mut self) {
        self.look = false;
        self.step = Step::Reading;
        self.outputs.push_back(Output::Read);
    }

    fn pause(&mut self) {
        let until = self.deadline();
        let reason = self.waits_for;
        self.outputs.push_back(Output::Wait { until, reason });
    }

    fn end(&mut self) {
        self.step = Step::Over;
        self.outputs.push_back(Output::Done);
    }

    fn look_again(&mut self) {
        self.look = true;
        self.step = Step::Idle { until: None };
    }

    /// Something that rested may be done again.
    fn end_rests(&mut self, now: Now) {
        let before = self.in_flight.len();
        self.in_flight.retain(|_, flight| {
            !matches!(flight.stage, Stage::Resting { until } if until <= now.monotonic_ms)
        });
        self.look |= self.in_flight.len() < before;
    }

    // Reading and looking.

    fn read(&mut self, now: Now, download: Arc<Download>) {
        if self.step != Step::Reading {
            return;
        }
        self.download = download;
        self.wait.read(&self.download, now);
        if self.settings.clears_up && self.download.is_running() {
            // Nobody notifies this owner: it is left to its own.
            return self.end();
        }
        if self.storage_failures >= STORAGE_FAILURES {
            self.storage_failures = 0;
            let attempt = self.download.attempt;
            let events = self.decide(now, Signal::StorageFailed { attempt });
            if !events.is_empty() {
                return self.append(now, events, false);
            }
        }
        self.observe(now);
    }

    fn observe(&mut self, now: Now) {
        self.received.clear();
        let begins = self.download.state == State::Requested || self.unstarted.is_some();
        let room = self.settings.role == Role::Page && (mem::take(&mut self.found_full) || begins);
        self.observe_with(now, room);
    }

    fn observe_with(&mut self, now: Now, room: bool) {
        let mut keys: BTreeSet<String> = self.download.files.iter().map(FileVersion::key).collect();
        for reply in &self.replies {
            keys.extend(self.keys_of(reply));
        }
        let still = !self.in_flight.is_empty()
            && self
                .listing
                .still_holds(&self.download, &keys, now.monotonic_ms)
                .is_some();
        if !still {
            self.listing.begin();
        }
        let look = Look {
            keys: if still {
                Vec::new()
            } else {
                keys.into_iter().collect()
            },
            held: self.download.mixed.clone(),
            room,
        };
        self.step = Step::Observing {
            began: now.monotonic_ms,
            replies: self.replies.len(),
            listed: !still,
        };
        self.outputs.push_back(Output::Observe(look));
    }

    /// Keys of the files that the answers to a probe tell of.
    fn keys_of(&self, reply: &Reply) -> Vec<String> {
        let Told::Probed(_, answers) = &reply.told else {
            return Vec::new();
        };
        let resources = self.download.spec.iter().flat_map(|spec| &spec.resources);
        resources
            .zip(answers)
            .filter_map(|(resource, answer)| {
                let answer = answer.as_ref().ok()?;
                let file =
                    FileVersion::from_probe(resource, &resource.url, answer, &self.settings.policy);
                file.ok().map(|file| file.key())
            })
            .collect()
    }

    fn observed(&mut self, now: Now, mut observation: Observation, held: &[String]) {
        let Step::Observing {
            began,
            replies,
            listed,
        } = self.step
        else {
            return;
        };
        if listed {
            self.storage_failures = 0;
            let stored = mem::take(&mut observation.stored);
            observation.stored = self.listing.take(stored, now.monotonic_ms);
        } else {
            let keys = self.download.files.iter().map(FileVersion::key).collect();
            let Some(known) = self.listing.still_holds(&self.download, &keys, began) else {
                // What came meanwhile completes it, or somebody says that it is of no use any more.
                self.listing.forget();
                return self.observe_with(now, observation.room.is_some());
            };
            observation.stored = known.clone();
        }
        for key in held {
            // What another download was found to have whole is not mixed, and stays.
            observation.stored.remove(key);
        }
        observation.unstarted.clone_from(&self.unstarted);
        let watched = self.watched.as_ref();
        observation.idle_ms = watched.map(|job| job.idle_ms(now.monotonic_ms));
        for _ in 0..replies {
            let Some(reply) = self.replies.front().cloned() else {
                break;
            };
            let events = self.decide(now, reply.signal(&observation));
            if !events.is_empty() {
                return self.append(now, events, true);
            }
            self.replies.pop_front();
            if self.download.is_running() {
                // What led to no event, because the same is written already, is not to be tried again at once.
                let retry = &self.settings.policy.retry;
                let delay = retry.delay_ms(1, &self.download.id);
                self.rests(&reply.id, now, delay);
            } else {
                self.in_flight.remove(&reply.id);
            }
        }
        let events = self.decide(now, Signal::Observed(Box::new(observation.clone())));
        if events.is_empty() {
            self.plan(now, &observation);
        } else {
            self.append(now, events, false);
        }
    }

    fn rests(&mut self, id: &EffectId, now: Now, delay_ms: u64) {
        if let Some(flight) = self.in_flight.get_mut(id) {
            flight.stage = Stage::Resting {
                until: now.monotonic_ms.saturating_add(delay_ms),
            };
        }
    }

    /// Runs a rule over the state, whose wait is measured by the monotonic clock.
    fn measured<T>(&mut self, now: Now, rule: impl FnOnce(&Download, u64) -> T) -> T {
        let waiting = self.wait.waiting(&self.download, now);
        let time = now.of(&self.download);
        if waiting == self.download.waiting {
            return rule(&self.download, time);
        }
        let download = Arc::make_mut(&mut self.download);
        let written = mem::replace(&mut download.waiting, waiting);
        let result = rule(download, time);
        download.waiting = written;
        result
    }

    fn decide(&mut self, now: Now, signal: Signal) -> Vec<Event> {
        self.measured(now, |download, time| {
            decide(download, time, crate::input::Input::Signal(signal)).unwrap_or_default()
        })
    }

    // Appending.

    fn append(&mut self, now: Now, events: Vec<Event>, reply: bool) {
        let origin = match self.settings.role {
            Role::Page => Origin::Page,
            Role::Worker => Origin::ServiceWorker,
        };
        let batch = Batch::new(&self.download, now.of(&self.download), origin, events);
        self.step = Step::Appending { reply };
        self.outputs.push_back(Output::Append(Box::new(batch)));
    }

    fn appended(&mut self, now: Now, batch: Batch) {
        let Step::Appending { reply } = self.step else {
            return;
        };
        if reply && let Some(reply) = self.replies.pop_front() {
            self.in_flight.remove(&reply.id);
        }
        for event in batch.events() {
            if let Event::Started { registration, .. } = event {
                self.unstarted.clone_from(registration);
            }
        }
        self.download = Arc::new(batch.into_after());
        self.wait.read(&self.download, now);
        self.look_again();
    }

    // Planning.

    fn plan(&mut self, now: Now, observation: &Observation) {
        let (effects, fetches) = self.measured(now, |download, time| {
            let (mut effects, fetches) = plan_with_fetches(download, observation, time);
            for effect in &mut effects {
                // What is planned is timed by the monotonic clock from here on.
                if let Effect::Wait {
                    until: Some(until), ..
                } = effect
                {
                    *until = now.monotonic_ms + until.saturating_sub(time);
                }
            }
            (effects, fetches)
        });
        self.queue = None;
        self.cancel_unplanned(&effects, fetches.as_ref());
        if effects.is_empty() && fetches.is_none() && !self.download.is_running() {
            if self.may_store() {
                // What is still being stored is to be deleted when it is.
                self.step = Step::Idle { until: None };
            } else {
                self.end();
            }
            return;
        }
        if let [
            Effect::Wait {
                reason: WaitReason::Headers,
                ..
            },
        ] = effects[..]
            && fetches.is_none()
            && self.in_flight.is_empty()
            // What was told meanwhile may be what this context lacks.
            && !self.look
        {
            self.step = Step::Released;
            self.outputs.push_back(Output::Release);
            return;
        }
        self.watch();
        let stays = self.stays(observation, &effects);
        let until = self.next_look(now);
        self.waits_for = None;
        self.step = Step::Performing {
            todo: effects.into(),
            fetches,
            harvested: None,
            until,
            stays,
        };
    }

    /// Cancels what the plan no longer names. A wait, or a job that moves again, is no reason to throw away what other
    /// transfers have brought: those of the same try end as they may, but no new one begins.
    fn cancel_unplanned(&mut self, effects: &[Effect], fetches: Option<&Fetches>) {
        let planned: BTreeSet<EffectId> = effects.iter().map(Effect::id).collect();
        let names = |kind| planned.iter().any(|id| id.kind == kind);
        let leaves = names("wait") || (names("harvest") && fetches.is_none());
        let of = self
            .download
            .state
            .transfer()
            .map(|transfer| transfer.number);
        for (id, flight) in &mut self.in_flight {
            let goes_on = leaves
                && id.kind == "fetch"
                && id.attempt == self.download.attempt
                && Some(id.transfer) == of;
            let is_planned =
                planned.contains(id) || fetches.is_some_and(|fetches| fetches.contains(id));
            if !goes_on && !is_planned && !flight.cancelled && !flight.alone {
                flight.cancelled = true;
                if flight.is_running() {
                    self.outputs.push_back(Output::Cancel(id.clone()));
                }
            }
        }
        // What is over and is not wanted any more need not be kept from being done again.
        self.in_flight
            .retain(|_, flight| !flight.cancelled || flight.is_running());
    }

    /// Whether there is something to stay for. A page stays while a download runs; the worker only for what it can do
    /// itself.
    fn stays(&self, observation: &Observation, effects: &[Effect]) -> bool {
        if self.settings.role == Role::Page {
            return true;
        }
        // Where all is stored only a version is still to be asked for, which a worker can do after a wait, too.
        let whole = |file: &FileVersion| observation.missing(&file.key(), file.layout()).is_empty();
        let only_asks =
            self.download.to_confirm().next().is_some() && self.download.files.iter().all(whole);
        effects.iter().any(|effect| match effect {
            Effect::Wait { until, .. } => only_asks && until.is_some(),
            Effect::Harvest { .. } => false,
            _ => true,
        })
    }

    fn next_look(&self, now: Now) -> Option<u64> {
        self.download.state.transfer()?.registration.as_ref()?;
        let after = self.settings.policy.assist.after_ms;
        let now = now.monotonic_ms;
        let watched = self.watched.as_ref();
        Some(watched.map_or(now.saturating_add(after), |job| job.next_look(after, now)))
    }

    // Performing.

    fn perform(&mut self, now: Now) {
        loop {
            if !self.outputs.is_empty() {
                return;
            }
            if self.one_is_alone() {
                return self.pause();
            }
            if !self.replies.is_empty() {
                // What is planned here may have just failed.
                self.look_again();
                return self.advance(now);
            }
            let Step::Performing {
                todo,
                fetches,
                until,
                stays,
                ..
            } = &mut self.step
            else {
                return;
            };
            let (until, stays) = (*until, *stays);
            let Some(effect) = todo.pop_front() else {
                self.queue = fetches.take();
                self.fetch_more(now);
                let leaves = !stays || !self.download.is_running();
                if self.in_flight.is_empty() && leaves {
                    // What the plan named is done, or cannot be: a later look will name it again.
                    return self.end();
                }
                self.step = Step::Idle { until };
                return self.advance(now);
            };
            self.perform_one(now, effect);
        }
    }

    fn perform_one(&mut self, now: Now, effect: Effect) {
        if let Effect::Wait { until: at, reason } = effect {
            self.waits_for = Some(reason);
            if let Step::Performing { until, .. } = &mut self.step {
                *until = at.or(*until);
            }
            return;
        }
        if self.in_flight.contains_key(&effect.id()) {
            return;
        }
        let begins = self.settings.role == Role::Page;
        match effect {
            Effect::AbortJob { ref registration } => {
                // What the job of the attempt before has finished may fit this one, which is about to look what is missing,
                // but where it may be of several versions.
                let harvest = Effect::Harvest {
                    registration: registration.clone(),
                };
                let wanted = self.download.is_running() && self.download.mixed.is_empty();
                let wanted = wanted && !self.in_flight.contains_key(&harvest.id());
                if let Step::Performing {
                    todo, harvested, ..
                } = &mut self.step
                    && wanted
                    && harvested.as_ref() != Some(registration)
                {
                    *harvested = Some(registration.clone());
                    todo.push_front(effect);
                    self.start(now, harvest, true);
                } else {
                    self.start(now, effect, true);
                }
            }
            // A part that is being stored would come back after its file.
            Effect::DeleteFiles { .. } | Effect::Discard { .. } if self.may_store() => {}
            Effect::DeleteFiles { .. } | Effect::Discard { .. } => self.start(now, effect, true),
            Effect::StartJob { .. } if begins => self.start(now, effect, true),
            Effect::Probe { .. } if begins => self.start(now, effect, false),
            Effect::Harvest { ref registration } => {
                let registration = registration.clone();
                if self.job(&registration).is_some_and(Watched::moved) {
                    self.start(now, effect, false);
                }
            }
            Effect::Verify { .. } => self.start(now, effect, false),
            // Waited for already, or a page's part alone.
            Effect::Wait { .. }
            | Effect::Probe { .. }
            | Effect::StartJob { .. }
            | Effect::Fetch { .. } => {}
        }
    }

    fn start(&mut self, now: Now, effect: Effect, alone: bool) {
        let flight = InFlight {
            effect: effect.clone(),
            stage: Stage::Running,
            cancelled: false,
            alone,
            began: self.pacing.begin(),
            began_at: now.monotonic_ms,
        };
        self.in_flight.insert(effect.id(), flight);
        self.outputs.push_back(Output::Start(Licensed(effect)));
    }

    /// Begins as many of the fetches that the last plan named as there may be. When a part came this is before the stores
    /// were looked at, so that its connection does not wait for them; what is no longer to be done is cancelled after the
    /// look, as anything in flight.
    fn fetch_more(&mut self, now: Now) {
        while has_room(&self.in_flight, self.pacing.requests()) {
            let Some(effect) = self
                .queue
                .as_mut()
                .and_then(|fetches| fetches.next(&self.download.files))
            else {
                return;
            };
            let Effect::Fetch { part, .. } = &effect else {
                continue;
            };
            let is_here = self.received.contains(&(part.file.key(), part.index));
            if !is_here && !self.in_flight.contains_key(&effect.id()) {
                self.start(now, effect, false);
            }
        }
    }

    /// Whether anything in flight may still store a part.
    fn may_store(&self) -> bool {
        self.in_flight.values().any(InFlight::may_store)
    }

    // What is told of effects.

    fn came(&mut self, now: Now, id: &EffectId) {
        if let Some(flight) = self.in_flight.get_mut(id)
            && flight.stage == Stage::Running
            && flight.came_quickly(now.monotonic_ms)
        {
            flight.stage = Stage::Storing;
            self.fetch_more(now);
        }
    }

    fn ended(&mut self, now: Now, id: &EffectId, outcome: Outcome) {
        // What was told before is not told again, whether it led to an event or not (law L6).
        let running = self.in_flight.get(id).filter(|flight| flight.is_running());
        let Some(flight) = running.cloned() else {
            return;
        };
        let told = match (outcome, &flight.effect) {
            (Outcome::StoreFailed(store), _) => {
                self.note_trouble(now, store);
                if let Some(flight) = self.in_flight.get_mut(id) {
                    flight.alone = false;
                }
                return self.rests(id, now, STORE_TROUBLE_MS);
            }
            (Outcome::Probed(answers), Effect::Probe { attempt }) => {
                Some(Told::Probed(*attempt, answers))
            }
            (outcome, Effect::StartJob { registration, .. }) => {
                self.unstarted = None;
                match outcome {
                    Outcome::Refused { quota } => Some(Told::Refused(registration.clone(), quota)),
                    _ => None,
                }
            }
            (Outcome::Harvested { stored, repeated }, Effect::Harvest { registration }) => {
                for (key, range) in &stored {
                    self.listing.note(key, *range);
                }
                if let Some(job) = self.job(&registration.clone()) {
                    job.note_harvested(stored.len(), repeated);
                }
                None
            }
            (Outcome::Stored(range), Effect::Fetch { resource, part, .. }) => {
                // It was under way when the last plan was made, which may name it still.
                if let Some(queue) = &mut self.queue {
                    queue.remove(*resource, part.index);
                }
                self.pacing.came(flight.began);
                self.listing.note(&part.file.key(), range);
                self.received.extend(flight.part());
                None
            }
            (
                Outcome::Failed(fault),
                Effect::Fetch {
                    attempt, resource, ..
                },
            ) => {
                if let TransferError::Status {
                    status: 429 | 503, ..
                } = fault
                {
                    self.pacing.refused(flight.began);
                }
                // Whether anything more is to be fetched now is for the rules to say.
                self.queue = None;
                self.found_full |= fault == TransferError::Quota;
                Some(Told::Failed(*attempt, *resource, fault))
            }
            (Outcome::Verified { digests, answers }, Effect::Verify { attempt, .. }) => {
                Some(Told::Verified {
                    attempt: *attempt,
                    digests,
                    answers,
                })
            }
            (Outcome::Unread, _) => {
                // Parts that vanished while they were read: the next look says so. Where it says that all are there, as
                // ever, they are not read again at once.
                self.listing.forget();
                return self.rests(id, now, STORE_TROUBLE_MS);
            }
            (_, Effect::DeleteFiles { .. }) => {
                self.listing.forget();
                None
            }
            (_, Effect::Discard { .. }) => {
                self.listing.forget();
                // Where somebody stores it again meanwhile, it is deleted again, but not in a hurry.
                return self.rests(id, now, MIN_DELAY_MS);
            }
            _ => None,
        };
        match told {
            Some(told) if !flight.cancelled => {
                // It stays in flight until it was decided on, so that it is not started again.
                if let Some(flight) = self.in_flight.get_mut(id) {
                    flight.alone = false;
                    flight.stage = Stage::Told;
                }
                self.replies.push_back(Reply {
                    id: id.clone(),
                    told,
                });
            }
            _ => {
                self.in_flight.remove(id);
            }
        }
        self.look = true;
        if id.kind == "fetch" {
            self.fetch_more(now);
        }
    }

    // Watching a job.

    fn watch(&mut self) {
        let transfer = self.download.state.transfer();
        let current = transfer.and_then(|transfer| transfer.registration.clone());
        if current != self.watching {
            self.watched = None;
            self.watching.clone_from(&current);
            self.outputs.push_back(Output::Watch(current));
        }
    }

    fn job(&mut self, registration: &str) -> Option<&mut Watched> {
        self.watched
            .as_mut()
            .filter(|job| job.registration == registration)
    }

    fn job_moved(&mut self, now: Now, registration: &str, downloaded: u64) {
        if self.watching.as_deref() != Some(registration) {
            return;
        }
        self.look = true;
        match &mut self.watched {
            Some(job) => job.saw(downloaded, now.monotonic_ms),
            None => {
                self.watched = Some(Watched::new(
                    registration.into(),
                    downloaded,
                    now.monotonic_ms,
                ));
            }
        }
    }

    // Trouble, and the end.

    /// Stores may fail for a moment. Where what is stored cannot be looked at twice in a row, the attempt ends: nothing would
    /// be said, and servers asked again and again.
    fn note_trouble(&mut self, now: Now, store: Store) {
        if store != Store::Parts {
            return;
        }
        // What fails at the same time is one failure.
        let now = now.monotonic_ms;
        let since = self.storage_failed_at.map(|at| now.saturating_sub(at));
        if since.is_some_and(|since| since < STORE_TROUBLE_MS / 2) {
            return;
        }
        self.storage_failed_at = Some(now);
        self.storage_failures += 1;
        self.look |= self.storage_failures >= STORAGE_FAILURES;
    }

    fn store_failed(&mut self, now: Now, store: Store) {
        if !matches!(
            self.step,
            Step::Reading | Step::Observing { .. } | Step::Appending { .. }
        ) {
            return;
        }
        self.look = false;
        self.step = Step::Troubled {
            until: now.monotonic_ms.saturating_add(STORE_TROUBLE_MS),
        };
        self.note_trouble(now, store);
    }

    fn close(&mut self) {
        if matches!(self.step, Step::Over | Step::Closing) {
            return;
        }
        self.outputs.clear();
        self.queue = None;
        self.replies.clear();
        for (id, flight) in &mut self.in_flight {
            if flight.is_running() && !flight.cancelled {
                flight.cancelled = true;
                self.outputs.push_back(Output::Cancel(id.clone()));
            }
        }
        self.watching = None;
        self.watched = None;
        self.outputs.push_back(Output::Watch(None));
        self.step = Step::Closing;
    }
}
