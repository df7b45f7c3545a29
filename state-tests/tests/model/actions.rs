//! What can happen next.
//!
//! Two kinds. What is *fair* happens sooner or later if it can: contexts go on with what they are doing, the browser
//! works on its jobs, waits end, closed tabs are opened again. What the *adversary* does is bounded by what is left to it.

use crate::moment::{Driver, Flight, Flying, Handling, LATER, Moment, Part, Stage, Timer};
use crate::world::{Ask, TABS, WORKER, World};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    // Fair.
    /// A context goes on: its driver, a flight of it, the app's command, or the handler of a completion.
    Drive(usize),
    Fly(usize, Flying),
    Command(usize),
    Handle(String),
    /// It hears that it should read again.
    Hear(usize),
    /// Its rest is over by itself.
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
    /// The outcome that is about to be decided on comes twice.
    Repeat(usize, Flying),
    RepeatEnd(String),
    Break(usize, Flying),
    Refuse(usize),
    Hollow(String),
    Splice(String),
    SpliceFetch(usize, Flying),
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
    adversary(m, actions);
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
        match &place.driver {
            Some(Driver::Queued) if m.queue.first() != Some(&n) => {}
            Some(Driver::Rests(_)) if place.woken => actions.push(Action::Drive(n)),
            Some(Driver::Rests(timer)) if rings(m, *timer) => actions.push(Action::Wake(n)),
            None | Some(Driver::Rests(_)) => {}
            Some(_) => actions.push(Action::Drive(n)),
        }
        actions.extend(
            place
                .flights
                .keys()
                .map(|flying| Action::Fly(n, flying.clone())),
        );
    }
    actions.extend(m.completions.keys().map(|id| Action::Handle(id.clone())));
    // One job at a time, in order of arrival; the order of names is as good.
    actions.extend(m.jobs.keys().next().map(|id| Action::Work(id.clone())));
}

/// Whether a timer may ring: a clock that rings where nothing has changed would ring for ever.
fn rings(m: &Moment, timer: Timer) -> bool {
    match timer {
        Timer::None => false,
        Timer::Wait => m
            .history
            .waiting
            .as_ref()
            .is_some_and(|w| w.until == Some(LATER)),
        // A job that works is idle as often as the adversary likes.
        Timer::Idle | Timer::Now => m
            .current()
            .is_some_and(|id| !m.completions.contains_key(id) && !m.jobs.contains_key(id)),
    }
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

fn adversary(m: &Moment, actions: &mut Vec<Action>) {
    let left = &m.left;
    for (n, place) in m.places.iter().enumerate().filter(|(_, place)| place.open) {
        let worker_works = !m.completions.is_empty() || place.driver.is_some();
        if left.crashes > 0 && (n != WORKER || worker_works) {
            actions.push(Action::Crash(n));
        }
        if left.idles > 0
            && matches!(place.driver, Some(Driver::Rests(Timer::Idle)))
            && !place.woken
        {
            actions.push(Action::Idle(n));
        }
        if left.drops > 0 && place.heard {
            actions.push(Action::Drop(n));
        }
        if left.echoes > 0 && !place.heard && n != WORKER {
            actions.push(Action::Echo(n));
        }
        if left.refusals > 0 && starts_a_job(place.driver.as_ref()) {
            actions.push(Action::Refuse(n));
        }
        for (flying, flight) in &place.flights {
            match (flight, flying) {
                (Flight::Told(_, commit), _)
                    if left.repeats > 0 && commit.stage == Stage::Append =>
                {
                    actions.push(Action::Repeat(n, flying.clone()));
                }
                (Flight::Air, Flying::Fetch(..) | Flying::Probe(_)) => {
                    if left.breaks > 0 {
                        actions.push(Action::Break(n, flying.clone()));
                    }
                    if left.spliced > 0 && matches!(flying, Flying::Fetch(..)) {
                        actions.push(Action::SpliceFetch(n, flying.clone()));
                    }
                }
                _ => {}
            }
        }
    }
    for (id, completion) in &m.completions {
        if let Handling::Accounting(commit) = &completion.stage
            && left.repeats > 0
            && commit.stage == Stage::Append
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

pub(crate) fn starts_a_job(driver: Option<&Driver>) -> bool {
    matches!(
        driver,
        Some(Driver::Performs(effects, _))
            if matches!(effects.first(), Some(longhaul_core::Effect::StartJob { .. }))
    )
}
