//! Cache Storage: bytes stored, with a quota, and an eviction that asks nobody.

use std::collections::BTreeMap;

use longhaul_core::{FileVersion, Range};

use super::bytes::Bytes;

/// All caches of the origin.
#[derive(Debug, Default)]
pub struct Caches {
    files: BTreeMap<String, BTreeMap<Range, Bytes>>,
    /// When something of a file was last taken away, in microseconds.
    taken: BTreeMap<String, u64>,
}

impl Caches {
    /// The keys of all files.
    #[must_use]
    pub fn keys(&self) -> Vec<String> {
        self.files.keys().cloned().collect()
    }

    /// The parts of a file, in order.
    #[must_use]
    pub fn list(&self, key: &str) -> Vec<Range> {
        let parts = self.files.get(key);
        parts.map_or_else(Vec::new, |parts| parts.keys().copied().collect())
    }

    /// The parts of a file that are not there.
    #[must_use]
    pub fn missing(&self, file: &FileVersion) -> Vec<u32> {
        let stored = self.list(&file.key()).into();
        file.layout().missing(&stored).iter().collect()
    }

    /// Stores a part; whether one was there already.
    pub fn put(&mut self, key: &str, start: u64, part: Bytes) -> bool {
        let range = Range {
            start,
            len: part.len(),
        };
        let parts = self.files.entry(key.to_owned()).or_default();
        parts.insert(range, part).is_some()
    }

    /// Deletes a file; whether there was one.
    pub fn delete(&mut self, key: &str, now: u64) -> bool {
        self.taken.insert(key.to_owned(), now);
        self.files.remove(key).is_some()
    }

    /// Takes one part away, or all of the file; whether there was anything to take.
    pub fn evict(&mut self, which: usize, all: bool, now: u64) -> Option<String> {
        let key = self.keys().get(which % self.files.len().max(1))?.clone();
        let parts = self.files.get_mut(&key)?;
        if all || parts.len() < 2 {
            self.files.remove(&key);
        } else {
            let range = *parts.keys().nth(which % parts.len())?;
            parts.remove(&range);
        }
        self.taken.insert(key.clone(), now);
        Some(key)
    }

    /// Whether something of a file was taken away since then.
    #[must_use]
    pub fn taken_since(&self, key: &str, then: u64) -> bool {
        self.taken.get(key).is_some_and(|at| *at >= then)
    }

    /// Bytes in all caches.
    #[must_use]
    pub fn usage(&self) -> u64 {
        self.files
            .values()
            .flat_map(BTreeMap::keys)
            .map(|range| range.len)
            .sum()
    }

    /// The parts of a file with their bytes.
    pub fn parts(&self, key: &str) -> impl Iterator<Item = (&Range, &Bytes)> {
        self.files.get(key).into_iter().flatten()
    }

    /// All bytes of a file in their order, as far as they go without a hole.
    #[must_use]
    pub fn compose(&self, key: &str) -> Bytes {
        let mut position = 0;
        let mut pieces = Vec::new();
        for (range, bytes) in self.parts(key) {
            // Parts of two layouts never rest side by side in these runs.
            if range.start == position {
                pieces.extend_from_slice(bytes.pieces());
                position = range.end();
            }
        }
        Bytes::new(pieces)
    }
}
