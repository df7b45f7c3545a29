//! What is seen of a background job between two looks, and the live figures that are made of it.

use std::cell::RefMut;
use std::rc::Rc;

use longhaul_core::{Download, Observation, Range, StoredParts};

use super::{Driver, stored};
use crate::platform::{Platform, Watching};
use crate::work::Harvest;

/// No listing of what is stored takes longer, in milliseconds.
const LISTING_LASTS_MS: u64 = 30_000;

/// How far apart live figures are, in milliseconds.
const LIVE_MS: u64 = 250;

/// A job that has brought so many parts since one that was missing works in vain: it repeats what others have brought.
const IN_VAIN: usize = 4;

/// A background job that the driver watches.
pub(super) struct Watched {
    registration: String,
    downloaded: u64,
    moved_at: u64,
    /// What had been downloaded when its records were last looked through.
    harvested: Option<u64>,
    /// How many of its records were complete when they last held something that was missing, or were first looked through.
    /// What it has downloaded does not tell: records are complete only a while after that.
    useful: Option<usize>,
    in_vain: bool,
    _watching: Watching,
}

impl<P: Platform> Driver<P> {
    /// Watches the job that runs, so that its progress wakes the loop and shows up live.
    pub(super) async fn watch(self: &Rc<Self>, download: &Download) {
        let transfer = download.state.transfer();
        let current = transfer.and_then(|transfer| transfer.registration.clone());
        let watched = self
            .watched
            .borrow()
            .as_ref()
            .map(|job| job.registration.clone());
        if current == watched {
            return;
        }
        self.watched.take();
        let (Some(current), Some(transfer)) = (current, transfer) else {
            return;
        };
        let (driver, base) = (Rc::downgrade(self), transfer.base);
        let moved = Box::new(move |state: crate::job::JobState| {
            if let Some(driver) = driver.upgrade() {
                driver.job_moved(base, state.downloaded);
            }
        });
        let watched = self.node.platform.watch_job(&current, moved).await;
        let Some((state, watching)) = watched else {
            return;
        };
        *self.watched.borrow_mut() = Some(Watched {
            registration: current,
            downloaded: state.downloaded,
            moved_at: self.now_ms(),
            harvested: None,
            useful: None,
            in_vain: false,
            _watching: watching,
        });
    }

    /// The job that is watched, where it is this one.
    fn watched_job(&self, registration: &str) -> Option<RefMut<'_, Watched>> {
        let watched = self.watched.borrow_mut();
        let job = RefMut::filter_map(watched, Option::as_mut).ok()?;
        (job.registration == registration).then_some(job)
    }

    fn job_moved(&self, base: u64, downloaded: u64) {
        if let Some(job) = self.watched.borrow_mut().as_mut()
            && job.downloaded != downloaded
        {
            job.downloaded = downloaded;
            job.moved_at = self.now_ms();
        }
        let all = base.saturating_add(downloaded);
        self.node.platform.live(&self.id, all, 0);
        self.wake.wake();
    }

    /// For how long nothing has come by the job that is watched, where one that works in vain has brought nothing for ever.
    pub(super) fn idle_ms(&self) -> Option<u64> {
        let watched = self.watched.borrow();
        let job = watched.as_ref()?;
        if job.in_vain {
            return Some(u64::MAX);
        }
        Some(self.now_ms().saturating_sub(job.moved_at))
    }

    /// The records of a job were looked through.
    pub(super) fn note_harvested(&self, registration: &str, harvest: &Harvest) {
        let Some(mut job) = self.watched_job(registration) else {
            return;
        };
        let complete = harvest.repeated + harvest.stored.len();
        if !harvest.stored.is_empty() {
            job.useful = None;
        }
        let useful = *job.useful.get_or_insert(complete);
        job.in_vain = complete.saturating_sub(useful) >= IN_VAIN;
    }

    /// When to look at a job again without being woken: when it has brought nothing for long enough to be assisted, and
    /// from then on as long after each look. Its completion may be lost with the worker that handles it, and then nobody
    /// says "read again".
    pub(super) fn next_look(&self, download: &Download, observation: &Observation) -> Option<u64> {
        download.state.transfer()?.registration.as_ref()?;
        let (now, after) = (self.now_ms(), observation.context.policy.assist.after_ms);
        let watched = self.watched.borrow();
        let moved_at = watched.as_ref().map_or(now, |job| job.moved_at);
        let at = moved_at.saturating_add(after);
        Some(if at > now {
            at
        } else {
            now.saturating_add(after)
        })
    }

    /// Whether a job moved since its records were last looked through; from now on it has not.
    pub(super) fn moved(&self, registration: &str) -> bool {
        let Some(mut job) = self.watched_job(registration) else {
            return false;
        };
        let now = Some(job.downloaded);
        std::mem::replace(&mut job.harvested, now) != now
    }

    pub(super) fn note_stored(&self, key: &str, range: Range) {
        let now = self.now_ms();
        let mut noted = self.noted.borrow_mut();
        noted.retain(|(at, ..)| now.saturating_sub(*at) < LISTING_LASTS_MS);
        noted.push((now, key.to_owned(), range));
        if let Some((_, rest)) = self.listing.borrow_mut().as_mut() {
            rest.entry(key.to_owned()).or_default().push(range);
        }
    }

    /// Adds to a listing that began then what was stored meanwhile.
    pub(super) fn add_noted(&self, rest: &mut StoredParts, began: u64) {
        for (at, key, range) in self.noted.borrow().iter() {
            if let Some(ranges) = rest.get_mut(key)
                && *at >= began
                && !ranges.contains(range)
            {
                ranges.push(*range);
            }
        }
    }

    /// Something was stored: counts it, and shows it.
    pub(super) fn live_stored(&self) {
        if let (Some(download), Some((_, rest))) =
            (&*self.planned.borrow(), &*self.listing.borrow())
        {
            self.stored.set(stored(download, rest));
        }
        self.show_live();
    }

    /// Bytes came; shown a few times a second.
    pub(super) fn live_moved(&self) {
        if self.now_ms().saturating_sub(self.live_at.get()) >= LIVE_MS {
            self.show_live();
        }
    }

    fn show_live(&self) {
        self.live_at.set(self.now_ms());
        let flying: u64 = self
            .meters
            .borrow()
            .iter()
            .map(|(_, meter)| meter.bytes())
            .sum();
        let stored = self.stored.get();
        let all = stored.saturating_add(flying);
        self.node.platform.live(&self.id, all, stored);
    }
}
