//! A value handed over once, from a callback to a future, inside one thread.
//!
//! Every browser callback (a request's event, a timer, a granted lock) ends in one of these. It needs no
//! browser, so whatever is built on it can be polled natively.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

struct Slot<T> {
    value: Option<T>,
    waker: Option<Waker>,
    /// The sender is gone: without a value there will never be one.
    closed: bool,
}

/// The end that gives the value.
pub struct Sender<T>(Weak<RefCell<Slot<T>>>);

/// The end that waits: `None` when the sender was dropped without sending.
#[must_use = "a receiver does nothing unless it is awaited"]
pub struct Receiver<T>(Rc<RefCell<Slot<T>>>);

/// A connected pair.
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let slot = Rc::new(RefCell::new(Slot {
        value: None,
        waker: None,
        closed: false,
    }));
    (Sender(Rc::downgrade(&slot)), Receiver(slot))
}

impl<T> Sender<T> {
    /// Hands the value over, or gives it back when nobody waits any more.
    pub fn send(self, value: T) -> Result<(), T> {
        let Some(slot) = self.0.upgrade() else {
            return Err(value);
        };
        slot.borrow_mut().value = Some(value);
        Ok(())
    }

    /// Whether anybody still waits.
    #[must_use]
    pub fn is_wanted(&self) -> bool {
        self.0.strong_count() > 0
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        if let Some(slot) = self.0.upgrade() {
            let waker = {
                let mut slot = slot.borrow_mut();
                slot.closed = true;
                slot.waker.take()
            };
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

impl<T> Future for Receiver<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let mut slot = self.0.borrow_mut();
        if let Some(value) = slot.value.take() {
            return Poll::Ready(Some(value));
        }
        if slot.closed {
            return Poll::Ready(None);
        }
        slot.waker = Some(context.waker().clone());
        Poll::Pending
    }
}
