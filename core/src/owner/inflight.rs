//! What was started and has not ended.

use alloc::collections::BTreeMap;

use super::clock::Rebase;
use super::pacing::Begun;
use crate::effect::{Effect, EffectId};

/// Bytes per millisecond at which a part comes so quickly that waiting until it is stored would cost much of its connection.
const QUICK_BYTES_PER_MS: u64 = 10_000;

/// How far something is that was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Stage {
    /// It is being done.
    Running,
    /// All bytes of the part have come, and are being stored, while their connection brings another part.
    Storing,
    /// It is over, and its outcome is to be decided on.
    Told,
    /// It is over, and is not to be done again before then.
    Resting {
        /// By the monotonic clock, in milliseconds.
        until: u64,
    },
}

/// One effect in flight.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct InFlight {
    pub(super) effect: Effect,
    pub(super) stage: Stage,
    pub(super) cancelled: bool,
    /// Nothing else is looked at or started before it ends.
    pub(super) alone: bool,
    pub(super) began: Begun,
    pub(super) began_at: u64,
}

impl InFlight {
    /// The stored key and number of the part that it brings.
    pub(super) fn part(&self) -> Option<(alloc::string::String, u32)> {
        match &self.effect {
            Effect::Fetch { part, .. } => Some((part.file.key(), part.index)),
            _ => None,
        }
    }

    /// Whether the bytes of its part, which are all there now, came quickly. Elsewhere storing takes no time beside coming,
    /// and what is in flight, and lost with this page, stays less.
    pub(super) fn came_quickly(&self, now: u64) -> bool {
        let Effect::Fetch { part, .. } = &self.effect else {
            return false;
        };
        let bytes = part.range().map_or(0, |range| range.len);
        bytes > QUICK_BYTES_PER_MS * now.saturating_sub(self.began_at)
    }

    /// Counts by another origin of time.
    pub(super) fn rebase(&mut self, to: Rebase) {
        to.past(&mut self.began_at);
        if let Stage::Resting { until } = &mut self.stage {
            to.due(until);
        }
    }

    fn is_fetch(&self) -> bool {
        matches!(self.effect, Effect::Fetch { .. }) && self.is_running()
    }

    /// Whether its outcome is still to come.
    pub(super) const fn is_running(&self) -> bool {
        matches!(self.stage, Stage::Running | Stage::Storing)
    }

    /// Whether it may still store a part.
    pub(super) const fn may_store(&self) -> bool {
        matches!(self.effect, Effect::Fetch { .. } | Effect::Harvest { .. }) && self.is_running()
    }
}

/// All that is in flight.
pub(super) type AllInFlight = BTreeMap<EffectId, InFlight>;

/// Whether one part more may be fetched, where so many are at a time.
pub(super) fn has_room(all: &AllInFlight, at_a_time: usize) -> bool {
    let (mut coming, mut fetches) = (0, 0);
    for flight in all.values().filter(|flight| flight.is_fetch()) {
        fetches += 1;
        coming += usize::from(flight.stage == Stage::Running);
    }
    coming < at_a_time && fetches < 2 * at_a_time
}
