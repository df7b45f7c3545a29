//! Policies: how often, how long, how much. Pure numbers; the one source of chance is a seed.

use serde::{Deserialize, Serialize};

use crate::parts::{MAX_PARTS, default_part_bytes};

/// Sizes, limits and delays that an app may set.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Policy {
    /// Size of a part in bytes; by default chosen by the size of the resource.
    pub part_bytes: Option<u64>,
    /// When and how often to try again.
    pub retry: Retry,
    /// When the page assists a background job.
    pub assist: Assist,
}

impl Policy {
    /// Size of a part of a resource of `size` bytes: what the app wants, or a default by the size,
    /// but never so little that there would be more than 10,000 parts.
    #[must_use]
    pub fn part_bytes(&self, size: u64) -> u64 {
        self.part_bytes
            .unwrap_or_else(|| default_part_bytes(size))
            .max(size.div_ceil(MAX_PARTS))
            .max(1)
    }
}

/// When and how often to try again.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Retry {
    /// Retries in a row, without a byte between them, after which an attempt fails.
    pub limit: u32,
    /// First delay in milliseconds; doubled from retry to retry.
    pub base_ms: u64,
    /// Longest delay in milliseconds.
    pub max_ms: u64,
    /// For how long a server may not answer before an attempt fails, in milliseconds.
    pub unreachable_ms: u64,
    /// For how long a transfer of the page may bring nothing before it counts as broken, in milliseconds.
    pub stall_ms: u64,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            limit: 8,
            base_ms: 1_000,
            max_ms: 60_000,
            unreachable_ms: 30 * 60_000,
            stall_ms: 30_000,
        }
    }
}

impl Retry {
    /// The delay before retry `n` (from 1): doubled each time, at most `max_ms`, and spread
    /// downwards by up to a quarter so that many clients do not come back together. The spread
    /// is a function of the seed alone: the same history waits the same.
    #[must_use]
    pub fn delay_ms(&self, n: u32, seed: &str) -> u64 {
        let doublings = n.saturating_sub(1).min(32);
        let full = self
            .base_ms
            .saturating_mul(1 << doublings)
            .min(self.max_ms.max(1));
        let spread = hash(seed, n) % 256;
        // A quarter of `full` times a 256th of `spread`, without overflow for any `full`.
        let delay = full - (full / 1024 * spread + full % 1024 * spread / 1024);
        delay.max(MIN_DELAY_MS)
    }

    /// The delay before a server, or a device's network, that is gone for so many milliseconds is tried again: half as long
    /// again as it is gone already, so that a short outage costs little; at most `max_ms`, or a 16th of a long outage, so
    /// that one of any length fits into a history.
    #[must_use]
    pub(crate) fn outage_delay_ms(&self, gone: u64) -> u64 {
        let most = self.max_ms.max(gone / 16);
        (gone / 2).min(most).max(self.base_ms).max(MIN_DELAY_MS)
    }

    /// The delay before a server that said when to come back is asked again.
    #[must_use]
    pub(crate) fn told_delay_ms(&self, told: u64) -> u64 {
        told.max(self.base_ms).max(MIN_DELAY_MS)
    }
}

/// FNV-1a over the seed and the retry: any spread will do, and this one is the same everywhere.
fn hash(seed: &str, n: u32) -> u64 {
    seed.bytes()
        .chain(n.to_le_bytes())
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        })
}

/// When the page assists a background job that brings nothing.
///
/// Chromium freezes a job for 30 s at every navigation of its origin, and after a crash of the
/// browser waits 20 s before it starts unfinished records anew.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Assist {
    /// After how many milliseconds without a byte the page fetches missing parts itself.
    pub after_ms: u64,
}

impl Default for Assist {
    fn default() -> Self {
        Self { after_ms: 6_000 }
    }
}

/// Least delay between a request that failed and its repetition, whatever an app or a server says (law L18).
pub const MIN_DELAY_MS: u64 = 100;

/// Most entries that one attempt writes (law L12).
pub const MAX_ENTRIES: u32 = 200;
/// From here on waits and progress are no longer written, so that transfers and the ending have room. A fault then ends the
/// attempt, and where that brought something the machine begins the next one.
const LAST_DETAIL: u32 = 160;
/// From here on no further transfer is begun.
const LAST_TRANSFER: u32 = 190;
/// Progress entries of an undisturbed attempt.
const PROGRESS_STEPS: u64 = 64;
/// First step of progress where no total is known, in bytes; later steps grow with what came.
const FIRST_STEP: u64 = crate::MIB;

/// Whether a wait, or progress, may still be written as entry number `entries + 1`.
#[must_use]
pub(crate) const fn may_detail(entries: u32) -> bool {
    entries < LAST_DETAIL
}

/// Whether another transfer may still be begun.
#[must_use]
pub(crate) const fn may_transfer(entries: u32) -> bool {
    entries < LAST_TRANSFER
}

/// Whether progress is worth an entry: a 64th of the total came since the last one (counting both
/// what arrived and what was stored), or, where no total is known, half of what was there.
#[must_use]
pub(crate) fn progress_due(
    before: (u64, u64),
    now: (u64, u64),
    total: Option<u64>,
    entries: u32,
) -> bool {
    let gained = (now.0.saturating_sub(before.0)).saturating_add(now.1.saturating_sub(before.1));
    let step = match total {
        Some(total) => total / (PROGRESS_STEPS / 2),
        None => FIRST_STEP.max(before.0 / 2),
    };
    may_detail(entries) && gained >= step.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_longest_and_never_fall_below_three_quarters() {
        let retry = Retry::default();
        for n in 1..60 {
            let full = (1_000_u64 << (n - 1).min(20)).min(60_000);
            let delay = retry.delay_ms(n, "seed");
            assert!(delay <= full && delay >= full * 3 / 4, "round {n}: {delay}");
        }
        assert_eq!(retry.delay_ms(3, "a"), retry.delay_ms(3, "a"));
        let spread: Vec<u64> = (0..20).map(|s| retry.delay_ms(5, &s.to_string())).collect();
        assert!(spread.iter().any(|delay| *delay != spread[0]));
    }

    #[test]
    fn the_same_history_waits_the_same_in_every_version() {
        let retry = Retry::default();
        let delays: Vec<u64> = (0..8).map(|n| retry.delay_ms(n, "model/1")).collect();
        assert_eq!(delays, [975, 834, 1516, 3465, 7266, 12_266, 30_125, 47_989]);
        let odd = Retry {
            base_ms: 7,
            max_ms: 100_003,
            ..Retry::default()
        };
        let delays: Vec<u64> = (14..18).map(|n| odd.delay_ms(n, "model/2")).collect();
        assert_eq!(delays, [45_192, 92_972, 80_569, 94_730]);
    }

    #[test]
    fn delays_without_bounds_do_not_overflow() {
        let retry = Retry {
            base_ms: u64::MAX,
            max_ms: u64::MAX,
            ..Retry::default()
        };
        for n in [0, 1, 40, u32::MAX] {
            assert!(retry.delay_ms(n, "seed") >= u64::MAX / 4 * 3);
        }
    }

    #[test]
    fn no_app_and_no_server_can_ask_for_more_than_ten_thousand_parts() {
        let tiny = Policy {
            part_bytes: Some(1),
            ..Policy::default()
        };
        for size in [0, 1, 9_999, 10_000, 10_001, 1 << 40, 1 << 53, u64::MAX] {
            for policy in [&tiny, &Policy::default()] {
                let part = policy.part_bytes(size);
                assert!(part > 0 && size.div_ceil(part) <= 10_000, "{size}: {part}");
            }
        }
        assert_eq!(tiny.part_bytes(10_000), 1);
    }

    #[test]
    fn without_a_total_progress_is_due_when_half_of_what_was_there_came() {
        let due = |before: u64, now: u64| progress_due((before, 0), (now, 0), None, 1);
        assert!(due(10 * crate::MIB, 15 * crate::MIB));
        assert!(!due(10 * crate::MIB, 15 * crate::MIB - 1));
        assert!(due(0, crate::MIB) && !due(0, crate::MIB - 1));
    }

    #[test]
    fn with_a_total_progress_is_due_in_steps_of_a_32nd_of_both_figures_together() {
        let due = |now: (u64, u64), entries| progress_due((0, 0), now, Some(6_400), entries);
        assert!(due((200, 0), 1) && due((100, 100), 1) && due((0, 200), 1));
        assert!(!due((199, 0), 1) && !due((100, 99), 1));
        assert!(due((200, 0), LAST_DETAIL - 1) && !due((200, 0), LAST_DETAIL));
        assert!(
            !progress_due((5, 5), (5, 5), Some(0), 1),
            "nothing is no progress"
        );
    }

    #[test]
    fn progress_of_any_size_fits_the_history() {
        for total in [1_u64, 1000, 98_362_432, 1 << 40] {
            let (mut entries, mut last) = (1, (0, 0));
            for n in 0..=10_000_u64 {
                let at = u64::try_from(u128::from(total) * u128::from(n) / 10_000).expect("fits");
                if progress_due(last, (at, at), Some(total), entries) {
                    entries += 1;
                    last = (at, at);
                }
            }
            assert!(entries <= 70, "{total}: {entries}");
        }
        let (mut entries, mut last) = (1, (0, 0));
        for n in 0..1_000_000_u64 {
            if progress_due(last, (n << 20, 0), None, entries) {
                entries += 1;
                last = (n << 20, 0);
            }
        }
        assert!(entries < 80, "{entries}");
    }
}
