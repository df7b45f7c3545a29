//! What an owner starts, as futures that end with what came of it.

use std::rc::Rc;
use std::sync::Arc;

use longhaul_core::owner::{Input, Licensed, Outcome, Owner};
use longhaul_core::{Download, Effect, EffectId, HttpResponse, PartRequest, TransferError};

use super::Driver;
use crate::cancel::Cancel;
use crate::errors::{DigestError, HashError, StartError};
use crate::node::CommitError;
use crate::ports::{App, Jobs, NewJob, Parts, Platform, Runtime};
use crate::work::{Fetch, FetchFault, fetch_part, harvest, probe};

impl<P: Platform> Driver<P> {
    /// Sets an effect going.
    pub(super) fn start(self: &Rc<Self>, licensed: Licensed, owner: &Owner) {
        let id = licensed.effect().id();
        let cancel = Cancel::default();
        self.in_flight
            .borrow_mut()
            .insert(id.clone(), cancel.clone());
        let download = Arc::clone(owner.download());
        self.beside(async move |driver| {
            let done = driver.perform(&licensed, &download, &cancel).await;
            let outcome = done.unwrap_or_else(|error| Outcome::StoreFailed(driver.trouble(&error)));
            driver.in_flight.borrow_mut().remove(&id);
            Input::Ended(id, outcome)
        });
    }

    async fn perform(
        self: &Rc<Self>,
        licensed: &Licensed,
        download: &Download,
        cancel: &Cancel,
    ) -> Result<Outcome, CommitError> {
        let effect = licensed.effect();
        let platform = &self.node.platform;
        match effect {
            Effect::Probe { .. } => {
                let resources = download.spec.iter().flat_map(|spec| &spec.resources);
                let all: Vec<u32> = (0..).zip(resources).map(|(n, _)| n).collect();
                let answers = self.ask(&all, download).await?;
                Ok(Outcome::Probed(answers))
            }
            Effect::StartJob {
                registration,
                title,
                total,
                parts,
                ..
            } => {
                let full = self.full_urls(download).await?;
                let job = NewJob {
                    registration,
                    title: title.as_deref(),
                    total: *total,
                    parts,
                    full: &full,
                    secret_params: secret_params(download),
                };
                let Err(error) = platform.jobs().start(&job).await else {
                    return Ok(Outcome::Done);
                };
                tracing::warn!("no background job for {}: {}", self.id, error);
                let quota = error == StartError::Quota;
                Ok(Outcome::Refused { quota })
            }
            Effect::Harvest { registration } => {
                let records = platform
                    .jobs()
                    .records(registration)
                    .await
                    .unwrap_or_default();
                let harvest = harvest(platform, records, false).await;
                Ok(Outcome::Harvested {
                    stored: harvest.stored,
                    repeated: harvest.repeated,
                })
            }
            Effect::Fetch { resource, part, .. } => {
                self.fetch(effect.id(), *resource, part, download, cancel)
                    .await
            }
            Effect::Verify {
                resources, confirm, ..
            } => self.verify(resources, confirm, download, cancel).await,
            Effect::AbortJob { registration } => {
                platform.jobs().abort(registration).await;
                Ok(Outcome::Done)
            }
            Effect::DeleteFiles { keys, .. } => {
                self.node.delete_files(&self.id, keys).await?;
                Ok(Outcome::Done)
            }
            Effect::Discard { keys, .. } => {
                for key in keys {
                    platform.parts().delete(key).await?;
                }
                Ok(Outcome::Done)
            }
            Effect::Wait { .. } => Ok(Outcome::Done),
        }
    }

    async fn fetch(
        self: &Rc<Self>,
        id: EffectId,
        resource: u32,
        part: &PartRequest,
        download: &Download,
        cancel: &Cancel,
    ) -> Result<Outcome, CommitError> {
        let full = self.full_urls(download).await?;
        let meter = self
            .live
            .begin(&id, self.node.platform.runtime().monotonic_ms());
        let (driver, coming, of) = (Rc::downgrade(self), Rc::clone(&meter), id.clone());
        let whole = part.range().map(|range| range.len);
        let came = move |bytes| {
            if let Some(driver) = driver.upgrade() {
                coming.add(bytes, driver.node.platform.runtime().monotonic_ms());
                driver.show_live(false);
                if whole == Some(coming.bytes()) {
                    driver.tell(Input::Received(of.clone()));
                }
            }
        };
        let fetch = Fetch {
            download,
            part,
            url: full.url(resource),
            secret_params: secret_params(download),
            meter: &meter,
            stall_ms: self.node.setup.policy.retry.stall_ms,
        };
        let fetched = fetch_part(&self.node.platform, &fetch, cancel, came).await;
        self.live.end(&id);
        Ok(match fetched {
            Ok(range) => Outcome::Stored(range),
            Err(FetchFault::Cancelled) => Outcome::Cancelled,
            Err(FetchFault::TransferError(fault)) => Outcome::Failed(fault),
        })
    }

    async fn verify(
        &self,
        resources: &[u32],
        confirm: &[u32],
        download: &Download,
        cancel: &Cancel,
    ) -> Result<Outcome, CommitError> {
        let answers = self.ask(confirm, download).await?;
        let answers: Vec<_> = confirm.iter().copied().zip(answers).collect();
        // Where one is of no use hashes would be computed in vain.
        let is_good = |answer: &Result<HttpResponse, TransferError>| {
            answer.as_ref().is_ok_and(|answer| answer.status < 300)
        };
        let refused = !answers.iter().all(|(_, answer)| is_good(answer));
        let mut digests = Vec::with_capacity(resources.len());
        for resource in resources {
            let Some(file) = download.files.get(*resource as usize).filter(|_| !refused) else {
                continue;
            };
            let wanted = || !cancel.is_cancelled();
            match self.node.platform.parts().digest(file, &wanted).await {
                Ok(digest) => digests.push((*resource, digest)),
                Err(DigestError::Hash(HashError::Cancelled)) => return Ok(Outcome::Cancelled),
                Err(error) => {
                    tracing::warn!("{} was not verified: {}", self.id, error);
                    return Ok(Outcome::Unread);
                }
            }
        }
        Ok(Outcome::Verified { digests, answers })
    }

    /// Asks the servers of some resources what they have.
    async fn ask(
        &self,
        resources: &[u32],
        download: &Download,
    ) -> Result<Vec<Result<HttpResponse, TransferError>>, CommitError> {
        if resources.is_empty() {
            return Ok(Vec::new());
        }
        let full = self.full_urls(download).await?;
        let stall_ms = self.node.setup.policy.retry.stall_ms;
        Ok(probe(&self.node.platform, download, &full, resources, stall_ms).await)
    }

    /// Shows figures newer than the history: now, or where it is time.
    pub(super) fn show_live(&self, now: bool) {
        let platform = &self.node.platform;
        let at = platform.runtime().now_ms();
        let figures = if now {
            Some(self.live.figures(at))
        } else {
            self.live.due(at)
        };
        if let Some((downloaded, stored)) = figures {
            platform.app().live(&self.id, downloaded, stored);
        }
    }
}

fn secret_params(download: &Download) -> &[String] {
    let spec = download.spec.as_ref();
    spec.map(|spec| spec.secret_params.as_slice())
        .unwrap_or_default()
}
