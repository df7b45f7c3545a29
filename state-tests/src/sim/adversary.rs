//! The adversary: chooses what goes wrong and when, from the seed, until its budget is spent.

use std::rc::Rc;

use longhaul_core::Command;

use super::executor::{ContextId, OUTSIDE};
use super::jobs::Phase;
use super::scenery::PART;
use super::servers::Trouble;
use super::world::{SECOND, Weather, World};
use super::{laws, pages, run, worker};

/// Most pages that are open at once.
const MAX_PAGES: usize = 3;

/// The adversary of one run.
#[derive(Debug)]
pub struct Adversary {
    /// How often it may still act.
    pub budget: u32,
}

impl Adversary {
    /// One that may act so often.
    #[must_use]
    pub const fn new(budget: u32) -> Self {
        Self { budget }
    }

    /// How eager it is to act after a step, in thousandths: most of all where a completion is being handled, because its
    /// event comes once, and where a job's bytes flow, which is seldom.
    #[must_use]
    pub fn eagerness(&self, world: &World) -> u64 {
        match (world.worker.borrow().is_handling(), job_flows(world)) {
            (true, _) => 50,
            (_, true) => 40,
            _ => 12,
        }
    }

    /// Does something.
    pub fn act(&mut self, world: &Rc<World>) {
        self.budget = self.budget.saturating_sub(1);
        if !world.is_running() {
            // The browser starts by itself after a while.
            return;
        }
        let handling = world.worker.borrow().is_handling();
        let (first, last) = match (handling, job_flows(world)) {
            (true, _) => (0, 5),
            (_, true) => (2, 13),
            _ => (0, 17),
        };
        match world.between(first, last) {
            0 => worker_dies(world),
            1 => page_opens(world),
            2 => page_goes(world),
            3 => browser_ends(world),
            4 => told(world),
            5 => evicts(world),
            6 => page_reloads(world),
            7 | 8 => server_errs(world),
            9 => server_goes(world),
            10 => file_changes(world),
            11 => device_moves(world),
            12 => storage_errs(world),
            13 => room_changes(world),
            14 => messages_suffer(world),
            15 => jobs_suffer(world),
            _ => app_asks(world),
        }
    }
}

/// Nothing goes wrong any more: from here on every download must end.
pub fn clear_up(world: &Rc<World>) {
    *world.weather.borrow_mut() = Weather::default();
    world.set_online(true);
    for server in &mut world.network.borrow_mut().servers {
        server.trouble = None;
        server.down_until = 0;
    }
}

/// Whether a job runs, and no navigation holds it up.
fn job_flows(world: &World) -> bool {
    let jobs = world.jobs.borrow();
    let mut all = jobs.known.values();
    jobs.frozen_until < world.now() && all.any(|job| job.phase == Phase::Running)
}

fn any_page(world: &World) -> Option<ContextId> {
    let open: Vec<ContextId> = world.pages.borrow().keys().copied().collect();
    (!open.is_empty()).then(|| open[world.index(open.len())])
}

fn any_download(world: &World) -> usize {
    world.index(world.scenery.wanted.len())
}

fn worker_dies(world: &Rc<World>) {
    if world.worker.borrow().context().is_some() {
        worker::kill(world);
        laws::after_crash(world);
    }
}

fn page_opens(world: &Rc<World>) {
    if world.pages.borrow().len() < MAX_PAGES {
        let page = pages::open(world);
        if world.per_mille(500) {
            request_all(world, page);
        }
    }
}

fn request_all(world: &Rc<World>, page: ContextId) {
    for wanted in &world.scenery.wanted {
        pages::request(world, page, &wanted.spec);
    }
}

fn page_goes(world: &Rc<World>) {
    let Some(page) = any_page(world) else {
        return;
    };
    if world.per_mille(300) {
        pages::close(world, page);
    } else {
        world.coverage.reached("a page crashed");
        pages::crash(world, page);
    }
    laws::after_crash(world);
}

fn page_reloads(world: &Rc<World>) {
    if let Some(page) = any_page(world) {
        pages::crash(world, page);
        laws::after_crash(world);
        let page = pages::open(world);
        if world.per_mille(300) {
            request_all(world, page);
        }
    }
}

/// Killed, or closed in good order; started again after a while, with a page or without.
fn browser_ends(world: &Rc<World>) {
    let in_good_order = world.per_mille(400);
    world.coverage.reached(if in_good_order {
        "a browser was closed"
    } else {
        "a browser was killed"
    });
    run::shut_down(world, in_good_order);
    let own = Rc::clone(world);
    world.spawn(OUTSIDE, async move {
        own.while_between(0, 60 * SECOND).await;
        if own.is_running() {
            return;
        }
        let delay = if in_good_order {
            own.between(2, 5)
        } else {
            own.between(22, 25)
        };
        run::launch(&own, delay * SECOND);
        if own.per_mille(700) {
            own.while_between(0, 40 * SECOND).await;
            if own.is_running() && own.pages.borrow().len() < MAX_PAGES {
                pages::open(&own);
            }
        } else {
            own.coverage.reached("a browser came back without a page");
        }
    });
}

/// Somebody says "read again", which means nothing more.
fn told(world: &Rc<World>) {
    if let Some(page) = any_page(world) {
        let download = any_download(world);
        let known = &world.scenery.wanted[download].spec.id;
        let download = if world.per_mille(200) {
            "of nobody"
        } else {
            known
        };
        pages::hear(world, page, download);
    }
}

fn evicts(world: &Rc<World>) {
    let (which, all) = (world.index(1_000), world.per_mille(300));
    let now = world.now();
    let taken = world.caches.borrow_mut().evict(which, all, now);
    if let Some(key) = taken {
        world.trace(|| format!("evicted: {key}, all: {all}"));
        world.coverage.reached("an eviction");
    }
}

fn server_errs(world: &Rc<World>) {
    let mut network = world.network.borrow_mut();
    let n = world.index(network.servers.len());
    let server = &mut network.servers[n];
    let hashed = world.scenery.is_hashed(n);
    let after = world.per_mille(500).then(|| world.between(0, 30));
    let statuses = [404, 410, 401, 403, 408, 412, 416, 429, 500, 503, 503, 503];
    let trouble = match world.between(0, 13) {
        0 => Trouble::Refused,
        1 | 11 => Trouble::Cut,
        2 => Trouble::Closed,
        3 => Trouble::Stalled,
        4 => Trouble::Silent,
        5 => Trouble::IgnoresRange,
        6 => Trouble::WrongRange,
        7 => Trouble::WrongSize,
        8 if hashed => Trouble::Lies,
        9 => Trouble::Portal,
        10 => Trouble::Cors,
        _ => Trouble::Status(statuses[world.index(statuses.len())], after),
    };
    let times = match world.between(0, 3) {
        0 => 1,
        1 => 3,
        _ => u32::try_from(world.between(4, 30)).unwrap_or(4),
    };
    server.trouble = Some((trouble, times));
    world.trace(|| format!("server {n}: {trouble:?} for {times} requests"));
}

fn server_goes(world: &Rc<World>) {
    let mut network = world.network.borrow_mut();
    let n = world.index(network.servers.len());
    network.servers[n].down_until = world.now() + world.between(1, 150) * SECOND;
    world.trace(|| format!("server {n} is down"));
}

fn file_changes(world: &Rc<World>) {
    let mut network = world.network.borrow_mut();
    let n = world.index(network.servers.len());
    let server = &mut network.servers[n];
    server.version += 1;
    // Where only a hash could tell, there must be one.
    let in_silence = world.scenery.is_hashed(n) && world.per_mille(300);
    if !in_silence {
        server.claimed = server.version;
        if server.size > PART && world.per_mille(400) {
            server.size -= world.between(1, PART);
        }
    }
    network.note(n);
    world.coverage.reached("a file changed");
    world.trace(|| format!("file {n} changes, in silence: {in_silence}"));
}

fn device_moves(world: &Rc<World>) {
    match world.between(0, 2) {
        0 => {
            world.trace(|| "offline".to_owned());
            world.set_online(false);
            let own = Rc::clone(world);
            world.spawn(OUTSIDE, async move {
                own.while_between(SECOND, 90 * SECOND).await;
                own.set_online(true);
            });
        }
        1 => world.set_online(true),
        _ => pages::navigated(world),
    }
}

fn storage_errs(world: &Rc<World>) {
    let mut weather = world.weather.borrow_mut();
    match world.between(0, 4) {
        0 => weather.aborted_appends = 200,
        1 => weather.unseen_commits = 300,
        2 => weather.failed_reads = 60,
        3 => weather.failed_puts = 300,
        _ => {
            weather.aborted_appends = 0;
            weather.unseen_commits = 0;
            weather.failed_reads = 0;
            weather.failed_puts = 0;
        }
    }
}

fn room_changes(world: &Rc<World>) {
    let usage = world.usage();
    let quota = match world.between(0, 2) {
        0 => Some(usage + world.between(0, 8 * PART)),
        _ => None,
    };
    world.weather.borrow_mut().quota = quota;
}

fn messages_suffer(world: &Rc<World>) {
    let mut weather = world.weather.borrow_mut();
    match world.between(0, 2) {
        0 => weather.lost_messages = 700,
        1 => weather.doubled_messages = 500,
        _ => {
            weather.lost_messages = 0;
            weather.doubled_messages = 0;
        }
    }
}

fn jobs_suffer(world: &Rc<World>) {
    let mut weather = world.weather.borrow_mut();
    match world.between(0, 3) {
        0 => weather.refused_jobs = 700,
        1 => weather.worker_start_ms = 2_500,
        2 => weather.worker_start_ms = 12_000,
        _ => {
            weather.refused_jobs = 0;
            weather.worker_start_ms = 0;
        }
    }
}

fn app_asks(world: &Rc<World>) {
    let Some(page) = any_page(world) else {
        return;
    };
    let wanted = &world.scenery.wanted[any_download(world)];
    let id = &wanted.spec.id;
    world.trace(|| format!("the app of page {page} asks for {id}"));
    match world.between(0, 6) {
        0 => pages::command(world, page, id, Command::Abort),
        1 => pages::command(world, page, id, Command::Remove),
        2 | 3 => pages::command(world, page, id, Command::Retry),
        4 => {
            let mut other = wanted.spec.clone();
            other.resources.truncate(1);
            let size = world.network.borrow().servers[wanted.files[0]].size;
            let resource = &mut other.resources[0];
            resource.bytes = resource.bytes.is_none().then_some(size);
            pages::request(world, page, &other);
        }
        _ => pages::request(world, page, &wanted.spec),
    }
}
