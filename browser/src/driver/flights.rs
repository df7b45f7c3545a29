//! Effects in flight: what runs beside the loop.

use std::rc::Rc;

use futures_util::future::LocalBoxFuture;
use longhaul_core::{
    Download, Effect, EffectId, FileVersion, HttpResponse, MIN_DELAY_MS, PartRequest, Signal,
    TransferError,
};

use super::{Driver, Flying, STORE_TROUBLE_MS};
use crate::background_fetch::StartError;
use crate::cancel::Cancel;
use crate::events::EventStore;
use crate::hash::HashError;
use crate::links::FullUrls;
use crate::meter::Meter;
use crate::node::{CommitError, Committed};
use crate::platform::{NewJob, Platform};
use crate::work::{DigestError, Fetch, FetchFault, fetch_part, harvest, probe};

/// Bytes per millisecond at which a part comes so quickly that waiting until it is stored would cost much of its connection.
const QUICK_BYTES_PER_MS: u64 = 10_000;

/// What runs beside the loop. Boxed, so that what runs it is there once.
type Work = LocalBoxFuture<'static, Result<(), CommitError>>;

impl<P: Platform> Driver<P> {
    /// Cancels what the plan no longer names. A wait, or a job that moves again, is no reason to throw away what other
    /// transfers have brought: those of the same transfer end as they may, but no new one begins.
    pub(super) fn cancel_unplanned(&self, download: &Download, effects: &[Effect]) {
        let planned: Vec<EffectId> = effects.iter().map(Effect::id).collect();
        let names = |kind| planned.iter().any(|id| id.kind == kind);
        let leaves = names("wait") || (names("harvest") && !names("fetch"));
        let of = download.state.transfer().map(|transfer| transfer.number);
        for (id, flight) in self.flights.borrow().iter() {
            let goes_on = leaves
                && id.kind == "fetch"
                && id.attempt == download.attempt
                && Some(id.transfer) == of;
            if !goes_on && !planned.contains(id) {
                flight.cancel();
            }
        }
    }

    /// Performs an effect, or sets it going. Whether to look again at once.
    pub(super) async fn perform(
        self: &Rc<Self>,
        download: &Download,
        effect: Effect,
    ) -> Result<bool, CommitError> {
        let id = effect.id();
        if self.flights.borrow().contains_key(&id) {
            return Ok(false);
        }
        let (driver, flight) = (Rc::clone(self), Cancel::default());
        let own = flight.clone();
        let work: Work = match effect {
            Effect::AbortJob { registration } => {
                // What the job of the attempt before has finished may fit this one, which is about to look what is missing,
                // but where it may be of several versions.
                if download.is_running() && download.mixed.is_empty() {
                    self.harvest(&registration).await?;
                }
                self.node.platform.abort_job(&registration).await;
                return Ok(false);
            }
            // A part that is being stored would come back after its file.
            Effect::DeleteFiles { .. } | Effect::Discard { .. } if self.still_storing() => {
                return Ok(false);
            }
            Effect::DeleteFiles { keys, .. } => {
                self.node.delete_files(&self.id, &keys).await?;
                self.listing.take();
                return Ok(false);
            }
            Effect::Discard { keys, .. } => {
                for key in &keys {
                    self.node.platform.delete(key).await?;
                }
                self.listing.take();
                // Where somebody stores it again meanwhile, it is deleted again, but not in a hurry.
                self.sleep_ms(MIN_DELAY_MS).await;
                return Ok(true);
            }
            Effect::StartJob { .. } if P::BEGINS_TRANSFERS => {
                return self.start_job(effect).await.map(|()| true);
            }
            Effect::Probe { attempt } if P::BEGINS_TRANSFERS => {
                Box::pin(async move { driver.probe(attempt).await })
            }
            Effect::Harvest { registration } if self.moved(&registration) => {
                Box::pin(async move { driver.harvest(&registration).await })
            }
            Effect::Verify {
                attempt,
                resources,
                confirm,
            } => {
                let verify = Verify {
                    attempt,
                    resources,
                    confirm,
                };
                let download = download.clone();
                Box::pin(async move { driver.verify(&verify, &download, &own).await })
            }
            Effect::Fetch { ref part, .. } if P::BEGINS_TRANSFERS => {
                let flying: Flying = (part.file.key(), part.index);
                if self.brought.borrow().contains(&flying) {
                    return Ok(false);
                }
                if self.may_fetch() {
                    self.begin_fetch(effect);
                } else {
                    self.queue.borrow_mut().push_back(effect);
                }
                return Ok(false);
            }
            // Seen to already, waited for by the loop, or a page's part alone.
            Effect::Harvest { .. }
            | Effect::Wait { .. }
            | Effect::Probe { .. }
            | Effect::StartJob { .. }
            | Effect::Fetch { .. } => return Ok(false),
        };
        self.fly(id, flight, work);
        Ok(false)
    }

    /// Whether anything in flight may still store a part. The loop is woken when that is over.
    pub(super) fn still_storing(&self) -> bool {
        let flights = self.flights.borrow();
        let harvests = flights.keys().any(|id| id.kind == "harvest");
        harvests || !self.meters.borrow().is_empty()
    }

    fn may_fetch(&self) -> bool {
        let flights = self.flights.borrow();
        let fetches = flights.keys().filter(|id| id.kind == "fetch").count();
        let storing = self.storing.borrow().len();
        let parallel = self.pace.requests();
        fetches - storing.min(fetches) < parallel && fetches < 2 * parallel
    }

    /// The bytes of a part have all come: where they came quickly, its connection does not wait until they are stored.
    /// Elsewhere storing takes no time beside coming, and what is in flight, and lost with this page, stays less.
    fn came(self: &Rc<Self>, id: &EffectId, bytes: u64, age_ms: u64) {
        let quickly = bytes > QUICK_BYTES_PER_MS * age_ms;
        if quickly && self.flights.borrow().contains_key(id) {
            self.storing.borrow_mut().push(id.clone());
            self.fetch_next();
        }
    }

    fn begin_fetch(self: &Rc<Self>, effect: Effect) {
        let id = effect.id();
        let Effect::Fetch {
            attempt,
            resource,
            part,
            ..
        } = effect
        else {
            return;
        };
        let (driver, flight) = (Rc::clone(self), Cancel::default());
        let own = (id.clone(), flight.clone());
        let work = async move { driver.fetch(attempt, resource, &part, own).await };
        self.fly(id, flight, Box::pin(work));
    }

    /// A part came: the next one that the last plan named begins before the loop has looked at the stores, so that the
    /// connection does not wait for them. What is no longer to be done the loop cancels, as any flight.
    fn fetch_next(self: &Rc<Self>) {
        let open = !self.closing.is_cancelled() && self.may_fetch();
        let next = open.then(|| self.queue.borrow_mut().pop_front());
        if let Some(effect) = next.flatten() {
            self.begin_fetch(effect);
        }
    }

    /// Runs something beside the loop, which is woken when it is done.
    fn fly(self: &Rc<Self>, id: EffectId, flight: Cancel, work: Work) {
        self.flights.borrow_mut().insert(id.clone(), flight);
        let driver = Rc::clone(self);
        self.node.platform.spawn(Box::pin(async move {
            if let Err(error) = work.await {
                tracing::warn!("the stores failed for {}: {}", driver.id, error);
                driver.note_trouble(&error).await;
                driver.sleep_ms(STORE_TROUBLE_MS.into()).await;
            }
            driver.flights.borrow_mut().remove(&id);
            driver.storing.borrow_mut().retain(|of| *of != id);
            if P::BEGINS_TRANSFERS && id.kind == "fetch" {
                driver.fetch_next();
                driver.live_stored();
            }
            driver.wake.wake();
        }));
    }

    async fn full_urls(&self, download: &Download) -> Result<Rc<FullUrls>, CommitError> {
        if let Some(known) = self.urls.borrow().as_ref() {
            return Ok(Rc::clone(known));
        }
        let kept = self.node.platform.store().links(&self.id).await?;
        let urls = Rc::new(FullUrls::read(kept.as_deref(), download));
        self.urls.replace(Some(Rc::clone(&urls)));
        Ok(urls)
    }

    async fn probe(&self, attempt: u32) -> Result<(), CommitError> {
        let download = self.node.load(&self.id).await?;
        let full = self.full_urls(&download).await?;
        let policy = &self.node.setup.policy;
        let stall_ms = policy.retry.stall_ms;
        let resources = download.spec.iter().flat_map(|spec| &spec.resources);
        let all: Vec<u32> = (0_u32..).zip(resources.clone()).map(|(n, _)| n).collect();
        let answers = probe(&self.node.platform, &download, &full, &all, stall_ms).await;
        let keys: Vec<String> = resources
            .zip(&answers)
            .filter_map(|(resource, answer)| {
                let answer = answer.as_ref().ok()?;
                FileVersion::from_probe(resource, &resource.url, answer, policy)
                    .ok()
                    .map(|file| file.key())
            })
            .collect();
        let committed = self
            .commit(&keys, &|observation| Signal::Probed {
                attempt,
                answers: answers.clone(),
                observation,
            })
            .await?;
        self.pace(&committed).await;
        Ok(())
    }

    /// A fault that led to no event, because the same was written already, must not lead to the next transfer at once.
    async fn pace(&self, committed: &Committed) {
        if committed.events.is_empty() && committed.download.is_running() {
            let retry = &self.node.setup.policy.retry;
            self.sleep_ms(retry.delay_ms(1, &self.id)).await;
        }
    }

    async fn start_job(&self, effect: Effect) -> Result<(), CommitError> {
        let Effect::StartJob {
            registration,
            title,
            total,
            parts,
            ..
        } = effect
        else {
            return Ok(());
        };
        let download = self.node.load(&self.id).await?;
        let full = self.full_urls(&download).await?;
        let job = NewJob {
            registration: &registration,
            title: title.as_deref(),
            total,
            parts: &parts,
            full: &full,
            secret_params: secret_params(&download),
        };
        let started = self.node.platform.start_job(&job).await;
        self.unstarted.take();
        if let Err(error) = started {
            tracing::warn!("no background job for {}: {}", self.id, error);
            let quota = error == StartError::Quota;
            self.commit(&[], &|observation| Signal::JobRefused {
                registration: registration.clone(),
                quota,
                observation,
            })
            .await?;
        }
        Ok(())
    }

    async fn harvest(&self, registration: &str) -> Result<(), CommitError> {
        let platform = &self.node.platform;
        let records = platform.records(registration).await.unwrap_or_default();
        let harvest = harvest(platform, records, false).await;
        self.note_harvested(registration, &harvest);
        for (key, range) in harvest.stored {
            self.note_stored(&key, range.to_core());
            self.live_stored();
        }
        Ok(())
    }

    async fn fetch(
        self: &Rc<Self>,
        attempt: u32,
        resource: u32,
        part: &PartRequest,
        (id, flight): (EffectId, Cancel),
    ) -> Result<(), CommitError> {
        let planned = self.planned.borrow().clone();
        let Some(download) = planned else {
            return Ok(());
        };
        let full = self.full_urls(&download).await?;
        let begun = self.pace.begin();
        let meter = Meter::new(self.now_ms());
        let flying: Flying = (part.file.key(), part.index);
        let metered = (flying.clone(), Rc::clone(&meter));
        self.meters.borrow_mut().push(metered);
        let (driver, coming) = (Rc::downgrade(self), Rc::clone(&meter));
        let whole = part.range().map(|range| range.len);
        let moved = move || {
            if let Some(driver) = driver.upgrade() {
                driver.live_moved();
                if whole == Some(coming.bytes()) {
                    driver.came(&id, coming.bytes(), coming.age_ms(driver.now_ms()));
                }
            }
        };
        let fetch = Fetch {
            download: &download,
            part,
            url: full.url(resource),
            secret_params: secret_params(&download),
            meter: &meter,
            stall_ms: self.node.setup.policy.retry.stall_ms,
        };
        let fetched = fetch_part(&self.node.platform, &fetch, &flight, moved).await;
        self.meters.borrow_mut().retain(|(of, _)| *of != flying);
        if flight.is_cancelled() {
            self.wake.wake();
        }
        match fetched {
            Ok(range) => {
                self.pace.came(begun);
                self.note_stored(&flying.0, range.to_core());
                self.brought.borrow_mut().push(flying);
                Ok(())
            }
            Err(FetchFault::Cancelled) => Ok(()),
            Err(FetchFault::TransferError(fault)) => {
                if let TransferError::Status {
                    status: 429 | 503, ..
                } = fault
                {
                    self.pace.refused(begun);
                }
                self.part_failed(attempt, resource, &fault).await
            }
        }
    }

    async fn part_failed(
        &self,
        attempt: u32,
        resource: u32,
        fault: &TransferError,
    ) -> Result<(), CommitError> {
        // Whether anything more is to be fetched now is for the core to say.
        self.queue.take();
        self.found_full.set(*fault == TransferError::Quota);
        let committed = self
            .commit(&[], &|observation| Signal::PartFailed {
                attempt,
                resource,
                fault: fault.clone(),
                observation,
            })
            .await?;
        self.pace(&committed).await;
        Ok(())
    }

    async fn verify(
        &self,
        verify: &Verify,
        download: &Download,
        flight: &Cancel,
    ) -> Result<(), CommitError> {
        let answers = self.confirm(&verify.confirm, download).await?;
        // Where one is of no use hashes would be computed in vain.
        let is_good = |answer: &Result<HttpResponse, TransferError>| {
            answer.as_ref().is_ok_and(|answer| answer.status < 300)
        };
        let refused = !answers.iter().all(|(_, answer)| is_good(answer));
        let mut digests = Vec::with_capacity(verify.resources.len());
        for resource in &verify.resources {
            let Some(file) = download.files.get(*resource as usize).filter(|_| !refused) else {
                continue;
            };
            let wanted = || !flight.is_cancelled();
            match self.node.platform.digest(file, &wanted).await {
                Ok(digest) => digests.push((*resource, digest)),
                Err(DigestError::Hash(HashError::Cancelled)) => return Ok(()),
                Err(error) => {
                    // Parts that vanished while they were read: the next look says so. Where it says that all are there, as
                    // ever, they are not read again at once.
                    tracing::warn!("{} was not verified: {}", self.id, error);
                    self.listing.take();
                    self.wake.wake();
                    self.sleep_ms(STORE_TROUBLE_MS.into()).await;
                    return Ok(());
                }
            }
        }
        let committed = self
            .commit(&[], &|observation| Signal::Verified {
                attempt: verify.attempt,
                digests: digests.clone(),
                answers: answers.clone(),
                observation,
            })
            .await?;
        self.pace(&committed).await;
        Ok(())
    }

    /// Asks the servers of some resources again what they have.
    async fn confirm(
        &self,
        resources: &[u32],
        download: &Download,
    ) -> Result<Vec<(u32, Result<HttpResponse, TransferError>)>, CommitError> {
        if resources.is_empty() {
            return Ok(Vec::new());
        }
        let full = self.full_urls(download).await?;
        let stall_ms = self.node.setup.policy.retry.stall_ms;
        let answers = probe(&self.node.platform, download, &full, resources, stall_ms).await;
        Ok(resources.iter().copied().zip(answers).collect())
    }
}

/// What is to be verified: resources by their hash, and others by asking their servers again.
struct Verify {
    attempt: u32,
    resources: Vec<u32>,
    confirm: Vec<u32>,
}

fn secret_params(download: &Download) -> &[String] {
    let spec = download.spec.as_ref();
    spec.map(|spec| spec.secret_params.as_slice())
        .unwrap_or_default()
}
