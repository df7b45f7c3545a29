//! `plan`: what is still to be done, from the folded state and what can be observed.

use crate::download::{Download, State, Transfer};
use crate::effect::{Effect, EffectId};
use crate::event::{EvictedBy, FailReason, Transport, WaitReason};
use crate::file::{FileVersion, PartRequest};
use crate::input::{Observation, Role};
use crate::job::MAX_RECORDS;
use crate::policy::may_detail;
use crate::ranges::PartNumbers;
use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

/// Names everything that is missing now, and nothing that is not: after a crash at any point the
/// same state and the same observation give the same plan. `now` is in milliseconds since 1970.
///
/// The effects belong to the owner of the download, except `Harvest`, which anyone may perform.
#[must_use]
pub fn plan(download: &Download, observation: &Observation, now: u64) -> Vec<Effect> {
    let (mut effects, fetches) = plan_with_fetches(download, observation, now);
    if let Some(mut fetches) = fetches {
        effects.extend(core::iter::from_fn(|| fetches.next(&download.files)));
    }
    effects
}

/// The same plan, its fetches apart: they come last, and are made one by one.
pub(crate) fn plan_with_fetches(
    download: &Download,
    observation: &Observation,
    now: u64,
) -> (Vec<Effect>, Option<Fetches>) {
    if download.degraded {
        // Nothing is decided about it, but bytes that arrive are not thrown away.
        return (harvest_all(observation).collect(), None);
    }
    let mut fetches = None;
    let current = download
        .state
        .transfer()
        .and_then(|transfer| transfer.registration.as_deref());
    let mut effects: Vec<Effect> = observation
        .jobs
        .iter()
        .filter(|job| Some(job.registration.as_str()) != current)
        .map(|job| Effect::AbortJob {
            registration: job.registration.clone(),
        })
        .collect();
    match &download.state {
        State::Requested => effects.extend(prepare(download, observation, now)),
        State::Transferring { transfer } => {
            let (more, parts) = transferring(download, transfer, observation, now);
            effects.extend(more);
            fetches = parts;
        }
        State::Failed { .. } if !download.mixed.is_empty() => {
            effects.extend(discard(download, observation));
        }
        State::Failed { failure } if failure.reason == FailReason::Integrity => {
            let guilty = failure
                .resource
                .and_then(|n| download.files.get(n as usize));
            let files = guilty.map_or(&download.files[..], core::slice::from_ref);
            effects.extend(delete(download, files, observation));
        }
        State::Aborted { .. }
        | State::Evicted {
            by: EvictedBy::Removal,
        } => {
            effects.extend(delete(download, &download.files, observation));
        }
        // What an eviction left counts as soon as it is asked for again.
        State::None | State::Available | State::Failed { .. } | State::Evicted { .. } => {}
    }
    (effects, fetches)
}

/// Parts that are to be fetched by the page, in this order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Fetches {
    attempt: u32,
    transfer: u32,
    missing: Missing,
    from_end: bool,
}

impl Fetches {
    /// The next one, of these files.
    pub(crate) fn next(&mut self, files: &[FileVersion]) -> Option<Effect> {
        let (resource, index) = self.missing.pop(self.from_end)?;
        let file = files.get(resource as usize)?.clone();
        Some(Effect::Fetch {
            attempt: self.attempt,
            transfer: self.transfer,
            resource,
            part: PartRequest { file, index },
        })
    }

    /// This part need not be fetched any more.
    pub(crate) fn remove(&mut self, resource: u32, index: u32) {
        let mut missing = self.missing.0.iter_mut();
        if let Some((_, parts)) = missing.find(|(of, _)| *of == resource) {
            parts.remove(index);
        }
    }

    /// Whether this effect is among them.
    pub(crate) fn contains(&self, id: &EffectId) -> bool {
        let fits = id.kind == "fetch" && (id.attempt, id.transfer) == (self.attempt, self.transfer);
        let Some((resource, index)) = id.part.filter(|_| fits) else {
            return false;
        };
        let mut missing = self.missing.0.iter();
        missing.any(|(of, parts)| *of == resource && parts.contains(index))
    }
}

/// Parts that are not stored, by index of the resource.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Missing(Vec<(u32, PartNumbers)>);

impl Missing {
    fn of(download: &Download, observation: &Observation) -> Self {
        let files = (0_u32..).zip(&download.files);
        let missing = files.map(|(n, file)| (n, observation.missing(&file.key(), file.layout())));
        Self(missing.filter(|(_, parts)| !parts.is_empty()).collect())
    }

    fn requests(&self, files: &[FileVersion]) -> impl Iterator<Item = (u32, PartRequest)> {
        self.0.iter().flat_map(|(resource, parts)| {
            let file = files.get(*resource as usize);
            file.into_iter().flat_map(|file| {
                parts.iter().map(|index| {
                    let file = file.clone();
                    (*resource, PartRequest { file, index })
                })
            })
        })
    }

    fn pop(&mut self, from_end: bool) -> Option<(u32, u32)> {
        loop {
            let at = if from_end {
                self.0.len().checked_sub(1)?
            } else {
                0
            };
            let (resource, parts) = self.0.get_mut(at)?;
            if let Some(index) = parts.pop(from_end) {
                return Some((*resource, index));
            }
            self.0.remove(at);
        }
    }
}

fn harvest_all(observation: &Observation) -> impl Iterator<Item = Effect> {
    observation.jobs.iter().map(|job| Effect::Harvest {
        registration: job.registration.clone(),
    })
}

/// Before the first transfer: ask the servers, unless something is waited for.
fn prepare(download: &Download, observation: &Observation, now: u64) -> Option<Effect> {
    if observation.context.role == Role::Worker {
        return None;
    }
    // What may be of several versions must be gone before it is looked what is there.
    discard(download, observation)
        .or_else(|| held_up(download, observation, now))
        .or(Some(Effect::Probe {
            attempt: download.attempt,
        }))
}

/// The wait that stands before the next retry, if one does.
fn held_up(download: &Download, observation: &Observation, now: u64) -> Option<Effect> {
    if download.spec.as_ref().is_some_and(|spec| spec.headers) && !observation.context.headers {
        return Some(Effect::Wait {
            until: None,
            reason: WaitReason::Headers,
        });
    }
    let waiting = download.waiting.as_ref()?;
    waiting
        .holds(observation.context.offline, now)
        .then_some(Effect::Wait {
            until: waiting.until,
            reason: waiting.reason,
        })
}

fn transferring(
    download: &Download,
    transfer: &Transfer,
    observation: &Observation,
    now: u64,
) -> (Vec<Effect>, Option<Fetches>) {
    let missing = Missing::of(download, observation);
    if missing.0.is_empty() {
        let superseded = superseded(download, transfer, observation);
        let asks = download.to_confirm().next().is_some();
        let wait = asks.then(|| held_up(download, observation, now)).flatten();
        let next = wait.or_else(|| verify(download));
        return (superseded.into_iter().chain(next).collect(), None);
    }
    match (transfer.transport, &transfer.registration) {
        (Transport::BackgroundFetch, Some(registration)) => in_background(
            download,
            transfer,
            registration,
            missing,
            (observation, now),
        ),
        // The next transfer is an event first: look again when the wait is over.
        (Transport::BackgroundFetch, None) => (
            held_up(download, observation, now).into_iter().collect(),
            None,
        ),
        (Transport::Foreground, _) if observation.context.role == Role::Worker => {
            (Vec::new(), None)
        }
        (Transport::Foreground, _) => match held_up(download, observation, now) {
            Some(wait) => (vec![wait], None),
            None => (
                Vec::new(),
                Some(fetches(download, transfer, missing, false)),
            ),
        },
    }
}

/// A job whose parts others have brought would go on bringing them while the hashes are computed. One that has brought
/// everything itself ends by itself, and shows so.
fn superseded(
    download: &Download,
    transfer: &Transfer,
    observation: &Observation,
) -> Option<Effect> {
    let current = transfer.registration.as_ref()?;
    let job = observation
        .jobs
        .iter()
        .find(|job| job.registration == *current)?;
    let brought = transfer.base.saturating_add(job.downloaded);
    (brought < download.total?).then(|| Effect::AbortJob {
        registration: current.clone(),
    })
}

fn in_background(
    download: &Download,
    transfer: &Transfer,
    registration: &str,
    missing: Missing,
    (observation, now): (&Observation, u64),
) -> (Vec<Effect>, Option<Fetches>) {
    let registration = registration.to_owned();
    if observation
        .jobs
        .iter()
        .any(|job| job.registration == registration)
    {
        let mut effects = vec![Effect::Harvest { registration }];
        // What fails could not be written down any more.
        let idle = may_detail(download.entries)
            && observation.idle_ms.unwrap_or(0) >= observation.context.policy.assist.after_ms;
        let wait = assist_wait(download, now).filter(|_| idle);
        if let Some(wait) = wait {
            effects.push(wait);
        } else if idle && observation.context.role == Role::Page {
            // From the end backwards: the job works from the beginning, so they meet once.
            return (effects, Some(fetches(download, transfer, missing, true)));
        }
        return (effects, None);
    }
    if observation.unstarted.as_ref() != Some(&registration) {
        return (assist_wait(download, now).into_iter().collect(), None);
    }
    let parts = job_parts(missing.requests(&download.files), observation.room);
    let total = parts.iter().try_fold(0_u64, |sum, (_, part)| {
        Some(sum.saturating_add(announced(part)?))
    });
    let start = Effect::StartJob {
        attempt: download.attempt,
        registration,
        title: download.spec.as_ref().and_then(|spec| spec.title.clone()),
        total: total.unwrap_or(0),
        parts,
    };
    (vec![start], None)
}

/// The wait of a page whose assistance for a job failed.
fn assist_wait(download: &Download, now: u64) -> Option<Effect> {
    download.assist_waits(now).then(|| Effect::Wait {
        until: download.waiting.as_ref().and_then(|waiting| waiting.until),
        reason: WaitReason::Browser,
    })
}

/// The parts of one job, at least one. The browser keeps them a second time until the job ends, so that they may take half of
/// the room; what does not fit is for the next job.
fn job_parts(
    missing: impl Iterator<Item = (u32, PartRequest)>,
    room: Option<u64>,
) -> Vec<(u32, PartRequest)> {
    let mut left = room.unwrap_or(u64::MAX) / 2;
    let mut fits = |(n, (_, part)): &(usize, (u32, PartRequest))| {
        let bytes = part.range().map_or(0, |range| range.len);
        let fits = bytes <= left;
        left = left.saturating_sub(bytes);
        *n == 0 || fits
    };
    let parts = missing.take(MAX_RECORDS).enumerate();
    parts
        .take_while(|part| fits(part))
        .map(|(_, part)| part)
        .collect()
}

/// Bytes to announce for a part. A body without a range may be compressed on the wire, and a
/// total that is too small by one byte fails the job, so those are not announced.
fn announced(part: &PartRequest) -> Option<u64> {
    part.file.part_bytes?;
    part.range().map(|range| range.len)
}

fn fetches(download: &Download, transfer: &Transfer, missing: Missing, from_end: bool) -> Fetches {
    Fetches {
        attempt: download.attempt,
        transfer: transfer.number,
        missing,
        from_end,
    }
}

fn verify(download: &Download) -> Option<Effect> {
    let spec = download.spec.as_ref()?;
    let resources: Vec<u32> = (0_u32..)
        .zip(&spec.resources)
        .filter(|(_, resource)| resource.sha256.is_some())
        .map(|(n, _)| n)
        .collect();
    let confirm: Vec<u32> = download.to_confirm().collect();
    let anything = !resources.is_empty() || !confirm.is_empty();
    anything.then_some(Effect::Verify {
        attempt: download.attempt,
        resources,
        confirm,
    })
}

fn discard(download: &Download, observation: &Observation) -> Option<Effect> {
    let keys = stored_among(download.mixed.iter().cloned(), observation);
    (!keys.is_empty()).then_some(Effect::Discard {
        attempt: download.attempt,
        keys,
    })
}

fn stored_among(keys: impl Iterator<Item = String>, observation: &Observation) -> Vec<String> {
    keys.filter(|key| !observation.stored_under(key).is_empty())
        .collect()
}

fn delete(download: &Download, files: &[FileVersion], observation: &Observation) -> Option<Effect> {
    let keys = stored_among(files.iter().map(FileVersion::key), observation);
    (!keys.is_empty()).then_some(Effect::DeleteFiles {
        attempt: download.attempt,
        keys,
    })
}
