//! The owner of a download at work: looks, decides, plans, performs, rests.

use crate::commit::{Appended, look};
use crate::flights::{flying_of, same_effect, set_going};
use crate::happens::enqueue;
use crate::moment::{Commit, Driver, Flight, Flying, Moment, Outcome, Stage, Timer, Watched};
use crate::world::{Bug, WORKER, World};
use longhaul_core::{Download, Effect, Transport, plan};
use longhaul_state_tests::scenario::START;

impl World {
    /// The next step of a driver.
    pub(crate) fn drive(&self, m: &mut Moment, n: usize) {
        let driver = m.places[n].driver.take().expect("a driver is at work");
        let next = match driver {
            Driver::Queued | Driver::Rests(_) => {
                m.places[n].woken = false;
                Some(Driver::Looks(self.begun(m, n)))
            }
            Driver::Looks(mut commit) if commit.stage != Stage::Append => {
                self.advance(m, n, &mut commit);
                Some(Driver::Looks(commit))
            }
            Driver::Looks(commit) => Some(self.decide_and_plan(m, n, &commit)),
            Driver::Performs(mut effects, timer) => {
                let effect = effects.remove(0);
                let again = Self::perform(m, n, effect);
                Some(if again {
                    Driver::Looks(self.first(m, n))
                } else if effects.is_empty() {
                    Self::rest_or_leave(m, n, timer)
                } else {
                    Driver::Performs(effects, timer)
                })
            }
            Driver::Refused(id, mut commit) if commit.stage != Stage::Append => {
                self.advance(m, n, &mut commit);
                Some(Driver::Refused(id, commit))
            }
            Driver::Refused(id, commit) => {
                let refused = Outcome::Refused(id.clone());
                Some(match self.tell(m, n, &refused, &commit) {
                    Appended::Done(_) => Driver::Looks(self.first(m, n)),
                    Appended::Conflict => Driver::Refused(id, self.first(m, n)),
                })
            }
            Driver::Leaves => {
                m.queue.retain(|of| *of != n);
                let place = &mut m.places[n];
                place.watched = None;
                place.unstarted = None;
                place.woken = false;
                // A request that came while the driver was leaving.
                if n != WORKER && m.history.is_running() {
                    enqueue(m, n);
                }
                m.places[n].driver.take()
            }
        };
        m.places[n].driver = next;
    }

    /// A look that begins: its first step is taken.
    fn begun(&self, m: &Moment, n: usize) -> Commit {
        let mut commit = Commit::new();
        self.advance(m, n, &mut commit);
        commit
    }

    /// Decides on a look; where there is nothing to append, plans.
    fn decide_and_plan(&self, m: &mut Moment, n: usize, commit: &Commit) -> Driver {
        let observation = self.observation(n, commit);
        let mut events = look(&commit.view, observation.clone());
        if self.bug == Some(Bug::SkipsTheHash)
            && !commit.view.files.is_empty()
            && commit.view.state.transfer().is_some()
        {
            let mut unhashed = Download::clone(&commit.view);
            for resource in unhashed
                .spec
                .iter_mut()
                .flat_map(|spec| &mut spec.resources)
            {
                resource.sha256 = None;
            }
            events = look(&unhashed, observation.clone());
        }
        if !events.is_empty() {
            let _ = self.append(m, n, commit, &events);
            return Driver::Looks(self.first(m, n));
        }
        let download = &commit.view;
        if download.seq < m.places[n].appended {
            // What failed while this looked has a wait by now.
            return Driver::Looks(self.first(m, n));
        }
        let mut planned = Download::clone(download);
        if self.bug == Some(Bug::RepeatsWithoutADelay) {
            planned.waiting = None;
        }
        let effects = plan(&planned, &observation, START);
        let assisting = !commit.jobs.is_empty();
        let fly = |effect: &Effect| flying_of(effect, assisting);
        let planned: Vec<Flying> = effects.iter().filter_map(fly).collect();
        // What the plan no longer names is aborted; a probe and a harvest cannot be, and come to nothing.
        m.places[n].flights.retain(|flying, flight| {
            let told = matches!(flight, Flight::Told(..));
            let same = |other: &Flying| same_effect(flying, other);
            told || matches!(flying, Flying::Probe(_) | Flying::Harvest(_))
                || planned.iter().any(same)
        });
        if effects.is_empty() && !download.is_running() {
            return Driver::Leaves;
        }
        Self::watch(m, n, download);
        let mut timer = idle_timer(m, n, download);
        let mut blocking = Vec::new();
        let mut lasting = 0;
        for effect in effects {
            match &effect {
                Effect::Wait { until, .. } => {
                    if until.is_some() {
                        timer = Timer::Wait;
                    }
                    continue;
                }
                Effect::Harvest { registration } => {
                    if moved(m, n, registration) {
                        set_going(m, n, Flying::Harvest(registration.clone()));
                    }
                    continue;
                }
                Effect::AbortJob { .. }
                | Effect::DeleteFiles { .. }
                | Effect::Discard { .. }
                | Effect::StartJob { .. } => {
                    blocking.push(effect.clone());
                }
                _ => set_going(m, n, fly(&effect).expect("everything else flies")),
            }
            lasting += 1;
        }
        let has_job = download
            .state
            .transfer()
            .is_some_and(|t| t.registration.is_some());
        if has_job && n != WORKER && timer == Timer::None && self.bug != Some(Bug::RestsForEver) {
            timer = Timer::Now;
        }
        if blocking.is_empty() {
            let stays = n != WORKER || lasting > 0;
            if m.places[n].flights.is_empty() && (!stays || !download.is_running()) {
                return Driver::Leaves;
            }
            return Driver::Rests(timer);
        }
        Driver::Performs(blocking, timer)
    }

    fn rest_or_leave(m: &Moment, n: usize, timer: Timer) -> Driver {
        let stays = n != WORKER && m.history.is_running();
        if m.places[n].flights.is_empty() && !stays {
            return Driver::Leaves;
        }
        Driver::Rests(timer)
    }

    /// Watches the job that runs, as far as it can still be found.
    fn watch(m: &mut Moment, n: usize, download: &Download) {
        let current = download
            .state
            .transfer()
            .and_then(|t| t.registration.clone());
        let place = &mut m.places[n];
        if place.watched.as_ref().map(|w| &w.registration) == current.as_ref() {
            return;
        }
        place.watched = current
            .filter(|id| m.jobs.contains_key(id))
            .map(|registration| Watched {
                registration,
                idle: false,
                harvested: None,
            });
    }

    /// Performs an effect that the loop waits for. Whether to look again at once.
    fn perform(m: &mut Moment, n: usize, effect: Effect) -> bool {
        match effect {
            Effect::AbortJob { registration } => {
                crate::browser::abort(m, &registration);
                false
            }
            Effect::DeleteFiles { keys, .. } | Effect::Discard { keys, .. } => {
                m.rest
                    .retain(|(version, _), _| !keys.contains(&World::file(*version).key()));
                false
            }
            Effect::StartJob {
                registration,
                parts,
                ..
            } => {
                m.places[n].unstarted = None;
                crate::browser::start(m, registration, &parts);
                true
            }
            other => unreachable!("{other:?} flies"),
        }
    }
}

fn idle_timer(m: &Moment, n: usize, download: &Download) -> Timer {
    let runs = download
        .state
        .transfer()
        .is_some_and(|t| t.transport == Transport::BackgroundFetch);
    match &m.places[n].watched {
        Some(watched) if runs && !watched.idle => Timer::Idle,
        _ => Timer::None,
    }
}

/// Whether a job moved since its records were last looked through; from now on it has not.
fn moved(m: &mut Moment, n: usize, registration: &str) -> bool {
    let downloaded = m
        .jobs
        .get(registration)
        .map_or(0, |job| job.records.len() as u64);
    let watched = m.places[n]
        .watched
        .as_mut()
        .filter(|w| w.registration == registration);
    watched.is_some_and(|w| w.harvested.replace(downloaded) != Some(downloaded))
}
