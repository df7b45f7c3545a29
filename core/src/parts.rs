//! Parts: the byte ranges in which a resource is transferred, stored, verified and resumed.

use alloc::string::{String, ToString};
use serde::{Deserialize, Serialize};

use crate::MIB;

/// Most parts that a resource is split into by default.
///
/// A kill costs the parts in flight, so more parts lose less; each part is a record of the
/// browser's own database, so fewer parts keep a job small.
const DEFAULT_PARTS: u64 = 128;
const SMALLEST_PART: u64 = MIB;
const LARGEST_PART: u64 = 64 * MIB;

/// Most parts that a resource is ever split into, whatever an app or a server wants: each is an
/// item of every list of what is missing, and their numbers have four digits in request URLs.
pub(crate) const MAX_PARTS: u64 = 10_000;

/// A range of bytes: `len` bytes from offset `start`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Range {
    /// Offset of the first byte.
    pub start: u64,
    /// Number of bytes.
    pub len: u64,
}

impl Range {
    /// A range of `len` bytes that begins at `start`.
    #[must_use]
    pub const fn new(start: u64, len: u64) -> Self {
        Self { start, len }
    }

    /// The range of everything from `start` on, wherever that ends.
    #[must_use]
    pub const fn from(start: u64) -> Self {
        Self::new(start, u64::MAX)
    }

    /// Offset just after the last byte.
    #[must_use]
    pub const fn end(&self) -> u64 {
        self.start.saturating_add(self.len)
    }

    /// The value of a `Range` request header for it ([RFC 9110, 14.2]); `None` where the range
    /// is empty, which HTTP cannot express. One without end ([`Range::from`]) asks for all that follows.
    ///
    /// [RFC 9110, 14.2]: https://www.rfc-editor.org/rfc/rfc9110#section-14.2
    #[must_use]
    pub fn header(&self) -> Option<String> {
        (self.len > 0).then(|| {
            let last = match self.end() {
                u64::MAX => String::new(),
                end => (end - 1).to_string(),
            };
            ["bytes=", &self.start.to_string(), "-", &last].concat()
        })
    }
}

/// How many bytes a part of a resource of `size` bytes has, where the app did not say.
#[must_use]
pub fn default_part_bytes(size: u64) -> u64 {
    size.div_ceil(DEFAULT_PARTS)
        .next_multiple_of(SMALLEST_PART)
        .clamp(SMALLEST_PART, LARGEST_PART)
}

/// The split of a resource into parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Layout {
    /// Parts of `part` bytes, the last one shorter.
    Ranged {
        /// Size of the resource in bytes.
        size: u64,
        /// Size of every part but the last, in bytes; at least 1.
        part: u64,
    },
    /// One part: the whole body, asked for without a `Range` header.
    Whole {
        /// Size in bytes, where it is known before the transfer.
        size: Option<u64>,
    },
}

impl Layout {
    /// Number of parts. A resource known to be empty has none: it is stored without a transfer.
    #[must_use]
    pub fn count(&self) -> u32 {
        match *self {
            Self::Ranged { size, part } => {
                u32::try_from(size.div_ceil(part.max(1))).unwrap_or(u32::MAX)
            }
            Self::Whole { size: Some(0) } => 0,
            Self::Whole { .. } => 1,
        }
    }

    /// The range of part `index`; `None` for a whole body of unknown size, and past the end.
    #[must_use]
    pub fn range(&self, index: u32) -> Option<Range> {
        if index >= self.count() {
            return None;
        }
        match *self {
            Self::Ranged { size, part } => {
                let start = u64::from(index) * part;
                Some(Range::new(start, part.min(size - start)))
            }
            Self::Whole { size } => size.map(|len| Range::new(0, len)),
        }
    }

    /// Which part a range stored is, or `None` where it does not fit this layout.
    #[must_use]
    pub fn index_of(&self, range: Range) -> Option<u32> {
        match *self {
            Self::Ranged { part, .. } => {
                let index = u32::try_from(range.start / part.max(1)).ok()?;
                (self.range(index) == Some(range)).then_some(index)
            }
            Self::Whole { size: Some(0) } => None,
            Self::Whole { size } => {
                (range.start == 0 && size.is_none_or(|size| size == range.len)).then_some(0)
            }
        }
    }
}

/// Whether part `index` is among the runs of a [`Missing`](crate::Missing). Text that is not in that form
/// names no part.
#[must_use]
pub fn runs_contain(text: &str, index: u32) -> bool {
    text.split(',').any(|run| {
        let (first, last) = run.split_once('-').unwrap_or((run, run));
        match (first.parse::<u32>(), last.parse::<u32>()) {
            (Ok(first), Ok(last)) => (first..=last).contains(&index),
            _ => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_of_98_mb_has_94_parts_of_one_mebibyte() {
        let size = 98_362_432;
        let layout = Layout::Ranged {
            size,
            part: default_part_bytes(size),
        };
        assert_eq!(layout.count(), 94);
        assert_eq!(
            layout.range(93),
            Some(Range::new(93 * MIB, size - 93 * MIB))
        );
        assert_eq!(layout.range(94), None);
    }

    #[test]
    fn part_sizes_stay_between_one_and_64_mebibytes() {
        assert_eq!(default_part_bytes(1), MIB);
        assert_eq!(default_part_bytes(5 << 30), 40 * MIB);
        assert_eq!(default_part_bytes(1 << 40), 64 * MIB);
    }

    #[test]
    fn an_empty_resource_has_no_parts() {
        assert_eq!(Layout::Whole { size: Some(0) }.count(), 0);
        assert_eq!(Layout::Ranged { size: 0, part: 5 }.count(), 0);
    }

    #[test]
    fn runs_can_be_asked() {
        let text = "0-2,5,7-8";
        let found: Vec<u32> = (0..10).filter(|i| runs_contain(text, *i)).collect();
        assert_eq!(found, [0, 1, 2, 5, 7, 8]);
        assert!(!runs_contain("", 0));
        assert!(!runs_contain("x-3", 2));
    }

    #[test]
    fn the_range_header_names_the_last_byte() {
        assert_eq!(Range::new(10, 5).header().as_deref(), Some("bytes=10-14"));
        assert_eq!(Range::new(10, 0).header(), None);
    }
}
