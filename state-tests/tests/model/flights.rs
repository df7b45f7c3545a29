//! What runs beside a driver's loop: probes, fetches, harvests, hashing, and the telling of what came of them.

use crate::commit::{Appended, look};
use crate::moment::{Bytes, Commit, Flight, Flying, Moment, Outcome, Request, Stage};
use crate::world::{PARTS, World, probe_answer};
use longhaul_core::{Effect, TransferError, decide};
use longhaul_state_tests::scenario::START;

impl World {
    /// The next step of what runs beside a driver's loop.
    pub(crate) fn fly(&self, m: &mut Moment, n: usize, flying: &Flying, twice: bool) {
        let flight = m.places[n]
            .flights
            .remove(flying)
            .expect("it is on its way");
        let next = match (flight, flying) {
            (Flight::Air, Flying::Probe(attempt)) => {
                let answer = Ok(probe_answer(m.server));
                Some(Flight::Told(
                    Outcome::Probed(*attempt, answer),
                    self.first(m, n),
                ))
            }
            (Flight::Air, Flying::Verify(attempt)) => {
                let right = (0..PARTS).all(|n| m.rest.get(&(1, n)) == Some(&Bytes::Right));
                let digit = if right { '1' } else { 'f' };
                Some(Flight::Told(
                    Outcome::Verified(*attempt, digit),
                    self.first(m, n),
                ))
            }
            (Flight::Air, Flying::Harvest(registration)) => {
                let more = m.jobs.get(registration).cloned();
                more.filter(|job| self.harvest_one(m, job))
                    .map(|_| Flight::Air)
            }
            (Flight::Air, Flying::Fetch(attempt, _, part, _)) => {
                if part.0 == m.server {
                    m.rest.entry(*part).or_insert(Bytes::Right);
                    None
                } else {
                    Some(Flight::Told(
                        Outcome::PartFailed(*attempt, TransferError::Changed),
                        self.first(m, n),
                    ))
                }
            }
            (Flight::Told(outcome, mut commit), _) if commit.stage != Stage::Append => {
                self.advance(m, n, &mut commit);
                Some(Flight::Told(outcome, commit))
            }
            (Flight::Told(outcome, commit), _) => match self.tell(m, n, &outcome, &commit) {
                Appended::Conflict => Some(Flight::Told(outcome, self.first(m, n))),
                Appended::Done(new) => {
                    if !outcome.is_stale(&commit.view) {
                        m.has_failed(failed(&outcome, flying), commit.view.seq);
                    }
                    if twice {
                        self.tell_again(m, n, &outcome, new);
                    }
                    None
                }
            },
        };
        match next {
            Some(flight) => {
                m.places[n].flights.insert(flying.clone(), flight);
            }
            None => m.places[n].woken = m.places[n].driver.is_some(),
        }
    }

    /// A commit that begins; where the world is not a fine one, all is read and seen at once.
    pub(crate) fn first(&self, m: &Moment, n: usize) -> Commit {
        let mut commit = Commit::new();
        if !self.fine {
            self.advance(m, n, &mut commit);
        }
        commit
    }

    /// The same outcome, a second time. Where it led to something before, it leads to nothing but what a look would say.
    pub(crate) fn tell_again(
        &self,
        m: &mut Moment,
        n: usize,
        outcome: &Outcome,
        led_to_something: bool,
    ) {
        let mut commit = Commit::new();
        while commit.stage != Stage::Append {
            self.advance(m, n, &mut commit);
        }
        let observation = self.observation(n, &commit);
        let said = decide(
            &commit.view,
            START,
            outcome.clone().input(observation.clone()),
        );
        let said = said.expect("signals are not rejected");
        if led_to_something && !said.is_empty() && said != look(&commit.view, observation) {
            m.broke("L6: an outcome that came twice was told twice");
        }
        let _ = self.append(m, n, &commit, &said);
    }

    pub(crate) fn breaks(&self, m: &mut Moment, n: usize, flying: Flying) {
        let commit = self.first(m, n);
        let outcome = match &flying {
            Flying::Fetch(attempt, ..) => Outcome::PartFailed(*attempt, TransferError::Network),
            Flying::Probe(attempt) => Outcome::Probed(*attempt, Err(TransferError::Network)),
            _ => return,
        };
        m.places[n]
            .flights
            .insert(flying, Flight::Told(outcome, commit));
    }
}

pub(crate) fn set_going(m: &mut Moment, n: usize, flying: Flying) {
    let flights = &m.places[n].flights;
    if flights.keys().any(|other| same_effect(other, &flying)) {
        return;
    }
    match &flying {
        Flying::Probe(_) => m.asks_for(Request::Probe),
        Flying::Fetch(_, _, part, _) => m.asks_for(Request::Part(*part)),
        Flying::Harvest(_) | Flying::Verify(_) => {}
    }
    m.places[n].flights.insert(flying, Flight::Air);
}

/// The request of which an outcome says that it did not come.
fn failed(outcome: &Outcome, flying: &Flying) -> Option<Request> {
    match (outcome, flying) {
        (Outcome::PartFailed(..), Flying::Fetch(_, _, part, _)) => Some(Request::Part(*part)),
        (Outcome::Probed(_, Err(_)), _) => Some(Request::Probe),
        _ => None,
    }
}

/// Whether two are one effect, by its id.
pub(crate) fn same_effect(one: &Flying, other: &Flying) -> bool {
    match (one, other) {
        (Flying::Fetch(a, t, part, _), Flying::Fetch(b, u, other, _)) => {
            (a, t, part.1) == (b, u, other.1)
        }
        _ => one == other,
    }
}

pub(crate) fn flying_of(effect: &Effect, assisting: bool) -> Option<Flying> {
    Some(match effect {
        Effect::Probe { attempt } => Flying::Probe(*attempt),
        Effect::Harvest { registration } => Flying::Harvest(registration.clone()),
        Effect::Verify { attempt, .. } => Flying::Verify(*attempt),
        Effect::Fetch {
            attempt,
            transfer,
            part,
            ..
        } => Flying::Fetch(
            *attempt,
            *transfer,
            (World::version_of(&part.file), part.index),
            assisting,
        ),
        _ => return None,
    })
}
