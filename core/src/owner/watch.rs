//! What is seen of a background job between two looks.

use alloc::string::String;

use super::clock::Rebase;

/// A job that has brought so many parts since one that was missing works in vain: it repeats what others have brought.
const IN_VAIN: usize = 4;

/// A background job that is watched.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Watched {
    pub(super) registration: String,
    downloaded: u64,
    /// When it last moved, as far as it was seen to.
    moved_at: u64,
    /// What had been downloaded when its records were last looked through.
    harvested: Option<u64>,
    /// How many of its records were complete when they last held something that was missing, or were first looked through.
    /// What it has downloaded does not tell: records are complete only a while after that.
    useful: Option<usize>,
    in_vain: bool,
}

impl Watched {
    /// A job that is seen for the first time.
    pub(super) const fn new(registration: String, downloaded: u64, now: u64) -> Self {
        Self {
            registration,
            downloaded,
            moved_at: now,
            harvested: None,
            useful: None,
            in_vain: false,
        }
    }

    /// What it has downloaded by now.
    pub(super) const fn saw(&mut self, downloaded: u64, now: u64) {
        if self.downloaded != downloaded {
            self.downloaded = downloaded;
            self.moved_at = now;
        }
    }

    /// For how long it has brought nothing, where one that works in vain has brought nothing for ever.
    pub(super) const fn idle_ms(&self, now: u64) -> u64 {
        if self.in_vain {
            return u64::MAX;
        }
        now.saturating_sub(self.moved_at)
    }

    /// Its records were looked through: so many brought something, so many were stored before.
    pub(super) fn note_harvested(&mut self, brought: usize, repeated: usize) {
        let complete = repeated + brought;
        if brought > 0 {
            self.useful = None;
        }
        let useful = *self.useful.get_or_insert(complete);
        self.in_vain = complete.saturating_sub(useful) >= IN_VAIN;
    }

    /// When to look at it again without being told: when it has brought nothing for long enough to be assisted, and from
    /// then on as long after each look. Its completion may be lost with the worker that handles it, and then nobody says
    /// "read again".
    pub(super) const fn next_look(&self, after_ms: u64, now: u64) -> u64 {
        let at = self.moved_at.saturating_add(after_ms);
        if at > now {
            at
        } else {
            now.saturating_add(after_ms)
        }
    }

    /// Whether it moved since its records were last looked through; from now on it has not.
    pub(super) fn moved(&mut self) -> bool {
        let now = Some(self.downloaded);
        core::mem::replace(&mut self.harvested, now) != now
    }

    /// Counts by another origin of time.
    pub(super) fn rebase(&mut self, to: Rebase) {
        to.past(&mut self.moved_at);
    }
}
