//! An embedder that does nothing but what the plan says, as fast as it can: its clock moves only where the plan names a
//! wait, or nothing that this embedder could do.
//!
//! It watches over L18 for whoever embeds the core: what was asked for and did not come is not planned again within
//! 50 ms.

use crate::prove::Coverage;
use crate::scenario::{PART, START, Scenario, digest, ranged_answer};
use longhaul_core::{
    Background, Effect, Event, FailReason, HttpResponse, Input, Job, JobEnd, JobFailure,
    PartRequest, Preference, Signal, TransferError, WaitReason, plan,
};
use std::collections::BTreeMap;

/// What is planned again within so many milliseconds is planned again at once.
const AT_ONCE_MS: u64 = 50;

/// How long this embedder sleeps where the plan names nothing that it could do, in milliseconds.
const NAP_MS: u64 = 1_000;

/// How long this embedder goes on: a year, in milliseconds.
const LIFE_MS: u64 = 365 * 86_400_000;

/// From so many entries on, the history of an attempt is full of details.
const FULL: u32 = 160;

/// Naps in a row after which nothing more is to be expected.
const NAPS: u32 = 3;

/// A world around the embedder, and how lucky it is.
#[derive(Debug, Clone)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each says something else of a world"
)]
pub struct Setup {
    /// Whether background jobs can be had.
    pub background: Background,
    /// Which transport the app wants.
    pub preference: Preference,
    /// How many resources there are.
    pub resources: usize,
    /// How many parts each of them has.
    pub parts: u64,
    /// Whether a hash is given for each.
    pub hashed: bool,
    /// Whether they are on another origin, where a job shows of no record which version it is of.
    pub cross_origin: bool,
    /// First delay between retries in milliseconds.
    pub base_ms: u64,
    /// Retries in a row that end an attempt.
    pub limit: u32,
    /// For how long nothing has come, as far as the embedder says.
    pub idle_ms: Option<u64>,
    /// Whether the device is said to be offline where a request found it so.
    pub says_offline: bool,
    /// How many effects of a plan are performed before the next plan is made.
    pub at_once: usize,
    /// Whether outcomes are told only after all of them were performed.
    pub told_late: bool,
    /// How much later than the one before each outcome of a plan is told, in milliseconds.
    pub slow_ms: u64,
    /// What becomes of one request after the other, from the beginning again where it ends.
    pub luck: Vec<Luck>,
}

/// What becomes of a request: of a probe of a resource, of a part, of a job's record.
#[derive(Debug, Clone)]
pub enum Luck {
    /// It is answered as it should be.
    Good,
    /// It fails.
    Fails(TransferError),
    /// Where it is a job's record, the browser loses the whole job; else it is answered.
    LosesTheJob,
}

/// What can be asked for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Request {
    /// Size and version of a resource.
    Probe(u32),
    /// A part: its resource, the key of its version, its number.
    Part(u32, String, u32),
}

/// What became of an effect, and which of its requests failed.
type Outcome = (Signal, Vec<Request>);

/// A job that the browser has.
struct Running {
    registration: String,
    records: Vec<(u32, PartRequest)>,
    done: usize,
    faults: Vec<TransferError>,
    failed: Vec<Request>,
}

/// The embedder, with what it has.
pub struct Embedder<'a> {
    setup: &'a Setup,
    coverage: &'a Coverage,
    scenario: Scenario,
    job: Option<Running>,
    /// How many requests were made.
    asked: usize,
    /// When each request that did not come was last told to have failed, in milliseconds since 1970.
    failed: BTreeMap<Request, u64>,
}

impl<'a> Embedder<'a> {
    /// Nothing was asked for yet.
    #[must_use]
    pub fn new(setup: &'a Setup, coverage: &'a Coverage) -> Self {
        let mut scenario = Scenario::new();
        scenario.spec = crate::scenario::spec(setup.resources);
        for resource in &mut scenario.spec.resources {
            resource.sha256 = setup.hashed.then(|| digest('a'));
        }
        scenario.observation.idle_ms = setup.idle_ms;
        let context = &mut scenario.observation.context;
        context.background = setup.background;
        context.preference = setup.preference;
        context.policy.retry.base_ms = setup.base_ms;
        context.policy.retry.limit = setup.limit;
        Self {
            setup,
            coverage,
            scenario,
            job: None,
            asked: 0,
            failed: BTreeMap::new(),
        }
    }

    /// Asks for the download and does what is planned, at most so many times.
    ///
    /// # Errors
    /// The sentence that did not hold.
    pub fn run(mut self, turns: usize) -> Result<(), String> {
        let request = self.scenario.request();
        self.take(request);
        let mut naps = 0;
        for _ in 0..turns {
            let look = self.scenario.observed();
            self.take(look);
            let now = self.scenario.now;
            let effects = plan(&self.scenario.download, &self.scenario.observation, now);
            self.check(&effects)?;
            let before = (now, self.scenario.download.seq, self.asked);
            self.perform_all(effects);
            if !self.scenario.download.is_running() || self.scenario.now - START > LIFE_MS {
                break;
            }
            if before == (self.scenario.now, self.scenario.download.seq, self.asked) {
                naps += 1;
                if naps > NAPS {
                    break;
                }
                self.scenario.now += NAP_MS;
                // Whoever is offline comes back.
                self.scenario.observation.context.offline = false;
            } else {
                naps = 0;
            }
        }
        let state = self.scenario.download.state.name();
        self.coverage.reached(&format!("ended {state}"));
        Ok(())
    }

    /// L18.
    fn check(&self, effects: &[Effect]) -> Result<(), String> {
        let now = self.scenario.now;
        for request in effects.iter().flat_map(|effect| self.requests_of(effect)) {
            let Some(failed) = self.failed.get(&request) else {
                continue;
            };
            let passed = now - failed;
            if passed < AT_ONCE_MS {
                return Err(format!(
                    "L18: {request:?} failed, and is planned again after {passed} ms; the history ends with {:#?}",
                    self.scenario
                        .log
                        .iter()
                        .rev()
                        .take(4)
                        .rev()
                        .collect::<Vec<_>>()
                ));
            }
            self.coverage.reached(match request {
                Request::Probe(_) => "a probe was repeated after a delay",
                Request::Part(..) => "a part was repeated after a delay",
            });
        }
        Ok(())
    }

    fn requests_of(&self, effect: &Effect) -> Vec<Request> {
        match effect {
            Effect::Probe { .. } => (0..)
                .take(self.setup.resources)
                .map(Request::Probe)
                .collect(),
            Effect::Verify { confirm, .. } => {
                let confirm = confirm.iter().copied();
                confirm.map(Request::Probe).collect()
            }
            Effect::Fetch { resource, part, .. } => vec![part_of(*resource, part)],
            Effect::StartJob { parts, .. } => {
                let parts = parts.iter();
                parts.map(|(of, part)| part_of(*of, part)).collect()
            }
            _ => Vec::new(),
        }
    }

    /// Performs as much of a plan as is done at once. Waits come last: what else there is to do is done first.
    fn perform_all(&mut self, effects: Vec<Effect>) {
        let (waits, work): (Vec<_>, Vec<_>) = effects
            .into_iter()
            .partition(|effect| matches!(effect, Effect::Wait { .. }));
        if work.is_empty() {
            for wait in waits {
                if let Effect::Wait {
                    until: Some(until),
                    reason,
                } = wait
                {
                    self.coverage.reached(match reason {
                        WaitReason::Offline => "an offline device had a time to wait for",
                        _ => "a wait had a time",
                    });
                    self.scenario.now = self.scenario.now.max(until);
                }
            }
            return;
        }
        let mut late = Vec::new();
        let mut told = 0;
        for effect in work.into_iter().take(self.setup.at_once) {
            let outcome = self.perform(effect);
            if self.setup.told_late {
                late.extend(outcome);
            } else if let Some(outcome) = outcome {
                self.tell(outcome, &mut told);
            }
        }
        for outcome in late {
            self.tell(outcome, &mut told);
        }
    }

    /// An outcome becomes known, later than those of the same plan that were told before.
    fn tell(&mut self, (signal, failed): Outcome, told: &mut u32) {
        if *told > 0 {
            self.scenario.now += self.setup.slow_ms;
        }
        *told += 1;
        // What an attempt that has ended was still told is stale (L7): whoever cancels what is planned no longer never hears it.
        let stale = matches!(
            signal,
            Signal::PartFailed { attempt, .. } if attempt != self.scenario.download.attempt
        );
        for request in failed.into_iter().filter(|_| !stale) {
            self.failed.insert(request, self.scenario.now);
        }
        self.take(Input::Signal(signal));
    }

    /// Decides, appends, and remembers what an owner remembers.
    fn take(&mut self, input: Input) {
        for event in self.scenario.takes(input) {
            match &event {
                Event::Started { registration, .. } => {
                    self.scenario.observation.unstarted.clone_from(registration);
                }
                Event::Failure(failure) if failure.reason == FailReason::RetriesExhausted => {
                    self.coverage.reached("a full history ended its attempt");
                }
                Event::Requested { attempt, .. } if *attempt > 1 => {
                    self.coverage.reached("an attempt began by itself");
                }
                _ => {}
            }
        }
        let full = self.scenario.download.entries >= FULL;
        self.coverage.sometimes(full, "a full history");
    }

    fn perform(&mut self, effect: Effect) -> Option<Outcome> {
        match effect {
            Effect::Probe { attempt } => Some(self.probe(attempt)),
            Effect::Fetch {
                attempt,
                resource,
                part,
                ..
            } => self.fetch(attempt, resource, &part),
            Effect::StartJob {
                registration,
                parts,
                ..
            } => {
                self.start_job(registration, parts);
                None
            }
            Effect::Harvest { registration } => self.harvest(&registration),
            Effect::AbortJob { registration } => {
                self.drop_job(&registration);
                None
            }
            Effect::Verify {
                attempt,
                resources,
                confirm,
            } => Some(self.verify(attempt, resources, confirm)),
            Effect::DeleteFiles { keys, .. } | Effect::Discard { keys, .. } => {
                for key in keys {
                    self.scenario.observation.stored.remove(&key);
                }
                None
            }
            Effect::Wait { .. } => None,
        }
    }

    /// What becomes of the next request.
    fn ask(&mut self) -> Luck {
        let luck = &self.setup.luck[self.asked % self.setup.luck.len()];
        self.asked += 1;
        let Luck::Fails(fault) = luck else {
            return luck.clone();
        };
        if *fault == TransferError::Offline {
            let offline = self.setup.says_offline;
            self.scenario.observation.context.offline = offline;
            self.coverage.reached(if offline {
                "a device was offline and said so"
            } else {
                "a device was offline and did not say so"
            });
        }
        luck.clone()
    }

    /// Asks for size and version of a resource.
    fn ask_for(
        &mut self,
        resource: u32,
        failed: &mut Vec<Request>,
    ) -> Result<HttpResponse, TransferError> {
        let size = self.setup.parts * PART;
        let answer = HttpResponse {
            content_range: Some(format!("bytes 0-0/{size}")),
            cross_origin: self.setup.cross_origin,
            ..ranged_answer()
        };
        match self.ask() {
            Luck::Fails(fault) => {
                failed.push(Request::Probe(resource));
                Err(fault)
            }
            Luck::Good | Luck::LosesTheJob => Ok(answer),
        }
    }

    fn probe(&mut self, attempt: u32) -> Outcome {
        let resources = u32::try_from(self.setup.resources).expect("there are few");
        let mut failed = Vec::new();
        let answers = (0..resources).map(|n| self.ask_for(n, &mut failed));
        let answers = answers.collect();
        let probed = Signal::Probed {
            attempt,
            answers,
            observation: Box::new(self.scenario.observation.clone()),
        };
        (probed, failed)
    }

    fn verify(&mut self, attempt: u32, resources: Vec<u32>, confirm: Vec<u32>) -> Outcome {
        let mut failed = Vec::new();
        let answers = confirm.into_iter();
        let answers = answers.map(|n| (n, self.ask_for(n, &mut failed)));
        let answers: Vec<_> = answers.collect();
        self.coverage
            .sometimes(!answers.is_empty(), "a version was confirmed");
        let verified = Signal::Verified {
            attempt,
            digests: resources.into_iter().map(|n| (n, digest('a'))).collect(),
            answers,
            observation: Box::new(self.scenario.observation.clone()),
        };
        (verified, failed)
    }

    fn fetch(&mut self, attempt: u32, resource: u32, part: &PartRequest) -> Option<Outcome> {
        let assists = self.job.is_some();
        self.coverage.sometimes(assists, "a page assisted a job");
        match self.ask() {
            Luck::Fails(fault) => {
                let failed = Signal::PartFailed {
                    attempt,
                    resource,
                    fault,
                    observation: Box::new(self.scenario.observation.clone()),
                };
                Some((failed, vec![part_of(resource, part)]))
            }
            Luck::Good | Luck::LosesTheJob => {
                self.store(part);
                None
            }
        }
    }

    /// A part is stored, unless it is there.
    fn store(&mut self, part: &PartRequest) {
        let range = part.range().expect("a part of the layout");
        let parts = self
            .scenario
            .observation
            .stored
            .entry(part.file.key())
            .or_default();
        if !parts.contains(range) {
            parts.push(range);
        }
    }

    fn start_job(&mut self, registration: String, records: Vec<(u32, PartRequest)>) {
        self.scenario.observation.unstarted = None;
        self.scenario.observation.jobs = vec![Job {
            registration: registration.clone(),
            downloaded: 0,
        }];
        self.job = Some(Running {
            registration,
            records,
            done: 0,
            faults: Vec::new(),
            failed: Vec::new(),
        });
    }

    fn drop_job(&mut self, registration: &str) {
        let jobs = &mut self.scenario.observation.jobs;
        jobs.retain(|job| job.registration != registration);
        if self
            .job
            .as_ref()
            .is_some_and(|job| job.registration == registration)
        {
            self.job = None;
        }
    }

    /// A job gets its next record, which takes time; with the last one it ends.
    fn harvest(&mut self, registration: &str) -> Option<Outcome> {
        let mut job = self.job.take_if(|job| job.registration == registration)?;
        self.scenario.now += NAP_MS;
        let (resource, part) = job.records[job.done].clone();
        match self.ask() {
            Luck::Good => self.store(&part),
            Luck::Fails(fault) => {
                job.faults.push(fault);
                job.failed.push(part_of(resource, &part));
            }
            Luck::LosesTheJob => {
                self.coverage.reached("a job was lost");
                self.scenario.observation.jobs.clear();
                return None;
            }
        }
        job.done += 1;
        if job.done < job.records.len() {
            let downloaded = PART * job.done as u64;
            self.scenario.observation.jobs[0].downloaded = downloaded;
            self.job = Some(job);
            return None;
        }
        self.scenario.observation.jobs.clear();
        // That records have failed is known when their job ends.
        let failed = !job.failed.is_empty();
        self.coverage.sometimes(failed, "a record failed");
        let end = if job.faults.is_empty() {
            JobEnd::Success
        } else {
            JobEnd::Failure(JobFailure::FetchError)
        };
        let ended = Signal::JobEnded {
            registration: job.registration,
            end,
            faults: job.faults,
            observation: Box::new(self.scenario.observation.clone()),
        };
        Some((ended, job.failed))
    }
}

fn part_of(resource: u32, part: &PartRequest) -> Request {
    Request::Part(resource, part.file.key(), part.index)
}
