//! The platform: everything that the runner needs of the world, as one port.
//!
//! [`node`](crate::node), [`driver`](crate::driver), [`work`](crate::work), [`keeper`](crate::keeper) and
//! [`completion`](crate::completion) are written against it alone. `longhaul-browser` has the platform of a page or a
//! worker; the simulation of `state-tests` is another one, and runs the same code.
//!
//! Bytes are passed by handle ([`Platform::Blob`]); nothing here reads them.

use std::any::Any;
use std::rc::Rc;

use futures_util::future::LocalBoxFuture;
use longhaul_core::{Background, Download, FileVersion, PartRequest, Range, Role};

use crate::answer::HttpResponse;
use crate::errors::{DigestError, LockError, NetError, PartError, StartError};
use crate::events::EventStore;
use crate::job::JobState;
use crate::links::FullUrls;
use crate::meter::Meter;

/// Held as long as this download is to be owned; dropping it lets the next owner go on.
pub type Ownership = Box<dyn Any>;

/// Keeps a callback attached; dropping it detaches it.
pub type Watching = Box<dyn Any>;

/// Counts what comes of a body, and is called then.
pub type Metering = (Rc<Meter>, Box<dyn Fn()>);

/// What to ask a server for. The default is a plain CORS `GET`, past the HTTP cache: ranges queue up in it otherwise.
#[derive(Debug, Clone, Copy, Default)]
pub struct HttpRequest<'a> {
    /// Where.
    pub url: &'a str,
    /// `HEAD` instead of `GET`.
    pub head: bool,
    /// The bytes wanted; an empty range asks for the whole.
    pub range: Option<longhaul_core::Range>,
    /// The download whose headers are to be sent, where this context holds any.
    pub headers_of: Option<&'a Download>,
    /// `mode: "no-cors"` without credentials: only tells whether anybody answers at all.
    pub opaque: bool,
}

/// Why a body did not become a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spilt {
    /// It was broken off here.
    Enough,
    /// It ended early: the browser does not say why.
    Broken,
    /// It is of another length, or had more than it should when it had come to this one.
    Length(u64),
    /// The part store refused it.
    Refused(PartError),
}

/// A background job to be started.
#[derive(Debug, Clone, Copy)]
pub struct NewJob<'a> {
    /// Its registration id.
    pub registration: &'a str,
    /// What the browser shows.
    pub title: Option<&'a str>,
    /// Bytes that it will bring; 0 where that is not known.
    pub total: u64,
    /// Its records, by index of the resource.
    pub parts: &'a [(u32, PartRequest)],
    /// Where they come from.
    pub full: &'a FullUrls,
    /// Parameters of the URLs that are secret.
    pub secret_params: &'a [String],
}

/// One context of a browser: a page, or the service worker.
// Futures are not `Send` anywhere in a browser.
#[allow(async_fn_in_trait)]
pub trait Platform: 'static {
    /// The histories.
    type Store: EventStore;
    /// The body of an answer, not read yet. Dropping it ends its transfer.
    type Body;
    /// Bytes, by handle.
    type Blob;
    /// A record of a background job.
    type Record;

    /// Which side this is.
    fn role(&self) -> Role;
    /// The histories.
    fn store(&self) -> &Self::Store;
    /// Milliseconds since 1970.
    fn now_ms(&self) -> u64;
    /// Milliseconds by a clock that only goes forward, from any beginning.
    fn monotonic_ms(&self) -> u64;
    /// Waits so many milliseconds.
    fn sleep(&self, ms: u32) -> LocalBoxFuture<'static, ()>;
    /// Runs something beside everything else, for as long as this context lives.
    fn spawn(&self, work: LocalBoxFuture<'static, ()>);
    /// Whether the device is online, as far as the browser knows; only `false` says anything.
    fn online(&self) -> bool;
    /// Waits until the device is online.
    fn came_online(&self) -> LocalBoxFuture<'static, ()>;

    /// The history of a download grew: everyone should read again.
    fn changed(&self, download: &str);
    /// Figures newer than the history: bytes that came, bytes stored.
    fn live(&self, download: &str, downloaded: u64, stored: u64);
    /// Whether this context holds headers for a download.
    fn has_headers(&self, download: &Download) -> bool;

    /// Waits for the ownership that goes by this name, first come, first served. Dropping the future withdraws. `lost` is
    /// called where an ownership ends by itself, which only a lease does.
    async fn own(&self, name: &str, lost: Rc<dyn Fn()>) -> Result<Ownership, LockError>;

    /// The keys of all files of which there may be bytes stored.
    async fn files(&self) -> Result<Vec<String>, PartError>;
    /// The parts of a file that are stored.
    async fn list(&self, key: &str) -> Result<Vec<Range>, PartError>;
    /// Stores a part; how long it is, in bytes.
    async fn put(&self, key: &str, start: u64, part: &Self::Blob) -> Result<u64, PartError>;
    /// Deletes all parts of a file.
    async fn delete(&self, key: &str) -> Result<(), PartError>;
    /// The SHA-256 over what is stored of a file, as long as it is `wanted`.
    async fn digest(
        &self,
        file: &FileVersion,
        wanted: &dyn Fn() -> bool,
    ) -> Result<String, DigestError>;

    /// How many bytes more may be stored, as far as the browser says. It may say too much: only storing tells.
    async fn room(&self) -> Option<u64>;

    /// Asks a server. The body can be read later.
    async fn ask(&self, question: &HttpRequest<'_>)
    -> Result<(HttpResponse, Self::Body), NetError>;
    /// Whether a URL is of another origin than this context.
    fn is_cross_origin(&self, url: &str) -> bool;
    /// Stores a part straight from a body, without holding it: exactly this range, or nothing. Where `enough` comes
    /// first, the transfer is broken off.
    async fn pour(
        &self,
        body: Self::Body,
        key: &str,
        range: Range,
        metering: Metering,
        enough: LocalBoxFuture<'_, ()>,
    ) -> Result<(), Spilt>;
    /// Reads a body to its end; `None` where it ended early.
    async fn read(&self, body: Self::Body, metering: Option<Metering>) -> Option<Self::Blob>;
    /// The size of a Blob in bytes.
    fn size(blob: &Self::Blob) -> u64;

    /// Whether background jobs can be started from here.
    async fn background(&self) -> Background;
    /// The background jobs of this origin that the browser knows, other scripts' among them.
    async fn jobs(&self) -> Vec<JobState>;
    /// Hands a job to the browser.
    async fn start_job(&self, job: &NewJob<'_>) -> Result<(), StartError>;
    /// Aborts a job. One that has ended meanwhile is as good.
    async fn abort_job(&self, registration: &str);
    /// Calls back whenever a running job moved; its state now. `None` where the browser does not know the job.
    async fn watch_job(
        &self,
        registration: &str,
        moved: Box<dyn FnMut(JobState)>,
    ) -> Option<(JobState, Watching)>;
    /// The records of a job that the browser knows, finished or not.
    async fn records(&self, registration: &str) -> Option<Vec<Self::Record>>;
    /// The URL of a record, with its fragment.
    fn record_url(record: &Self::Record) -> String;
    /// The answer to a record. Without `wait`, `None` where it is not there yet.
    async fn record_answer(
        &self,
        record: &Self::Record,
        wait: bool,
    ) -> Option<Result<(HttpResponse, Self::Body), NetError>>;
    /// Registrations whose completion the worker is handling now. Answered only after every completion that was under
    /// way when it was asked has been named or accounted for.
    async fn handling(&self) -> Vec<String>;
}
