//! What the owner knows to be stored between two listings.

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;

use super::clock::Rebase;
use crate::download::Download;
use crate::file::FileVersion;
use crate::input::StoredParts;
use crate::parts::Range;

/// For how long a listing is believed while only this owner adds to it, in milliseconds.
const LISTING_MS: u64 = 1_500;

/// The last listing of what is stored, and what this owner has stored since.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Listing {
    /// When it was made, and what it said, with what was stored since.
    last: Option<(u64, StoredParts)>,
    /// What was stored since the last listing began: it may have missed that.
    noted: Vec<(String, Range)>,
}

impl Listing {
    /// It is believed no longer.
    pub(super) fn forget(&mut self) {
        self.last = None;
    }

    /// What is stored under these keys, where a listing anew would tell nothing else. Before anything is believed to be
    /// complete, or lost, it is listed anew.
    pub(super) fn still_holds(
        &self,
        download: &Download,
        keys: &BTreeSet<String>,
        now: u64,
    ) -> Option<&StoredParts> {
        let (at, rest) = self.last.as_ref()?;
        let young = now.saturating_sub(*at) < LISTING_MS;
        let knows = keys.iter().all(|key| rest.contains_key(key));
        let complete = download.files.iter().all(|file| is_whole(file, rest));
        let lost = stored(download, rest) < download.stored;
        (young && knows && !complete && !lost).then_some(rest)
    }

    /// A listing begins. What was stored before, it sees.
    pub(super) fn begin(&mut self) {
        self.noted.clear();
    }

    /// Takes the listing that began last, and adds what was stored meanwhile.
    pub(super) fn take(&mut self, mut rest: StoredParts, now: u64) -> StoredParts {
        for (key, range) in self.noted.drain(..) {
            if let Some(ranges) = rest.get_mut(&key) {
                ranges.push(range);
            }
        }
        self.last = Some((now, rest.clone()));
        rest
    }

    /// Something was stored.
    pub(super) fn note(&mut self, key: &str, range: Range) {
        self.noted.push((key.into(), range));
        if let Some((_, rest)) = &mut self.last {
            rest.entry(key.into()).or_default().push(range);
        }
    }

    /// Counts by another origin of time.
    pub(super) fn rebase(&mut self, to: Rebase) {
        if let Some((at, _)) = &mut self.last {
            to.past(at);
        }
    }

    /// Stored bytes that belong to a download's files.
    pub(super) fn stored(&self, download: &Download) -> Option<u64> {
        self.last.as_ref().map(|(_, rest)| stored(download, rest))
    }
}

fn is_whole(file: &FileVersion, rest: &StoredParts) -> bool {
    let ranges = rest.get(&file.key());
    ranges.is_some_and(|ranges| file.layout().missing(ranges).is_empty())
}

fn stored(download: &Download, rest: &StoredParts) -> u64 {
    download
        .files
        .iter()
        .filter_map(|file| Some(file.layout().stored(rest.get(&file.key())?)))
        .sum()
}
