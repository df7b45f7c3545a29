//! Background jobs, as the browser keeps them and shows them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use longhaul_core::{Job as Known, JobId};
use longhaul_runner::answer::HttpResponse;
use longhaul_runner::cancel::Cancel;
use longhaul_runner::errors::StartError;
use longhaul_runner::job::{JobFailure, JobResult, JobState};

use super::bytes::Bytes;
use super::executor::ContextId;
use super::world::{MS, World};

/// Most registrations of an origin.
const MAX_JOBS: usize = 5;

/// How far apart a job's progress is shown, in microseconds.
pub const SHOWN_EVERY: u64 = 500 * MS;

/// What a page gave to be called when a job moves.
pub type Moved = Rc<RefCell<Box<dyn FnMut(JobState)>>>;

/// A record of a job.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// The URL that is asked for, with its fragment.
    pub url: String,
    /// First and last position.
    pub range: Option<(u64, u64)>,
    /// Bytes so far.
    pub downloaded: u64,
    /// Whether it is being transferred, or was.
    pub taken: bool,
    /// What came of it, once it is done.
    pub done: Option<(HttpResponse, Bytes)>,
}

/// Where a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Others go first.
    Queued,
    /// Its records are transferred.
    Running,
    /// All bytes are in, or will never be; its event comes.
    Ending(JobResult, JobFailure),
}

/// A job.
pub struct Job {
    /// Its registration id.
    pub id: String,
    /// Its number, by which jobs are in order.
    pub number: u64,
    /// Bytes announced; 0 where none were.
    pub total: u64,
    /// Its records.
    pub records: Vec<Record>,
    /// Where it stands.
    pub phase: Phase,
    /// Whether the browser was closed over it, so that its failure is to be told.
    pub closed: bool,
    /// Whether it was begun anew after the browser's death: then it shows no progress.
    pub revived: bool,
    /// Ends its transfers.
    pub aborted: Cancel,
    /// When it last showed progress, in microseconds.
    pub shown_at: u64,
}

impl Job {
    /// Bytes that came.
    #[must_use]
    pub fn downloaded(&self) -> u64 {
        if self.revived {
            return 0;
        }
        self.records.iter().map(|record| record.downloaded).sum()
    }

    /// What its registration shows.
    #[must_use]
    pub fn state(&self) -> JobState {
        let (result, failure) = match self.phase {
            Phase::Ending(result, failure) => (result, failure),
            Phase::Queued | Phase::Running => (JobResult::Running, JobFailure::None),
        };
        JobState {
            id: self.id.clone(),
            downloaded: self.downloaded(),
            total: self.total,
            result,
            failure,
            records_available: true,
            ..JobState::default()
        }
    }

    fn usage(&self) -> u64 {
        let bytes = self
            .records
            .iter()
            .filter_map(|record| record.done.as_ref());
        bytes.map(|(_, bytes)| bytes.len()).sum()
    }
}

/// All jobs of the origin.
#[derive(Default)]
pub struct Jobs {
    /// Those that `get` and `getIds` know.
    pub known: BTreeMap<String, Job>,
    /// Those whose event was given to the worker: only its handler can read their records.
    pub handled: BTreeMap<String, Job>,
    /// Until when the last navigation freezes them, in microseconds.
    pub frozen_until: u64,
    watchers: BTreeMap<u64, (String, ContextId, Moved)>,
    next: u64,
}

impl Jobs {
    /// Bytes in records.
    #[must_use]
    pub fn usage(&self) -> u64 {
        let all = self.known.values().chain(self.handled.values());
        all.map(Job::usage).sum()
    }

    /// Whether the records of a job can be read by anybody.
    #[must_use]
    pub fn has_records(&self, id: &str) -> bool {
        self.known.contains_key(id) || self.handled.contains_key(id)
    }

    /// The jobs of a download, as a page sees them.
    #[must_use]
    pub fn known(&self, download: &str) -> Vec<Known> {
        let of = |job: &&Job| JobId::parse(&job.id).is_some_and(|id| id.download == download);
        let jobs = self.known.values().filter(of);
        jobs.map(|job| Known {
            registration: job.id.clone(),
            downloaded: job.downloaded(),
        })
        .collect()
    }

    /// The job that goes next.
    #[must_use]
    pub fn next_queued(&self) -> Option<String> {
        let queued = self.known.values().filter(|job| job.phase == Phase::Queued);
        queued
            .min_by_key(|job| job.number)
            .map(|job| job.id.clone())
    }

    /// Calls back whenever a job moves; a number to stop it by.
    pub fn watch(&mut self, id: &str, context: ContextId, moved: Moved) -> u64 {
        self.next += 1;
        let watcher = (id.to_owned(), context, moved);
        self.watchers.insert(self.next, watcher);
        self.next
    }

    /// No longer calls back.
    pub fn unwatch(&mut self, number: u64) {
        self.watchers.remove(&number);
    }

    /// Forgets what processes knew that have died.
    pub fn forget_watchers(&mut self) {
        self.watchers.clear();
    }
}

/// Takes a job on, or refuses it.
pub fn register(
    world: &World,
    id: &str,
    total: u64,
    records: Vec<Record>,
) -> Result<(), StartError> {
    let refused = || StartError::Refused {
        name: "TypeError".to_owned(),
    };
    if records.is_empty() || id.is_empty() {
        return Err(StartError::Empty);
    }
    let chance = world.weather.borrow().refused_jobs;
    if world.per_mille(chance) {
        world.coverage.reached("a job was refused");
        return Err(refused());
    }
    if world.jobs.borrow().known.contains_key(id) {
        world.coverage.reached("a registration id was taken");
        return Err(refused());
    }
    if world.jobs.borrow().known.len() >= MAX_JOBS {
        world.coverage.reached("a sixth registration was refused");
        return Err(refused());
    }
    if world.is_full_with(total) {
        world.coverage.reached("a job found no room");
        return Err(StartError::Quota);
    }
    let mut jobs = world.jobs.borrow_mut();
    jobs.next += 1;
    let waits = jobs.known.values().any(|job| job.phase == Phase::Running);
    world
        .coverage
        .sometimes(waits, "a job waits for another one");
    let job = Job {
        id: id.to_owned(),
        number: jobs.next,
        total,
        records,
        phase: Phase::Queued,
        closed: false,
        revived: false,
        aborted: Cancel::default(),
        shown_at: 0,
    };
    jobs.known.insert(id.to_owned(), job);
    world.trace(|| format!("job {id} is taken on"));
    drop(jobs);
    world.jobs_moved.wake();
    Ok(())
}

/// Shows a job's progress to the pages that watch it, at most so often.
pub fn show(world: &Rc<World>, id: &str) {
    let mut jobs = world.jobs.borrow_mut();
    let now = world.now();
    let Some(job) = jobs.known.get_mut(id) else {
        return;
    };
    if job.revived || now < job.shown_at + SHOWN_EVERY {
        return;
    }
    job.shown_at = now;
    let state = job.state();
    let watching: Vec<(ContextId, Moved)> = jobs
        .watchers
        .values()
        .filter(|(of, ..)| of == id)
        .map(|(_, context, moved)| (*context, Rc::clone(moved)))
        .collect();
    drop(jobs);
    for (context, moved) in watching {
        let state = state.clone();
        world.spawn(context, async move {
            (*moved.borrow_mut())(state);
        });
    }
}
