//! Two clocks: one that measures, and one that is written down.

use crate::download::{Download, Waiting};

/// One moment, by both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Now {
    /// Milliseconds by a clock that only goes forward, from any beginning. Everything is measured by it.
    pub monotonic_ms: u64,
    /// Milliseconds since 1970 by the device's clock, which may be set forth and back. Only entries hold it.
    pub wall_ms: u64,
}

impl Now {
    /// The time of a history: its entries never go back.
    pub(super) fn of(self, download: &Download) -> u64 {
        self.wall_ms.max(download.at)
    }
}

/// Moves the origin of monotonic time so that `now` becomes `memory_ms`. See [`Owner::rebase`](super::Owner::rebase).
#[derive(Debug, Clone, Copy)]
pub(super) struct Rebase {
    pub(super) now: u64,
    pub(super) memory_ms: u64,
}

impl Rebase {
    /// How long ago something was, as far as it is remembered.
    fn age(self, at: u64) -> u64 {
        self.now.saturating_sub(at).min(self.memory_ms)
    }

    /// The time of something that was.
    pub(super) fn past(self, at: &mut u64) {
        *at = self.memory_ms - self.age(*at);
    }

    /// The time of something that is to be.
    pub(super) fn due(self, until: &mut u64) {
        *until = self.memory_ms + until.saturating_sub(self.now);
    }
}

/// The wait that stands in the history, measured from when it was first read. However the device's clock is set, it does not
/// last longer than it was meant to, and what came before it is not counted anew (law L17).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Wait(Option<Measured>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Measured {
    written: Waiting,
    /// When it was first read.
    read_at: u64,
    /// How long it had to last then, where that is known.
    left_ms: Option<u64>,
    /// How long ago waiting for this reason had begun then.
    since_ms: u64,
    /// How long ago it had been written.
    age_ms: u64,
}

impl Wait {
    /// Takes the wait of a state that was read, or none.
    pub(super) fn read(&mut self, download: &Download, now: Now) {
        let Some(waiting) = &download.waiting else {
            self.0 = None;
            return;
        };
        if self
            .0
            .as_ref()
            .is_some_and(|known| known.written == *waiting)
        {
            return;
        }
        let time = now.of(download);
        // The same outage goes on: it was measured from its beginning, if that was seen.
        let known = self.0.take();
        let since_ms = known
            .filter(|known| {
                (known.written.reason, known.written.since) == (waiting.reason, waiting.since)
            })
            .map_or(time.saturating_sub(waiting.since), |known| {
                known.since_ms + now.monotonic_ms.saturating_sub(known.read_at)
            });
        self.0 = Some(Measured {
            written: waiting.clone(),
            read_at: now.monotonic_ms,
            left_ms: waiting.until.map(|until| {
                let length = until.saturating_sub(waiting.at);
                until.saturating_sub(time).min(length)
            }),
            since_ms,
            age_ms: time.saturating_sub(waiting.at),
        });
    }

    /// The wait as it would stand in the history had the device's clock not been set since: what rules are held against.
    pub(super) fn waiting(&self, download: &Download, now: Now) -> Option<Waiting> {
        let measured = self.0.as_ref()?;
        let time = now.of(download);
        let passed = now.monotonic_ms.saturating_sub(measured.read_at);
        let ago = |ms: u64| time.saturating_sub(ms.saturating_add(passed));
        Some(Waiting {
            reason: measured.written.reason,
            until: measured
                .left_ms
                .map(|left| time.saturating_add(left.saturating_sub(passed))),
            since: ago(measured.since_ms),
            at: ago(measured.age_ms),
        })
    }

    /// Counts from now on, by another origin.
    pub(super) fn rebase(&mut self, to: Rebase) {
        if let Some(measured) = &mut self.0 {
            let passed = to.now.saturating_sub(measured.read_at);
            let longer = |ms: u64| ms.saturating_add(passed).min(to.memory_ms);
            measured.left_ms = measured.left_ms.map(|left| left.saturating_sub(passed));
            measured.since_ms = longer(measured.since_ms);
            measured.age_ms = longer(measured.age_ms);
            measured.read_at = to.memory_ms;
        }
    }
}
