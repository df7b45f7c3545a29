//! The event store without a browser.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::ports::histories::{Append, AppendError, EventStore, Head, Links, Row, StoreError};

/// An event store in memory. Clones share their content, as two connections to one database do.
#[derive(Debug, Clone, Default)]
pub struct MemoryHistories(Rc<RefCell<BTreeMap<Key, Log>>>);

/// An id in the order in which `IndexedDB` compares strings, by UTF-16 code unit.
type Key = Vec<u16>;

#[derive(Debug, Clone, Default)]
struct Log {
    download: String,
    /// Entry `seq` stands at index `seq - 1`.
    entries: Vec<String>,
    head: Option<String>,
    links: Option<String>,
}

impl Log {
    fn seq(&self) -> u64 {
        self.entries.len() as u64
    }

    fn rows(&self, after: u64) -> impl Iterator<Item = Row> {
        let skipped = usize::try_from(after).unwrap_or(usize::MAX);
        self.entries
            .iter()
            .enumerate()
            .skip(skipped)
            .map(|(index, text)| Row {
                download: self.download.clone(),
                seq: index as u64 + 1,
                text: text.clone(),
            })
    }

    fn head(&self) -> Option<Head> {
        self.head.as_ref().map(|state| Head {
            download: self.download.clone(),
            seq: self.seq(),
            state: state.clone(),
        })
    }
}

impl MemoryHistories {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

fn key(download: &str) -> Key {
    download.encode_utf16().collect()
}

fn at_most(limit: Option<u32>) -> usize {
    limit.map_or(usize::MAX, |limit| limit as usize)
}

impl EventStore for MemoryHistories {
    async fn heads(&self) -> Result<Vec<Head>, StoreError> {
        Ok(self.0.borrow().values().filter_map(Log::head).collect())
    }

    async fn head(&self, download: &str) -> Result<Option<Head>, StoreError> {
        Ok(self.0.borrow().get(&key(download)).and_then(Log::head))
    }

    async fn read(
        &self,
        download: &str,
        after: u64,
        limit: Option<u32>,
    ) -> Result<Vec<Row>, StoreError> {
        let logs = self.0.borrow();
        let Some(log) = logs.get(&key(download)) else {
            return Ok(Vec::new());
        };
        Ok(log.rows(after).take(at_most(limit)).collect())
    }

    async fn read_all(&self, limit: Option<u32>) -> Result<Vec<Row>, StoreError> {
        Ok(self
            .0
            .borrow()
            .values()
            .flat_map(|log| log.rows(0))
            .take(at_most(limit))
            .collect())
    }

    async fn append(&self, batch: &Append) -> Result<(), AppendError> {
        let mut logs = self.0.borrow_mut();
        let key = key(&batch.download);
        let found = logs.get(&key).map_or(0, Log::seq);
        if found != batch.expected {
            return Err(AppendError::Conflict { found });
        }
        let log = logs.entry(key).or_default();
        log.download.clone_from(&batch.download);
        log.entries.extend(batch.entries.iter().cloned());
        log.head = Some(batch.head.clone());
        match &batch.links {
            Links::Keep => {}
            Links::Put(text) => log.links = Some(text.clone()),
            Links::Delete => log.links = None,
        }
        Ok(())
    }

    async fn links(&self, download: &str) -> Result<Option<String>, StoreError> {
        Ok(self
            .0
            .borrow()
            .get(&key(download))
            .and_then(|log| log.links.clone()))
    }

    async fn forget(&self, download: &str, expected: u64) -> Result<(), AppendError> {
        let mut logs = self.0.borrow_mut();
        let key = key(download);
        let found = logs.get(&key).map_or(0, Log::seq);
        if found != expected {
            return Err(AppendError::Conflict { found });
        }
        logs.remove(&key);
        Ok(())
    }
}
