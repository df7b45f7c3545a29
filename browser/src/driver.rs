//! The driver: the owner of one download at work.
//!
//! It holds the download's Web Lock and loops: take a witness, let the core decide, append, let the core plan, perform.
//! What runs longer (a fetch, a harvest, hashing) runs beside the loop and wakes it when it is done; what the plan no
//! longer names is aborted.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures_util::future::{Either, LocalBoxFuture, select};
use longhaul_core::{
    Download, Effect, EffectId, Event, Fault, Input, Range, Rest, Role, Signal, State, Table,
    Transport, WaitReason, Witness, file_of, plan,
};
use wasm_bindgen_futures::spawn_local;
use web_sys::AbortController;

use crate::background_fetch::{JobOptions, StartError};
use crate::js::Listener;
use crate::locks::{self, LockError};
use crate::meter::Meter;
use crate::net::{now_ms, sleep};
use crate::node::{CommitError, Committed, Host, Node};
use crate::once;
use crate::parts::PartError;
use crate::work::{FetchFault, FullUrls, digest, fetch_part, harvest, probe, requests};

/// How long the loop rests after the stores failed, in milliseconds.
const STORE_TROUBLE_MS: u32 = 5_000;

/// How far apart live figures are, in milliseconds.
const LIVE_MS: u64 = 250;

/// For how long a listing of what is at rest is believed while only this driver adds to it, in milliseconds.
const LISTING_MS: u64 = 1_500;

/// Wakes a loop that waits. A wake while nobody waits is kept for the next wait.
#[derive(Default)]
struct Wake {
    pending: Cell<bool>,
    waiting: RefCell<Option<once::Sender<()>>>,
}

impl Wake {
    fn wake(&self) {
        self.pending.set(true);
        if let Some(waiting) = self.waiting.take() {
            // Whoever stopped waiting finds the flag.
            let _ = waiting.send(());
        }
    }

    async fn wait(&self) {
        if !self.pending.get() {
            let (sender, receiver) = once::channel();
            *self.waiting.borrow_mut() = Some(sender);
            receiver.await;
        }
        self.pending.set(false);
    }
}

/// A background job that the driver watches.
struct Watched {
    registration: String,
    downloaded: u64,
    moved_at: u64,
    /// What had been downloaded when its records were last looked through.
    harvested: Option<u64>,
    _listener: Listener,
}

/// What runs beside the loop. Boxed, so that what runs it is there once.
type Work = LocalBoxFuture<'static, Result<(), CommitError>>;

/// A part in flight: the key of its file, and its number.
type Flying = (String, u32);

/// What the loop does next.
enum Next {
    /// Look again at once.
    Again,
    /// Look again when woken, or at this time.
    Wait(Option<u64>),
    /// Nothing is left to do.
    Done,
}

/// The owner of one download.
pub struct Driver<H> {
    node: Rc<Node<H>>,
    id: String,
    wake: Wake,
    /// Aborts waiting for the lock, and says that the driver is to stop.
    closing: AbortController,
    flights: RefCell<Table<EffectId, AbortController>>,
    listing: RefCell<Option<(u64, Rest)>>,
    unstarted: RefCell<Option<String>>,
    watched: RefCell<Option<Watched>>,
    /// Parts that the page fetches at a time, as the servers bear it.
    parallel: Cell<usize>,
    /// What has come of the parts in flight.
    meters: RefCell<Vec<(Flying, Rc<Meter>)>>,
    live_at: Cell<u64>,
    /// Bytes at rest when they were last counted.
    stored: Cell<u64>,
}

impl<H: Host + 'static> Driver<H> {
    /// A driver that is not at work yet. `None` where the browser has no `AbortController`.
    #[must_use]
    pub fn new(node: Rc<Node<H>>, id: &str) -> Option<Rc<Self>> {
        let parallel = node.setup.parallel;
        Some(Rc::new(Self {
            node,
            id: id.to_owned(),
            wake: Wake::default(),
            closing: AbortController::new().ok()?,
            flights: RefCell::default(),
            listing: RefCell::default(),
            unstarted: RefCell::default(),
            watched: RefCell::default(),
            parallel: Cell::new(parallel),
            meters: RefCell::default(),
            live_at: Cell::default(),
            stored: Cell::default(),
        }))
    }

    /// Something changed that this driver has not seen: look again, at everything.
    pub fn poke(&self) {
        self.listing.take();
        self.wake.wake();
    }

    /// Stops, and lets the next owner go on.
    pub fn close(&self) {
        self.closing.abort();
        self.wake.wake();
    }

    /// Waits for the lock, then works until nothing is left to do.
    pub async fn run(self: Rc<Self>) {
        let lock = self.node.lock_name(&self.id);
        let _guard = match locks::acquire(&lock, Some(&self.closing.signal())).await {
            Ok(guard) => Some(guard),
            Err(LockError::Unsupported) => None,
            Err(LockError::Aborted) => return,
            Err(error) => {
                tracing::warn!("no ownership of {}: {}", self.id, error);
                return;
            }
        };
        while !self.closing.signal().aborted() {
            match self.step().await {
                Ok(Next::Done) => break,
                Ok(Next::Again) => {}
                Ok(Next::Wait(until)) => self.rest(until).await,
                Err(error) => {
                    tracing::warn!("the stores failed for {}: {}", self.id, error);
                    self.rest(Some(now_ms() + u64::from(STORE_TROUBLE_MS)))
                        .await;
                }
            }
        }
        for flight in self.flights.borrow().values() {
            flight.abort();
        }
        self.watched.take();
    }

    async fn rest(&self, until: Option<u64>) {
        let Some(until) = until else {
            return self.wake.wait().await;
        };
        let ms = u32::try_from(until.saturating_sub(now_ms())).unwrap_or(u32::MAX);
        let (woken, elapsed) = (Box::pin(self.wake.wait()), Box::pin(sleep(ms)));
        match select(woken, elapsed).await {
            Either::Left(_) | Either::Right(_) => {}
        }
    }

    async fn step(self: &Rc<Self>) -> Result<Next, CommitError> {
        let taken = RefCell::new(Witness::default());
        let committed = self
            .commit(&[], &|witness| {
                taken.replace(Witness::clone(&witness));
                Signal::Observed(witness)
            })
            .await?;
        if !committed.events.is_empty() {
            return Ok(Next::Again);
        }
        let (download, witness) = (committed.download, taken.into_inner());
        let effects = plan(&download, &witness, now_ms());
        self.abort_unplanned(&effects);
        if effects.is_empty() && !download.is_running() {
            return Ok(Next::Done);
        }
        self.watch(&download).await;
        let lasting = self.lasting(&effects);
        let mut until = self.idle_at(&download, &witness);
        for effect in effects {
            if let Effect::Wait { until: at, reason } = effect {
                until = at.or(until);
                // Without an event for it, being offline is looked at again now and then.
                if reason == WaitReason::Offline && at.is_none() {
                    self.wake_when_online();
                }
                continue;
            }
            if self.perform(&download, effect).await? {
                return Ok(Next::Again);
            }
        }
        if self.flights.borrow().is_empty() && (lasting == 0 || !download.is_running()) {
            // What the plan named is done, or cannot be: a later look will name it again.
            return Ok(Next::Done);
        }
        Ok(Next::Wait(until))
    }

    /// Takes a witness, decides on the signal that is made of it, and appends what was decided, as often as another
    /// writer is faster. `keys` are files whose parts at rest are looked at beside those of the download.
    async fn commit(
        &self,
        keys: &[String],
        signal: &dyn Fn(Box<Witness>) -> Signal,
    ) -> Result<Committed, CommitError> {
        loop {
            let download = self.node.load(&self.id).await?;
            let witness = Box::new(self.witness(&download, keys).await?);
            let input = Some(Input::Signal(signal(witness)));
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

    /// Takes a witness. What this driver stored itself is added to the last listing instead of listing anew each time;
    /// before anything is believed to be complete, or lost, it is listed anew.
    async fn witness(&self, download: &Download, keys: &[String]) -> Result<Witness, PartError> {
        let mut witness = self.node.witness_without_rest(download).await;
        let wanted: Vec<String> = download
            .files
            .iter()
            .map(longhaul_core::File::key)
            .chain(keys.iter().cloned())
            .collect();
        let fresh = self.listing.borrow().as_ref().is_some_and(|(at, rest)| {
            let young = now_ms().saturating_sub(*at) < LISTING_MS;
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
                witness.rest = rest;
            }
        }
        if witness.rest.is_empty() && !wanted.is_empty() {
            witness.rest = self.node.rest(&wanted).await?;
            self.stored.set(stored(download, &witness.rest));
            *self.listing.borrow_mut() = Some((now_ms(), witness.rest.clone()));
        }
        witness.unstarted.clone_from(&self.unstarted.borrow());
        witness.idle_ms = self
            .watched
            .borrow()
            .as_ref()
            .map(|job| now_ms().saturating_sub(job.moved_at));
        Ok(witness)
    }

    fn note_stored(&self, key: &str, range: Range) {
        if let Some((_, rest)) = self.listing.borrow_mut().as_mut() {
            rest.or_default(key.to_owned()).push(range);
        }
    }

    fn abort_unplanned(&self, effects: &[Effect]) {
        let planned: Vec<EffectId> = effects.iter().map(Effect::id).collect();
        for (id, flight) in self.flights.borrow().iter() {
            if !planned.contains(id) {
                flight.abort();
            }
        }
    }

    /// How much there is to stay for. A page stays while a download runs; the worker only for what it can do itself.
    fn lasting(&self, effects: &[Effect]) -> usize {
        match self.node.host.role() {
            Role::Page => 1,
            Role::Worker => effects
                .iter()
                .filter(|effect| !matches!(effect, Effect::Wait { .. } | Effect::Harvest { .. }))
                .count(),
        }
    }

    /// Watches the job that runs, so that its progress wakes the loop and shows up live.
    async fn watch(self: &Rc<Self>, download: &Download) {
        let transfer = download.state.transfer();
        let current = transfer.and_then(|transfer| transfer.registration.clone());
        let watched = self
            .watched
            .borrow()
            .as_ref()
            .map(|job| job.registration.clone());
        if current == watched {
            return;
        }
        self.watched.take();
        let (Some(current), Some(transfer)) = (current, transfer) else {
            return;
        };
        let (_, Some(manager)) = self.node.host.background().await else {
            return;
        };
        let Some(registration) = self.node.registration(&manager, &current).await else {
            return;
        };
        let (driver, base) = (Rc::downgrade(self), transfer.base);
        let listener = registration.on_progress(move |state| {
            let Some(driver) = driver.upgrade() else {
                return;
            };
            if let Some(job) = driver.watched.borrow_mut().as_mut()
                && job.downloaded != state.downloaded
            {
                job.downloaded = state.downloaded;
                job.moved_at = now_ms();
            }
            driver
                .node
                .host
                .live(&driver.id, base.saturating_add(state.downloaded), 0);
            driver.wake.wake();
        });
        *self.watched.borrow_mut() = Some(Watched {
            registration: current,
            downloaded: registration.state().downloaded,
            moved_at: now_ms(),
            harvested: None,
            _listener: listener,
        });
    }

    /// When a job that brings nothing has brought nothing for long enough to be helped.
    fn idle_at(&self, download: &Download, witness: &Witness) -> Option<u64> {
        let runs = download
            .state
            .transfer()
            .is_some_and(|transfer| transfer.transport == Transport::BackgroundFetch);
        let moved_at = self.watched.borrow().as_ref().map(|job| job.moved_at)?;
        let at = moved_at.saturating_add(witness.context.policy.overtake.after_ms);
        (runs && at > now_ms()).then_some(at)
    }

    fn wake_when_online(self: &Rc<Self>) {
        let driver = Rc::downgrade(self);
        spawn_local(async move {
            crate::net::until_online().await;
            if let Some(driver) = driver.upgrade() {
                driver.wake.wake();
            }
        });
    }

    /// Performs an effect, or sets it going. Whether to look again at once.
    async fn perform(
        self: &Rc<Self>,
        download: &Download,
        effect: Effect,
    ) -> Result<bool, CommitError> {
        let id = effect.id();
        if self.flights.borrow().contains_key(&id) {
            return Ok(false);
        }
        let Ok(flight) = AbortController::new() else {
            return Ok(false);
        };
        let (driver, own) = (Rc::clone(self), flight.clone());
        let work: Work = match effect {
            Effect::AbortJob { registration } => {
                if let (_, Some(manager)) = self.node.host.background().await
                    && let Some(job) = self.node.registration(&manager, &registration).await
                {
                    // A job that has ended meanwhile answers false, which is as good.
                    let _ = job.abort().await;
                }
                return Ok(false);
            }
            Effect::DeleteFiles { keys, .. } => {
                self.node.delete_files(&self.id, &keys).await?;
                self.listing.take();
                return Ok(false);
            }
            Effect::StartJob { .. } => return self.start_job(effect).await.map(|()| true),
            Effect::Probe { attempt } => Box::pin(async move { driver.probe(attempt).await }),
            Effect::Harvest { registration } if self.moved(&registration) => {
                Box::pin(async move { driver.harvest(&registration).await })
            }
            Effect::Verify { attempt, resources } => {
                let files = download.files.clone();
                Box::pin(async move { driver.verify(attempt, &resources, &files, &own).await })
            }
            Effect::Fetch {
                attempt,
                resource,
                part,
                ..
            } if self.may_fetch() => {
                Box::pin(async move { driver.fetch(attempt, resource, &part, &own).await })
            }
            Effect::Harvest { .. } | Effect::Fetch { .. } | Effect::Wait { .. } => {
                return Ok(false);
            }
        };
        self.fly(id, flight, work);
        Ok(false)
    }

    fn may_fetch(&self) -> bool {
        let flights = self.flights.borrow();
        let fetches = flights.keys().filter(|id| id.kind == "fetch").count();
        fetches < self.parallel.get().max(1)
    }

    /// Runs something beside the loop, which is woken when it is done.
    fn fly(self: &Rc<Self>, id: EffectId, flight: AbortController, work: Work) {
        self.flights.borrow_mut().insert(id.clone(), flight);
        let driver = Rc::clone(self);
        spawn_local(async move {
            if let Err(error) = work.await {
                tracing::warn!("the stores failed for {}: {}", driver.id, error);
                sleep(STORE_TROUBLE_MS).await;
            }
            driver.flights.borrow_mut().remove(&id);
            driver.wake.wake();
        });
    }

    async fn full_urls(&self, download: &Download) -> Result<FullUrls, CommitError> {
        use crate::events::EventStore;
        let kept = self.node.store.links(&self.id).await?;
        Ok(FullUrls::read(kept.as_deref(), download))
    }

    async fn probe(&self, attempt: u32) -> Result<(), CommitError> {
        let download = self.node.load(&self.id).await?;
        let full = self.full_urls(&download).await?;
        let headers = self.node.host.headers(&self.id);
        let answers = probe(&full, headers.as_ref()).await;
        let policy = &self.node.setup.policy;
        let resources = download.spec.iter().flat_map(|spec| &spec.resources);
        let keys: Vec<String> = resources
            .zip(&answers)
            .filter_map(|(resource, answer)| {
                let answer = answer.as_ref().ok()?;
                file_of(resource, &resource.url, answer, policy)
                    .ok()
                    .map(|file| file.key())
            })
            .collect();
        let committed = self
            .commit(&keys, &|witness| Signal::Probed {
                attempt,
                answers: answers.clone(),
                witness,
            })
            .await?;
        self.pace(&committed).await;
        Ok(())
    }

    /// A fault that led to no event (because the same was written already, or the history is full) must not lead to
    /// the next try at once.
    async fn pace(&self, committed: &Committed) {
        if committed.events.is_empty() && committed.download.is_running() {
            let retry = &self.node.setup.policy.retry;
            // What goes on unwritten has no delay of its own.
            let rounds = if committed.download.is_terse() { 4 } else { 1 };
            let ms = retry.delay_ms(rounds, &self.id).max(50);
            sleep(u32::try_from(ms).unwrap_or(STORE_TROUBLE_MS)).await;
        }
    }

    async fn start_job(&self, effect: Effect) -> Result<(), CommitError> {
        let Effect::StartJob {
            registration,
            title,
            total,
            parts,
            ..
        } = effect
        else {
            return Ok(());
        };
        let download = self.node.load(&self.id).await?;
        let full = self.full_urls(&download).await?;
        let secret_params = download
            .spec
            .as_ref()
            .map(|spec| spec.secret_params.as_slice())
            .unwrap_or_default();
        let (_, manager) = self.node.host.background().await;
        let started = match (manager, requests(&parts, &full, secret_params)) {
            (Some(manager), Ok(requests)) => {
                let options = JobOptions {
                    title,
                    icons: full.icons(),
                    download_total: total,
                };
                manager
                    .fetch(&registration, &requests, &options)
                    .await
                    .map(|_| ())
            }
            _ => Err(StartError::Refused {
                name: "Error".into(),
            }),
        };
        self.unstarted.take();
        if let Err(error) = started {
            tracing::warn!("no background job for {}: {}", self.id, error);
            let quota = error == StartError::Quota;
            self.commit(&[], &|witness| Signal::JobRefused {
                registration: registration.clone(),
                quota,
                witness,
            })
            .await?;
        }
        Ok(())
    }

    async fn harvest(&self, registration: &str) -> Result<(), CommitError> {
        let (_, Some(manager)) = self.node.host.background().await else {
            return Ok(());
        };
        if let Some(job) = self.node.registration(&manager, registration).await {
            for (key, range) in harvest(&self.node.parts, &job, false).await.stored {
                self.note_stored(&key, Range::new(range.start, range.len));
                self.live_stored().await?;
            }
        }
        Ok(())
    }

    /// Whether a job moved since its records were last looked through; from now on it has not.
    fn moved(&self, registration: &str) -> bool {
        let mut watched = self.watched.borrow_mut();
        let Some(job) = watched
            .as_mut()
            .filter(|job| job.registration == registration)
        else {
            return false;
        };
        job.harvested.replace(job.downloaded) != Some(job.downloaded)
    }

    async fn live_stored(&self) -> Result<(), CommitError> {
        let download = self.node.load(&self.id).await?;
        let stored = self
            .listing
            .borrow()
            .as_ref()
            .map_or(0, |(_, rest)| stored(&download, rest));
        self.stored.set(stored);
        self.show_live();
        Ok(())
    }

    /// Bytes came; shown a few times a second.
    fn live_moved(&self) {
        if now_ms().saturating_sub(self.live_at.get()) >= LIVE_MS {
            self.show_live();
        }
    }

    fn show_live(&self) {
        self.live_at.set(now_ms());
        let flying: u64 = self
            .meters
            .borrow()
            .iter()
            .map(|(_, meter)| meter.bytes())
            .sum();
        let stored = self.stored.get();
        self.node
            .host
            .live(&self.id, stored.saturating_add(flying), stored);
    }

    async fn fetch(
        self: &Rc<Self>,
        attempt: u32,
        resource: u32,
        part: &longhaul_core::PartRequest,
        flight: &AbortController,
    ) -> Result<(), CommitError> {
        let download = self.node.load(&self.id).await?;
        let full = self.full_urls(&download).await?;
        let secret_params = download
            .spec
            .as_ref()
            .map(|spec| spec.secret_params.as_slice())
            .unwrap_or_default();
        let headers = self.node.host.headers(&self.id);
        let url = full.url(resource);
        let meter = Meter::new();
        let driver = Rc::downgrade(self);
        let flying: Flying = (part.file.key(), part.index);
        self.meters
            .borrow_mut()
            .push((flying.clone(), Rc::clone(&meter)));
        let moved = move || {
            if let Some(driver) = driver.upgrade() {
                driver.live_moved();
            }
        };
        let signal = flight.signal();
        let (parts, secrets) = (&self.node.parts, secret_params);
        let work = fetch_part(
            parts,
            part,
            url,
            secrets,
            headers.as_ref(),
            &signal,
            (&meter, moved),
        );
        let silence = meter.stalled(self.node.setup.policy.retry.stall_ms);
        let fetched = match select(Box::pin(work), Box::pin(silence)).await {
            Either::Left((fetched, _)) => fetched,
            Either::Right(_) => {
                flight.abort();
                Err(FetchFault::Fault(Fault::Network))
            }
        };
        self.meters.borrow_mut().retain(|(of, _)| *of != flying);
        match fetched {
            Ok(range) => {
                self.parallel
                    .set((self.parallel.get() + 1).min(self.node.setup.parallel));
                self.note_stored(&part.file.key(), Range::new(range.start, range.len));
                self.live_stored().await
            }
            Err(FetchFault::Cancelled) => Ok(()),
            Err(FetchFault::Fault(fault)) => {
                if matches!(
                    fault,
                    Fault::Status {
                        status: 429 | 503,
                        ..
                    }
                ) {
                    // A server that says that it is too much is asked for less, until parts come again.
                    self.parallel.set((self.parallel.get() / 2).max(1));
                }
                let committed = self
                    .commit(&[], &|witness| Signal::PartFailed {
                        attempt,
                        resource,
                        fault: fault.clone(),
                        witness,
                    })
                    .await?;
                self.pace(&committed).await;
                Ok(())
            }
        }
    }

    async fn verify(
        &self,
        attempt: u32,
        resources: &[u32],
        files: &[longhaul_core::File],
        flight: &AbortController,
    ) -> Result<(), CommitError> {
        let mut digests = Vec::with_capacity(resources.len());
        for resource in resources {
            let Some(file) = files.get(*resource as usize) else {
                continue;
            };
            match digest(&self.node.parts, file, || !flight.signal().aborted()).await {
                Ok(digest) => digests.push((*resource, digest)),
                Err(error) => {
                    // Parts that vanished while they were read: the next look says so.
                    tracing::warn!("{} was not verified: {}", self.id, error);
                    self.listing.take();
                    return Ok(());
                }
            }
        }
        self.commit(&[], &|witness| Signal::Verified {
            attempt,
            digests: digests.clone(),
            witness,
        })
        .await?;
        Ok(())
    }
}

/// Bytes at rest that belong to a download's files.
fn stored(download: &Download, rest: &Rest) -> u64 {
    download
        .files
        .iter()
        .filter_map(|file| Some(file.layout().stored(rest.get(&file.key())?)))
        .sum()
}

/// Whether a state leaves something for an owner to do by itself.
#[must_use]
pub fn has_ended(download: &Download) -> bool {
    !matches!(
        download.state,
        State::Requested | State::Transferring { .. }
    )
}
