//! Sets of ranges and of part numbers, as runs: what they cost depends on their gaps, not on the number of parts.

use alloc::string::{String, ToString};
use alloc::vec::{IntoIter, Vec};
use core::iter::Flatten;
use core::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use crate::parts::{Layout, Range};

/// Ranges of the same length, one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Run {
    start: u64,
    /// Length of each.
    len: u64,
    count: u64,
}

impl Run {
    const fn end(self) -> u64 {
        self.start
            .saturating_add(self.len.saturating_mul(self.count))
    }

    const fn contains(self, range: Range) -> bool {
        if self.len != range.len || range.start < self.start {
            return false;
        }
        match (range.start - self.start).checked_rem(self.len) {
            Some(0) => (range.start - self.start) / self.len < self.count,
            Some(_) => false,
            None => range.start == self.start,
        }
    }

    fn ranges(self) -> impl DoubleEndedIterator<Item = Range> {
        (0..self.count).map(move |n| Range::new(self.start + n * self.len, self.len))
    }
}

/// The stored ranges of one file, each once.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(from = "Vec<Range>", into = "Vec<Range>")]
pub struct Ranges(Vec<Run>);

impl Ranges {
    /// No range at all.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this very range is among them.
    #[must_use]
    pub fn contains(&self, range: Range) -> bool {
        self.0.iter().any(|run| run.contains(range))
    }

    /// Adds a range, if it is not among them.
    pub fn push(&mut self, range: Range) {
        if self.contains(range) {
            return;
        }
        let mut new = Run {
            start: range.start,
            len: range.len,
            count: 1,
        };
        if range.len > 0 {
            // It may join the run that ends where it begins, and the one that begins where it ends.
            self.0.retain(|run| {
                let joins =
                    run.len == new.len && (run.end() == range.start || run.start == range.end());
                if joins {
                    new.start = new.start.min(run.start);
                    new.count += run.count;
                }
                !joins
            });
        }
        let at = self.0.binary_search(&new).unwrap_or_else(|at| at);
        self.0.insert(at, new);
    }

    /// Keeps those of which this is true.
    pub fn retain(&mut self, mut keep: impl FnMut(Range) -> bool) {
        *self = self.iter().filter(|range| keep(*range)).collect();
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = Range> {
        self.0.iter().flat_map(|run| run.ranges())
    }
}

impl From<Vec<Range>> for Ranges {
    fn from(ranges: Vec<Range>) -> Self {
        ranges.into_iter().collect()
    }
}

impl From<Ranges> for Vec<Range> {
    fn from(ranges: Ranges) -> Self {
        ranges.iter().collect()
    }
}

impl Extend<Range> for Ranges {
    fn extend<T: IntoIterator<Item = Range>>(&mut self, ranges: T) {
        ranges.into_iter().for_each(|range| self.push(range));
    }
}

impl FromIterator<Range> for Ranges {
    fn from_iter<T: IntoIterator<Item = Range>>(ranges: T) -> Self {
        let mut all: Vec<Range> = ranges.into_iter().collect();
        all.sort_unstable();
        let mut found = Self::new();
        found.extend(all);
        found
    }
}

/// Numbers of parts, in order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct PartNumbers(Vec<RangeInclusive<u32>>);

impl PartNumbers {
    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether this one is among them.
    #[must_use]
    pub fn contains(&self, number: u32) -> bool {
        self.0.iter().any(|run| run.contains(&number))
    }

    /// All of them, from either end.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = u32> {
        self.0.iter().flat_map(Clone::clone)
    }

    /// Takes out the first one, or the last one.
    pub(crate) fn pop(&mut self, from_end: bool) -> Option<u32> {
        let at = if from_end {
            self.0.len().checked_sub(1)?
        } else {
            0
        };
        let run = self.0.get_mut(at)?;
        let (first, last) = (*run.start(), *run.end());
        if first == last {
            self.0.remove(at);
        } else if from_end {
            *run = first..=last - 1;
        } else {
            *run = first + 1..=last;
        }
        Some(if from_end { last } else { first })
    }

    /// Takes out this one.
    pub(crate) fn remove(&mut self, number: u32) {
        let Some(at) = self.0.iter().position(|run| run.contains(&number)) else {
            return;
        };
        let (first, last) = self.0.remove(at).into_inner();
        if number < last {
            self.0.insert(at, number + 1..=last);
        }
        if first < number {
            self.0.insert(at, first..=number - 1);
        }
    }

    /// As the history writes them: `0-3,7`.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = String::new();
        for run in &self.0 {
            if !text.is_empty() {
                text.push(',');
            }
            text.push_str(&run.start().to_string());
            if run.end() > run.start() {
                text.push('-');
                text.push_str(&run.end().to_string());
            }
        }
        text
    }
}

impl IntoIterator for PartNumbers {
    type Item = u32;
    type IntoIter = Flatten<IntoIter<RangeInclusive<u32>>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter().flatten()
    }
}

impl Layout {
    /// The parts that are not among the stored ranges, in order.
    #[must_use]
    pub fn missing(&self, stored: &Ranges) -> PartNumbers {
        let mut present: Vec<(u32, u32)> = stored
            .0
            .iter()
            .filter_map(|run| self.parts_of(*run))
            .collect();
        present.sort_unstable();
        let (mut missing, mut next) = (Vec::new(), 0);
        for (first, last) in present {
            if first > next {
                missing.push(next..=first - 1);
            }
            next = next.max(last.saturating_add(1));
        }
        let count = self.count();
        if next < count {
            missing.push(next..=count - 1);
        }
        PartNumbers(missing)
    }

    /// Stored bytes that fit this layout, each part counted once.
    #[must_use]
    pub fn stored(&self, stored: &Ranges) -> u64 {
        let fitting = stored.0.iter().filter_map(|run| {
            let (first, last) = self.parts_of(*run)?;
            let bytes = run.len.saturating_mul(u64::from(last - first) + 1);
            Some((first, bytes))
        });
        // Only bodies of unknown size can be stored in several lengths under one number.
        let mut fitting: Vec<(u32, u64)> = fitting.collect();
        fitting.sort_unstable();
        fitting.dedup_by_key(|(first, _)| *first);
        fitting
            .iter()
            .fold(0, |sum: u64, (_, bytes)| sum.saturating_add(*bytes))
    }

    /// Numbers of the first and the last part that a run holds: its ranges that fit stand side by side.
    fn parts_of(&self, run: Run) -> Option<(u32, u32)> {
        if let Self::Ranged { size, part } = *self
            && part == run.len
            && part > 0
        {
            // Only the last part may be shorter.
            let whole = size / part;
            let first = run.start / part;
            if !run.start.is_multiple_of(part) || first >= whole {
                return None;
            }
            let last = (first + run.count).min(whole) - 1;
            return Some((u32::try_from(first).ok()?, u32::try_from(last).ok()?));
        }
        // The whole body, or the shorter part at the end, is one of its ranges at most.
        let only = match *self {
            Self::Ranged { .. } => self.range(self.count().checked_sub(1)?)?,
            Self::Whole { .. } => Range::new(0, run.len),
        };
        let index = self.index_of(only).filter(|_| run.contains(only))?;
        Some((index, index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn ranges(of: &[(u64, u64)]) -> Ranges {
        of.iter()
            .map(|(start, len)| Range::new(*start, *len))
            .collect()
    }

    #[test]
    fn only_ranges_of_the_layout_count_as_stored() {
        let layout = Layout::Ranged { size: 25, part: 10 };
        let stored = ranges(&[(0, 10), (10, 9), (20, 5)]);
        assert_eq!(layout.missing(&stored).to_text(), "1");
        assert_eq!(layout.stored(&stored), 15);
    }

    #[test]
    fn a_whole_body_of_unknown_size_is_stored_by_whatever_begins_at_zero() {
        let layout = Layout::Whole { size: None };
        assert_eq!(layout.missing(&Ranges::new()).to_text(), "0");
        let stored = ranges(&[(0, 77)]);
        assert!(layout.missing(&stored).is_empty());
        assert_eq!(layout.stored(&stored), 77);
        assert_eq!(layout.stored(&ranges(&[(0, 77), (0, 80)])), 77);
    }

    #[test]
    fn parts_of_a_file_are_one_run_in_whatever_order_they_come() {
        let mut stored = Ranges::new();
        for start in [30, 0, 20, 10, 30] {
            stored.push(Range::new(start, 10));
        }
        assert_eq!(
            stored.0,
            vec![Run {
                start: 0,
                len: 10,
                count: 4
            }]
        );
        assert_eq!(stored, ranges(&[(0, 10), (10, 10), (20, 10), (30, 10)]));
        stored.retain(|range| range.start != 10);
        assert_eq!(stored, ranges(&[(0, 10), (20, 10), (30, 10)]));
    }

    #[test]
    fn numbers_are_compact_and_taken_from_either_end() {
        let layout = Layout::Ranged { size: 90, part: 10 };
        let mut missing = layout.missing(&ranges(&[(30, 10), (40, 10), (60, 10)]));
        assert_eq!(missing.to_text(), "0-2,5,7-8");
        assert!(missing.contains(5) && !missing.contains(6));
        let mut taken = Vec::new();
        for from_end in [false, true, true, true, false, false] {
            taken.extend(missing.pop(from_end));
        }
        assert_eq!(taken, [0, 8, 7, 5, 1, 2]);
        assert_eq!(missing.pop(true), None);
    }

    #[test]
    fn one_number_is_taken_out_wherever_it_stands() {
        let layout = Layout::Ranged { size: 60, part: 10 };
        let mut missing = layout.missing(&ranges(&[(50, 10)]));
        let mut texts = Vec::new();
        for number in [2, 0, 4, 5, 1, 3] {
            missing.remove(number);
            texts.push(missing.to_text());
        }
        assert_eq!(texts, ["0-1,3-4", "1,3-4", "1,3", "1,3", "3", ""]);
    }

    /// What the sets say is what counting one by one says.
    #[test]
    fn runs_say_what_single_ranges_say() {
        let lens = [0, 3, 4, 5, 8, 10];
        for seed in 0_u64..2_000 {
            let mut x = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
            let mut draw = |most: u64| {
                x ^= x << 13;
                x ^= x >> 7;
                x ^= x << 17;
                x % most
            };
            let size = draw(60);
            let layout = match draw(4) {
                0 => Layout::Whole { size: None },
                1 => Layout::Whole { size: Some(size) },
                _ => Layout::Ranged {
                    size,
                    part: lens[1 + usize::try_from(draw(5)).expect("small")],
                },
            };
            let mut single = Vec::new();
            let mut stored = Ranges::new();
            for _ in 0..draw(14) {
                let len = lens[usize::try_from(draw(6)).expect("small")];
                let range = Range::new(draw(14) * len.max(1), len);
                stored.push(range);
                single.push(range);
            }
            single.sort_unstable();
            single.dedup();
            let mut all: Vec<Range> = stored.iter().collect();
            all.sort_unstable();
            assert_eq!(all, single);
            let mut fitting: Vec<Range> = single
                .iter()
                .copied()
                .filter(|range| layout.index_of(*range).is_some())
                .collect();
            fitting.dedup_by_key(|range| range.start);
            let sum: u64 = fitting.iter().map(|range| range.len).sum();
            assert_eq!(layout.stored(&stored), sum, "{layout:?} {single:?}");
            let present: Vec<u32> = fitting
                .iter()
                .filter_map(|range| layout.index_of(*range))
                .collect();
            let missing: Vec<u32> = (0..layout.count())
                .filter(|n| !present.contains(n))
                .collect();
            assert_eq!(layout.missing(&stored).iter().collect::<Vec<_>>(), missing);
        }
    }
}
