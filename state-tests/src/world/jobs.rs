//! Background jobs, and the storing of what came.

use super::outcome::Outcome;
use super::{JobFate, Served, WORKER, World};
use longhaul_core::{HttpResponse, JobEnd, PartRequest, TransferError, measure};

/// A record of a background job that came: its answer, its body's length, its true version.
pub(super) type Record = Result<(HttpResponse, u64, u32), TransferError>;

#[derive(Debug, Clone)]
pub(super) struct RunningJob {
    pub(super) parts: Vec<(u32, PartRequest)>,
    pub(super) records: Vec<Record>,
    pub(super) downloaded: u64,
}

#[derive(Debug, Clone)]
pub(super) struct Completion {
    pub(super) job: RunningJob,
    pub(super) end: JobEnd,
}

impl RunningJob {
    pub(super) fn is_done(&self) -> bool {
        self.records.len() >= self.parts.len()
    }
}

impl World<'_> {
    /// What a server answers to a part's request now.
    pub(super) fn answer(&mut self, resource: u32, part: &PartRequest) -> Record {
        let asked = (self.folded.attempt, part.file.key(), part.index);
        *self.asked_for.entry(asked).or_default() += 1;
        let server = &self.servers[resource as usize];
        let (answer, body) = server.part(part)?;
        Ok((answer, body, server.version))
    }

    /// The same, as the record of a background job shows it.
    fn record(&mut self, resource: u32, part: &PartRequest) -> Record {
        let (answer, body, version) = self.answer(resource, part)?;
        Ok((Served::as_record(answer), body, version))
    }

    /// Measures what came, and stores it where it is right.
    pub(super) fn store(
        &mut self,
        part: &PartRequest,
        record: &Record,
    ) -> Result<(), TransferError> {
        let (answer, body, version) = record.clone()?;
        let range = measure(part, &answer, body)?;
        let parts = self.rest.entry(part.file.key()).or_default();
        parts.entry(range).or_insert(version);
        let mixed = parts.values().any(|other| *other != version);
        self.coverage.sometimes(mixed, "versions mixed stored");
        Ok(())
    }

    pub(super) fn harvest(&mut self, job: &RunningJob, most: usize) -> Vec<TransferError> {
        let records = job.parts.iter().zip(&job.records).take(most);
        records
            .filter_map(|((_, part), record)| self.store(part, record).err())
            .collect()
    }

    /// Bytes stored that fit the present plan.
    pub(super) fn useful(&self) -> u64 {
        let observation = self.observation(WORKER);
        let files = self.folded.files.iter();
        files
            .map(|file| file.layout().stored(observation.stored_under(&file.key())))
            .sum()
    }

    pub(super) fn work(&mut self, records: usize) {
        let Some((registration, mut job)) = self.jobs.pop_first() else {
            return;
        };
        for _ in 0..records {
            let Some((resource, part)) = job.parts.get(job.records.len()).cloned() else {
                break;
            };
            let record = self.record(resource, &part);
            if let Ok((_, body, _)) = &record {
                job.downloaded += body;
            }
            job.records.push(record);
        }
        self.jobs.insert(registration, job);
    }

    pub(super) fn end_job(&mut self, which: usize, how: JobFate) {
        if self.jobs.is_empty() {
            return;
        }
        let registration = self.jobs.keys().nth(which % self.jobs.len());
        let registration = registration.expect("below the number of jobs").clone();
        let mut job = self.jobs.remove(&registration).expect("its key was there");
        let end = match how {
            JobFate::Vanishes => return self.coverage.reached("a job vanished"),
            JobFate::Abort => JobEnd::Abort,
            JobFate::Failure(failure) => JobEnd::Failure(failure),
            JobFate::EmptySuccess => {
                let empty = HttpResponse {
                    status: 200,
                    ..HttpResponse::default()
                };
                job.records = vec![Ok((empty, 0, 0)); job.parts.len()];
                self.coverage.reached("an empty success");
                JobEnd::Success
            }
            JobFate::Success => {
                while job.records.len() < job.parts.len() {
                    let (resource, part) = job.parts[job.records.len()].clone();
                    let record = self.record(resource, &part);
                    job.records.push(record);
                }
                JobEnd::Success
            }
        };
        self.handling.insert(registration, Completion { job, end });
    }

    /// The worker's completion handler: stores first, accounts after.
    pub(super) fn handle(&mut self, dies: bool) {
        let known: Vec<String> = self.handling.keys().cloned().collect();
        for registration in known {
            let completion = self.handling[&registration].clone();
            if dies {
                drop(self.harvest(&completion.job, 1));
                self.handling.remove(&registration);
                self.coverage.reached("a handler died");
                continue;
            }
            let current = self.folded.state.transfer();
            let stale = current.is_none_or(|t| t.registration.as_ref() != Some(&registration));
            let before = self.useful();
            let faults = self.harvest(&completion.job, usize::MAX);
            let kept = stale && self.folded.is_running() && self.useful() > before;
            self.coverage
                .sometimes(kept, "bytes of a stale job were kept");
            let waits = self.mail.iter().any(
                |(_, outcome)| matches!(outcome, Outcome::Ended(of, ..) if *of == registration),
            );
            if !waits {
                let outcome = Outcome::Ended(registration, completion.end, faults);
                self.mail.push((WORKER, outcome));
            }
        }
    }
}
