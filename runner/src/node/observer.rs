//! Observer: what can be seen of a download, and whether that is still what its history says.

use longhaul_core::owner::Look;
use longhaul_core::{
    Background, Context, Download, FileVersion, Input, Job, JobId, Observation, Signal, StoredParts,
};

use super::{CommitError, Node};
use crate::errors::PartError;
use crate::ports::{App, Http, Jobs, Parts, Platform};
use crate::translate;

impl<P: Platform> Node<P> {
    /// What can be observed of a download now, what is stored included.
    pub async fn observation(&self, download: &Download) -> Result<Observation, PartError> {
        let mut observation = self.observation_without_stored(download).await;
        let keys: Vec<String> = download.files.iter().map(FileVersion::key).collect();
        observation.stored = self.rest(&keys).await?;
        Ok(observation)
    }

    /// What can be observed but for what is stored, which is to be looked at afterwards: a completion that is named
    /// here may store parts until then, but not the other way round.
    pub async fn observation_without_stored(&self, download: &Download) -> Observation {
        let background = self.platform.jobs().background().await;
        let jobs = self.jobs(Some(&download.id)).await;
        let current = download
            .state
            .transfer()
            .and_then(|transfer| transfer.registration.as_ref());
        let absent = current.is_some_and(|id| !jobs.iter().any(|job| job.registration == *id));
        // An absent job is not a lost one: its completion may be under way.
        let handling = if absent {
            self.platform.jobs().handling().await
        } else {
            Vec::new()
        };
        Observation {
            jobs,
            handling,
            context: self.context(download, background),
            ..Observation::default()
        }
    }

    /// Looks at what an owner wants to know; and which of the keys that it asks for another download refers to.
    pub async fn observe(
        &self,
        download: &Download,
        look: Look,
    ) -> Result<(Observation, Vec<String>), CommitError> {
        let mut observation = self.observation_without_stored(download).await;
        if !look.keys.is_empty() {
            observation.stored = self.rest(&look.keys).await?;
        }
        let held = if look.held.is_empty() {
            Vec::new()
        } else {
            self.held_by_others(&download.id, &look.held).await?
        };
        if look.room {
            observation.room = self.platform.parts().room().await;
        }
        Ok((observation, held))
    }

    /// What is stored under these keys.
    pub async fn rest(&self, keys: &[String]) -> Result<StoredParts, PartError> {
        let mut rest = StoredParts::new();
        for key in keys {
            if !rest.contains_key(key) {
                let ranges = self.platform.parts().list(key).await?;

                rest.insert(key.clone(), ranges.into());
            }
        }
        Ok(rest)
    }

    /// Looks whether what is available is still there; whatever else a download is, it stays.
    pub async fn look(&self, id: &str) -> Result<Download, CommitError> {
        loop {
            let download = self.load(id).await?;
            if !download.is_available() {
                return Ok(download);
            }
            let keys: Vec<String> = download.files.iter().map(FileVersion::key).collect();
            let observation = Observation {
                stored: self.rest(&keys).await?,
                ..Observation::default()
            };
            let look = Input::Signal(Signal::Observed(Box::new(observation)));
            if let Some(committed) = self.commit(download, Some(look), None).await? {
                return Ok(committed.download);
            }
        }
    }

    fn context(&self, download: &Download, background: Background) -> Context {
        Context {
            name: self.setup.name.clone(),
            role: self.platform.app().role(),
            offline: !self.platform.http().online(),
            headers: self.platform.app().has_headers(download),
            background,
            preference: self.setup.preference,
            policy: self.setup.policy.clone(),
        }
    }

    /// The jobs of this name that the browser knows: of one download, or of all.
    pub async fn jobs(&self, download: Option<&str>) -> Vec<Job> {
        let mut jobs = Vec::new();
        for state in self.platform.jobs().known().await {
            if let Some((id, job)) = translate::job(&state, &self.setup.name)
                && download.is_none_or(|download| id.download == download)
            {
                jobs.push(job);
            }
        }
        jobs
    }

    /// What a registration id of an event says, where the job is one of this name's. Others are left to whoever began them.
    #[must_use]
    pub fn own_job(&self, registration: &str) -> Option<JobId> {
        let own = JobId::parse(registration).filter(|id| id.name == self.setup.name);
        if own.is_none() {
            tracing::warn!("ignored a background job that is not ours");
        }
        own
    }
}
