//! Web Locks: a queue for each name, first come, first served. A lock goes with its owner, however that ends.

use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use longhaul_runner::once;

use super::executor::ContextId;
use super::world::{MS, World};

/// All locks.
#[derive(Default)]
pub struct Locks {
    names: BTreeMap<String, Lock>,
    next: u64,
}

#[derive(Default)]
struct Lock {
    holder: Option<(u64, ContextId)>,
    queue: VecDeque<(u64, ContextId, once::Sender<()>)>,
}

impl Lock {
    fn grant_next(&mut self) {
        while self.holder.is_none() {
            let Some((ticket, context, sender)) = self.queue.pop_front() else {
                return;
            };
            if sender.send(()).is_ok() {
                self.holder = Some((ticket, context));
            }
        }
    }
}

impl Locks {
    /// Who holds a lock.
    #[must_use]
    pub fn holder(&self, name: &str) -> Option<ContextId> {
        let lock = self.names.get(name)?;
        lock.holder.map(|(_, context)| context)
    }
}

/// A place in the queue, and then the lock. Dropped, it lets the next one go on.
pub struct Ticket {
    world: Rc<World>,
    name: String,
    number: u64,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut locks = self.world.locks.borrow_mut();
        let Some(lock) = locks.names.get_mut(&self.name) else {
            return;
        };
        lock.queue.retain(|(number, ..)| *number != self.number);
        if lock.holder.is_some_and(|(number, _)| number == self.number) {
            lock.holder = None;
            lock.grant_next();
        }
    }
}

/// Waits for a lock.
pub async fn acquire(world: &Rc<World>, context: ContextId, name: &str) -> Ticket {
    world.while_between(0, 2 * MS).await;
    let (sender, receiver) = once::channel();
    let ticket = {
        let mut locks = world.locks.borrow_mut();
        locks.next += 1;
        let number = locks.next;
        let lock = locks.names.entry(name.to_owned()).or_default();
        lock.queue.push_back((number, context, sender));
        if lock.holder.is_some_and(|(_, holder)| holder != context) {
            world.coverage.reached("a lock that another context held");
        }
        lock.grant_next();
        Ticket {
            world: Rc::clone(world),
            name: name.to_owned(),
            number,
        }
    };
    receiver.await;
    ticket
}
