//! The laws, checked at every append and at every crash, over what is really there.

use std::collections::{BTreeMap, BTreeSet};

use longhaul_core::{
    Download, Effect, Entry, Event, FileVersion, MAX_ENTRIES, Observation, Transport,
    TransportReason, plan,
};
use longhaul_runner::ports::histories::Append;

use super::licence::Flights;
use super::scenery::SECRET;
use super::world::{SECOND, World};

/// What is known of all downloads, apart from what the runner thinks.
#[derive(Default)]
pub struct Laws {
    /// Parts under transfer.
    pub flights: Flights,
    downloads: BTreeMap<String, Known>,
}

#[derive(Default)]
struct Known {
    folded: Download,
    endings: BTreeMap<u32, u32>,
    /// Keys of files that a `started` named.
    keys: BTreeSet<String>,
    registrations: BTreeSet<String>,
    /// A number made of the state after each entry.
    states: BTreeMap<u64, u64>,
}

impl Laws {
    /// The state of a download.
    #[must_use]
    pub fn state(&self, id: &str) -> Option<&Download> {
        self.downloads.get(id).map(|known| &known.folded)
    }

    /// The states of all downloads.
    pub fn states(&self) -> impl Iterator<Item = &Download> {
        self.downloads.values().map(|known| &known.folded)
    }

    /// Whether the history holds, or held, what a context takes for the state of a download.
    #[must_use]
    pub fn agrees(&self, state: &Download) -> bool {
        let known = self.downloads.get(&state.id);
        known.is_some_and(|known| known.states.get(&state.seq) == Some(&fingerprint(state)))
    }

    /// Whether a try of a download named this file.
    #[must_use]
    pub fn has_started(&self, id: &str, key: &str) -> bool {
        self.downloads
            .get(id)
            .is_some_and(|known| known.keys.contains(key))
    }

    /// Whether a try of a download named this registration.
    #[must_use]
    pub fn has_licensed(&self, id: &str, registration: &str) -> bool {
        self.downloads
            .get(id)
            .is_some_and(|known| known.registrations.contains(registration))
    }
}

/// FNV-1a over the canonical text of a state.
fn fingerprint(state: &Download) -> u64 {
    state
        .encode()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
}

/// A command was carried out, as far as its context knows, and led to this state.
pub fn commanded(world: &World, state: &Download) {
    if !world.laws.borrow().agrees(state) {
        world.broke(format!(
            "L10: a command for {} is carried out, and lost",
            state.id
        ));
    }
}

/// Entries came to be.
pub fn appended(world: &World, batch: &Append) {
    for text in &batch.entries {
        if let Err(law) = entered(world, &batch.download, text) {
            world.broke(format!("{}: {law}", batch.download));
        }
    }
    let laws = world.laws.borrow();
    let head = laws.state(&batch.download).map(Download::encode);
    if head.is_some_and(|head| head != batch.head) {
        world.broke(format!(
            "{}: the head is not what the history folds to",
            batch.download
        ));
    }
}

fn entered(world: &World, id: &str, text: &str) -> Result<(), String> {
    if text.contains(SECRET) {
        return Err(format!("L14: a secret is written: {text}"));
    }
    let entry = Entry::decode(text).map_err(|error| format!("L13: {error}: {text}"))?;
    world.trace(|| {
        format!(
            "{id} {} {:?} {}",
            entry.seq,
            entry.origin,
            text_of(&entry.event)
        )
    });
    let mut laws = world.laws.borrow_mut();
    let known = laws
        .downloads
        .entry(id.to_owned())
        .or_insert_with(|| Known {
            folded: Download::new(id),
            ..Known::default()
        });
    let before = known.folded.clone();
    if entry.seq != before.seq + 1 {
        return Err(format!("L10: entry {} after {}", entry.seq, before.seq));
    }
    known.folded.apply(Ok(&entry));
    let after = known.folded.clone();
    known.states.insert(after.seq, fingerprint(&after));
    if entry.event.is_ending() {
        let endings = known.endings.entry(after.attempt).or_default();
        *endings += 1;
        if *endings > 1 {
            return Err(format!("L3: attempt {} ends twice", after.attempt));
        }
    }
    if after.entries > MAX_ENTRIES {
        return Err(format!("L12: {} entries of one attempt", after.entries));
    }
    if let Event::Started {
        registration,
        files,
        ..
    } = &entry.event
    {
        known.keys.extend(files.iter().map(FileVersion::key));
        known.registrations.extend(registration.clone());
    }
    drop(laws);
    note(world, &entry.event, &before);
    if let Event::Started {
        why: TransportReason::JobLost,
        ..
    } = &entry.event
    {
        really_lost(world, &before)?;
    }
    figures(&entry.event, &before, &after)?;
    proven(world, &entry.event, &after)
}

/// An absent registration is not a lost completion.
fn really_lost(world: &World, before: &Download) -> Result<(), String> {
    let transfer = before.state.transfer();
    let job = transfer.and_then(|transfer| transfer.registration.as_deref());
    match job {
        Some(job) if world.jobs.borrow().handled.contains_key(job) => Err(format!(
            "L7: {job} is called lost, and the worker is handling its completion"
        )),
        _ => Ok(()),
    }
}

/// L4: within an attempt no figure falls, or passes a known total.
fn figures(event: &Event, before: &Download, after: &Download) -> Result<(), String> {
    let goes_on = before.attempt == after.attempt
        && !matches!(
            event,
            Event::Aborted { .. } | Event::Evicted { .. } | Event::CachedHit { .. }
        );
    if goes_on && (after.downloaded < before.downloaded || after.stored < before.stored) {
        return Err(format!(
            "L4: figures fall from {}/{} to {}/{}",
            before.downloaded, before.stored, after.downloaded, after.stored
        ));
    }
    if let Some(total) = after.total
        && (after.downloaded > total || after.stored > total)
    {
        return Err(format!(
            "L4: {}/{} of {total}",
            after.downloaded, after.stored
        ));
    }
    Ok(())
}

/// L5: what is called available is there, whole, and where a hash was given, right.
fn proven(world: &World, event: &Event, after: &Download) -> Result<(), String> {
    let found = matches!(event, Event::CachedHit { files, .. } if !files.is_empty());
    if found || matches!(event, Event::Success { .. }) {
        return whole(world, after);
    }
    Ok(())
}

/// Whether the bytes of an available download are there, and right.
pub fn whole(world: &World, download: &Download) -> Result<(), String> {
    let caches = world.caches.borrow();
    // What was taken away between the look and the append is the next look's business.
    let lately = world.now().saturating_sub(15 * SECOND);
    for (n, file) in download.files.iter().enumerate() {
        let key = file.key();
        if caches.taken_since(&key, lately) {
            continue;
        }
        let missing = caches.missing(file);
        if !missing.is_empty() {
            return Err(format!("L5: available without parts {missing:?} of {key}"));
        }
        let spec = download.spec.as_ref();
        let hash = spec.and_then(|spec| spec.resources.get(n)?.sha256.clone());
        let bytes = caches.compose(&key);
        if let Some(hash) = hash {
            if hash != bytes.digest() {
                return Err(format!("L5: available with a wrong hash: {bytes:?}"));
            }
        } else if !world.network.borrow().has_sent(&file.url, &bytes) {
            return Err(format!("L5: available, and no version of it: {bytes:?}"));
        }
    }
    Ok(())
}

fn text_of(event: &Event) -> String {
    match event {
        Event::Started {
            transfer,
            transport,
            why,
            missing,
            ..
        } => format!("started {transfer} {transport:?} {why:?} {missing:?}"),
        Event::Requested {
            attempt, restarts, ..
        } => format!("requested {attempt} restarts {restarts}"),
        other => format!("{other:?}"),
    }
}

fn note(world: &World, event: &Event, before: &Download) {
    let what = match event {
        Event::Started { transport, why, .. } => format!("started {transport:?} {why:?}"),
        Event::Waiting { reason, .. } => format!("waiting {reason:?}"),
        Event::Failure(failure) => format!("failure {:?}", failure.reason),
        Event::Success { verified, .. } if !verified.is_empty() => "success, verified".to_owned(),
        Event::Aborted { by } => format!("aborted {by:?}"),
        Event::Evicted { by } => format!("evicted {by:?}"),
        Event::Requested { restarts, .. } if *restarts > 0 => "requested by itself".to_owned(),
        other => other.name().to_owned(),
    };
    world.coverage.reached(&what);
    world
        .coverage
        .sometimes(before.entries == 160, "an attempt of more than 160 entries");
}

/// L9: after a crash, the plan names exactly what is missing, and nothing that is not.
pub fn after_crash(world: &World) {
    let laws = world.laws.borrow();
    for download in laws.states() {
        if let Some(law) = plan_fits(world, download) {
            world.broke(format!("L9: {}: {law}", download.id));
        }
    }
}

fn plan_fits(world: &World, download: &Download) -> Option<String> {
    let transfer = download.state.transfer()?;
    let observation = observation(world, download);
    let now = world.now_ms();
    let effects = plan(download, &observation, now);
    let mut missing: BTreeSet<(String, u32)> = BTreeSet::new();
    for file in &download.files {
        let key = file.key();
        for index in observation.missing(&key, file.layout()) {
            missing.insert((key.clone(), index));
        }
    }
    let fetched: BTreeSet<(String, u32)> = effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Fetch { part, .. } => Some((part.file.key(), part.index)),
            _ => None,
        })
        .collect();
    let waits = effects
        .iter()
        .any(|effect| matches!(effect, Effect::Wait { .. }));
    let verifies = effects
        .iter()
        .any(|effect| matches!(effect, Effect::Verify { .. }));
    let foreground = transfer.transport == Transport::Foreground;
    let right = match (missing.is_empty(), foreground) {
        // What is whole is verified, or the next look says so.
        (true, _) => {
            let asks = download.to_confirm().next().is_some();
            let wanted = asks || download.spec.as_ref().is_some_and(hashes_wanted);
            fetched.is_empty() && (verifies == wanted || (asks && waits))
        }
        (false, true) => fetched == missing || (fetched.is_empty() && waits),
        // The page assists only a job that it has watched for a while.
        (false, false) => fetched.is_empty() && !verifies,
    };
    world
        .coverage
        .sometimes(!missing.is_empty(), "a crash in mid-transfer");
    (!right).then(|| format!("{effects:?} where {missing:?} is missing"))
}

fn hashes_wanted(spec: &longhaul_core::Spec) -> bool {
    spec.resources.iter().any(|of| of.sha256.is_some())
}

/// What a page that opens now would see.
fn observation(world: &World, download: &Download) -> Observation {
    let caches = world.caches.borrow();
    let mut observation = Observation::default();
    for file in &download.files {
        let key = file.key();
        let rest = caches.list(&key);
        observation.stored.insert(key, rest.into());
    }
    observation.context.headers = true;
    observation.jobs = world.jobs.borrow().known(&download.id);
    observation
}
