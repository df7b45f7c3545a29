//! The browser's side: jobs, their records, and how they end.

use crate::moment::{Bytes, Completion, Handling, Moment, Part, Record, Request, Running};
use crate::world::{Bug, World};
use longhaul_core::{HttpResponse, JobEnd, JobFailure, JobId, PartRequest, TransferError, measure};

pub(crate) fn job_of(parts: &[(u32, PartRequest)]) -> Running {
    let parts = parts
        .iter()
        .map(|(resource, part)| World::part_of(*resource, part));
    Running {
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

fn end(m: &mut Moment, registration: &str, job: Running, end: JobEnd) {
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
}

impl World {
    /// Stores the next record of a job that is right and not stored, if there is one.
    pub(crate) fn harvest_one(&self, m: &mut Moment, job: &Running) -> Option<Part> {
        let mut records = job.parts.iter().zip(&job.records);
        let next = records.find(|(part, record)| {
            !m.rest.contains_key(part) && self.store(m, **part, **record).is_ok()
        });
        next.map(|(part, _)| *part)
    }

    /// Measures what came, by the real measure, and stores it where it is right.
    pub(crate) fn store(
        &self,
        m: &mut Moment,
        part: Part,
        record: Record,
    ) -> Result<(), TransferError> {
        let request = self.request_of(part);
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
            Record::Of(version, bytes) => (self.part_answer(version, range), range.len, bytes),
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
