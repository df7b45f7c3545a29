//! Cancelling, and waking: the two signals between a loop and what runs beside it. They need no browser.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures_util::future::{Either, select};

use crate::once;

/// Wakes a loop that waits. A wake while nobody waits is kept for the next wait.
#[derive(Default)]
pub struct Wake {
    pending: Cell<bool>,
    waiting: RefCell<Option<once::Sender<()>>>,
}

impl Wake {
    /// Wakes whoever waits, or will.
    pub fn wake(&self) {
        self.pending.set(true);
        if let Some(waiting) = self.waiting.take() {
            // Whoever stopped waiting finds the flag.
            let _ = waiting.send(());
        }
    }

    /// Waits for the next wake.
    pub async fn wait(&self) {
        if !self.pending.get() {
            let (sender, receiver) = once::channel();
            *self.waiting.borrow_mut() = Some(sender);
            receiver.await;
        }
        self.pending.set(false);
    }
}

/// Says to everything that holds a clone that it is no longer wanted.
#[derive(Clone, Default)]
pub struct Cancel(Rc<Said>);

#[derive(Default)]
struct Said {
    cancelled: Cell<bool>,
    waiting: RefCell<Vec<once::Sender<()>>>,
}

impl Said {
    fn await_with(&self, sender: once::Sender<()>) {
        let mut waiting = self.waiting.borrow_mut();
        waiting.retain(once::Sender::is_wanted);
        waiting.push(sender);
    }
}

impl Cancel {
    /// Nothing is wanted any more.
    pub fn cancel(&self) {
        self.0.cancelled.set(true);
        for waiting in self.0.waiting.take() {
            // Whoever stopped waiting needs to know nothing.
            let _ = waiting.send(());
        }
    }

    /// Whether that was said.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.cancelled.get()
    }

    /// Works until it is done, or no longer wanted: then the work is dropped where it stands, and this is `None`.
    pub async fn race<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        if self.is_cancelled() {
            return None;
        }
        let (sender, receiver) = once::channel();
        self.0.await_with(sender);
        match select(Box::pin(work), receiver).await {
            Either::Left((done, _)) => Some(done),
            Either::Right(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    fn poll<T>(work: &mut std::pin::Pin<&mut impl Future<Output = T>>) -> Poll<T> {
        work.as_mut().poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn what_is_cancelled_ends_with_nothing() {
        let cancel = Cancel::default();
        let other = cancel.clone();
        let mut endless = pin!(cancel.race(pending::<()>()));
        assert_eq!(poll(&mut endless), Poll::Pending);
        other.cancel();
        assert_eq!(poll(&mut endless), Poll::Ready(None));
        assert_eq!(poll(&mut pin!(other.race(ready(1)))), Poll::Ready(None));
    }

    #[test]
    fn what_is_done_is_done() {
        let cancel = Cancel::default();
        assert_eq!(poll(&mut pin!(cancel.race(ready(1)))), Poll::Ready(Some(1)));
        cancel.cancel();
    }

    #[test]
    fn a_wake_while_nobody_waits_is_kept() {
        let wake = Wake::default();
        wake.wake();
        assert_eq!(poll(&mut pin!(wake.wait())), Poll::Ready(()));
        let mut waits = pin!(wake.wait());
        assert_eq!(poll(&mut waits), Poll::Pending);
        wake.wake();
        assert_eq!(poll(&mut waits), Poll::Ready(()));
    }
}
