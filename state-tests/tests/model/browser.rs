//! The browser's side: jobs, their records, and how they end.

use crate::moment::{Bytes, Completion, Handling, Job, Moment, Part, Record, Request};
use crate::world::{Bug, World, part_answer};
use longhaul_core::{HttpResponse, JobEnd, JobFailure, JobId, PartRequest, TransferError, measure};

pub(crate) fn job_of(parts: &[(u32, PartRequest)]) -> Job {
    let parts = parts
        .iter()
        .map(|(_, part)| (World::version_of(&part.file), part.index));
    Job {
        parts: parts.collect(),
        records: Vec::new(),
        faults: Vec::new(),
        late: false,
    }
}

/// A job is handed over. Only what the history licenses may be.
pub(crate) fn start(m: &mut Moment, registration: String, parts: &[(u32, PartRequest)]) {
    let id = JobId::parse(&registration).expect("ours");
    let (attempt, tries) = (m.history.attempt, m.ledger.tries());
    if id.attempt > attempt || (id.attempt == attempt && id.transfer > tries) {
        m.broke("the one law: a job runs that no event licenses");
    }
    let job = job_of(parts);
    for part in &job.parts {
        m.asks_for(Request::Part(*part));
    }
    m.jobs.insert(registration, job);
}

/// A job is aborted: its records so far can be read in the event that follows.
pub(crate) fn abort(m: &mut Moment, registration: &str) {
    // One that has ended meanwhile answers false, which is as good.
    if let Some(job) = m.jobs.remove(registration) {
        end(m, registration, job, JobEnd::Abort);
    }
}

fn end(m: &mut Moment, registration: &str, job: Job, end: JobEnd) {
    let completion = Completion {
        job,
        end,
        stage: Handling::Starting,
    };
    m.completions.insert(registration.to_owned(), completion);
}

/// The next record comes, or the job ends.
pub(crate) fn work(m: &mut Moment, registration: &str, record: Option<Record>) {
    let Some(mut job) = m.jobs.remove(registration) else {
        return;
    };
    if job.records.len() == job.parts.len() || job.records.contains(&Record::Gone) {
        let gone = job.records.contains(&Record::Gone);
        let how = if gone {
            JobEnd::Failure(JobFailure::BadStatus)
        } else {
            JobEnd::Success
        };
        return end(m, registration, job, how);
    }
    job.records
        .push(record.unwrap_or(Record::Of(m.server, Bytes::Right)));
    m.jobs.insert(registration.to_owned(), job);
    for place in &mut m.places {
        if let Some(watched) = &mut place.watched
            && watched.registration == registration
        {
            watched.idle = false;
            place.woken |= place.driver.is_some();
        }
    }
}

impl World {
    /// Stores the next record of a job that is right and not stored; whether there was one.
    pub(crate) fn harvest_one(&self, m: &mut Moment, job: &Job) -> bool {
        let records = job.parts.iter().zip(&job.records);
        for (part, record) in records {
            if !m.rest.contains_key(part) && self.store(m, *part, *record).is_ok() {
                return true;
            }
        }
        false
    }

    /// Measures what came, by the real measure, and stores it where it is right.
    pub(crate) fn store(
        &self,
        m: &mut Moment,
        part: Part,
        record: Record,
    ) -> Result<(), TransferError> {
        let request = PartRequest {
            file: World::file(part.0),
            index: part.1,
        };
        let range = request.range().expect("a part of the file");
        let (answer, body, bytes) = match record {
            Record::Gone => (
                HttpResponse {
                    status: 404,
                    ..HttpResponse::default()
                },
                9,
                Bytes::None,
            ),
            Record::Of(_, Bytes::None) => (
                HttpResponse {
                    status: 200,
                    ..HttpResponse::default()
                },
                0,
                Bytes::None,
            ),
            Record::Of(version, bytes) => (part_answer(version, range), range.len, bytes),
        };
        let measured = measure(&request, &answer, body);
        let trusting = self.bug == Some(Bug::TrustsAnEmptySuccess) && answer.status == 200;
        if !trusting {
            measured?;
        }
        m.rest.entry(part).or_insert(bytes);
        Ok(())
    }
}
