//! One moment of a world: everything that is stored, running, on its way, or in somebody's hands.

use crate::world::{Ask, Left, World};
use longhaul_core::owner::{Look, Now, Outcome, Owner};
use longhaul_core::{
    Batch, Download, Effect, EffectId, Job, JobEnd, Range, StoredParts, TransferError,
};
use longhaul_state_tests::scenario::{ID, PART, START};
use longhaul_state_tests::world::Reference;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A part stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Part {
    /// Of this version of its file.
    pub version: u8,
    pub resource: u32,
    pub index: u32,
}

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
pub(crate) struct Running {
    pub parts: Vec<Part>,
    pub records: Vec<Record>,
    /// What was wrong with those that could not be stored.
    pub faults: Vec<TransferError>,
    /// Whether its owner was dead when it began.
    pub late: bool,
}

impl Running {
    /// What the browser says that it has brought, in bytes.
    pub(crate) fn downloaded(&self) -> u64 {
        PART * self.records.len() as u64
    }

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
    pub job: Running,
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
    Accounting(Account),
}

/// What an owner is on its way to do with the stores.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Asked {
    /// To read the history.
    Read,
    /// To look, having seen so much so far.
    Look(Look, Sight),
    /// To append.
    Append(Box<Batch>),
}

/// How far a look is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    /// Jobs are to be looked at.
    Jobs,
    /// The current job is not there: the worker is to be asked.
    Handling,
    /// What is stored is to be listed.
    Stored,
    /// Everything was seen.
    Whole,
}

/// What was seen so far.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Sight {
    pub stage: Stage,
    pub jobs: Vec<Job>,
    pub handling: Vec<String>,
    pub rest: StoredParts,
}

/// On the way from the end of a job to the event that tells it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Account {
    /// What was read; nothing yet.
    pub view: Option<Arc<Download>>,
    pub sight: Sight,
}

/// What somebody outside was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Request {
    /// Size and version of a resource.
    Probe(u32),
    Part(Part),
}

/// Something that an owner started.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Flight {
    pub effect: Effect,
    /// Whether a job brings the same part.
    pub assists: bool,
    /// Whether its bytes came so quickly that the owner was told before they were stored.
    pub quick: bool,
    pub stage: Aloft,
}

/// How far it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Aloft {
    /// On its way.
    Air,
    /// Records of a job are being stored: these were, and so many had been before.
    Harvesting(Vec<(String, Range)>, usize),
    /// It is over, and its outcome is to be told.
    Over(Outcome),
}

/// Who looks after the download in a context.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Seat {
    /// Waiting for the lock.
    Queued,
    /// At work.
    Works(Arc<Work>),
}

/// An owner at work, and what it wanted done.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Work {
    pub owner: Owner,
    pub asked: Option<Asked>,
    pub flights: BTreeMap<EffectId, Flight>,
    /// The job that is watched.
    pub watches: Option<String>,
    /// Whether it named a time until which it waits.
    pub timed: bool,
    /// Whether a job was there when it last looked.
    pub assists: bool,
    /// What did not come, as it was told since the last wait ran out or a person asked.
    pub failed: BTreeSet<Request>,
    /// Whether nothing is left to do.
    pub done: bool,
}

/// A tab, or the worker.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Place {
    pub open: bool,
    /// A message "read again" is there.
    pub heard: bool,
    /// What the app asked, and the history that was read for it.
    pub asking: Option<(Ask, Arc<Download>)>,
    /// A deletion that nobody should perform from here; see the planted bugs.
    pub rash: bool,
    pub seat: Option<Seat>,
}

impl Place {
    /// The owner at work here.
    pub(crate) fn work(&self) -> Option<&Work> {
        match &self.seat {
            Some(Seat::Works(work)) => Some(work),
            _ => None,
        }
    }
}

/// What the device's clock says, held against the time of the last entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Clock {
    Even,
    /// It was set back by a day.
    Back,
    /// It was set forth by a day.
    Forth,
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
    pub jobs: BTreeMap<String, Running>,
    pub completions: BTreeMap<String, Completion>,
    /// Who holds the lock, and who waits for it.
    pub queue: Vec<usize>,
    pub places: [Place; 3],
    pub asked: usize,
    pub server: u8,
    /// What dead owners had on its way: parts, and jobs.
    pub late_parts: BTreeSet<Part>,
    pub late_jobs: BTreeMap<String, Running>,
    pub left: Left,
    /// What did not come, as the machine has written, since the last wait ran out or a person asked.
    pub failed: BTreeSet<Request>,
    /// Number of the last entry that a person's command has appended.
    pub hurried: u64,
    /// Parts that a page's own requests have brought, where no job brings any.
    pub came: BTreeSet<Part>,
    pub clock: Clock,
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
            came: BTreeSet::new(),
            clock: Clock::Even,
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

    /// Forgets what failed: a wait has run out, or a person asked, who need not wait.
    pub(crate) fn forgive(&mut self) {
        self.failed.clear();
        for place in &mut self.places {
            if let Some(Seat::Works(work)) = &mut place.seat
                && !work.failed.is_empty()
            {
                Arc::make_mut(work).failed.clear();
            }
        }
    }

    /// What one knew who is at work no longer: what others can read of it is a wait that stands.
    pub(crate) fn remember(&mut self, work: &Work) {
        if waits(&self.history) {
            self.failed.extend(&work.failed);
        }
    }

    /// Somebody outside is asked: for nothing that failed a moment ago, nor for what came.
    pub(crate) fn asks_for(&mut self, request: Request) {
        if self.failed.contains(&request) {
            self.broke("L18: what failed is asked for again without a delay");
        }
        if let Request::Part(part) = request
            && self.came.contains(&part)
        {
            self.broke("L16: what came is asked for again");
        }
    }

    /// Bytes are gone.
    pub(crate) fn delete(&mut self, keeps: impl Fn(Part) -> bool) {
        self.rest.retain(|part, _| keeps(*part));
        self.came.retain(|part| keeps(*part));
    }

    /// What the clocks say.
    pub(crate) fn now(&self) -> Now {
        Now {
            monotonic_ms: MEMORY,
            wall_ms: match self.clock {
                Clock::Even => START,
                Clock::Back => START - DAY,
                Clock::Forth => START + DAY,
            },
        }
    }

    /// The time at which something is decided: a history never goes back.
    pub(crate) fn time(&self) -> u64 {
        self.now().wall_ms.max(START)
    }

    /// Where time passes, a wait that stands is over.
    pub(crate) fn end_the_wait(&mut self) {
        if !waits(&self.history) {
            return;
        }
        self.forgive();
        let completions = self.completions.values_mut();
        let accounts = completions.filter_map(|completion| match &mut completion.stage {
            Handling::Accounting(account) => account.view.as_mut(),
            _ => None,
        });
        let asked = self.places.iter_mut();
        let asked = asked.filter_map(|place| place.asking.as_mut().map(|(_, view)| view));
        for view in accounts.chain(asked).chain([&mut self.history]) {
            after_the_wait(view);
        }
    }
}

/// For how long a clock can tell what was: longer than anything that an owner measures in these worlds. After so long
/// everything that was to come is due.
pub(crate) const MEMORY: u64 = 60_000;

/// By how much the device's clock is set back or forth.
const DAY: u64 = 86_400_000;

/// Takes the clock out of a state: a wait is over, or has just begun.
pub(crate) fn without_clock(download: &mut Download) {
    let now = download.at;
    download.at = START;
    if let Some(waiting) = &mut download.waiting {
        waiting.since = START;
        waiting.at = START;
        let left = |until: u64| START + until.saturating_sub(now);
        waiting.until = waiting.until.map(left);
    }
}

/// Whether a wait stands that is not over.
pub(crate) fn waits(download: &Download) -> bool {
    let waiting = download.waiting.as_ref();
    waiting.is_some_and(|waiting| waiting.until.is_some_and(|until| until > START))
}

/// Its waits are over.
fn after_the_wait(download: &mut Arc<Download>) {
    if waits(download)
        && let Some(waiting) = &mut Arc::make_mut(download).waiting
    {
        waiting.until = Some(START);
    }
}
