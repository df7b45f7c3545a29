//! The world: one device with one browser, and what is outside of it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::{Future, pending};
use std::rc::Rc;

use longhaul_runner::cancel::Wake;
use longhaul_runner::memory::MemoryHistories;
use longhaul_runner::once;

use super::caches::Caches;
use super::executor::{ContextId, Executor, OUTSIDE, Sleep};
use super::jobs::Jobs;
use super::laws::Laws;
use super::locks::Locks;
use super::network::Network;
use super::pages::Page;
use super::rng::Rng;
use super::scenery::Scenery;
use super::worker::Worker;
use crate::prove::Coverage;

/// Microseconds in a millisecond.
pub const MS: u64 = 1_000;
/// Microseconds in a second.
pub const SECOND: u64 = 1_000 * MS;
/// Midnight of a new year, in milliseconds since 1970: when every simulation begins.
const START_MS: u64 = 1_767_225_600_000;

/// What may go wrong by itself. All zeros are fair weather. Chances are in thousandths.
#[derive(Debug, Clone, Default)]
pub struct Weather {
    /// The device is offline.
    pub offline: bool,
    /// An append is aborted: nothing was written, and the answer is an error.
    pub aborted_appends: u64,
    /// An append is committed, and the answer is an error all the same.
    pub unseen_commits: u64,
    /// A read fails.
    pub failed_reads: u64,
    /// A part cannot be stored.
    pub failed_puts: u64,
    /// A message is lost.
    pub lost_messages: u64,
    /// A message comes twice.
    pub doubled_messages: u64,
    /// The browser refuses a job, for want of a person's gesture.
    pub refused_jobs: u64,
    /// Bytes that caches and jobs may take.
    pub quota: Option<u64>,
    /// The worker takes this long to start, in milliseconds, where that is more than usual.
    pub worker_start_ms: u64,
    /// Hashing a part takes so much longer than usual, in milliseconds.
    pub slow_hash_ms: u64,
}

/// The world.
pub struct World {
    /// Runs everything.
    pub executor: Executor,
    /// What was reached.
    pub coverage: Rc<Coverage>,
    /// What is there from the beginning.
    pub scenery: Scenery,
    /// What may go wrong by itself.
    pub weather: RefCell<Weather>,
    /// The histories.
    pub history: MemoryHistories,
    /// When the last transaction that was begun is carried out: they are, in their order.
    pub transaction_at: Cell<u64>,
    /// Bytes stored.
    pub caches: RefCell<Caches>,
    /// Web Locks.
    pub locks: RefCell<Locks>,
    /// Background jobs.
    pub jobs: RefCell<Jobs>,
    /// Wakes the manager of the jobs.
    pub jobs_moved: Wake,
    /// Servers.
    pub network: RefCell<Network>,
    /// The service worker.
    pub worker: RefCell<Worker>,
    /// Open pages.
    pub pages: RefCell<BTreeMap<ContextId, Rc<Page>>>,
    /// What must hold.
    pub laws: RefCell<Laws>,
    browser: Cell<ContextId>,
    rng: RefCell<Rng>,
    broken: RefCell<Option<String>>,
    trace: Option<RefCell<Vec<String>>>,
    waiting_online: RefCell<Vec<once::Sender<()>>>,
}

impl World {
    /// A world whose browser is not running yet.
    #[must_use]
    pub fn new(scenery: Scenery, rng: Rng, coverage: Rc<Coverage>, traced: bool) -> Rc<Self> {
        let network = Network::new(&scenery);
        Rc::new(Self {
            executor: Executor::default(),
            coverage,
            scenery,
            weather: RefCell::default(),
            history: MemoryHistories::new(),
            transaction_at: Cell::default(),
            caches: RefCell::default(),
            locks: RefCell::default(),
            jobs: RefCell::default(),
            jobs_moved: Wake::default(),
            network: RefCell::new(network),
            worker: RefCell::default(),
            pages: RefCell::default(),
            laws: RefCell::default(),
            browser: Cell::new(OUTSIDE),
            rng: RefCell::new(rng),
            broken: RefCell::default(),
            trace: traced.then(RefCell::default),
            waiting_online: RefCell::default(),
        })
    }

    /// Microseconds since the beginning.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.executor.now()
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        START_MS + self.now() / MS
    }

    /// Waits so many microseconds.
    pub fn sleep(&self, us: u64) -> Sleep {
        self.executor.sleep_until(self.now().saturating_add(us))
    }

    /// Waits a while of a length that chance chooses, in microseconds.
    pub fn while_between(&self, first: u64, last: u64) -> Sleep {
        let us = self.between(first, last);
        self.sleep(us)
    }

    /// A number that chance chooses.
    pub fn between(&self, first: u64, last: u64) -> u64 {
        self.rng.borrow_mut().between(first, last)
    }

    /// True so many times in a thousand.
    pub fn per_mille(&self, n: u64) -> bool {
        self.rng.borrow_mut().per_mille(n)
    }

    /// An index below `len`.
    pub fn index(&self, len: usize) -> usize {
        self.rng.borrow_mut().index(len)
    }

    /// The browser process that runs; [`OUTSIDE`] while none does.
    #[must_use]
    pub fn browser(&self) -> ContextId {
        self.browser.get()
    }

    /// Whether a browser runs.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.browser() != OUTSIDE
    }

    /// Notes which browser process runs.
    pub fn set_browser(&self, browser: ContextId) {
        self.browser.set(browser);
    }

    /// Runs something in a context.
    pub fn spawn(&self, context: ContextId, work: impl Future<Output = ()> + 'static) {
        self.executor.spawn(context, Box::pin(work));
    }

    /// Has the browser do something for a context: it is asked, does it at one moment, and answers, which takes from
    /// `first` to `last` microseconds in all. Whoever dies after it has asked may have it done all the same.
    pub async fn call<T: 'static>(
        self: &Rc<Self>,
        caller: ContextId,
        (first, last): (u64, u64),
        act: impl FnOnce(&Rc<Self>) -> T + 'static,
    ) -> T {
        let at = self.now() + self.between(first / 2, last / 2);
        self.call_at(caller, at, (first / 2, last / 2), act).await
    }

    /// The same, done at this moment, with so long a way back.
    pub async fn call_at<T: 'static>(
        self: &Rc<Self>,
        caller: ContextId,
        at: u64,
        (first, last): (u64, u64),
        act: impl FnOnce(&Rc<Self>) -> T + 'static,
    ) -> T {
        let (sender, receiver) = once::channel();
        let world = Rc::clone(self);
        self.spawn(self.browser(), async move {
            world.executor.sleep_until(at).await;
            if !world.executor.is_alive(caller) {
                if world.per_mille(500) {
                    return;
                }
                world
                    .coverage
                    .reached("a dead context's call was carried out");
            }
            let done = act(&world);
            world.while_between(first, last).await;
            // Whoever asked may be gone.
            let _ = sender.send(done);
        });
        match receiver.await {
            Some(done) => done,
            // The browser died, and with it whoever asked.
            None => pending().await,
        }
    }

    /// Whether the device is online.
    #[must_use]
    pub fn online(&self) -> bool {
        !self.weather.borrow().offline
    }

    /// Takes the device online, or offline.
    pub fn set_online(&self, online: bool) {
        self.weather.borrow_mut().offline = !online;
        if online {
            for waiting in self.waiting_online.take() {
                // Whoever waited may be gone.
                let _ = waiting.send(());
            }
        }
    }

    /// Waits until the device is online.
    pub async fn came_online(&self) {
        if self.online() {
            return;
        }
        let (sender, receiver) = once::channel();
        self.waiting_online.borrow_mut().push(sender);
        receiver.await;
    }

    /// Bytes that caches and jobs take together.
    #[must_use]
    pub fn usage(&self) -> u64 {
        self.caches.borrow().usage() + self.jobs.borrow().usage()
    }

    /// Whether so many bytes more would be too many.
    #[must_use]
    pub fn is_full_with(&self, more: u64) -> bool {
        let quota = self.weather.borrow().quota;
        quota.is_some_and(|quota| self.usage() + more > quota)
    }

    /// A law does not hold. The first one counts.
    pub fn broke(&self, law: String) {
        self.trace(|| format!("BROKEN {law}"));
        self.broken.borrow_mut().get_or_insert(law);
    }

    /// The first law that did not hold.
    #[must_use]
    pub fn broken(&self) -> Option<String> {
        self.broken.borrow().clone()
    }

    /// Notes what happens, where anybody wants to know.
    pub fn trace(&self, line: impl FnOnce() -> String) {
        if let Some(trace) = &self.trace {
            let (s, ms) = (self.now() / SECOND, self.now() % SECOND / MS);
            trace.borrow_mut().push(format!("{s:6}.{ms:03} {}", line()));
        }
    }

    /// What was noted.
    #[must_use]
    pub fn traced(&self) -> Vec<String> {
        self.trace.as_ref().map_or_else(Vec::new, RefCell::take)
    }

    /// Ends everything that runs, and lets go of what holds on to this world.
    pub fn end(&self) {
        self.pages.take();
        self.worker.take();
        self.jobs.take();
        self.executor.clear();
    }
}
