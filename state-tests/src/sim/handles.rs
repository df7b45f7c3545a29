//! What a context holds of the browser's: bodies, records, and what watches a job.

use std::rc::Rc;

use longhaul_runner::answer::HttpResponse;
use longhaul_runner::errors::NetError;

use super::bytes::Bytes;
use super::jobs::Record;
use super::network::Body;
use super::world::World;

/// A body, with where it comes from.
pub struct SimBody {
    /// What comes.
    pub body: Body,
    /// The URL that it was asked of.
    pub url: String,
}

/// A record of a job.
#[derive(Debug, Clone)]
pub struct SimRecord {
    /// The job.
    pub job: String,
    /// The URL that it asks for, with its fragment.
    pub url: String,
    index: usize,
}

impl SimRecord {
    /// The record of a job at this place.
    #[must_use]
    pub fn new(job: &str, index: usize, url: &str) -> Self {
        Self {
            job: job.to_owned(),
            index,
            url: url.to_owned(),
        }
    }

    /// What there is of it: its answer and its bytes, `None` where they are still to come.
    #[must_use]
    pub fn now(&self, world: &World) -> Option<Result<(HttpResponse, Bytes), NetError>> {
        let jobs = world.jobs.borrow();
        let gone = || NetError::Failed {
            name: "InvalidStateError".to_owned(),
        };
        let known = jobs.known.get(&self.job);
        let Some(job) = known.or_else(|| jobs.handled.get(&self.job)) else {
            return Some(Err(gone()));
        };
        match job.records.get(self.index) {
            Some(Record {
                done: Some(done), ..
            }) => Some(Ok(done.clone())),
            Some(_) if job.closed && known.is_some() => {
                world
                    .coverage
                    .reached("an unfinished record looked like an empty success");
                let answer = HttpResponse {
                    status: 200,
                    ..HttpResponse::default()
                };
                Some(Ok((answer, Bytes::default())))
            }
            Some(_) if known.is_some() => None,
            _ => Some(Err(gone())),
        }
    }
}

/// Keeps a job's watcher attached.
pub struct Watch {
    /// The world.
    pub world: Rc<World>,
    /// What it goes by.
    pub number: u64,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.world.jobs.borrow_mut().unwatch(self.number);
    }
}
