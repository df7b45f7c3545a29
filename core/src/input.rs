//! What goes into [`decide`](crate::decide): commands of the app, signals of the browser, and the
//! observation of what can be observed now.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::event::Failure;
use crate::measure::HttpResponse;
use crate::parts::Layout;
use crate::policy::Policy;
use crate::ranges::{PartNumbers, Ranges};
use crate::spec::ValidSpec;
use crate::transfer_error::TransferError;

/// Everything that can happen to a download.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Input {
    /// The app asks.
    Command(Command),
    /// The browser was seen to do something.
    Signal(Signal),
}

/// What an app asks for. Imperative.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Command {
    /// Have this, by whatever is the least work: attach, find it stored, or begin an attempt.
    Request(Box<ValidSpec>),
    /// End the attempt that runs, and drop what it stored.
    Abort,
    /// Try again what failed, was aborted or is gone; cut a wait short.
    Retry,
    /// Delete the bytes, keep the history.
    Remove,
}

/// What the browser was seen to do. Those that answer an effect carry what names it, so that a
/// stale one can be told.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Signal {
    /// Somebody looked: the observation was taken anew.
    Observed(Box<Observation>),
    /// The servers were asked for size, validator and Range support, one answer for each resource.
    Probed {
        /// The attempt for which they were asked.
        attempt: u32,
        /// Answers in the order of the resources.
        answers: Vec<Result<HttpResponse, TransferError>>,
        /// What is stored for these generations, among the rest.
        observation: Box<Observation>,
    },
    /// The browser refused to start the job.
    JobRefused {
        /// The registration that was asked for.
        registration: String,
        /// Whether it said that there is no room.
        quota: bool,
        /// What can be observed now.
        observation: Box<Observation>,
    },
    /// A job ended, and all of its records that could be stored have been.
    JobEnded {
        /// Its registration.
        registration: String,
        /// How.
        end: JobEnd,
        /// What was wrong with records that could not be stored.
        faults: Vec<TransferError>,
        /// What is stored now.
        observation: Box<Observation>,
    },
    /// A part was asked for by the page itself, and did not come.
    PartFailed {
        /// The attempt that asked.
        attempt: u32,
        /// Index of the resource.
        resource: u32,
        /// Why.
        fault: TransferError,
        /// What can be observed now.
        observation: Box<Observation>,
    },
    /// The hashes over what is stored were computed, and the servers asked once more.
    Verified {
        /// The attempt that asked.
        attempt: u32,
        /// Index of each resource with its digest, 64 hexadecimal digits.
        digests: Vec<(u32, String)>,
        /// Index of each resource whose server was asked, with what it answered.
        answers: Vec<(u32, Result<HttpResponse, TransferError>)>,
        /// What is stored now.
        observation: Box<Observation>,
    },
    /// What is stored cannot be looked at, again and again: the browser's storage fails.
    StorageFailed {
        /// The attempt that needed it.
        attempt: u32,
    },
}

/// How a background job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum JobEnd {
    /// The browser says every record came; measuring tells whether that is so.
    Success,
    /// The browser gave up, for this reason.
    Failure(JobFailure),
    /// Somebody aborted it.
    Abort,
}

/// `BackgroundFetchFailureReason` ([Background Fetch, 6.4]), without `aborted`.
///
/// [Background Fetch, 6.4]: https://wicg.github.io/background-fetch/#background-fetch-registration-interface
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum JobFailure {
    /// A record was answered with an error status.
    BadStatus,
    /// A record could not be fetched.
    FetchError,
    /// No room.
    QuotaExceeded,
    /// More bytes came than were announced.
    DownloadTotalExceeded,
    /// A reason this code does not know, or none.
    Other,
}

impl JobFailure {
    /// The browser's own word for it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::BadStatus => "bad-status",
            Self::FetchError => "fetch-error",
            Self::QuotaExceeded => "quota-exceeded",
            Self::DownloadTotalExceeded => "download-total-exceeded",
            Self::Other => "for a reason that is not told",
        }
    }
}

/// A background job as the browser shows it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Job {
    /// Its registration id.
    pub registration: String,
    /// Bytes received so far, all records together.
    pub downloaded: u64,
}

/// Ranges stored by file key.
pub type StoredParts = BTreeMap<String, Ranges>;

/// What can be observed at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Observation {
    /// What is stored, for the files of this download.
    pub stored: StoredParts,
    /// Jobs of this download that the browser knows.
    pub jobs: Vec<Job>,
    /// Registrations whose completion the worker is handling right now. A job absent from `jobs`
    /// is not lost while it is here.
    pub handling: Vec<String>,
    /// The registration that the looking owner has licensed but not yet handed to the browser,
    /// so that its absence means nothing.
    pub unstarted: Option<String>,
    /// For how long the running job has brought nothing, in milliseconds, as far as the owner has watched; without end
    /// where it only repeats what is stored; absent where nobody watches.
    pub idle_ms: Option<u64>,
    /// Bytes that the browser says it has room for; absent where it does not say, or nobody asked. It may say too much.
    pub room: Option<u64>,
    /// Who looks, and what it can do.
    pub context: Context,
}

impl Observation {
    /// What is stored under a key.
    #[must_use]
    pub fn stored_under(&self, key: &str) -> &Ranges {
        const NONE: &Ranges = &Ranges::new();
        self.stored.get(key).unwrap_or(NONE)
    }

    /// Whether the browser still has a job, or the worker its completion.
    #[must_use]
    pub fn knows_job(&self, registration: &str) -> bool {
        self.jobs.iter().any(|job| job.registration == registration)
            || self.handling.iter().any(|id| id == registration)
    }

    /// Parts of a layout that are not stored under a key.
    #[must_use]
    pub fn missing(&self, key: &str, layout: Layout) -> PartNumbers {
        layout.missing(self.stored_under(key))
    }
}

/// Which side looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Role {
    /// A page: may start transfers.
    #[default]
    Page,
    /// The service worker: may not start jobs, and does not live long enough for transfers.
    Worker,
}

/// Whether a background job can be started from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Background {
    /// Yes.
    Usable,
    /// The browser has no Background Fetch.
    #[default]
    Missing,
    /// There is no active worker of this origin and version.
    NoWorker,
}

/// Which transport the app wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub enum Preference {
    /// Whichever serves best.
    #[default]
    Auto,
    /// Background Fetch or nothing.
    BackgroundFetch,
    /// The page's own transfers.
    Foreground,
}

/// Who looks, and what it can do.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Context {
    /// The `name` that the library was opened with.
    pub name: String,
    /// Which side.
    pub role: Role,
    /// `navigator.onLine`.
    pub offline: bool,
    /// Whether it holds the headers that requests of this download need.
    pub headers: bool,
    /// Whether it can start a background job.
    pub background: Background,
    /// What the app wants.
    pub preference: Preference,
    /// Sizes, limits and delays.
    pub policy: Policy,
}

/// Why a command is refused. Nothing was decided.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Rejection {
    /// The id runs with another spec.
    SpecConflict,
    /// There is nothing to abort, try again or remove under this id.
    NotAvailable,
}

impl Rejection {
    /// The code of the JavaScript contract.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::SpecConflict => "spec-conflict",
            Self::NotAvailable => "not-available",
        }
    }
}

impl core::fmt::Display for Rejection {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::SpecConflict => {
                "this id is being downloaded with other resources: abort it first, or use another id"
            }
            Self::NotAvailable => "nothing was ever requested under this id",
        })
    }
}

impl core::error::Error for Rejection {}

impl From<Failure> for crate::Event {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}
