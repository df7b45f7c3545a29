//! One moment of a world: everything that is stored, running, on its way, or in somebody's hands.

use crate::world::{Ask, Left, World};
use longhaul_core::{Download, Effect, HttpResponse, JobEnd, TransferError};
use longhaul_state_tests::scenario::{ID, START};
use longhaul_state_tests::world::Reference;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A part stored: the version of its file, and its number.
pub(crate) type Part = (u8, u32);

/// What the bytes stored under a part really are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Bytes {
    /// Those of the file.
    Right,
    /// As many as there should be, but others.
    Spliced,
    /// None, stored as if they were all.
    None,
}

/// A record of a job that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Record {
    /// From a server of this version.
    Of(u8, Bytes),
    /// 404.
    Gone,
}

/// A job in the browser.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Job {
    pub parts: Vec<Part>,
    pub records: Vec<Record>,
    /// What was wrong with those that could not be stored.
    pub faults: Vec<TransferError>,
    /// Whether its owner was dead when it began.
    pub late: bool,
}

impl Job {
    /// Its records that came and brought nothing that could be stored.
    pub(crate) fn failed(&self, rest: &BTreeMap<Part, Bytes>) -> Vec<Request> {
        let came = self.parts.iter().take(self.records.len());
        came.filter(|part| !rest.contains_key(part))
            .map(|part| Request::Part(*part))
            .collect()
    }
}

/// A completion event: begun, and not accounted for yet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Completion {
    pub job: Job,
    pub end: JobEnd,
    pub stage: Handling,
}

/// How far the handler of a completion is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Handling {
    /// The worker is starting.
    Starting,
    /// Storing the records from this one on.
    Storing(usize, Vec<TransferError>),
    /// Writing down what happened.
    Accounting(Commit),
}

/// How far somebody is on the way from an input to an appended event.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// The history is to be read.
    Load,
    /// It was read; jobs are to be looked at.
    Jobs,
    /// The current job is not there: the worker is to be asked.
    Ask,
    /// What is stored is to be listed.
    StoredParts,
    /// The observation is whole: decide, and append on condition.
    Append,
}

/// What was read and seen on the way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Commit {
    pub stage: Stage,
    pub view: Arc<Download>,
    pub jobs: Vec<(String, u64)>,
    pub handling: Vec<String>,
    pub rest: BTreeSet<Part>,
    pub unstarted: Option<String>,
    pub idle: bool,
}

impl Commit {
    /// Nothing was read yet.
    pub(crate) fn new() -> Self {
        Self {
            stage: Stage::Load,
            view: Arc::new(Download::new(ID)),
            jobs: Vec::new(),
            handling: Vec::new(),
            rest: BTreeSet::new(),
            unstarted: None,
            idle: false,
        }
    }
}

/// An outcome of an effect, before it is decided on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Outcome {
    Probed(u32, Result<HttpResponse, TransferError>),
    Refused(String),
    PartFailed(u32, TransferError),
    Verified(u32, char),
    Ended(String, JobEnd, Vec<TransferError>),
}

/// What runs beside the loop of a driver.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Flying {
    Probe(u32),
    Harvest(String),
    Verify(u32),
    /// Attempt, try, part, and whether a job is being assisted by it.
    Fetch(u32, u32, Part, bool),
}

/// What somebody outside was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Request {
    /// Size and version.
    Probe,
    Part(Part),
}

/// How far it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[allow(
    clippy::large_enum_variant,
    reason = "there are two or three at a time"
)]
pub(crate) enum Flight {
    /// On its way.
    Air,
    /// Done, and its outcome is being told.
    Told(Outcome, Commit),
}

/// What the owner of a download is doing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Driver {
    /// Waiting for the lock.
    Queued,
    /// Looking.
    Looks(Commit),
    /// Performing what was planned, one effect after the other.
    Performs(Vec<Effect>, Timer),
    /// The browser refused a job, which is being told.
    Refused(String, Commit),
    /// Until woken, or until this.
    Rests(Timer),
    /// Nothing is left to do.
    Leaves,
}

/// What ends a rest without anybody's doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Timer {
    None,
    /// A wait is over.
    Wait,
    /// The job that is watched has brought nothing for a while.
    Idle,
    /// Now and then, while a job is not watched, or brings nothing.
    Now,
}

/// A job that a driver watches.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Watched {
    pub registration: String,
    pub idle: bool,
    pub harvested: Option<u64>,
}

/// A tab, or the worker.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each says something else of a context"
)]
pub(crate) struct Place {
    pub open: bool,
    /// A message "read again" is there.
    pub heard: bool,
    pub woken: bool,
    /// What the app asked, and the history that was read for it.
    pub asking: Option<(Ask, Arc<Download>)>,
    /// A deletion that nobody should perform from here; see the planted bugs.
    pub rash: bool,
    pub driver: Option<Driver>,
    pub flights: BTreeMap<Flying, Flight>,
    pub unstarted: Option<String>,
    pub watched: Option<Watched>,
    /// Number of the last entry that this context has appended.
    pub appended: u64,
}

/// Everything at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Moment {
    /// The fold of what is stored.
    pub history: Arc<Download>,
    /// A smaller model of what a history may be.
    pub ledger: Reference,
    /// Events whose writers were told that they are stored.
    pub told: u64,
    pub rest: BTreeMap<Part, Bytes>,
    pub jobs: BTreeMap<String, Job>,
    pub completions: BTreeMap<String, Completion>,
    /// Who holds the lock, and who waits for it.
    pub queue: Vec<usize>,
    pub places: [Place; 3],
    pub asked: usize,
    pub server: u8,
    /// What dead owners had on its way: parts, and jobs.
    pub late_parts: BTreeSet<Part>,
    pub late_jobs: BTreeMap<String, Job>,
    pub left: Left,
    /// What did not come, as the machine was told, since the last wait ran out or a person asked.
    pub failed: BTreeSet<Request>,
    /// Number of the last entry that a person's command has appended.
    pub hurried: u64,
    /// The law that was seen to break, and how.
    pub broken: Option<&'static str>,
}

impl Moment {
    pub(crate) fn new(world: &World) -> Self {
        let mut places: [Place; 3] = Default::default();
        places[0].open = world.open[0];
        places[1].open = world.open[1];
        places[2].open = true;
        Self {
            history: Arc::new(Download::new(ID)),
            ledger: Reference::default(),
            told: 0,
            rest: BTreeMap::new(),
            jobs: BTreeMap::new(),
            completions: BTreeMap::new(),
            queue: Vec::new(),
            places,
            asked: 0,
            server: 1,
            late_parts: BTreeSet::new(),
            late_jobs: BTreeMap::new(),
            left: world.left,
            failed: BTreeSet::new(),
            hurried: 0,
            broken: None,
        }
    }

    /// The registration of the present try.
    pub(crate) fn current(&self) -> Option<&String> {
        self.history.state.transfer()?.registration.as_ref()
    }

    pub(crate) fn broke(&mut self, law: &'static str) {
        self.broken.get_or_insert(law);
    }

    /// These did not come, as is told by one who has read so much of the history. What a person hurries on need not wait,
    /// although it failed a moment ago.
    pub(crate) fn has_failed(&mut self, requests: impl IntoIterator<Item = Request>, read: u64) {
        if read >= self.hurried {
            self.failed.extend(requests);
        }
    }

    /// Somebody outside is asked: for nothing that failed a moment ago.
    pub(crate) fn asks_for(&mut self, request: Request) {
        if self.failed.contains(&request) {
            self.broke("L18: what failed is asked for again without a delay");
        }
    }
}

/// A time that is over, and one that is not for longer than the least delay: all that the machine asks of clocks in these
/// worlds.
pub(crate) const LATER: u64 = START + 1_000;

/// Takes the clock out of a state: a wait is over, or it is not.
pub(crate) fn without_clock(download: &mut Download) {
    download.at = START;
    if let Some(waiting) = &mut download.waiting {
        waiting.since = START;
        waiting.at = START;
        let is_over = |until| if until > START { LATER } else { START };
        waiting.until = waiting.until.map(is_over);
    }
}

/// Its waits are over.
pub(crate) fn after_the_wait(download: &mut Arc<Download>) {
    let waits = download
        .waiting
        .as_ref()
        .is_some_and(|w| w.until == Some(LATER));
    if waits && let Some(waiting) = &mut Arc::make_mut(download).waiting {
        waiting.until = Some(START);
    }
}
