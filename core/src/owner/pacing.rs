//! How many parts are fetched at a time: as many as the app wants, fewer where a server says that it is too much.

/// The pace at which a request began: the number of refusals before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Begun(u32);

/// Requests at a time: half as many after a refusal, one more for each part that came since.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Pacing {
    max: usize,
    now: usize,
    refusals: u32,
}

impl Pacing {
    /// As many as the app wants.
    pub(super) fn new(max: usize) -> Self {
        let max = max.max(1);
        Self {
            max,
            now: max,
            refusals: 0,
        }
    }

    pub(super) const fn requests(&self) -> usize {
        self.now
    }

    pub(super) const fn begin(&self) -> Begun {
        Begun(self.refusals)
    }

    /// A request was refused because there are too many. Those that were under way with it are refused for the same reason.
    pub(super) fn refused(&mut self, begun: Begun) {
        if self.begin() == begun {
            self.refusals = begun.0.wrapping_add(1);
            self.now = (self.now / 2).max(1);
        }
    }

    /// A part came. One that was asked for before the last refusal says nothing of what the server bears now.
    pub(super) fn came(&mut self, begun: Begun) {
        if self.begin() == begun {
            self.now = (self.now + 1).min(self.max);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_that_are_refused_together_halve_the_pace_once() {
        let mut pacing = Pacing::new(8);
        let together = [pacing.begin(), pacing.begin(), pacing.begin()];
        for begun in together {
            pacing.refused(begun);
        }
        assert_eq!(pacing.requests(), 4);
        for expected in [2, 1, 1] {
            pacing.refused(pacing.begin());
            assert_eq!(pacing.requests(), expected);
        }
    }

    #[test]
    fn only_parts_that_were_asked_for_since_the_refusal_speed_it_up_again() {
        let mut pacing = Pacing::new(4);
        let before = pacing.begin();
        pacing.refused(pacing.begin());
        pacing.came(before);
        assert_eq!(pacing.requests(), 2);
        for expected in [3, 4, 4] {
            pacing.came(pacing.begin());
            assert_eq!(pacing.requests(), expected);
        }
    }
}
