//! Licences: whether what a context does was decided before, by whoever owns the download, and is done once.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use longhaul_core::{FileVersion, JobId, PartRequest, State};

use super::executor::ContextId;
use super::scenery::NAME;
use super::world::{SECOND, World};

/// A part of a file of a download.
type Part = (String, String, u32);

/// Parts that pages have under transfer.
#[derive(Debug, Default)]
pub struct Flights {
    flying: BTreeMap<Part, ContextId>,
    /// Files of which a part was stored for a context that was dead by then.
    haunted: BTreeSet<String>,
}

/// A transfer of a part by a page, while it lasts.
pub struct Flight {
    world: Rc<World>,
    part: Part,
}

impl Drop for Flight {
    fn drop(&mut self) {
        let mut laws = self.world.laws.borrow_mut();
        laws.flights.flying.remove(&self.part);
    }
}

fn owns(world: &World, context: ContextId, download: &str) -> bool {
    let lock = format!("longhaul/{NAME}/{download}");
    world.locks.borrow().holder(&lock) == Some(context)
}

/// A page begins to transfer a part.
pub fn begin(
    world: &Rc<World>,
    context: ContextId,
    download: &str,
    request: &PartRequest,
) -> Flight {
    let key = request.file.key();
    let part: Part = (download.to_owned(), key.clone(), request.index);
    if !owns(world, context, download) {
        world.broke(format!(
            "context {context} transfers a part of {download} and does not own it"
        ));
    }
    if !world.laws.borrow().has_started(download, &key) {
        world.broke(format!(
            "a part of {download} is transferred that no `started` names"
        ));
    }
    let before = {
        let mut laws = world.laws.borrow_mut();
        laws.flights.flying.insert(part.clone(), context)
    };
    if let Some(before) = before {
        world.broke(format!(
            "L11: part {} of {download} is under transfer by {context}, and already by {before}",
            part.2
        ));
    }
    let stored_now = {
        let caches = world.caches.borrow();
        let layout = request.file.layout();
        let mut rest = caches.list(&key).into_iter();
        rest.any(|range| layout.index_of(range) == Some(request.index))
    };
    if stored_now && !is_excused(world, &key) {
        world.broke(format!(
            "L11: part {} of {download} is transferred and stored already",
            request.index
        ));
    }
    assisting(world, download, &key, request.index);
    Flight {
        world: Rc::clone(world),
        part,
    }
}

fn assisting(world: &World, download: &str, key: &str, index: u32) {
    let laws = world.laws.borrow();
    let Some(state) = laws.state(download) else {
        return;
    };
    if let Some(transfer) = state.state.transfer()
        && transfer.registration.is_some()
    {
        let done = world.caches.borrow().list(key).len();
        world.coverage.reached("a page assists a job");
        world.trace(|| format!("assists with part {index}, {done} stored"));
    }
}

/// Whether a part may are stored twice: a page and a job may meet at it, and a dead page's last request is nobody's.
fn is_excused(world: &World, key: &str) -> bool {
    world.scenery.background || world.laws.borrow().flights.haunted.contains(key)
}

/// A part was stored; `again` where it was stored already.
pub fn stored(world: &World, context: ContextId, key: &str, again: bool) {
    if !world.executor.is_alive(context) {
        let mut laws = world.laws.borrow_mut();
        laws.flights.haunted.insert(key.to_owned());
    }
    world.coverage.sometimes(again, "a part was stored twice");
    if again && !is_excused(world, key) {
        world.broke(format!("L11: a part of {key} is stored twice"));
    }
}

/// A job is about to be started.
pub fn start(world: &World, context: ContextId, registration: &str) {
    let Some(id) = JobId::parse(registration) else {
        return world.broke(format!("a job of no known form: {registration}"));
    };
    if !owns(world, context, &id.download) {
        world.broke(format!("{registration} is started by no owner"));
    }
    let laws = world.laws.borrow();
    if !laws.has_licensed(&id.download, registration) {
        world.broke(format!(
            "{registration} is started before a `started` of the history names it"
        ));
    }
}

/// A job is about to be aborted.
pub fn abort(world: &World, registration: &str) {
    let Some(id) = JobId::parse(registration) else {
        return world.broke(format!("a foreign job is aborted: {registration}"));
    };
    let laws = world.laws.borrow();
    let runs = laws.state(&id.download).filter(|download| {
        let transfer = download.state.transfer();
        transfer.is_some_and(|transfer| transfer.registration.as_deref() == Some(registration))
    });
    // What is taken away between the look and this is the next look's business.
    let lately = world.now().saturating_sub(15 * SECOND);
    let caches = world.caches.borrow();
    let lacks = |file: &FileVersion| {
        !caches.missing(file).is_empty() && !caches.taken_since(&file.key(), lately)
    };
    if runs.is_some_and(|download| download.files.iter().any(lacks)) {
        world.broke(format!("{registration} is aborted and still needed"));
    }
}

/// A file is about to be deleted.
pub fn delete(world: &World, key: &str) {
    let laws = world.laws.borrow();
    let mut flying = laws.flights.flying.iter();
    if let Some((part, context)) = flying.find(|((_, of, _), _)| of == key) {
        world.broke(format!(
            "{key} is deleted while context {context} brings part {} of it",
            part.2
        ));
    }
    for download in laws.states() {
        let needs = matches!(
            download.state,
            State::Available | State::Transferring { .. }
        );
        if needs && download.files.iter().any(|file| file.key() == key) {
            world.broke(format!(
                "{key} is deleted, and {} needs it: {}",
                download.id,
                download.state.name()
            ));
        }
    }
}
