//! The platform that a page or a service worker is.

use std::rc::Rc;

use futures_util::future::{Either, LocalBoxFuture, select};
use longhaul_core::{Background, Download, FileVersion, Range, Role};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::spawn_local;
use web_sys::{AbortController, Blob, Headers, Response, StorageManager};

use crate::background_fetch::{
    BackgroundFetchManager, BackgroundFetchRecord, BackgroundFetchRegistration, JobOptions,
};
use crate::events::IndexedDb;
use crate::js::{global, number, property, settle};
use crate::net::{self, Ask};
use crate::parts::{PartStore, blob, stores_streams_whole};
use crate::pour::{Flaw, Pour};
use crate::requests::requests;
use crate::{lease, locks};
use longhaul_runner::answer::HttpResponse;
use longhaul_runner::errors::{DigestError, LockError, NetError, PartError, StartError};
use longhaul_runner::job::JobState;
use longhaul_runner::ports::{
    App, Came, Http, HttpRequest, Jobs, Locks, NewJob, Ownership, Parts, Platform, Runtime,
    StoreStreamError, Watching,
};

/// What differs between a page and a worker.
pub trait Host {
    /// Which side this is.
    fn role(&self) -> Role;
    /// The history of a download grew: everyone should read again.
    fn changed(&self, download: &str);
    /// Figures newer than the history.
    fn live(&self, download: &str, downloaded: u64, stored: u64);
    /// The headers that requests of a download carry, where this context has been given any for what it is about now.
    fn headers(&self, download: &Download) -> Option<Headers>;
    /// Whether background jobs can be started from here, and by which manager.
    fn background(&self) -> LocalBoxFuture<'_, (Background, Option<BackgroundFetchManager>)>;
    /// Where running jobs can be looked up: an app under another path of the origin may share downloads.
    fn managers(&self) -> LocalBoxFuture<'_, Vec<BackgroundFetchManager>>;
    /// Registrations whose completion the worker is handling now, see [`Jobs::handling`].
    fn handling(&self) -> LocalBoxFuture<'_, Vec<String>>;
}

/// A page or a worker, over the stores of one name.
//
// One type for both: they are one module, and what is generic over this would be in it twice.
pub struct Web {
    /// What differs between a page and a worker.
    host: Rc<dyn Host>,
    /// The histories.
    pub store: IndexedDb,
    /// The parts stored.
    pub parts: PartStore,
}

/// The body of an answer. Its transfer ends with it.
pub struct Body {
    response: Response,
    transfer: Option<Transfer>,
}

/// A request that is aborted when this is dropped.
struct Transfer(AbortController);

impl Drop for Transfer {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Web {
    /// A context over the stores of this name.
    #[must_use]
    pub fn new(name: &str, host: Rc<dyn Host>) -> Self {
        Self {
            host,
            store: IndexedDb::new(name),
            parts: PartStore::new(name),
        }
    }

    async fn registration(&self, id: &str) -> Option<BackgroundFetchRegistration> {
        for manager in self.host.managers().await {
            // Where the browser does not answer, there is nothing to be seen.
            if let Ok(Some(registration)) = manager.get(id).await {
                return Some(registration);
            }
        }
        None
    }
}

impl Platform for Web {
    type Runtime = Self;
    type Histories = IndexedDb;
    type Http = Self;
    type Parts = PartStore;
    type Jobs = Self;
    type Locks = Self;
    type App = Self;

    fn runtime(&self) -> &Self {
        self
    }

    fn histories(&self) -> &IndexedDb {
        &self.store
    }

    fn http(&self) -> &Self {
        self
    }

    fn parts(&self) -> &PartStore {
        &self.parts
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

impl Runtime for Web {
    fn now_ms(&self) -> u64 {
        net::now_ms()
    }

    fn monotonic_ms(&self) -> u64 {
        net::monotonic_ms()
    }

    fn sleep(&self, ms: u32) -> LocalBoxFuture<'static, ()> {
        Box::pin(net::sleep(ms))
    }

    fn spawn(&self, work: LocalBoxFuture<'static, ()>) {
        spawn_local(work);
    }
}

impl App for Web {
    fn role(&self) -> Role {
        self.host.role()
    }

    fn changed(&self, download: &str) {
        self.host.changed(download);
    }

    fn live(&self, download: &str, downloaded: u64, stored: u64) {
        self.host.live(download, downloaded, stored);
    }

    fn has_headers(&self, download: &Download) -> bool {
        self.host.headers(download).is_some()
    }
}

impl Locks for Web {
    async fn own(&self, name: &str, lost: Rc<dyn Fn()>) -> Result<Ownership, LockError> {
        match locks::acquire(name, None).await {
            Ok(guard) => Ok(Box::new(guard)),
            // Browsers whose workers have anything to own have Web Locks.
            Err(LockError::Unsupported) if self.role() == Role::Page => {
                Ok(Box::new(lease::acquire(name, lost).await?))
            }
            Err(error) => Err(error),
        }
    }
}

impl Http for Web {
    type Body = Body;

    async fn send(&self, request: &HttpRequest<'_>) -> Result<(HttpResponse, Body), NetError> {
        let transfer = AbortController::new().ok().map(Transfer);
        let signal = transfer.as_ref().map(|transfer| transfer.0.signal());
        let of = request.headers_of.filter(|_| !request.opaque);
        let headers = of.and_then(|download| self.host.headers(download));
        let ask = Ask {
            method: if request.head { "HEAD" } else { "" },
            range: request.range,
            headers: headers.as_ref(),
            signal: signal.as_ref(),
            no_store: true,
            opaque: request.opaque,
        };
        let (answer, response) = net::fetch(request.url, &ask).await?;
        let body = Body { response, transfer };
        Ok((answer, body))
    }

    fn is_cross_origin(&self, url: &str) -> bool {
        let here = property(&global("location"), "origin").as_string();
        here.is_none_or(|origin| {
            url.strip_prefix(origin.as_str())
                .is_none_or(|rest| !(rest.is_empty() || rest.starts_with(['/', '?', '#'])))
        })
    }

    fn online(&self) -> bool {
        net::online()
    }

    fn came_online(&self) -> LocalBoxFuture<'static, ()> {
        Box::pin(net::until_online())
    }
}

impl Parts<Body> for PartStore {
    type Blob = Blob;

    async fn files(&self) -> Result<Vec<String>, PartError> {
        Self::files(self).await
    }

    async fn list(&self, key: &str) -> Result<Vec<Range>, PartError> {
        Self::list(self, key).await
    }

    async fn put(&self, key: &str, start: u64, part: &Blob) -> Result<u64, PartError> {
        Self::put(self, key, start, part).await
    }

    async fn store_stream(
        &self,
        body: Body,
        key: &str,
        range: Range,
        came: Came,
        cancelled: LocalBoxFuture<'_, ()>,
    ) -> Result<(), StoreStreamError> {
        let Body { response, transfer } = body;
        let Some(stream) = response.body() else {
            return Err(StoreStreamError::Length(0));
        };
        let (stream, pour) = Pour::new(&stream, Some(range.len), came, stores_streams_whole())
            .map_err(|_| StoreStreamError::Cut)?;
        let storing = Box::pin(self.pour(key, range, &stream));
        let (stored, broken_off) = match select(storing, cancelled).await {
            Either::Left((stored, _)) => (stored, false),
            Either::Right(((), storing)) => {
                // The stream fails with its transfer, and what is being stored with the stream: that is waited for, so
                // that nobody deletes or counts what is stored while it is being written.
                drop(transfer);
                (storing.await, true)
            }
        };
        match (stored, pour.flaw()) {
            (Ok(()), _) => Ok(()),
            (Err(_), _) if broken_off => Err(StoreStreamError::Cancelled),
            (Err(_), Some(Flaw::Broken)) => Err(StoreStreamError::Cut),
            (Err(_), Some(Flaw::Length(passed))) => Err(StoreStreamError::Length(passed)),
            (Err(error), None) => Err(StoreStreamError::Refused(error)),
        }
    }

    async fn read(&self, body: Body, came: Option<Came>) -> Option<Blob> {
        let stream = body.response.body();
        let (Some(came), Some(stream)) = (came, stream) else {
            return blob(&body.response).await.ok();
        };
        let (stream, _) = Pour::new(&stream, None, came, false).ok()?;
        let metered = Response::new_with_opt_readable_stream(Some(&stream)).ok()?;
        blob(&metered).await.ok()
    }

    // Sizes of Blobs are whole and below 2^53.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn size(&self, blob: &Blob) -> u64 {
        blob.size() as u64
    }

    async fn delete(&self, key: &str) -> Result<(), PartError> {
        Self::delete(self, key).await.map(|_| ())
    }

    async fn digest(
        &self,
        file: &FileVersion,
        wanted: &dyn Fn() -> bool,
    ) -> Result<String, DigestError> {
        Self::digest(self, &file.key(), wanted).await
    }

    // WebKit's may be missing, and nobody's is exact.
    async fn room(&self) -> Option<u64> {
        let storage: StorageManager = property(&global("navigator"), "storage").unchecked_into();
        let estimate = settle(storage.estimate().ok()?).await.ok()?;
        let room = number(&estimate, "quota")? - number(&estimate, "usage")?;
        // Saturates where it is negative.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        Some(room as u64)
    }
}

impl Jobs<Body> for Web {
    type Record = BackgroundFetchRecord;

    async fn background(&self) -> Background {
        self.host.background().await.0
    }

    async fn known(&self) -> Vec<JobState> {
        let mut jobs = Vec::new();
        for manager in self.host.managers().await {
            // Where the browser does not answer, there is nothing to be seen.
            for id in manager.get_ids().await.unwrap_or_default() {
                if let Ok(Some(registration)) = manager.get(&id).await {
                    jobs.push(registration.state());
                }
            }
        }
        jobs
    }

    async fn start(&self, job: &NewJob<'_>) -> Result<(), StartError> {
        let refused = || StartError::Refused {
            name: "Error".into(),
        };
        let manager = self.host.background().await.1.ok_or_else(refused)?;
        let requests = requests(job.parts, job.full, job.secret_params).map_err(|_| refused())?;
        let options = JobOptions {
            title: job.title.map(str::to_owned),
            icons: job.full.icons.clone(),
            download_total: job.total,
        };
        let started = manager.fetch(job.registration, &requests, &options);
        started.await.map(|_| ())
    }

    async fn abort(&self, registration: &str) {
        if let Some(job) = self.registration(registration).await {
            // A job that has ended meanwhile answers false, which is as good.
            let _ = job.abort().await;
        }
    }

    async fn watch(
        &self,
        registration: &str,
        moved: Box<dyn FnMut(JobState)>,
    ) -> Option<(JobState, Watching)> {
        let job = self.registration(registration).await?;
        let listener = job.on_progress(moved);
        Some((job.state(), Box::new(listener)))
    }

    async fn records(&self, registration: &str) -> Option<Vec<BackgroundFetchRecord>> {
        records(&self.registration(registration).await?).await
    }

    fn record_url(&self, record: &BackgroundFetchRecord) -> String {
        record.url()
    }

    async fn record_answer(
        &self,
        record: &BackgroundFetchRecord,
        wait: bool,
    ) -> Option<Result<(HttpResponse, Body), NetError>> {
        let response = if wait {
            record.response().await
        } else {
            record.response_now().await?
        };
        Some(response.map(|response| {
            let answer = net::answer(&response);
            let body = Body {
                response,
                transfer: None,
            };
            (answer, body)
        }))
    }

    async fn handling(&self) -> Vec<String> {
        self.host.handling().await
    }
}

/// The records of a job, where the browser still gives them out.
pub async fn records(job: &BackgroundFetchRegistration) -> Option<Vec<BackgroundFetchRecord>> {
    let records = job.match_all().await;
    records
        .inspect_err(|exception| {
            tracing::warn!("the records of a job cannot be read: {}", exception.name);
        })
        .ok()
}
