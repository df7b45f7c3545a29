//! What a world begins with, and what can happen in it.

use super::Trouble;
use longhaul_core::{Background, HttpResponse, JobEnd, JobFailure, Preference, TransferError};

/// What a world begins with.
#[derive(Debug, Clone)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each says something else of a world"
)]
pub struct Setup {
    /// Whether Background Fetch can be used.
    pub background: Background,
    /// What the app prefers.
    pub preference: Preference,
    /// Number of files.
    pub resources: usize,
    /// Whether the spec names the hash of the first file.
    pub hashed: bool,
    /// Whether requests need headers, which the second page lacks.
    pub headers: bool,
    /// Whether servers send an entity tag.
    pub tagged: bool,
    /// Whether servers honour `Range`.
    pub ranges: bool,
    /// Whether servers are of another origin than the pages.
    pub cross_origin: bool,
    /// Whether servers say how long a file is.
    pub sized: bool,
    /// Size of the first file.
    pub size: u64,
    /// Size of the second and further files; 0 is a case of its own.
    pub other_size: u64,
    /// Retries in a row before an attempt fails.
    pub patience: u32,
}

/// One thing that happens.
#[derive(Debug, Clone)]
#[allow(
    missing_docs,
    reason = "the sentence of each variant says what its fields are"
)]
pub enum Step {
    /// The app asks, in a page.
    Ask { by: usize, what: Ask },
    /// A writer looks, and one that watched says for how long nothing came.
    Look { by: usize, idle: bool },
    /// The owner looks, plans, and performs one planned effect.
    Perform { which: usize, luck: Luck },
    /// Another page becomes the owner; requests of the one before still answer.
    TakeOver { by: usize },
    /// One outcome reaches its writer; with `again`, a copy comes later too.
    Deliver { which: usize, again: bool },
    /// The browser works on its jobs.
    JobWorks { records: usize },
    /// The browser ends a job.
    JobEnds { which: usize, how: JobFate },
    /// The worker handles a completion; with `dies`, it is stopped half-way.
    Handle { dies: bool },
    /// Bytes stored are deleted behind our back.
    Evict { which: usize, all: bool },
    /// A server gets into trouble, or out of it.
    Server {
        which: usize,
        trouble: Option<Trouble>,
    },
    /// The browser was killed and starts its unfinished records anew.
    JobRestarts,
    /// An outcome arrives that nobody caused, of the present attempt or one before.
    Rumour { of: Rumour, before: u32 },
    /// A server has a new file; with `splices`, it says that it is the old one.
    Change { which: usize, splices: bool },
    /// Time goes by.
    Pass { ms: u64 },
    /// A page or the worker dies, with all it had in flight.
    Crash { by: usize },
}

impl Step {
    /// The first planned effect is performed.
    pub const PERFORM: Self = Self::Perform {
        which: 0,
        luck: Luck::Good,
    };
    /// The oldest outcome arrives.
    pub const DELIVER: Self = Self::Deliver {
        which: 0,
        again: false,
    };
    /// A job is begun, and lost again.
    pub const LOST_JOB: &[Self] = &[
        Self::PERFORM,
        Self::DELIVER,
        Self::JobWorks { records: 1 },
        Self::JobEnds {
            which: 0,
            how: JobFate::Vanishes,
        },
    ];
    /// After a while a part breaks.
    pub const BROKEN_PART: &[Self] = &[
        Self::Pass { ms: 120_000 },
        Self::Perform {
            which: 0,
            luck: Luck::Breaks,
        },
        Self::DELIVER,
    ];

    /// Whether it may end an attempt at once, whatever patience there is.
    #[must_use]
    pub fn is_final(&self) -> bool {
        let lasting = |fault: &TransferError| !fault.is_transient();
        match self {
            Self::Perform { luck, .. } => *luck == Luck::Quota,
            Self::Ask { what, .. } => *what != Ask::Retry,
            Self::Evict { .. } | Self::Change { .. } => true,
            Self::Server { trouble, .. } => !matches!(
                trouble,
                None | Some(
                    Trouble::Breaks | Trouble::Offline | Trouble::Busy | Trouble::Throttled
                )
            ),
            Self::JobEnds { how, .. } => !matches!(
                how,
                JobFate::Vanishes
                    | JobFate::EmptySuccess
                    | JobFate::Failure(JobFailure::FetchError)
            ),
            Self::Rumour { of, .. } => match of {
                Rumour::Probed(Err(fault)) | Rumour::PartFailed(fault) => lasting(fault),
                Rumour::Ended(end, faults) => {
                    matches!(
                        end,
                        JobEnd::Abort
                            | JobEnd::Failure(
                                JobFailure::QuotaExceeded | JobFailure::DownloadTotalExceeded
                            )
                    ) || faults.iter().any(lasting)
                }
                Rumour::Refused { quota } => *quota,
                Rumour::Probed(Ok(_)) | Rumour::Verified => false,
            },
            _ => false,
        }
    }
}

/// What an app asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// For the spec.
    Request,
    /// For other files under the same id.
    RequestOther,
    /// To abort.
    Abort,
    /// To try again.
    Retry,
    /// To remove.
    Remove,
}

/// How performing an effect goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Luck {
    /// As the server and the browser have it.
    Good,
    /// The browser refuses a job; a part cannot be stored for want of room.
    Quota,
    /// The browser refuses a job; a transfer breaks.
    Breaks,
    /// Performed, but nobody hears of the outcome.
    Unheard,
}

/// How a job ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobFate {
    /// In success, as far as the browser can tell.
    Success,
    /// In success, with empty bodies.
    EmptySuccess,
    /// In failure.
    Failure(JobFailure),
    /// A person aborts it.
    Abort,
    /// Gone without a trace.
    Vanishes,
}

/// An outcome that nobody caused.
#[derive(Debug, Clone)]
#[allow(
    missing_docs,
    reason = "the sentence of each variant says what its fields are"
)]
pub enum Rumour {
    /// Every server answers a probe like this.
    Probed(Result<HttpResponse, TransferError>),
    /// The job was refused.
    Refused { quota: bool },
    /// The job ended.
    Ended(JobEnd, Vec<TransferError>),
    /// A part did not come.
    PartFailed(TransferError),
    /// The files have a hash that is nobody's.
    Verified,
}
