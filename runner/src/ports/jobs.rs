//! Background jobs: downloads that somebody else carries out, and that outlive this context.

use std::any::Any;
use std::convert::Infallible;

use longhaul_core::{Background, PartRequest};

use crate::answer::HttpResponse;
use crate::errors::{NetError, StartError};
use crate::job::JobState;
use crate::links::FullUrls;

/// Keeps a callback attached; dropping it detaches it.
pub type Watching = Box<dyn Any>;

/// A background job to be started.
#[derive(Debug, Clone, Copy)]
pub struct NewJob<'a> {
    /// Its registration id.
    pub registration: &'a str,
    /// What people are shown.
    pub title: Option<&'a str>,
    /// Bytes that it will bring; 0 where that is not known.
    pub total: u64,
    /// Its records, by index of the resource.
    pub parts: &'a [(u32, PartRequest)],
    /// Where they come from.
    pub full: &'a FullUrls,
    /// Parameters of the URLs that are secret.
    pub secret_params: &'a [String],
}

/// Whoever carries out background jobs: a browser's Background Fetch. The defaults are those of a platform that has none.
/// `B` is the body of an answer as this platform's [`Http`](super::Http) hands it out.
#[allow(async_fn_in_trait)]
pub trait Jobs<B> {
    /// A record of a job: one request with its answer.
    type Record;

    /// Whether jobs can be started from here.
    async fn background(&self) -> Background {
        Background::Missing
    }

    /// The jobs that are known, other programs' among them.
    async fn known(&self) -> Vec<JobState> {
        Vec::new()
    }

    /// Hands a job over.
    ///
    /// # Errors
    /// Where it was not taken.
    async fn start(&self, _job: &NewJob<'_>) -> Result<(), StartError> {
        Err(StartError::NotAllowed)
    }

    /// Aborts a job. One that has ended meanwhile is as good.
    async fn abort(&self, _registration: &str) {}

    /// Calls back whenever a running job moved; its state now. `None` where the job is not known.
    async fn watch(
        &self,
        _registration: &str,
        _moved: Box<dyn FnMut(JobState)>,
    ) -> Option<(JobState, Watching)> {
        None
    }

    /// The records of a job that is known, finished or not.
    async fn records(&self, _registration: &str) -> Option<Vec<Self::Record>> {
        None
    }

    /// The URL of a record, with its fragment.
    fn record_url(&self, record: &Self::Record) -> String;

    /// The answer to a record. Without `wait`, `None` where it is not there yet.
    async fn record_answer(
        &self,
        record: &Self::Record,
        wait: bool,
    ) -> Option<Result<(HttpResponse, B), NetError>>;

    /// Registrations whose completion is being handled now. Answered only after every completion that was under way when
    /// it was asked has been named or accounted for.
    async fn handling(&self) -> Vec<String> {
        Vec::new()
    }
}

/// No background jobs: for every platform but a browser.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoJobs;

impl<B> Jobs<B> for NoJobs {
    type Record = Infallible;

    fn record_url(&self, record: &Infallible) -> String {
        match *record {}
    }

    async fn record_answer(
        &self,
        record: &Infallible,
        _wait: bool,
    ) -> Option<Result<(HttpResponse, B), NetError>> {
        match *record {}
    }
}
