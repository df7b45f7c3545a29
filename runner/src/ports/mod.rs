//! The ports: everything that the runner needs of the world, each for one purpose.
//!
//! [`driver`](crate::driver), [`node`](crate::node), [`work`](crate::work), [`supervisor`](crate::supervisor) and
//! [`completion`](crate::completion) are written against them alone. A [`Platform`] puts one of each together:
//! `longhaul-browser` has that of a page or a service worker, the simulation of `longhaul-state-tests` another one, and
//! `examples/download.rs` that of a command line. What an app does not want to write is ready-made: histories, parts and
//! locks in [`memory`](crate::memory), and [`NoJobs`] where nothing downloads in the background.
//!
//! All of it is for one thread: no future has to be `Send`.

mod app;
pub mod histories;
mod http;
mod jobs;
mod locks;
mod parts;
mod runtime;

pub use app::App;
pub use histories::EventStore;
pub use http::{Http, HttpRequest};
pub use jobs::{Jobs, NewJob, NoJobs, Watching};
pub use locks::{Locks, Ownership};
pub use parts::{Came, Parts, StoreStreamError};
pub use runtime::Runtime;

/// The body of an answer on a platform.
pub type BodyOf<P> = <<P as Platform>::Http as Http>::Body;

/// A whole body that is not stored yet, on a platform.
pub type BlobOf<P> = <<P as Platform>::Parts as Parts<BodyOf<P>>>::Blob;

/// A record of a background job on a platform.
pub type RecordOf<P> = <<P as Platform>::Jobs as Jobs<BodyOf<P>>>::Record;

/// One context that works on downloads (a page, a service worker, a process), put together from its ports.
pub trait Platform: 'static {
    /// Clocks and tasks.
    type Runtime: Runtime;
    /// The histories.
    type Histories: EventStore;
    /// What asks servers.
    type Http: Http;
    /// The bytes.
    type Parts: Parts<BodyOf<Self>>;
    /// Background jobs.
    type Jobs: Jobs<BodyOf<Self>>;
    /// Who may work on what.
    type Locks: Locks;
    /// The app around.
    type App: App;

    /// Clocks and tasks.
    fn runtime(&self) -> &Self::Runtime;
    /// The histories.
    fn histories(&self) -> &Self::Histories;
    /// What asks servers.
    fn http(&self) -> &Self::Http;
    /// The bytes.
    fn parts(&self) -> &Self::Parts;
    /// Background jobs.
    fn jobs(&self) -> &Self::Jobs;
    /// Who may work on what.
    fn locks(&self) -> &Self::Locks;
    /// The app around.
    fn app(&self) -> &Self::App;
}
