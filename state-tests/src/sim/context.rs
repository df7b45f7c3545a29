//! A context: one page, or the worker, as the runner sees it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

use futures_util::future::{Either, LocalBoxFuture, select};
use longhaul_core::{Background, Download, FileVersion, PartRequest, Range, Role};
use longhaul_runner::answer::HttpResponse;
use longhaul_runner::errors::{DigestError, HashError, LockError, NetError, PartError, StartError};
use longhaul_runner::job::JobState;
use longhaul_runner::ports::{
    App, Came, Http, HttpRequest, Jobs, Locks, NewJob, Ownership, Parts, Platform, Runtime,
    StoreStreamError, Watching,
};

use super::bytes::Bytes;
use super::executor::ContextId;
use super::handles::{SimBody, SimRecord, Watch};
use super::history::History;
use super::jobs::{self, Moved, Record};
use super::network::{self, Body};
use super::servers::{Asked, positions};
use super::world::{MS, World};
use super::{licence, locks, manager, pages, worker};

/// For how long a worker's answer about itself is believed, in milliseconds.
const BELIEVED_MS: u64 = 30_000;
/// How long the browser takes for something small, in microseconds.
const SHORT: (u64, u64) = (100, 4 * MS);

/// One page, or the worker.
pub struct Context {
    /// The world that it is in.
    pub world: Rc<World>,
    /// Its process.
    pub id: ContextId,
    /// Downloads whose headers it was given.
    pub headers: RefCell<BTreeSet<String>>,
    /// Downloads whose headers the app was seen to bring.
    asked: RefCell<BTreeSet<String>>,
    role: Role,
    store: History,
    believed_at: Cell<Option<u64>>,
}

fn unavailable() -> PartError {
    PartError::StorageUnavailable {
        name: "UnknownError".to_owned(),
        message: "the cache said no".to_owned(),
    }
}

impl Context {
    /// A context of this process.
    #[must_use]
    pub fn new(world: &Rc<World>, id: ContextId, role: Role) -> Self {
        Self {
            world: Rc::clone(world),
            id,
            headers: RefCell::default(),
            asked: RefCell::default(),
            role,
            store: History::new(Rc::clone(world), id),
            believed_at: Cell::default(),
        }
    }

    /// Whether the app has asked for a download with its headers here.
    pub fn was_given(&self, download: &str) -> bool {
        self.asked.borrow().contains(download)
    }

    /// The app asks for a download with its headers here.
    pub fn gives(&self, download: &str) {
        self.asked.borrow_mut().insert(download.to_owned());
    }

    async fn call<T: 'static>(
        &self,
        pace: (u64, u64),
        act: impl FnOnce(&Rc<World>) -> T + 'static,
    ) -> T {
        self.world.call(self.id, pace, act).await
    }
}

impl Platform for Context {
    type Runtime = Self;
    type Histories = History;
    type Http = Self;
    type Parts = Self;
    type Jobs = Self;
    type Locks = Self;
    type App = Self;

    fn runtime(&self) -> &Self {
        self
    }

    fn histories(&self) -> &History {
        &self.store
    }

    fn http(&self) -> &Self {
        self
    }

    fn parts(&self) -> &Self {
        self
    }

    fn jobs(&self) -> &Self {
        self
    }

    fn locks(&self) -> &Self {
        self
    }

    fn app(&self) -> &Self {
        self
    }
}

impl Runtime for Context {
    fn now_ms(&self) -> u64 {
        self.world.now_ms()
    }

    fn monotonic_ms(&self) -> u64 {
        self.world.now() / MS
    }

    fn sleep(&self, ms: u32) -> LocalBoxFuture<'static, ()> {
        Box::pin(self.world.sleep(u64::from(ms) * MS))
    }

    fn spawn(&self, work: LocalBoxFuture<'static, ()>) {
        self.world.executor.spawn(self.id, work);
    }
}

impl App for Context {
    fn role(&self) -> Role {
        self.role
    }

    fn changed(&self, download: &str) {
        pages::tell(&self.world, Some(self.id), download);
    }

    fn has_headers(&self, download: &Download) -> bool {
        self.headers.borrow().contains(&download.id)
    }
}

impl Locks for Context {
    async fn own(&self, name: &str, _lost: Rc<dyn Fn()>) -> Result<Ownership, LockError> {
        let ticket = locks::acquire(&self.world, self.id, name).await;
        Ok(Box::new(ticket))
    }
}

impl Http for Context {
    type Body = SimBody;

    async fn send(&self, request: &HttpRequest<'_>) -> Result<(HttpResponse, SimBody), NetError> {
        let part = PartRequest::parse(request.url);
        let flight = match (request.headers_of, part) {
            (Some(download), Some(part)) => {
                Some(licence::begin(&self.world, self.id, &download.id, &part))
            }
            _ => None,
        };
        let asked = Asked {
            head: request.head,
            range: request.range.and_then(positions),
            headers: request
                .headers_of
                .is_some_and(|download| self.has_headers(download)),
            ..Asked::default()
        };
        let (answer, body) =
            network::ask(&self.world, request.url, asked, request.opaque, flight).await?;
        let url = request.url.to_owned();
        Ok((answer, SimBody { body, url }))
    }

    fn is_cross_origin(&self, url: &str) -> bool {
        self.world.network.borrow().is_cross_origin(url)
    }

    fn online(&self) -> bool {
        self.world.online()
    }

    fn came_online(&self) -> LocalBoxFuture<'static, ()> {
        let world = Rc::clone(&self.world);
        Box::pin(async move { world.came_online().await })
    }
}

impl Parts<SimBody> for Context {
    type Blob = Bytes;

    async fn files(&self) -> Result<Vec<String>, PartError> {
        let keys = self.call(SHORT, |world| world.caches.borrow().keys()).await;
        Ok(keys)
    }

    async fn list(&self, key: &str) -> Result<Vec<Range>, PartError> {
        let key = key.to_owned();
        let list = self.call(SHORT, move |world| world.caches.borrow().list(&key));
        Ok(list.await)
    }

    async fn put(&self, key: &str, start: u64, part: &Bytes) -> Result<u64, PartError> {
        let (key, part, context) = (key.to_owned(), part.clone(), self.id);
        let len = part.len();
        let put = move |world: &Rc<World>| {
            let fails = world.weather.borrow().failed_puts;
            if world.per_mille(fails) {
                world.coverage.reached("a part could not be stored");
                return Err(unavailable());
            }
            if world.is_full_with(len) {
                world.coverage.reached("a part found no room");
                return Err(PartError::Quota);
            }
            let twice = world.caches.borrow_mut().put(&key, start, part);
            licence::stored(world, context, &key, twice);
            Ok(len)
        };
        self.call((MS, 30 * MS), put).await
    }

    async fn store_stream(
        &self,
        body: SimBody,
        key: &str,
        range: Range,
        came: Came,
        cancelled: LocalBoxFuture<'_, ()>,
    ) -> Result<(), StoreStreamError> {
        let SimBody { mut body, url } = body;
        // A part is on its way until it is stored.
        let _flight = body.flight.take();
        let read = Box::pin(body.read(&self.world, &url, Some(came)));
        let bytes = match select(read, cancelled).await {
            Either::Left((bytes, _)) => bytes.ok_or(StoreStreamError::Cut)?,
            Either::Right(((), read)) => {
                drop(read);
                self.world.coverage.reached("a transfer was broken off");
                // What is being stored fails a moment later.
                self.world.while_between(0, 2 * MS).await;
                return Err(StoreStreamError::Cancelled);
            }
        };
        if bytes.len() != range.len {
            return Err(StoreStreamError::Length(bytes.len()));
        }
        // The last bytes are in: whoever cancels now comes too late.
        let put = self.put(key, range.start, &bytes).await;
        put.map(drop).map_err(StoreStreamError::Refused)
    }

    async fn read(&self, body: SimBody, came: Option<Came>) -> Option<Bytes> {
        let SimBody { body, url } = body;
        body.read(&self.world, &url, came).await
    }

    fn size(&self, blob: &Bytes) -> u64 {
        blob.len()
    }

    async fn delete(&self, key: &str) -> Result<(), PartError> {
        let key = key.to_owned();
        self.call(SHORT, move |world| {
            licence::delete(world, &key);
            let now = world.now();
            world.caches.borrow_mut().delete(&key, now);
            world.trace(|| format!("deleted {key}"));
        })
        .await;
        Ok(())
    }

    async fn digest(
        &self,
        file: &FileVersion,
        wanted: &dyn Fn() -> bool,
    ) -> Result<String, DigestError> {
        let key = file.key();
        let parts = self.list(&key).await?.len();
        for _ in 0..parts {
            let slow = self.world.weather.borrow().slow_hash_ms * MS;
            self.world.while_between(slow + MS, slow + 10 * MS).await;
            if !wanted() {
                return Err(HashError::Cancelled.into());
            }
        }
        let (bytes, whole) = self
            .call(SHORT, move |world| {
                let caches = world.caches.borrow();
                (caches.compose(&key), caches.list(&key).len() >= parts)
            })
            .await;
        if !whole {
            self.world
                .coverage
                .reached("a part vanished while it was hashed");
            return Err(HashError::Read("NotFoundError".to_owned()).into());
        }
        Ok(bytes.digest())
    }

    async fn room(&self) -> Option<u64> {
        let quota = self.world.weather.borrow().quota;
        quota.map(|quota| quota.saturating_sub(self.world.usage()))
    }
}

impl Jobs<SimBody> for Context {
    type Record = SimRecord;

    async fn background(&self) -> Background {
        if !self.world.scenery.background {
            return Background::Missing;
        }
        if self.role == Role::Worker {
            return Background::NoWorker;
        }
        let now = self.now_ms();
        let believed = self
            .believed_at
            .get()
            .is_some_and(|at| now.saturating_sub(at) < BELIEVED_MS);
        if !believed {
            if worker::ask(&self.world).await.is_none() {
                return Background::NoWorker;
            }
            self.believed_at.set(Some(self.now_ms()));
        }
        Background::Usable
    }

    async fn known(&self) -> Vec<JobState> {
        if !self.world.scenery.background {
            return Vec::new();
        }
        self.call(SHORT, |world| {
            let jobs = world.jobs.borrow();
            jobs.known.values().map(jobs::Job::state).collect()
        })
        .await
    }

    async fn start(&self, job: &NewJob<'_>) -> Result<(), StartError> {
        let registration = job.registration.to_owned();
        let total = job.total;
        let records = job
            .parts
            .iter()
            .map(|(resource, part)| Record {
                url: part.url(job.full.url(*resource), job.secret_params),
                range: part.range_asked().and_then(positions),
                ..Record::default()
            })
            .collect();
        licence::start(&self.world, self.id, &registration);
        self.call((5 * MS, 20 * MS), move |world| {
            jobs::register(world, &registration, total, records)
        })
        .await
    }

    async fn abort(&self, registration: &str) {
        let registration = registration.to_owned();
        licence::abort(&self.world, &registration);
        self.call(SHORT, move |world| manager::abort(world, &registration))
            .await;
    }

    async fn watch(
        &self,
        registration: &str,
        moved: Box<dyn FnMut(JobState)>,
    ) -> Option<(JobState, Watching)> {
        let registration = registration.to_owned();
        let (context, moved): (_, Moved) = (self.id, Rc::new(RefCell::new(moved)));
        let watched = self.call(SHORT, move |world| {
            let mut jobs = world.jobs.borrow_mut();
            let state = jobs.known.get(&registration)?.state();
            Some((state, jobs.watch(&registration, context, moved)))
        });
        let (state, number) = watched.await?;
        let world = Rc::clone(&self.world);
        Some((state, Box::new(Watch { world, number })))
    }

    async fn records(&self, registration: &str) -> Option<Vec<SimRecord>> {
        let registration = registration.to_owned();
        self.call(SHORT, move |world| {
            let jobs = world.jobs.borrow();
            let records = &jobs.known.get(&registration)?.records;
            let all = records.iter().enumerate();
            Some(
                all.map(|(index, record)| SimRecord::new(&registration, index, &record.url))
                    .collect(),
            )
        })
        .await
    }

    fn record_url(&self, record: &SimRecord) -> String {
        record.url.clone()
    }

    async fn record_answer(
        &self,
        record: &SimRecord,
        wait: bool,
    ) -> Option<Result<(HttpResponse, SimBody), NetError>> {
        let (asked, url) = (record.clone(), record.url.clone());
        let now = self.call(SHORT, move |world| asked.now(world));
        let Some(answered) = now.await else {
            debug_assert!(!wait, "a job that has ended has no unfinished records");
            return None;
        };
        let job = record.job.clone();
        Some(answered.map(|(answer, bytes)| {
            let body = Body::of_record(job, bytes);
            (answer, SimBody { body, url })
        }))
    }

    async fn handling(&self) -> Vec<String> {
        if self.role == Role::Worker || !self.world.scenery.background {
            return Vec::new();
        }
        worker::ask(&self.world).await.unwrap_or_default()
    }
}
