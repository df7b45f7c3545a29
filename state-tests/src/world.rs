//! A small world around the real machine: pages, a service worker, an event store, bytes stored, background jobs, and
//! servers that misbehave. It loops input, decision, append and effects as the adapters do, and checks after every
//! step what must hold.
//!
//! What the adapters owe the machine is in here too: an observation is taken after the history is read, and taken anew
//! after a conflict; only the owner performs effects, except harvests.

mod checks;
mod jobs;
mod outcome;
mod perform;
mod reference;
mod server;
mod steps;

pub use reference::{Phase, Reference};
pub use server::{Served, Trouble};
pub use steps::{Ask, JobFate, Luck, Rumour, Setup, Step};

use crate::prove::Coverage;
use crate::scenario::{ID, PART, START, digest, page, spec, worker};
use jobs::{Completion, RunningJob};
use longhaul_core::{
    Command, Context, Download, Entry, Event, Input, Job, Observation, Origin, Range, Rejection,
    Retry, Signal, Spec, StoredParts, decide,
};
use outcome::Outcome;
use std::collections::BTreeMap;

#[derive(Debug, Clone)]
struct Writer {
    view: Download,
    context: Context,
    unstarted: Option<String>,
    idle: bool,
}

/// The service worker's place among the writers; the others are pages.
pub const WORKER: usize = 2;

/// A world.
pub struct World<'a> {
    /// The time, in milliseconds since 1970.
    pub now: u64,
    /// The stored texts, in order.
    pub log: Vec<String>,
    /// What they fold to.
    pub folded: Download,
    /// The smaller model beside it.
    pub reference: Reference,
    coverage: &'a Coverage,
    spec: Spec,
    writers: Vec<Writer>,
    owner: usize,
    servers: Vec<Served>,
    /// Bytes stored, with their true version.
    rest: BTreeMap<String, BTreeMap<Range, u32>>,
    jobs: BTreeMap<String, RunningJob>,
    handling: BTreeMap<String, Completion>,
    mail: Vec<(usize, Outcome)>,
    /// How often each part of each attempt was asked for.
    asked_for: BTreeMap<(u32, String, u32), u32>,
    /// What the machine said besides the history: its plans, and why it refused.
    pub spoken: Vec<String>,
}

/// The digest of a file whose every byte is of this version.
fn digest_of(version: u32) -> String {
    digest(char::from_digit(version % 10, 10).expect("a digit"))
}

impl<'a> World<'a> {
    /// A world in which nothing was asked for yet.
    #[must_use]
    pub fn new(setup: &Setup, coverage: &'a Coverage) -> Self {
        Self::asked_for(spec(setup.resources), setup, coverage)
    }

    /// A world in which this spec will be asked for, which has as many files as `setup` says.
    #[must_use]
    pub fn asked_for(mut spec: Spec, setup: &Setup, coverage: &'a Coverage) -> Self {
        spec.headers = setup.headers;
        if setup.hashed {
            spec.resources[0].sha256 = Some(digest_of(1));
        }
        let served = |n: usize| Served {
            size: if n == 0 { setup.size } else { setup.other_size },
            version: 1,
            claimed: 1,
            tagged: setup.tagged,
            ranges: setup.ranges,
            sized: setup.sized,
            cross_origin: setup.cross_origin,
            spliced: false,
            trouble: None,
        };
        let context = |base: Context, headers| {
            let mut context = Context {
                background: setup.background,
                preference: setup.preference,
                headers,
                ..base
            };
            context.policy.part_bytes = Some(PART);
            context.policy.retry = Retry {
                limit: setup.patience,
                ..Retry::default()
            };
            Writer {
                view: Download::new(ID),
                context,
                unstarted: None,
                idle: false,
            }
        };
        Self {
            now: START,
            log: Vec::new(),
            folded: Download::new(ID),
            reference: Reference::default(),
            coverage,
            servers: (0..setup.resources).map(served).collect(),
            spec,
            writers: vec![
                context(page(), true),
                context(page(), !setup.headers),
                context(worker(), false),
            ],
            owner: 0,
            rest: BTreeMap::new(),
            jobs: BTreeMap::new(),
            handling: BTreeMap::new(),
            mail: Vec::new(),
            asked_for: BTreeMap::new(),
            spoken: Vec::new(),
        }
    }

    /// Takes one step.
    ///
    /// # Errors
    /// The law that no longer holds, as a sentence.
    pub fn step(&mut self, step: &Step) -> Result<(), String> {
        match *step {
            Step::Ask { by, what } => self.ask(by % 2, what)?,
            Step::Look { by, idle } => {
                let by = by % 3;
                self.writers[by].idle = idle;
                self.look(by)?;
            }
            Step::Perform { which, luck } => self.perform_one(which, luck)?,
            Step::TakeOver { by } => self.take_over(by % 2),
            Step::Deliver { which, again } => self.deliver(which, again)?,
            Step::JobWorks { records } => self.work(records),
            Step::JobEnds { which, how } => self.end_job(which, how),
            Step::Handle { dies } => self.handle(dies),
            Step::Evict { which, all } => self.evict(which, all),
            Step::Server { which, trouble } => {
                let n = self.servers.len();
                self.servers[which % n].trouble = trouble;
                let offline = self
                    .servers
                    .iter()
                    .any(|s| s.trouble == Some(Trouble::Offline));
                for writer in &mut self.writers {
                    writer.context.offline = offline;
                }
            }
            Step::JobRestarts => {
                for job in self.jobs.values_mut() {
                    let with_bytes = job.downloaded > 0;
                    self.coverage
                        .sometimes(with_bytes, "a job with bytes began anew");
                    job.downloaded = 0;
                }
            }
            Step::Rumour { ref of, before } => self.rumour(of, before)?,
            Step::Change { which, splices } => {
                let n = self.servers.len();
                let server = &mut self.servers[which % n];
                server.version += 1;
                server.spliced |= splices;
                if !splices {
                    server.claimed = server.version;
                    server.size += u64::from(server.version % 2);
                }
            }
            Step::Pass { ms } => self.now += ms,
            Step::Crash { by } => self.crash(by % 3),
        }
        self.check()
    }

    fn ask(&mut self, by: usize, what: Ask) -> Result<(), String> {
        let mut asked = self.spec.clone();
        if what == Ask::RequestOther {
            asked.resources[0].url.push_str("?other");
        }
        let command = match what {
            Ask::Request | Ask::RequestOther => {
                let asked = asked
                    .validated()
                    .expect("worlds ask for what can be asked for");
                Command::Request(Box::new(asked))
            }
            Ask::Abort => Command::Abort,
            Ask::Retry => Command::Retry,
            Ask::Remove => Command::Remove,
        };
        if let Err(rejection) = self.take(by, |_| Input::Command(command.clone()))? {
            self.spoken.push(format!("{rejection} {rejection:?}"));
            self.coverage.reached(match rejection {
                Rejection::SpecConflict => "a spec conflict",
                Rejection::NotAvailable => "nothing to command",
            });
        }
        Ok(())
    }

    fn look(&mut self, by: usize) -> Result<(), String> {
        let look = |observation| Input::Signal(Signal::Observed(Box::new(observation)));
        self.take(by, look)?
            .map_err(|rejection| format!("a look is rejected: {rejection}"))?;
        Ok(())
    }

    /// Steps 2 to 4 of the loop: decide on what this writer has read, append on condition, and on a conflict read on
    /// and decide again.
    fn take(
        &mut self,
        by: usize,
        input: impl Fn(Observation) -> Input,
    ) -> Result<Result<Vec<Event>, Rejection>, String> {
        loop {
            let asked = input(self.observation(by));
            let events = match decide(&self.writers[by].view, self.now, asked) {
                Ok(events) => events,
                Err(rejection) => return Ok(Err(rejection)),
            };
            if events.is_empty() {
                return Ok(Ok(events));
            }
            if self.writers[by].view.seq == self.folded.seq {
                self.append(by, &events)?;
                return Ok(Ok(events));
            }
            self.coverage.reached("a conflict");
            self.read(by);
        }
    }

    fn read(&mut self, by: usize) {
        self.writers[by].view = self.folded.clone();
    }

    fn append(&mut self, by: usize, events: &[Event]) -> Result<(), String> {
        let origin = if by == WORKER {
            Origin::ServiceWorker
        } else {
            Origin::Page
        };
        for event in events {
            let stored_before = self.folded.stored;
            let entry = Entry::new(ID, self.folded.seq + 1, self.now, origin, event.clone());
            self.note(event, stored_before);
            self.reference.take(event)?;
            self.folded.apply(Ok(&entry));
            self.coverage
                .sometimes(self.folded.entries == 100, "an attempt of 100 entries");
            self.log.push(entry.encode());
            self.justified(event)?;
            if let Event::Started { registration, .. } = event {
                self.writers[by].unstarted.clone_from(registration);
            }
        }
        self.read(by);
        Ok(())
    }

    fn note(&self, event: &Event, stored: u64) {
        let what = match event {
            Event::Started {
                transport,
                why,
                transfer,
                ..
            } => {
                self.coverage.sometimes(*transfer > 1, "a second try");
                self.coverage.sometimes(
                    *transfer > 1 && stored > 0,
                    "a second try with bytes stored",
                );
                format!("started {transport:?} {why:?}")
            }
            Event::Waiting { reason, .. } => format!("waiting {reason:?}"),
            Event::Failure(failure) => format!("failure {:?}", failure.reason),
            Event::Success { verified, .. } => {
                self.coverage
                    .sometimes(!verified.is_empty(), "success, verified");
                "success".into()
            }
            Event::Aborted { by } => format!("aborted {by:?}"),
            Event::Evicted { by } => format!("evicted {by:?}"),
            Event::Requested { restarts, .. } if *restarts > 0 => "requested by itself".into(),
            other => other.name().to_owned(),
        };
        self.coverage.reached(&what);
    }

    /// The true digest of what is stored under a key.
    fn digest(&self, key: &str) -> String {
        let mut versions: Vec<u32> = self
            .rest
            .get(key)
            .map(|parts| parts.values().copied().collect())
            .unwrap_or_default();
        versions.dedup();
        match versions[..] {
            [version] => digest_of(version),
            _ => digest('f'),
        }
    }

    fn observation(&self, by: usize) -> Observation {
        let writer = &self.writers[by];
        let rest: StoredParts = self
            .rest
            .iter()
            .map(|(key, parts)| (key.clone(), parts.keys().copied().collect()))
            .collect();
        Observation {
            stored: rest,
            jobs: self
                .jobs
                .iter()
                .map(|(registration, job)| Job {
                    registration: registration.clone(),
                    downloaded: job.downloaded,
                })
                .collect(),
            handling: self.handling.keys().cloned().collect(),
            unstarted: writer.unstarted.clone(),
            idle_ms: writer.idle.then_some(60_000),
            room: None,
            context: writer.context.clone(),
        }
    }

    fn evict(&mut self, which: usize, all: bool) {
        if all {
            return self.rest.clear();
        }
        let keys: Vec<String> = self.rest.keys().cloned().collect();
        if let Some(key) = keys.get(which % keys.len().max(1)) {
            self.rest.get_mut(key).expect("its key").pop_first();
        }
    }

    fn take_over(&mut self, by: usize) {
        self.owner = by;
        for (n, writer) in self.writers.iter_mut().enumerate() {
            if n != by {
                writer.unstarted = None;
            }
        }
    }

    fn crash(&mut self, by: usize) {
        self.mail.retain(|(to, _)| *to != by);
        self.read(by);
        self.writers[by].unstarted = None;
        self.writers[by].idle = false;
        if by == WORKER {
            self.handling.clear();
        }
    }
}
