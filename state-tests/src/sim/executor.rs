//! The executor: one thread, virtual time, and an order of tasks that a seed chooses.
//!
//! Every task belongs to a context: a page, the service worker, the browser itself, or what is outside of it. A context
//! that dies takes its tasks with it, wherever they stand. Time passes only while no task can run: then it jumps to the
//! next timer.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::future::LocalBoxFuture;

/// A context: what lives and dies together.
pub type ContextId = u32;

/// What is outside of the browser, and never dies.
pub const OUTSIDE: ContextId = 0;

/// The tasks that can run, in the order in which they were woken.
type Ready = Arc<Mutex<Vec<u64>>>;

struct TaskWaker {
    task: u64,
    queued: AtomicBool,
    ready: Ready,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            lock(&self.ready).push(self.task);
        }
    }
}

fn lock(ready: &Ready) -> std::sync::MutexGuard<'_, Vec<u64>> {
    ready.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Task {
    context: ContextId,
    /// Taken out while it is polled.
    future: Option<LocalBoxFuture<'static, ()>>,
    waker: Arc<TaskWaker>,
}

#[derive(Default)]
struct Tasks {
    all: BTreeMap<u64, Task>,
    next: u64,
    alive: BTreeSet<ContextId>,
    next_context: ContextId,
}

#[derive(Default)]
struct Timers {
    /// By time and order of setting.
    waiting: BTreeMap<(u64, u64), Waker>,
    next: u64,
}

/// The executor. Clones are the same one.
#[derive(Clone, Default)]
pub struct Executor(Rc<Inner>);

#[derive(Default)]
struct Inner {
    tasks: RefCell<Tasks>,
    timers: RefCell<Timers>,
    ready: Ready,
    now: Cell<u64>,
}

impl Executor {
    /// Microseconds since the simulation began.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.0.now.get()
    }

    /// A new context, alive.
    #[must_use]
    pub fn begin_context(&self) -> ContextId {
        let mut tasks = self.0.tasks.borrow_mut();
        tasks.next_context += 1;
        let context = tasks.next_context;
        tasks.alive.insert(context);
        context
    }

    /// Whether a context lives.
    #[must_use]
    pub fn is_alive(&self, context: ContextId) -> bool {
        context == OUTSIDE || self.0.tasks.borrow().alive.contains(&context)
    }

    /// Ends a context: its tasks are dropped where they stand.
    pub fn kill(&self, context: ContextId) {
        let dead: Vec<Task> = {
            let mut tasks = self.0.tasks.borrow_mut();
            tasks.alive.remove(&context);
            let ids: Vec<u64> = tasks
                .all
                .iter()
                .filter(|(_, task)| task.context == context)
                .map(|(id, _)| *id)
                .collect();
            ids.iter().filter_map(|id| tasks.all.remove(id)).collect()
        };
        // Outside of the borrow: what they hold may wake others as it goes.
        drop(dead);
    }

    /// Ends everything.
    pub fn clear(&self) {
        let all = {
            let mut tasks = self.0.tasks.borrow_mut();
            tasks.alive.clear();
            std::mem::take(&mut tasks.all)
        };
        drop(all);
    }

    /// Runs a future in a context that lives; one of a dead context is dropped.
    pub fn spawn(&self, context: ContextId, future: LocalBoxFuture<'static, ()>) {
        if !self.is_alive(context) {
            return;
        }
        let mut tasks = self.0.tasks.borrow_mut();
        tasks.next += 1;
        let id = tasks.next;
        let waker = Arc::new(TaskWaker {
            task: id,
            queued: AtomicBool::new(true),
            ready: Arc::clone(&self.0.ready),
        });
        let task = Task {
            context,
            future: Some(future),
            waker,
        };
        tasks.all.insert(id, task);
        lock(&self.0.ready).push(id);
    }

    /// Lets one task that can run do so; `choose` names one of so many. Its number and its context; `None` where none can.
    pub fn run_one(&self, choose: impl FnOnce(usize) -> usize) -> Option<(u64, ContextId)> {
        let (id, context, mut future, waker) = {
            let mut ready = lock(&self.0.ready);
            let mut tasks = self.0.tasks.borrow_mut();
            // Of those that were woken some may be gone.
            ready.retain(|id| tasks.all.contains_key(id));
            if ready.is_empty() {
                return None;
            }
            let which = choose(ready.len()).min(ready.len() - 1);
            let id = ready.remove(which);
            let task = tasks.all.get_mut(&id)?;
            task.waker.queued.store(false, Ordering::Relaxed);
            (id, task.context, task.future.take()?, task.waker.clone())
        };
        let waker = Waker::from(waker);
        let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
        let finished = {
            let mut tasks = self.0.tasks.borrow_mut();
            match (polled, tasks.all.get_mut(&id)) {
                (Poll::Pending, Some(task)) => {
                    task.future = Some(future);
                    None
                }
                // Done, or its context died by what it did.
                _ => Some((tasks.all.remove(&id), future)),
            }
        };
        drop(finished);
        Some((id, context))
    }

    /// When the next timer fires.
    #[must_use]
    pub fn next_timer(&self) -> Option<u64> {
        let timers = self.0.timers.borrow();
        timers.waiting.keys().next().map(|(at, _)| *at)
    }

    /// Lets time pass until then.
    pub fn advance_to(&self, at: u64) {
        self.0.now.set(self.now().max(at));
        let due: Vec<Waker> = {
            let mut timers = self.0.timers.borrow_mut();
            let later = timers.waiting.split_off(&(self.now() + 1, 0));
            std::mem::replace(&mut timers.waiting, later)
                .into_values()
                .collect()
        };
        due.into_iter().for_each(Waker::wake);
    }

    /// Waits until then.
    pub fn sleep_until(&self, at: u64) -> Sleep {
        Sleep {
            executor: self.clone(),
            at,
            timer: None,
        }
    }
}

/// Waits for a time; dropped, its timer is gone.
#[must_use = "a sleep does nothing unless it is awaited"]
pub struct Sleep {
    executor: Executor,
    at: u64,
    timer: Option<(u64, u64)>,
}

impl Sleep {
    fn withdraw(&mut self) {
        if let Some(timer) = self.timer.take() {
            self.executor.0.timers.borrow_mut().waiting.remove(&timer);
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.withdraw();
        if self.executor.now() >= self.at {
            return Poll::Ready(());
        }
        let timer = {
            let mut timers = self.executor.0.timers.borrow_mut();
            timers.next += 1;
            let timer = (self.at, timers.next);
            timers.waiting.insert(timer, context.waker().clone());
            timer
        };
        self.timer = Some(timer);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.withdraw();
    }
}
