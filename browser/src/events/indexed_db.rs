//! The event store over `IndexedDB`.

use super::{Append, AppendError, EventStore, Head, Row, StoreError};

/// The event store in a browser: one database, one connection that is opened at first use.
pub struct IndexedDb {
    name: String,
}

impl IndexedDb {
    /// A store over the database of this name. Opens nothing yet.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.into() }
    }

    /// Opens the database now, so that a failure shows early.
    pub async fn open(&self) -> Result<(), StoreError> {
        todo!("{}", self.name)
    }

    /// Closes the connection. The next use opens it again.
    pub fn close(&self) {}
}

impl EventStore for IndexedDb {
    async fn heads(&self) -> Result<Vec<Head>, StoreError> {
        todo!()
    }
    async fn head(&self, _download: &str) -> Result<Option<Head>, StoreError> {
        todo!()
    }
    async fn read(
        &self,
        _download: &str,
        _after: u64,
        _limit: Option<u32>,
    ) -> Result<Vec<Row>, StoreError> {
        todo!()
    }
    async fn read_all(&self, _limit: Option<u32>) -> Result<Vec<Row>, StoreError> {
        todo!()
    }
    async fn append(&self, _batch: &Append) -> Result<(), AppendError> {
        todo!()
    }
    async fn links(&self, _download: &str) -> Result<Option<String>, StoreError> {
        todo!()
    }
    async fn forget(&self, _download: &str, _expected: u64) -> Result<(), AppendError> {
        todo!()
    }
}
