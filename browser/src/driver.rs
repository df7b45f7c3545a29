//! The driver: the owner of one download at work.
//!
//! It holds the download's Web Lock and loops: take an observation, let the core decide, append, let the core plan, perform.
//! What runs longer (a fetch, a harvest, hashing) runs beside the loop and wakes it when it is done; what the plan no
//! longer names is cancelled.

mod flights;
mod pace;
mod watch;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::collections::VecDeque;
use std::rc::Rc;

use futures_util::future::{Either, select};
use longhaul_core::{
    Download, Effect, EffectId, Event, FileVersion, Input, Observation, Range, Role, Signal, State,
    StoredParts, WaitReason, plan,
};

use crate::cancel::{Cancel, Wake};
use crate::links::FullUrls;
use crate::meter::Meter;
use crate::node::{CommitError, Committed, Node};
use crate::parts::PartError;
use crate::platform::{Ownership, Platform};
use pace::Pace;
use watch::Watched;

/// How long whoever loops over the stores rests after they failed, in milliseconds.
pub(crate) const STORE_TROUBLE_MS: u32 = 5_000;

/// How often in a row the parts stored cannot be looked at before an attempt ends.
const STORAGE_FAILURES: u32 = 2;

/// For how long a listing of what is stored is believed while only this driver adds to it, in milliseconds.
const LISTING_MS: u64 = 1_500;

/// A part in flight: the key of its file, and its number.
type Flying = (String, u32);

/// What the loop does next.
enum Next {
    /// Look again at once.
    Again,
    /// Look again when woken, or at this time.
    Wait(Option<u64>),
    /// Nothing can be done without headers that this page lacks: let another one be the owner, and look again when woken.
    LetGo,
    /// Nothing is left to do.
    Done,
}

/// The owner of one download.
pub struct Driver<P> {
    node: Rc<Node<P>>,
    id: String,
    wake: Wake,
    /// Ends waiting for the lock, and says that the driver is to stop.
    closing: Cancel,
    flights: RefCell<BTreeMap<EffectId, Cancel>>,
    /// Fetches whose bytes have come and are being stored, while their connections bring other parts.
    storing: RefCell<Vec<EffectId>>,
    /// Fetches that the last plan named and that wait for another one to end.
    queue: RefCell<VecDeque<Effect>>,
    /// Parts that were brought since the loop last looked at the stores.
    brought: RefCell<Vec<Flying>>,
    /// The state that the last plan was made for.
    planned: RefCell<Option<Rc<Download>>>,
    /// The full URLs, as they were when this was last told to look at everything.
    urls: RefCell<Option<Rc<FullUrls>>>,
    listing: RefCell<Option<(u64, StoredParts)>>,
    /// What was stored lately, and when: a listing that was under way may have missed it.
    noted: RefCell<Vec<(u64, String, Range)>>,
    unstarted: RefCell<Option<String>>,
    /// Whether a part found no room since the last observation.
    found_full: Cell<bool>,
    watched: RefCell<Option<Watched>>,
    /// Parts that the page fetches at a time, as the servers bear it.
    pace: Pace,
    /// How often in a row the parts stored could not be looked at, and when that was last counted.
    storage_failures: Cell<u32>,
    storage_failed_at: Cell<u64>,
    /// Whether somebody waits for the device to be online again.
    listens_for_network: Cell<bool>,
    /// What has come of the parts in flight.
    meters: RefCell<Vec<(Flying, Rc<Meter>)>>,
    live_at: Cell<u64>,
    /// Bytes stored when they were last counted.
    stored: Cell<u64>,
}

impl<P: Platform> Driver<P> {
    /// A driver that is not at work yet.
    #[must_use]
    pub fn new(node: Rc<Node<P>>, id: &str) -> Rc<Self> {
        let pace = Pace::new(node.setup.parallel);
        Rc::new(Self {
            node,
            id: id.to_owned(),
            wake: Wake::default(),
            closing: Cancel::default(),
            flights: RefCell::default(),
            storing: RefCell::default(),
            queue: RefCell::default(),
            brought: RefCell::default(),
            planned: RefCell::default(),
            urls: RefCell::default(),
            listing: RefCell::default(),
            noted: RefCell::default(),
            unstarted: RefCell::default(),
            found_full: Cell::default(),
            watched: RefCell::default(),
            pace,
            storage_failures: Cell::default(),
            storage_failed_at: Cell::default(),
            listens_for_network: Cell::default(),
            meters: RefCell::default(),
            live_at: Cell::default(),
            stored: Cell::default(),
        })
    }

    /// Something changed that this driver has not seen: look again, at everything.
    pub fn poke(&self) {
        self.listing.take();
        self.urls.take();
        self.wake.wake();
    }

    /// Stops, and lets the next owner go on.
    pub fn close(&self) {
        self.closing.cancel();
        self.wake.wake();
    }

    /// Waits for the lock, then works until nothing is left to do.
    pub async fn run(self: Rc<Self>) {
        self.work(false).await;
    }

    /// Waits for the lock, then works until nothing is left of an attempt that has ended. A download that runs again by
    /// then is left to its own driver: nobody pokes this one.
    pub async fn clear_up(self: Rc<Self>) {
        self.work(true).await;
    }

    async fn work(self: Rc<Self>, clears_up: bool) {
        let Some(mut ownership) = self.own().await else {
            return;
        };
        while !self.closing.is_cancelled() {
            if clears_up && self.runs_again().await {
                break;
            }
            let next = match self.step().await {
                Ok(Next::Done) if clears_up => {
                    self.node.delete_ended(&self.id).await.map(|()| Next::Done)
                }
                next => next,
            };
            match next {
                Ok(Next::Done) => break,
                Ok(Next::Again) => {}
                Ok(Next::Wait(until)) => self.rest(until).await,
                Ok(Next::LetGo) => {
                    drop(ownership);
                    self.wake.wait().await;
                    let Some(again) = self.own().await else {
                        return;
                    };
                    ownership = again;
                }
                Err(error) => {
                    tracing::warn!("the stores failed for {}: {}", self.id, error);
                    self.note_trouble(&error).await;
                    let until = self.now_ms() + u64::from(STORE_TROUBLE_MS);
                    self.rest(Some(until)).await;
                }
            }
        }
        self.queue.take();
        for flight in self.flights.borrow().values() {
            flight.cancel();
        }
        self.watched.take();
        // The next owner may delete what is still being stored: what was cancelled ends soon.
        while self.still_storing() {
            self.wake.wait().await;
        }
    }

    /// Stores may fail for a moment. Where the parts stored cannot be looked at twice in a row, the attempt ends: nothing
    /// would be said and servers asked again and again else.
    async fn note_trouble(&self, error: &CommitError) {
        if !matches!(
            error,
            CommitError::Parts(PartError::StorageUnavailable { .. })
        ) {
            return;
        }
        // What fails at the same time is one failure.
        let now = self.now_ms();
        let since = now.saturating_sub(self.storage_failed_at.get());
        if since < u64::from(STORE_TROUBLE_MS) / 2 {
            return;
        }
        self.storage_failed_at.set(now);
        self.storage_failures.set(self.storage_failures.get() + 1);
        if self.storage_failures.get() < STORAGE_FAILURES {
            return;
        }
        if let Err(error) = self.give_up().await {
            tracing::warn!("the history of {} failed, too: {}", self.id, error);
        }
        self.wake.wake();
    }

    async fn give_up(&self) -> Result<(), CommitError> {
        loop {
            let download = self.node.load(&self.id).await?;
            let attempt = download.attempt;
            let failed = Input::Signal(Signal::StorageFailed { attempt });
            if self
                .node
                .commit(download, Some(failed), None)
                .await?
                .is_some()
            {
                return Ok(());
            }
        }
    }

    async fn runs_again(&self) -> bool {
        let now = self.node.load(&self.id).await;
        now.is_ok_and(|download| download.is_running())
    }

    async fn own(self: &Rc<Self>) -> Option<Ownership> {
        let lock = self.node.lock_name(&self.id);
        let driver = Rc::downgrade(self);
        let lost = Rc::new(move || {
            if let Some(driver) = driver.upgrade() {
                driver.close();
            }
        });
        let owned = self.node.platform.own(&lock, lost);
        match self.closing.race(owned).await? {
            Ok(ownership) => Some(ownership),
            Err(error) => {
                tracing::warn!("no ownership of {}: {}", self.id, error);
                None
            }
        }
    }

    fn now_ms(&self) -> u64 {
        self.node.platform.now_ms()
    }

    async fn sleep_ms(&self, ms: u64) {
        let ms = u32::try_from(ms).unwrap_or(u32::MAX);
        self.node.platform.sleep(ms).await;
    }

    async fn rest(&self, until: Option<u64>) {
        let Some(until) = until else {
            return self.wake.wait().await;
        };
        let woken = Box::pin(self.wake.wait());
        let elapsed = Box::pin(self.sleep_ms(until.saturating_sub(self.now_ms())));
        match select(woken, elapsed).await {
            Either::Left(_) | Either::Right(_) => {}
        }
    }

    async fn step(self: &Rc<Self>) -> Result<Next, CommitError> {
        self.brought.take();
        let taken = RefCell::new(Observation::default());
        let committed = self
            .commit(&[], &|observation| {
                taken.replace(Observation::clone(&observation));
                Signal::Observed(observation)
            })
            .await?;
        if !committed.events.is_empty() {
            return Ok(Next::Again);
        }
        let (download, observation) = (Rc::new(committed.download), taken.into_inner());
        self.planned.replace(Some(Rc::clone(&download)));
        let effects = plan(&download, &observation, self.now_ms());
        self.queue.take();
        self.cancel_unplanned(&download, &effects);
        if effects.is_empty() && !download.is_running() {
            // What is still being stored is to be deleted when it is.
            return Ok(if self.still_storing() {
                Next::Wait(None)
            } else {
                Next::Done
            });
        }
        if let [
            Effect::Wait {
                reason: WaitReason::Headers,
                ..
            },
        ] = effects[..]
            && self.flights.borrow().is_empty()
        {
            return Ok(Next::LetGo);
        }
        self.watch(&download).await;
        let lasting = self.lasting(&download, &observation, &effects);
        let mut until = self.next_look(&download, &observation);
        for effect in effects {
            if let Effect::Wait { until: at, reason } = effect {
                until = at.or(until);
                if reason == WaitReason::Offline {
                    self.wake_when_online();
                }
                continue;
            }
            // A flight may have told meanwhile that what is planned here has just failed.
            if self.node.knows_more_than(&download) || self.perform(&download, effect).await? {
                return Ok(Next::Again);
            }
        }
        if self.flights.borrow().is_empty() && (lasting == 0 || !download.is_running()) {
            // What the plan named is done, or cannot be: a later look will name it again.
            return Ok(Next::Done);
        }
        Ok(Next::Wait(until))
    }

    /// Takes an observation, decides on the signal that is made of it, and appends what was decided, as often as another
    /// writer is faster. `keys` are files whose parts stored are looked at beside those of the download.
    async fn commit(
        &self,
        keys: &[String],
        signal: &dyn Fn(Box<Observation>) -> Signal,
    ) -> Result<Committed, CommitError> {
        loop {
            let download = self.node.load(&self.id).await?;
            let observation = Box::new(self.observation(&download, keys).await?);
            let input = Some(Input::Signal(signal(observation)));
            let Some(committed) = self.node.commit(download, input, None).await? else {
                continue;
            };
            for event in &committed.events {
                if let Event::Started { registration, .. } = event {
                    self.unstarted.borrow_mut().clone_from(registration);
                }
            }
            return Ok(committed);
        }
    }

    /// Takes an observation. What this driver stored itself is added to the last listing instead of listing anew each time;
    /// before anything is believed to be complete, or lost, it is listed anew.
    async fn observation(
        &self,
        download: &Download,
        keys: &[String],
    ) -> Result<Observation, CommitError> {
        let mut observation = self.node.observation_without_stored(download).await;
        let wanted: Vec<String> = download
            .files
            .iter()
            .map(FileVersion::key)
            .chain(keys.iter().cloned())
            .collect();
        let fresh = self.listing.borrow().as_ref().is_some_and(|(at, rest)| {
            let young = self.now_ms().saturating_sub(*at) < LISTING_MS;
            young
                && wanted.iter().all(|key| rest.contains_key(key))
                && !self.flights.borrow().is_empty()
        });
        if fresh {
            let rest = self
                .listing
                .borrow()
                .as_ref()
                .map(|(_, rest)| rest.clone())
                .unwrap_or_default();
            let complete = download.files.iter().all(|file| {
                rest.get(&file.key())
                    .is_some_and(|ranges| file.layout().missing(ranges).is_empty())
            });
            let stored: u64 = stored(download, &rest);
            if !complete && stored >= download.stored {
                observation.stored = rest;
            }
        }
        if observation.stored.is_empty() && !wanted.is_empty() {
            let began = self.now_ms();
            observation.stored = self.node.rest(&wanted).await?;
            self.storage_failures.set(0);
            self.add_noted(&mut observation.stored, began);
            self.stored.set(stored(download, &observation.stored));
            *self.listing.borrow_mut() = Some((self.now_ms(), observation.stored.clone()));
        }
        if !download.mixed.is_empty() {
            // What another download was found to have whole is not mixed, and stays.
            for key in self.node.held_by_others(&self.id, &download.mixed).await? {
                observation.stored.remove(&key);
            }
        }
        observation.unstarted.clone_from(&self.unstarted.borrow());
        observation.idle_ms = self.idle_ms();
        let begins = download.state == State::Requested || observation.unstarted.is_some();
        if P::BEGINS_TRANSFERS && (self.found_full.take() || begins) {
            observation.room = self.node.platform.room().await;
        }
        Ok(observation)
    }

    /// How much there is to stay for. A page stays while a download runs; the worker only for what it can do itself.
    fn lasting(&self, download: &Download, observation: &Observation, effects: &[Effect]) -> usize {
        if self.node.platform.role() == Role::Page {
            return 1;
        }
        // Where all is stored only a version is still to be asked for, which a worker can do after a wait, too.
        let whole = |file: &FileVersion| observation.missing(&file.key(), file.layout()).is_empty();
        let only_asks = download.to_confirm().next().is_some() && download.files.iter().all(whole);
        let lasts = |effect: &&Effect| match effect {
            Effect::Wait { until, .. } => only_asks && until.is_some(),
            Effect::Harvest { .. } => false,
            _ => true,
        };
        effects.iter().filter(lasts).count()
    }

    /// Being online again ends a wait early.
    fn wake_when_online(self: &Rc<Self>) {
        if self.node.platform.online() || self.listens_for_network.replace(true) {
            return;
        }
        let driver = Rc::downgrade(self);
        let online = self.node.platform.came_online();
        self.node.platform.spawn(Box::pin(async move {
            online.await;
            if let Some(driver) = driver.upgrade() {
                driver.listens_for_network.set(false);
                driver.wake.wake();
            }
        }));
    }
}

/// Bytes stored that belong to a download's files.
fn stored(download: &Download, rest: &StoredParts) -> u64 {
    download
        .files
        .iter()
        .filter_map(|file| Some(file.layout().stored(rest.get(&file.key())?)))
        .sum()
}
