//! Batches: what was decided, ready to be appended in one transaction.

use alloc::string::String;
use alloc::vec::Vec;

use crate::download::Download;
use crate::entry::{Entry, Origin};
use crate::event::{Event, EvictedBy};
use crate::evolve::evolve;

/// Events that were decided on together, as entries, and the state that they lead to.
///
/// Appending is conditional: the history must still end at [`expected`](Self::expected). All entries are stored with the
/// new head, or none is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[must_use = "what was decided is a fact only once it was appended"]
pub struct Batch {
    expected: u64,
    events: Vec<Event>,
    entries: Vec<String>,
    after: Download,
}

impl Batch {
    /// Puts what was decided in a state into entries. `now` is in milliseconds since 1970.
    pub fn new(download: &Download, now: u64, origin: Origin, events: Vec<Event>) -> Self {
        // A clock can be set back; a history never goes back.
        let at = now.max(download.at);
        let mut after = download.clone();
        let mut entries = Vec::with_capacity(events.len());
        for event in &events {
            let entry = Entry::new(&download.id, after.seq + 1, at, origin, event.clone());
            after.seq = entry.seq;
            after.at = at;
            evolve(&mut after, event);
            entries.push(entry.encode());
        }
        Self {
            expected: download.seq,
            events,
            entries,
            after,
        }
    }

    /// The id of the download.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.after.id
    }

    /// Number of the entry at which its history must end; 0 where there is none.
    #[must_use]
    pub const fn expected(&self) -> u64 {
        self.expected
    }

    /// What was decided.
    #[must_use]
    pub fn events(&self) -> &[Event] {
        &self.events
    }

    /// The entries as text, one for each event.
    #[must_use]
    pub fn entries(&self) -> &[String] {
        &self.entries
    }

    /// The state afterwards, as text: the head of the history.
    #[must_use]
    pub fn head(&self) -> String {
        self.after.encode()
    }

    /// The state afterwards.
    #[must_use]
    pub const fn after(&self) -> &Download {
        &self.after
    }

    /// The state afterwards, from a batch that was appended.
    #[must_use]
    pub fn into_after(self) -> Download {
        self.after
    }

    /// Whether the full URLs of the download are of no more use: they are kept while an attempt runs, and after a failure
    /// for the next one.
    #[must_use]
    pub fn ends_use_of_urls(&self) -> bool {
        self.events.iter().any(|event| {
            matches!(
                event,
                Event::CachedHit { .. }
                    | Event::Success { .. }
                    | Event::Aborted { .. }
                    | Event::Evicted {
                        by: EvictedBy::Removal
                    }
            )
        })
    }
}
