//! How many parts are fetched at a time: as many as the app wants, fewer where a server says that it is too much.

use std::cell::Cell;

/// The pace at which a request began: the number of refusals before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Begun(u32);

/// Requests at a time: half as many after a refusal, one more for each part that came since.
#[derive(Debug)]
pub(super) struct Pace {
    most: usize,
    now: Cell<usize>,
    refusals: Cell<u32>,
}

impl Pace {
    /// As many as the app wants.
    pub(super) fn new(most: usize) -> Self {
        let most = most.max(1);
        Self {
            most,
            now: Cell::new(most),
            refusals: Cell::default(),
        }
    }

    pub(super) fn requests(&self) -> usize {
        self.now.get()
    }

    pub(super) fn begin(&self) -> Begun {
        Begun(self.refusals.get())
    }

    /// A request was refused because there are too many. Those that were under way with it are refused for the same reason.
    pub(super) fn refused(&self, begun: Begun) {
        if self.begin() == begun {
            self.refusals.set(begun.0.wrapping_add(1));
            self.now.set((self.now.get() / 2).max(1));
        }
    }

    /// A part came. One that was asked for before the last refusal says nothing of what the server bears now.
    pub(super) fn came(&self, begun: Begun) {
        if self.begin() == begun {
            self.now.set((self.now.get() + 1).min(self.most));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_that_are_refused_together_halve_the_pace_once() {
        let pace = Pace::new(8);
        let together = [pace.begin(), pace.begin(), pace.begin()];
        for begun in together {
            pace.refused(begun);
        }
        assert_eq!(pace.requests(), 4);
        for expected in [2, 1, 1] {
            pace.refused(pace.begin());
            assert_eq!(pace.requests(), expected);
        }
    }

    #[test]
    fn only_parts_that_were_asked_for_since_the_refusal_speed_it_up_again() {
        let pace = Pace::new(4);
        let before = pace.begin();
        pace.refused(pace.begin());
        pace.came(before);
        assert_eq!(pace.requests(), 2);
        for expected in [3, 4, 4] {
            pace.came(pace.begin());
            assert_eq!(pace.requests(), expected);
        }
    }
}
