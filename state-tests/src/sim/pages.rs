//! Pages: what an app and the library's page side do, and the messages between contexts.

use std::rc::Rc;

use longhaul_core::{Command, Role, Spec};
use longhaul_runner::node::{CommitError, Node};
use longhaul_runner::supervisor::Supervisor;

use super::context::Context;
use super::executor::ContextId;
use super::laws;
use super::world::{MS, SECOND, World};

/// How long a navigation freezes background jobs.
const FREEZE: u64 = 30 * SECOND;

/// An open page.
pub struct Page {
    /// What works in it.
    pub node: Rc<Node<Context>>,
    /// Looks after its downloads.
    pub supervisor: Rc<Supervisor<Context>>,
}

/// Any page went anywhere.
pub fn navigated(world: &World) {
    world.jobs.borrow_mut().frozen_until = world.now() + FREEZE;
}

/// Opens a page. Its app has the headers that its downloads need.
pub fn open(world: &Rc<World>) -> ContextId {
    let id = world.executor.begin_context();
    navigated(world);
    world.coverage.sometimes(
        world.worker.borrow().is_handling(),
        "a page opened while a completion was handled",
    );
    let context = Context::new(world, id, Role::Page);
    let node = Node::new(world.scenery.setup(), context);
    let supervisor = Supervisor::new(Rc::clone(&node));
    let page = Rc::new(Page { node, supervisor });
    world.pages.borrow_mut().insert(id, Rc::clone(&page));
    world.trace(|| format!("page {id} opens"));
    let own = Rc::clone(world);
    world.spawn(id, async move {
        own.while_between(10 * MS, 100 * MS).await;
        Rc::clone(&page.supervisor).reconcile().await;
    });
    id
}

/// A page is gone, from one moment to the next.
pub fn crash(world: &World, id: ContextId) {
    world.trace(|| format!("page {id} is gone"));
    let page = world.pages.borrow_mut().remove(&id);
    world.executor.kill(id);
    drop(page);
}

/// The library is closed in a page, which lives on for a moment.
pub fn close(world: &Rc<World>, id: ContextId) {
    world.trace(|| format!("page {id} closes"));
    let page = world.pages.borrow_mut().remove(&id);
    if let Some(page) = page {
        page.supervisor.close();
    }
    let own = Rc::clone(world);
    world.spawn(super::executor::OUTSIDE, async move {
        own.while_between(0, 100 * MS).await;
        own.executor.kill(id);
    });
}

/// Says "read again" to all pages but the sender, which hears itself without a message.
pub fn tell(world: &Rc<World>, from: Option<ContextId>, download: &str) {
    if let Some(own) = from
        && world.pages.borrow().contains_key(&own)
    {
        refresh(world, own, download);
    }
    let all: Vec<ContextId> = world.pages.borrow().keys().copied().collect();
    for to in all.into_iter().filter(|to| Some(*to) != from) {
        let (lost, doubled) = {
            let weather = world.weather.borrow();
            (weather.lost_messages, weather.doubled_messages)
        };
        if world.per_mille(lost) {
            world.coverage.reached("a message was lost");
            continue;
        }
        let twice = world.per_mille(doubled);
        world.coverage.sometimes(twice, "a message came twice");
        for _ in 0..=u32::from(twice) {
            let (own, download) = (Rc::clone(world), download.to_owned());
            world.spawn(to, async move {
                own.while_between(100, 20 * MS).await;
                hear(&own, to, &download);
            });
        }
    }
}

/// A page hears "read again".
pub fn hear(world: &Rc<World>, id: ContextId, download: &str) {
    let page = world.pages.borrow().get(&id).cloned();
    if let Some(page) = page {
        refresh(world, id, download);
        page.supervisor.notify(download);
    }
}

/// What the page shows is read again, and what runs is driven.
fn refresh(world: &Rc<World>, id: ContextId, download: &str) {
    let page = world.pages.borrow().get(&id).cloned();
    let (Some(page), download) = (page, download.to_owned()) else {
        return;
    };
    world.spawn(id, async move {
        if let Ok(state) = page.node.load(&download).await
            && state.is_running()
        {
            page.supervisor.drive(&download);
        }
    });
}

/// The app asks for something.
pub fn request(world: &Rc<World>, id: ContextId, spec: &Spec) {
    let page = world.pages.borrow().get(&id).cloned();
    let (Some(page), spec, own) = (page, spec.clone(), Rc::clone(world)) else {
        return;
    };
    world.spawn(id, async move {
        if let Err(error) = ask(&page, spec.clone()).await {
            own.coverage.reached("a request was refused");
            own.trace(|| format!("request {}: {error}", spec.id));
        }
    });
}

async fn ask(page: &Page, spec: Spec) -> Result<(), CommitError> {
    let (id, headers) = (spec.id.clone(), spec.headers);
    let spec = spec
        .validated()
        .expect("apps ask for what can be asked for");
    let state = page.node.request(spec).await?;
    laws::commanded(&page.node.platform.world, &state);
    if headers {
        let context = &page.node.platform;
        context.headers.borrow_mut().insert(id.clone());
    }
    page.supervisor.drive(&id);
    Ok(())
}

/// The app commands something else.
pub fn command(world: &Rc<World>, id: ContextId, download: &str, command: Command) {
    let page = world.pages.borrow().get(&id).cloned();
    let (Some(page), download, own) = (page, download.to_owned(), Rc::clone(world)) else {
        return;
    };
    world.spawn(id, async move {
        let done = match command {
            Command::Retry => retry(&page, &download).await,
            command => page.supervisor.end(&download, command).await,
        };
        if let Err(error) = done {
            own.trace(|| format!("command for {download}: {error}"));
        }
    });
}

async fn retry(page: &Page, download: &str) -> Result<(), CommitError> {
    page.node.look(download).await?;
    let state = page.node.command(download, Command::Retry, None).await?;
    laws::commanded(&page.node.platform.world, &state);
    page.supervisor.drive(download);
    Ok(())
}
