//! What can happen next.
//!
//! Two kinds. What is *fair* happens sooner or later if it can: contexts go on with what they are doing, the browser
//! works on its jobs, waits end, closed tabs are opened again. What the *adversary* does is bounded by what is left to it.

use crate::moment::{Aloft, Clock, Handling, Moment, Part, Seat, Stage, Work, waits};
use crate::world::{Ask, Bug, TABS, WORKER, World};
use longhaul_core::EffectId;
use longhaul_core::owner::Outcome;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    // Fair.
    /// A context goes on: with what its owner wants done with the stores, with something that was started, with the app's
    /// command, or the handler of a completion.
    Drive(usize),
    Fly(usize, EffectId),
    Command(usize),
    Handle(String),
    /// It hears that it should read again.
    Hear(usize),
    /// The time of its wait comes.
    Wake(usize),
    /// A tab is opened.
    Open(usize),
    /// The browser gets the next record of a job, or ends it when it has all.
    Work(String),

    // The app's.
    Ask(usize, Ask),

    // The adversary's.
    Crash(usize),
    Blackout,
    /// The job that a tab watches brings nothing for a while.
    Idle(usize),
    Drop(usize),
    Echo(usize),
    /// An outcome is told twice.
    Repeat(usize, EffectId),
    RepeatEnd(String),
    Break(usize, EffectId, u32),
    Refuse(usize, EffectId),
    /// The bytes of a part have come, and are being stored.
    Quick(usize, EffectId),
    SetClock(Clock),
    Hollow(String),
    Splice(String),
    SpliceFetch(usize, EffectId),
    Gone(String),
    Vanish(String),
    Change,
    LatePart(Part),
    LateJob(String),
    /// A rash deletion; see the planted bugs.
    Delete(usize),
}

/// What can happen, the adversary's doings included.
pub(crate) fn all(world: &World, m: &Moment, actions: &mut Vec<Action>) {
    fair(world, m, actions);
    app(world, m, actions);
    adversary(world, m, actions);
}

/// What happens sooner or later.
pub(crate) fn fair(world: &World, m: &Moment, actions: &mut Vec<Action>) {
    for (n, place) in m.places.iter().enumerate() {
        if !place.open {
            if n == 0 || world.rival {
                actions.push(Action::Open(n));
            }
            continue;
        }
        if place.heard {
            actions.push(Action::Hear(n));
        }
        if place.asking.is_some() {
            actions.push(Action::Command(n));
        }
        if place.rash {
            actions.push(Action::Delete(n));
        }
        match &place.seat {
            Some(Seat::Queued) if m.queue.first() == Some(&n) => actions.push(Action::Drive(n)),
            Some(Seat::Works(work)) => {
                if work.done || work.asked.is_some() {
                    actions.push(Action::Drive(n));
                } else if work.timed && rings(world, m) {
                    actions.push(Action::Wake(n));
                }
                if !work.done {
                    let flights = work.flights.keys();
                    actions.extend(flights.map(|id| Action::Fly(n, id.clone())));
                }
            }
            Some(Seat::Queued) | None => {}
        }
    }
    actions.extend(m.completions.keys().map(|id| Action::Handle(id.clone())));
    // One job at a time, in order of arrival; the order of names is as good.
    actions.extend(m.jobs.keys().next().map(|id| Action::Work(id.clone())));
}

/// Whether the time of a wait may come: one that comes where nothing has changed would come for ever. A job that works is
/// idle as often as the adversary likes.
fn rings(world: &World, m: &Moment) -> bool {
    if waits(&m.history) {
        return true;
    }
    let works = m
        .current()
        .is_some_and(|id| m.completions.contains_key(id) || m.jobs.contains_key(id));
    !works && world.bug != Some(Bug::RestsForEver)
}

fn app(world: &World, m: &Moment, actions: &mut Vec<Action>) {
    let Some(ask) = world.asks.get(m.asked) else {
        return;
    };
    // The first is the first tab's, or else everything is there twice.
    let tabs = if m.asked == 0 { &TABS[..1] } else { &TABS[..] };
    let free = |n: &&usize| m.places[**n].open && m.places[**n].asking.is_none();
    actions.extend(tabs.iter().filter(free).map(|n| Action::Ask(*n, *ask)));
}

fn adversary(world: &World, m: &Moment, actions: &mut Vec<Action>) {
    let left = &m.left;
    for (n, place) in m.places.iter().enumerate().filter(|(_, place)| place.open) {
        let worker_works = !m.completions.is_empty() || place.seat.is_some();
        if left.crashes > 0 && (n != WORKER || worker_works) {
            actions.push(Action::Crash(n));
        }
        if left.drops > 0 && place.heard {
            actions.push(Action::Drop(n));
        }
        if left.echoes > 0 && !place.heard && n != WORKER {
            actions.push(Action::Echo(n));
        }
        if let Some(work) = place.work().filter(|work| !work.done) {
            if left.idles > 0 && works_beside(m, work) {
                actions.push(Action::Idle(n));
            }
            for (id, flight) in &work.flights {
                unkind_to(world, m, n, (id, &flight.stage, flight.quick), actions);
            }
        }
    }
    if left.jumps > 0 && waits(&m.history) {
        actions.extend([Clock::Back, Clock::Forth].map(Action::SetClock));
    }
    for (id, completion) in &m.completions {
        if let Handling::Accounting(account) = &completion.stage
            && left.repeats > 0
            && account.sight.stage == Stage::Whole
        {
            actions.push(Action::RepeatEnd(id.clone()));
        }
    }
    for (id, job) in &m.jobs {
        let more = job.records.len() < job.parts.len();
        if left.hollow > 0 && more {
            actions.push(Action::Hollow(id.clone()));
        }
        if left.spliced > 0 && more {
            actions.push(Action::Splice(id.clone()));
        }
        if left.gone > 0 && more {
            actions.push(Action::Gone(id.clone()));
        }
        if left.vanishing > 0 {
            actions.push(Action::Vanish(id.clone()));
        }
    }
    if left.blackouts > 0 {
        actions.push(Action::Blackout);
    }
    if left.changes > 0 {
        actions.push(Action::Change);
    }
    actions.extend(m.late_parts.iter().map(|part| Action::LatePart(*part)));
    actions.extend(m.late_jobs.keys().map(|id| Action::LateJob(id.clone())));
}

/// Whether an owner does nothing but watch a job that works.
fn works_beside(m: &Moment, work: &Work) -> bool {
    let watched = work.watches.as_ref();
    work.asked.is_none() && work.timed && watched.is_some_and(|id| m.jobs.contains_key(id))
}

/// What may befall something in flight.
fn unkind_to(
    world: &World,
    m: &Moment,
    n: usize,
    (id, stage, quick): (&EffectId, &Aloft, bool),
    actions: &mut Vec<Action>,
) {
    let left = &m.left;
    let id = || id.clone();
    match (stage, id().kind) {
        (Aloft::Over(outcome), _) if left.repeats > 0 && *outcome != Outcome::Cancelled => {
            actions.push(Action::Repeat(n, id()));
        }
        (Aloft::Air, "start-job") if left.refusals > 0 => actions.push(Action::Refuse(n, id())),
        (Aloft::Air, "probe") if left.breaks > 0 => {
            actions.extend((0..world.resources).map(|of| Action::Break(n, id(), of)));
        }
        (Aloft::Air, "fetch") => {
            if left.breaks > 0 {
                actions.push(Action::Break(n, id(), 0));
            }
            if left.spliced > 0 {
                actions.push(Action::SpliceFetch(n, id()));
            }
            if left.quick > 0 && !quick {
                actions.push(Action::Quick(n, id()));
            }
        }
        _ => {}
    }
}
