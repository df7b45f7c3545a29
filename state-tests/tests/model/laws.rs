//! The laws, as properties of a moment.

use crate::actions::{Action, fair};
use crate::completion::is_current;
use crate::embedder::is_of;
use crate::moment::{
    Aloft, Asked, Bytes, Clock, Flight, Handling, Moment, Part, Stage, Work, waits,
};
use crate::world::{TABS, World, version_of};
use longhaul_core::{Download, Effect, JobEnd, JobId, State};
use longhaul_state_tests::resumption::{is_exact, look_and_plan};
use longhaul_state_tests::scenario::START;
use stateright::{Model, Property};
use std::collections::BTreeSet;

impl Model for World {
    type State = Moment;
    type Action = Action;

    fn init_states(&self) -> Vec<Moment> {
        vec![self.begin()]
    }

    fn actions(&self, moment: &Moment, actions: &mut Vec<Action>) {
        crate::actions::all(self, moment, actions);
    }

    fn next_state(&self, moment: &Moment, action: Action) -> Option<Moment> {
        Some(self.after(moment, action))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut all = vec![
            Property::always(ONE_LAW, |_, m: &Moment| !broke(m, "the one law")),
            Property::always(TABLE, |_, m: &Moment| !broke(m, "the table")),
            Property::always(L3, |_, m: &Moment| !broke(m, "L3")),
            Property::always(L4, |_, m: &Moment| !broke(m, "L4")),
            Property::always(L5, |world: &Self, m: &Moment| world.is_proven(m)),
            Property::always(L6, |_, m: &Moment| !broke(m, "L6")),
            Property::always(L7, |_, m: &Moment| !broke(m, "L7")),
            Property::always(L8, |world: &Self, m: &Moment| {
                !is_over(world, m) || !m.history.state.is_running()
            }),
            Property::always(L9, |world: &Self, m: &Moment| {
                world.plan_is_exact(m).is_ok()
            }),
            Property::always(L10, |_, m: &Moment| {
                m.told == m.history.seq && !m.history.degraded
            }),
            Property::always(L11, |_, m: &Moment| moves_once(m)),
            Property::always(L16, |_, m: &Moment| !broke(m, "L16")),
            Property::always(L17, |_, m: &Moment| !broke(m, "L17")),
            Property::always(L18, |_, m: &Moment| !broke(m, "L18")),
        ];
        all.extend(self.reached.iter().map(|name| {
            let (_, holds) = SOMETIMES
                .iter()
                .find(|(of, _)| of == name)
                .expect("a known case");
            Property::sometimes(name, *holds)
        }));
        all
    }
}

pub(crate) const ONE_LAW: &str = "the one law: what runs was licensed by an event";
pub(crate) const TABLE: &str = "the table of phases is kept";
pub(crate) const L3: &str = "L3: an attempt has at most one ending";
pub(crate) const L4: &str = "L4: figures never fall and never pass the total";
pub(crate) const L5: &str = "L5: what is available is stored, measured and verified";
pub(crate) const L6: &str = "L6: an outcome that comes twice is told once";
pub(crate) const L7: &str = "L7: a stale outcome is no more than a look";
pub(crate) const L8: &str = "L8: where nothing more happens by itself, the download has ended";
pub(crate) const L9: &str = "L9: whoever looks anew plans exactly what is missing";
pub(crate) const L10: &str = "L10: one gapless history, and nothing in it is lost";
pub(crate) const L11: &str = "L11: a part is under way at most once";
pub(crate) const L16: &str = "L16: a fault of one part discards nothing of another";
pub(crate) const L17: &str = "L17: no wait is longer than its own length";
pub(crate) const L18: &str = "L18: what failed is asked for again after a wait, or by a person";

type Case = fn(&World, &Moment) -> bool;

/// What must have come up, by name.
pub(crate) const SOMETIMES: &[(&str, Case)] = &[
    ("available", |_, m| {
        matches!(m.history.state, State::Available)
    }),
    ("failed", |_, m| {
        matches!(m.history.state, State::Failed { .. })
    }),
    ("aborted", |_, m| {
        matches!(m.history.state, State::Aborted { .. })
    }),
    ("evicted", |_, m| {
        matches!(m.history.state, State::Evicted { .. })
    }),
    ("a writer was overtaken by another", |_, m| {
        works(m).any(|work| is_overtaken(work, m.history.seq))
    }),
    ("both tabs wait for the lock, or have it", |_, m| {
        TABS.iter().all(|n| m.queue.contains(n))
    }),
    ("a tab works while a completion is being handled", |_, m| {
        let mut tabs = TABS.iter().filter_map(|n| m.places[*n].work());
        !m.completions.is_empty() && tabs.any(|work| work.asked.is_some())
    }),
    ("a tab knows that a completion is being handled", |_, m| {
        let knows = |work: &Work| matches!(&work.asked, Some(Asked::Look(_, sight)) if !sight.handling.is_empty());
        works(m).any(knows)
    }),
    (
        "a tab opened while a completion was being handled",
        |_, m| !m.completions.is_empty() && m.places[0].open && m.history.seq == 2,
    ),
    ("a job is assisted", |_, m| {
        flights(m).any(|flight| flight.assists && flight.effect.id().kind == "fetch")
    }),
    ("a second try", |_, m| m.ledger.tries() > 1),
    ("a second attempt", |_, m| m.history.attempt > 1),
    ("the machine began an attempt by itself", |_, m| {
        m.history.restarts > 0
    }),
    ("a stale outcome is on its way", |_, m| {
        let stale = |flight: &Flight| {
            matches!(flight.stage, Aloft::Over(_)) && !is_of(&flight.effect, &m.history)
        };
        let mut accounts = m.completions.iter().filter_map(|(id, completion)| {
            let Handling::Accounting(account) = &completion.stage else {
                return None;
            };
            Some((id, account.view.as_ref()?))
        });
        flights(m).any(stale) || accounts.any(|(id, view)| !is_current(view, id))
    }),
    ("a dead owner's request arrives late", |_, m| {
        !m.late_parts.is_empty() && !m.queue.is_empty()
    }),
    ("a dead owner's job begins late", |_, m| {
        !m.late_jobs.is_empty() && !m.queue.is_empty()
    }),
    ("what failed is asked for again after a wait", |_, m| {
        let waited = m.history.waiting.as_ref();
        waited.is_some_and(|waited| waited.until == Some(START)) && flights(m).next().is_some()
    }),
    ("the clock was set back while a wait stands", |_, m| {
        m.clock == Clock::Back && waits(&m.history)
    }),
    ("a part comes while another one is being stored", |_, m| {
        let fetches = flights(m).filter(|flight| flight.effect.id().kind == "fetch");
        let (quick, others): (Vec<_>, Vec<_>) = fetches.partition(|flight| flight.quick);
        !quick.is_empty() && !others.is_empty()
    }),
    ("one resource waits and another one is stored", |_, m| {
        waits(&m.history) && m.rest.len() == 1
    }),
    ("nobody is there", |_, m| {
        !m.places[0].open && !m.places[1].open && m.history.is_running()
    }),
    ("other bytes are stored", |_, m| {
        m.rest.values().any(|bytes| *bytes == Bytes::Spliced)
    }),
    ("parts of two versions are stored", |_, m| {
        m.rest
            .keys()
            .map(|part| part.version)
            .collect::<BTreeSet<_>>()
            .len()
            > 1
    }),
    ("a record is empty", |_, m| {
        let jobs = m
            .jobs
            .values()
            .chain(m.completions.values().map(|completion| &completion.job));
        jobs.flat_map(|job| &job.records)
            .any(|r| matches!(r, crate::moment::Record::Of(_, Bytes::None)))
    }),
];

fn broke(m: &Moment, law: &str) -> bool {
    m.broken.is_some_and(|broken| broken.starts_with(law))
}

/// Owners at work.
fn works(m: &Moment) -> impl Iterator<Item = &Work> {
    m.places.iter().filter_map(|place| place.work())
}

/// Whether an owner is about to decide or to append, and somebody else has appended since it has read.
fn is_overtaken(work: &Work, seq: u64) -> bool {
    let decides = match &work.asked {
        Some(Asked::Look(_, sight)) => sight.stage == Stage::Whole,
        Some(Asked::Append(_)) => true,
        Some(Asked::Read) | None => false,
    };
    decides && work.owner.download().seq < seq
}

fn flights(m: &Moment) -> impl Iterator<Item = &Flight> {
    works(m).flat_map(|work| work.flights.values())
}

/// Whether nothing happens any more by itself.
fn is_over(world: &World, m: &Moment) -> bool {
    let mut actions = Vec::new();
    fair(world, m, &mut actions);
    actions.is_empty()
}

/// L11. What assists a job, what a dead owner had sent, and what the browser begins anew by itself is allowed.
fn moves_once(m: &Moment) -> bool {
    let mut moving: BTreeSet<Part> = BTreeSet::new();
    let mut once = |part: Part| moving.insert(part);
    let current = m.current();
    // Bytes of a completion that nobody has stored yet are under way as well, whatever anyone thinks of it by now.
    let of_attempt = |id: &str| JobId::parse(id).is_some_and(|id| id.attempt == m.history.attempt);
    let successes = m.completions.iter().filter(|(id, completion)| {
        of_attempt(id) && completion.end == JobEnd::Success && !completion.job.late
    });
    let completed = successes.flat_map(|(_, completion)| {
        let job = &completion.job;
        let came = job.parts.iter().zip(&job.records);
        came.filter(|(_, record)| matches!(record, crate::moment::Record::Of(_, Bytes::Right)))
            .map(|(part, _)| *part)
    });
    let pending = m
        .jobs
        .iter()
        .filter(|(id, _)| Some(*id) == current)
        .flat_map(|(_, job)| job.parts.clone());
    let coming: Vec<Part> = completed
        .chain(pending)
        .filter(|part| !m.rest.contains_key(part))
        .collect();
    if !coming.into_iter().all(&mut once) {
        return false;
    }
    let mut fetched = flights(m).filter_map(|flight| match &flight.effect {
        Effect::Fetch { resource, part, .. } if flight.stage == Aloft::Air => {
            (!flight.assists).then(|| World::part_of(*resource, part))
        }
        _ => None,
    });
    fetched.all(once)
}

impl World {
    /// L5.
    fn is_proven(&self, m: &Moment) -> bool {
        if !matches!(m.history.state, State::Available) {
            return true;
        }
        (0..).zip(&m.history.files).all(|(resource, file)| {
            let part = |index| Part {
                version: version_of(file),
                resource,
                index,
            };
            (0..file.layout().count()).all(|index| match m.rest.get(&part(index)) {
                Some(Bytes::Right) => true,
                Some(Bytes::Spliced) => !self.hashed,
                Some(Bytes::None) | None => false,
            })
        })
    }

    /// L9: a page that knows nothing but the history and what can be seen names exactly what is missing.
    ///
    /// # Errors
    /// What it named instead.
    pub(crate) fn plan_is_exact(&self, m: &Moment) -> Result<(), String> {
        let mut view = Download::clone(&m.history);
        let mut observation = self.everything(m, 0);
        let effects = look_and_plan(&mut view, &mut observation, m.time())?;
        is_exact(&view, &observation, &effects)
    }
}

impl World {
    /// The first moment.
    fn begin(&self) -> Moment {
        let mut m = Moment::new(self);
        if self.completing {
            self.complete_first(&mut m);
        }
        m
    }

    /// A job was asked for by a tab that is gone, has brought everything, and its completion begins.
    fn complete_first(&self, m: &mut Moment) {
        m.places[0].open = true;
        *m = self.after(m, Action::Ask(0, crate::world::Ask::Request));
        while m.completions.is_empty() {
            if !m.jobs.is_empty() && m.places[0].open {
                crate::happens::die(m, 0);
            }
            let mut actions = Vec::new();
            fair(self, m, &mut actions);
            let next = actions.into_iter().find(|action| {
                matches!(
                    action,
                    Action::Drive(_) | Action::Fly(..) | Action::Command(_) | Action::Work(_)
                )
            });
            *m = self.after(m, next.expect("a job comes about"));
        }
        m.left = self.left;
    }
}
