//! Meters: how many bytes of a transfer have come, and since when none has.

use std::cell::Cell;
use std::rc::Rc;

/// Counts the bytes of one transfer.
pub struct Meter {
    bytes: Cell<u64>,
    moved_at: Cell<u64>,
}

impl Meter {
    /// A meter at zero. Times are by the monotonic clock, in milliseconds: the wall clock may jump, and a jump is no silence.
    #[must_use]
    pub fn new(now: u64) -> Rc<Self> {
        Rc::new(Self {
            bytes: Cell::new(0),
            moved_at: Cell::new(now),
        })
    }

    /// Bytes so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    /// Counts bytes that came now.
    pub fn add(&self, bytes: u64, now: u64) {
        self.bytes.set(self.bytes.get().saturating_add(bytes));
        self.moved_at.set(now);
    }

    /// For how many milliseconds nothing has come. A silent connection is reported by no browser.
    #[must_use]
    pub fn idle_ms(&self, now: u64) -> u64 {
        now.saturating_sub(self.moved_at.get())
    }
}
