//! Locks within one process.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use crate::errors::LockError;
use crate::once;
use crate::ports::{Locks, Ownership};

/// Who waits for a lock, in order. A lock that is held has an entry here, without anybody in it where nobody waits.
type Queues = RefCell<BTreeMap<String, VecDeque<once::Sender<Held>>>>;

/// Locks in memory. Clones share them.
#[derive(Clone, Default)]
pub struct MemoryLocks(Rc<Queues>);

struct Held {
    name: String,
    queues: Rc<Queues>,
}

impl Drop for Held {
    fn drop(&mut self) {
        loop {
            let mut queues = self.queues.borrow_mut();
            let Some(next) = queues.get_mut(&self.name).and_then(VecDeque::pop_front) else {
                queues.remove(&self.name);
                return;
            };
            drop(queues);
            if next.is_wanted() {
                let held = Held {
                    name: self.name.clone(),
                    queues: Rc::clone(&self.queues),
                };
                // It is wanted: nothing ran in between. What would come back is dropped, and so goes to the next one.
                let _ = next.send(held);
                return;
            }
        }
    }
}

impl Locks for MemoryLocks {
    async fn own(&self, name: &str, _lost: Rc<dyn Fn()>) -> Result<Ownership, LockError> {
        let waiting = {
            let mut queues = self.0.borrow_mut();
            if let Some(queue) = queues.get_mut(name) {
                let (sender, receiver) = once::channel();
                queue.push_back(sender);
                Some(receiver)
            } else {
                queues.insert(name.to_owned(), VecDeque::new());
                None
            }
        };
        let held = match waiting {
            Some(waiting) => waiting.await.ok_or(LockError::Aborted)?,
            None => Held {
                name: name.to_owned(),
                queues: Rc::clone(&self.0),
            },
        };
        Ok(Box::new(held))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;

    fn own(locks: &MemoryLocks) -> impl Future<Output = Result<Ownership, LockError>> {
        let locks = locks.clone();
        async move { locks.own("a", Rc::new(|| {})).await }
    }

    #[test]
    fn a_lock_goes_to_whoever_waits_longest_and_still_wants_it() {
        let locks = MemoryLocks::default();
        let first = own(&locks).now_or_never().expect("free").expect("had");
        let mut second = Box::pin(own(&locks));
        let mut third = Box::pin(own(&locks));
        assert!(second.as_mut().now_or_never().is_none());
        assert!(third.as_mut().now_or_never().is_none());
        drop(second);
        drop(first);
        let third = third.now_or_never().expect("its turn").expect("had");
        drop(third);
        assert!(own(&locks).now_or_never().is_some());
        assert!(locks.0.borrow().is_empty());
    }

    #[test]
    fn a_lock_that_was_handed_to_somebody_who_left_goes_on() {
        let locks = MemoryLocks::default();
        let first = own(&locks).now_or_never().expect("free").expect("had");
        let mut second = Box::pin(own(&locks));
        assert!(second.as_mut().now_or_never().is_none());
        drop(first);
        // Handed over, and never looked at.
        drop(second);
        assert!(own(&locks).now_or_never().is_some());
    }
}
