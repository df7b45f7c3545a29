//! A run: a scenery, an adversary, and then fair weather, in which everything that was asked for must end.

use std::collections::BTreeSet;
use std::rc::Rc;

use longhaul_core::{Download, EvictedBy, FileVersion, State};

use super::adversary::{Adversary, clear_up};
use super::executor::ContextId;
use super::rng::Rng;
use super::scenery::Scenery;
use super::stage::Stage;
use super::world::{SECOND, World};
use super::{laws, manager, pages, worker};
use crate::prove::Coverage;

/// Steps within which fair weather must end every download.
const PATIENCE_STEPS: u64 = 200_000;
/// Time within which it must, in microseconds.
const PATIENCE: u64 = 6 * 3_600 * SECOND;

/// What a run amounted to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// How many tasks ran.
    pub steps: u64,
    /// A number made of every step: two runs of one seed have the same.
    pub fingerprint: u64,
    /// What happened, where it was to be told.
    pub trace: Vec<String>,
    /// For how long fair weather went on before every download had ended, in microseconds.
    pub fair: u64,
    /// The law that did not hold.
    pub broken: Option<String>,
}

/// One run.
struct Run {
    stage: Stage,
    adversary: Adversary,
    fair: u64,
}

/// Runs a seed. `worst` is the most that the adversary may do.
#[must_use]
pub fn run(seed: u64, worst: u64, coverage: &Rc<Coverage>, traced: bool) -> Outcome {
    let mut rng = Rng::new(seed);
    let scenery = Scenery::new(&mut rng);
    let adversary = Adversary::new(u32::try_from(rng.between(0, worst)).unwrap_or(u32::MAX));
    let stage = Stage::new(scenery, rng, coverage, traced);
    let mut run = Run {
        stage,
        adversary,
        fair: 0,
    };
    run.whole();
    let Stage { world, .. } = &run.stage;
    Outcome {
        steps: run.stage.steps,
        fingerprint: run.stage.fingerprint,
        trace: world.traced(),
        fair: run.fair,
        broken: world.broken(),
    }
}

/// Starts the browser. Jobs begin after so many microseconds.
pub fn launch(world: &Rc<World>, delay: u64) {
    let browser = world.executor.begin_context();
    world.set_browser(browser);
    world.trace(|| "the browser starts".to_owned());
    world.spawn(browser, manager::manage(Rc::clone(world), delay));
}

/// Ends the browser, and every page and the worker with it.
pub fn shut_down(world: &Rc<World>, in_good_order: bool) {
    world.trace(|| format!("the browser ends, in good order: {in_good_order}"));
    manager::die(world, in_good_order);
    let open: Vec<ContextId> = world.pages.borrow().keys().copied().collect();
    for page in open {
        pages::crash(world, page);
    }
    worker::kill(world);
    world.executor.kill(world.browser());
    world.set_browser(super::executor::OUTSIDE);
    laws::after_crash(world);
}

impl Run {
    fn whole(&mut self) {
        let world = Rc::clone(&self.stage.world);
        launch(&world, 0);
        let page = pages::open(&world);
        for wanted in &world.scenery.wanted {
            pages::request(&world, page, &wanted.spec);
        }
        self.foul();
        if world.broken().is_none() {
            let began = world.now();
            self.fair();
            self.fair = world.now() - began;
        }
        if world.broken().is_none() {
            self.aftermath();
        }
    }

    /// The adversary acts, until it has done enough.
    fn foul(&mut self) {
        let world = Rc::clone(&self.stage.world);
        while self.adversary.budget > 0 && world.broken().is_none() {
            let moved = self.stage.step();
            let eagerness = self.adversary.eagerness(&world);
            if !moved || world.per_mille(eagerness) {
                self.adversary.act(&world);
            }
        }
    }

    /// Fair weather, and one open page: every download ends.
    fn fair(&mut self) {
        let world = Rc::clone(&self.stage.world);
        clear_up(&world);
        world.trace(|| "fair weather".to_owned());
        if !world.is_running() {
            launch(&world, 0);
        }
        self.keep_one_page();
        let (limit, until) = (self.stage.steps + PATIENCE_STEPS, world.now() + PATIENCE);
        // What was asked for at the very end is written down first.
        let soon = world.now() + SECOND;
        while world.broken().is_none() {
            if world.now() > soon {
                supply_headers(&world);
                if running(&world).is_empty() {
                    return;
                }
            }
            let moved = self.stage.step();
            if !moved || self.stage.steps > limit || world.now() > until {
                let stuck = running(&world);
                if stuck.is_empty() {
                    return;
                }
                let why = if self.stage.steps > limit {
                    "runs in circles"
                } else {
                    "never ends"
                };
                world.broke(format!("L8: {why}: {stuck:#?}"));
            }
        }
    }

    fn keep_one_page(&self) {
        let world = &self.stage.world;
        let open: Vec<ContextId> = world.pages.borrow().keys().copied().collect();
        let kept = if open.is_empty() {
            pages::open(world)
        } else {
            open[world.index(open.len())]
        };
        for page in open.into_iter().filter(|page| *page != kept) {
            pages::crash(world, page);
        }
        laws::after_crash(world);
    }

    /// A page that opens afterwards clears up what was left behind.
    fn aftermath(&mut self) {
        let world = Rc::clone(&self.stage.world);
        let open: Vec<ContextId> = world.pages.borrow().keys().copied().collect();
        for page in open {
            pages::crash(&world, page);
        }
        pages::open(&world);
        let until = world.now() + 120 * SECOND;
        let limit = self.stage.steps + PATIENCE_STEPS;
        while world.now() < until && world.broken().is_none() && self.stage.step() {
            if self.stage.steps > limit {
                world.broke("runs in circles when all is done".to_owned());
            }
        }
        let laws = world.laws.borrow();
        for download in laws.states() {
            note_end(&world, download);
            let evicted = download.is_available() && laws::whole(&world, download).is_err();
            if evicted {
                world.broke(format!(
                    "L5: {} is called available and is not whole",
                    download.id
                ));
            }
        }
        let needed: BTreeSet<String> = laws
            .states()
            .filter(|download| {
                !matches!(
                    download.state,
                    State::Aborted { .. }
                        | State::Evicted {
                            by: EvictedBy::Removal
                        }
                )
            })
            .flat_map(|download| download.files.iter().map(FileVersion::key))
            .collect();
        let mut bytes = world.caches.borrow().keys().into_iter();
        if let Some(key) = bytes.find(|key| !needed.contains(key)) {
            world.broke(format!("bytes of nobody are left behind: {key}"));
        }
        let left: Vec<String> = world.jobs.borrow().known.keys().cloned().collect();
        if !left.is_empty() && world.broken().is_none() {
            world.broke(format!("jobs are left behind: {left:?}"));
        }
    }
}

/// Headers are in no history: the app must bring them again, to some page.
fn supply_headers(world: &Rc<World>) {
    for wanted in &world.scenery.wanted {
        let id = &wanted.spec.id;
        let asked = {
            let laws = world.laws.borrow();
            let runs = laws.state(id).filter(|download| download.is_running());
            runs.and_then(|download| download.spec.clone())
        };
        let Some(asked) = asked.filter(|asked| asked.headers) else {
            continue;
        };
        // What runs may have been asked for otherwise than at first.
        let mut spec = wanted.spec.clone();
        spec.resources.truncate(asked.resources.len());
        for (resource, asked) in spec.resources.iter_mut().zip(&asked.resources) {
            resource.sha256.clone_from(&asked.sha256);
            resource.bytes = asked.bytes;
        }
        let page = {
            let pages = world.pages.borrow();
            let mut contexts = pages.values().map(|page| &page.node.platform);
            if contexts.any(|context| context.was_given(id)) {
                continue;
            }
            // One page is enough, whichever is the owner: the one that opened last mostly is not.
            let last = pages.iter().next_back();
            last.map(|(id_of, page)| {
                page.node.platform.gives(id);
                *id_of
            })
        };
        if let Some(page) = page {
            pages::request(world, page, &spec);
        }
    }
}

fn running(world: &World) -> Vec<Download> {
    let laws = world.laws.borrow();
    let running = laws.states().filter(|download| download.is_running());
    running.cloned().collect()
}

fn note_end(world: &World, download: &Download) {
    let name = download.state.name();
    world.coverage.reached(&format!("ended {name}"));
    if download.is_available() && world.scenery.background {
        world.coverage.reached("available with Background Fetch");
    }
}
