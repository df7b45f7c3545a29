//! The service worker: starts when something arrives for it, is stopped when idle, and can be killed at any moment.
//!
//! The order of things is that of `sw-adapter/js/sw.js`: a completion is named from its handler's first line on, and a
//! question is answered after the first line of every handler whose event came before it.

use std::collections::{BTreeSet, VecDeque};
use std::rc::Rc;

use longhaul_core::Role;
use longhaul_runner::completion::complete;
use longhaul_runner::job::JobState;
use longhaul_runner::node::{Node, Setup};
use longhaul_runner::once;

use super::context::Context;
use super::executor::ContextId;
use super::handles::SimRecord;
use super::pages;
use super::scenery::NAME;
use super::world::{MS, SECOND, World};

/// After how long a browser stops a handler.
const HANDLER_LIMIT: u64 = 300 * SECOND;
/// After how long without an event it stops the worker.
const IDLE_LIMIT: u64 = 30 * SECOND;
/// How long an answer is waited for, as the page's link to its worker does.
const ANSWER_LIMIT: u64 = 20 * SECOND;

/// Something that arrives for the worker.
pub enum Arrival {
    /// A job has ended.
    Completion(JobState),
    /// A page asks which completions are being handled.
    HttpRequest(once::Sender<Vec<String>>),
}

/// The worker, running or not.
#[derive(Default)]
pub struct Worker {
    /// Its process, from the moment when it begins to start.
    context: Option<ContextId>,
    /// The node that works in it, once its script has run.
    node: Option<Rc<Node<Context>>>,
    queue: VecDeque<Arrival>,
    arriving: BTreeSet<String>,
    /// Handlers at work.
    busy: u32,
    /// Changes with every event, so that an idle worker is told from one that was idle before.
    turn: u64,
}

impl Worker {
    /// Its process, if it runs or starts.
    #[must_use]
    pub fn context(&self) -> Option<ContextId> {
        self.context
    }

    /// Whether it handles a completion.
    #[must_use]
    pub fn is_handling(&self) -> bool {
        !self.arriving.is_empty()
    }
}

/// Something arrives: the worker is started if need be.
pub fn dispatch(world: &Rc<World>, arrival: Arrival) {
    let start = {
        let mut worker = world.worker.borrow_mut();
        worker.queue.push_back(arrival);
        worker.turn += 1;
        let start = worker.context.is_none();
        if start {
            worker.context = Some(world.executor.begin_context());
        }
        start
    };
    if !start {
        return deliver(world);
    }
    let slow = world.weather.borrow().worker_start_ms * MS;
    let own = Rc::clone(world);
    world.spawn(world.browser(), async move {
        own.while_between(20 * MS, 200 * MS + slow).await;
        own.coverage.sometimes(slow > 0, "a worker started late");
        evaluate(&own);
    });
}

/// The worker's script runs, and hears what has arrived meanwhile.
fn evaluate(world: &Rc<World>) {
    let Some(context) = world.worker.borrow().context else {
        return;
    };
    let setup = Setup {
        name: NAME.to_owned(),
        ..Setup::default()
    };
    let node = Node::new(setup, Context::new(world, context, Role::Worker));
    world.worker.borrow_mut().node = Some(node);
    deliver(world);
}

/// Runs the first line of the handler of everything that has arrived, in its order.
fn deliver(world: &Rc<World>) {
    loop {
        let (arrival, context, node) = {
            let mut worker = world.worker.borrow_mut();
            let (Some(context), Some(node)) = (worker.context, worker.node.clone()) else {
                return;
            };
            let Some(arrival) = worker.queue.pop_front() else {
                return;
            };
            worker.busy += 1;
            (arrival, context, node)
        };
        let own = Rc::clone(world);
        match arrival {
            Arrival::Completion(state) => {
                world.worker.borrow_mut().arriving.insert(state.id.clone());
                world.trace(|| format!("the worker hears of {}", state.id));
                let limited = Rc::clone(world);
                let turn = world.worker.borrow().turn;
                world.spawn(context, async move {
                    handle(&own, &node, &state).await;
                    ended(&own);
                });
                world.spawn(context, async move {
                    limited.sleep(HANDLER_LIMIT).await;
                    let late = {
                        let worker = limited.worker.borrow();
                        worker.busy > 0 && worker.turn == turn
                    };
                    if late {
                        limited
                            .coverage
                            .reached("a handler was stopped for its time");
                        kill(&limited);
                    }
                });
            }
            Arrival::HttpRequest(sender) => world.spawn(context, async move {
                // The wasm is there.
                own.while_between(5 * MS, 30 * MS).await;
                let handling = own.worker.borrow().arriving.iter().cloned().collect();
                // The page may be gone.
                let _ = sender.send(handling);
                ended(&own);
            }),
        }
    }
}

/// A completion's handler, from its second line on.
async fn handle(world: &Rc<World>, node: &Rc<Node<Context>>, state: &JobState) {
    world.while_between(5 * MS, 30 * MS).await;
    let records = {
        let jobs = world.jobs.borrow();
        let job = jobs.handled.get(&state.id);
        job.map(|job| {
            let all = job.records.iter().enumerate();
            all.map(|(index, record)| SimRecord::new(&state.id, index, &record.url))
                .collect()
        })
    };
    let own = Rc::clone(world);
    let id = state.id.clone();
    let accounted = move || {
        own.worker.borrow_mut().arriving.remove(&id);
    };
    let done = complete(node, state, records, accounted).await;
    world.coverage.reached("a completion was handled");
    if let Some((download, _)) = done {
        pages::tell(world, None, &download);
    }
    world.worker.borrow_mut().arriving.remove(&state.id);
    world.jobs.borrow_mut().handled.remove(&state.id);
}

/// A handler has ended: an idle worker is stopped after a while.
fn ended(world: &Rc<World>) {
    let turn = {
        let mut worker = world.worker.borrow_mut();
        worker.busy = worker.busy.saturating_sub(1);
        if worker.busy > 0 {
            return;
        }
        worker.turn
    };
    let own = Rc::clone(world);
    world.spawn(world.browser(), async move {
        own.sleep(IDLE_LIMIT).await;
        let idle = {
            let worker = own.worker.borrow();
            worker.busy == 0 && worker.turn == turn
        };
        if idle {
            stop(&own);
        }
    });
}

/// The worker is killed, in the midst of whatever it does: the jobs whose end it was handling are gone.
pub fn kill(world: &Rc<World>) {
    let lost = world.worker.borrow().is_handling() || !world.jobs.borrow().handled.is_empty();
    world
        .coverage
        .sometimes(lost, "a worker was killed over a completion");
    stop(world);
}

fn stop(world: &Rc<World>) {
    let gone = world.worker.take();
    if let Some(context) = gone.context {
        world.trace(|| "the worker stops".to_owned());
        world.executor.kill(context);
    }
    drop(gone);
    let lost = std::mem::take(&mut world.jobs.borrow_mut().handled);
    drop(lost);
}

/// Asks the worker which completions it is handling; `None` where it does not answer in time.
pub async fn ask(world: &Rc<World>) -> Option<Vec<String>> {
    let (sender, receiver) = once::channel();
    let own = Rc::clone(world);
    world.spawn(world.browser(), async move {
        own.while_between(100, 3 * MS).await;
        dispatch(&own, Arrival::HttpRequest(sender));
    });
    let deadline = world.now() + ANSWER_LIMIT;
    let answer = super::manager::within(world, ANSWER_LIMIT, receiver).await;
    if let Some(handling) = answer.flatten() {
        world
            .coverage
            .sometimes(!handling.is_empty(), "a completion under way was named");
        return Some(handling);
    }
    world.coverage.reached("a worker that does not answer");
    world.executor.sleep_until(deadline).await;
    None
}
