//! The event store over `IndexedDB`.

use std::cell::RefCell;
use std::rc::Rc;

use idb::request::GetStoreRequest;
use idb::{KeyRange, ObjectStore, Query, Request, StoreEvent, TransactionMode};
use js_sys::Array;
use wasm_bindgen::{JsCast, JsValue};

use super::connection::{self, Connection};
use super::migrations::{ENTRIES, HEADS, LINKS};
use super::records::{
    end, head_seq, head_value, headless, key, start, to_head, to_rows, to_seq, value,
};
use super::transaction::{Pending, abort, exception};
use crate::js::{Exception, text};
use longhaul_runner::ports::histories::{
    Append, AppendError, EventStore, Head, Links, Row, StoreError, confirmed,
};

/// The event store in a browser: one database, one connection that is opened at first use and again whenever it was
/// closed from outside.
pub struct IndexedDb {
    name: String,
    opening_limit: u32,
    connection: RefCell<Option<Rc<Connection>>>,
}

/// What a write found out about the log before it wrote.
#[derive(Clone, Default)]
struct Verdict(Rc<RefCell<Option<Found>>>);

enum Found {
    Conflict(u64),
    Threw(Exception),
}

/// A write that is made once the head turned out to be the expected one; runs inside a request's callback.
type Write = Box<dyn FnOnce(&Stores) -> Result<(), idb::Error>>;

/// The stores of one write transaction.
struct Stores {
    entries: ObjectStore,
    heads: ObjectStore,
    links: ObjectStore,
}

impl IndexedDb {
    /// A store over the database of this name. Opens nothing yet.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            opening_limit: 10_000,
            connection: RefCell::new(None),
        }
    }

    /// The same store with another limit for opening, in milliseconds; 10,000 unless told. An opening waits for other
    /// connections to close where the database is being upgraded or deleted: ours do so at once, but a foreign one may not.
    #[must_use]
    pub fn opening_limit(mut self, milliseconds: u32) -> Self {
        self.opening_limit = milliseconds;
        self
    }

    /// Opens the database now, so that a failure shows early.
    pub async fn open(&self) -> Result<(), StoreError> {
        self.connected().await.map(drop)
    }

    /// Closes the connection, after its running transactions. The next use opens it again.
    pub fn close(&self) {
        self.connection.take();
    }

    async fn connected(&self) -> Result<Rc<Connection>, StoreError> {
        if let Some(open) = self.connection.borrow().as_ref()
            && !open.is_closed()
        {
            return Ok(open.clone());
        }
        // Two openings at the same time both succeed; the connection that loses its place closes when it is done.
        let opened = Rc::new(connection::open(&self.name, self.opening_limit).await?);
        self.connection.replace(Some(opened.clone()));
        Ok(opened)
    }

    /// Begins a transaction. A connection that was closed unnoticed is opened anew, once.
    async fn begin(
        &self,
        stores: &[&str],
        mode: TransactionMode,
    ) -> Result<(Pending, Rc<Connection>), StoreError> {
        let connection = self.connected().await?;
        if let Ok(pending) = Pending::begin(&connection.database, stores, mode) {
            return Ok((pending, connection));
        }
        self.close();
        let connection = self.connected().await?;
        let pending = Pending::begin(&connection.database, stores, mode).map_err(failed)?;
        Ok((pending, connection))
    }

    /// Keys and values of a range, read in one transaction.
    async fn scan(
        &self,
        store: &str,
        range: Option<KeyRange>,
        limit: Option<u32>,
    ) -> Result<(Array, Array), StoreError> {
        // A limit of 0 would mean "no limit" to the browser.
        if limit == Some(0) {
            return Ok((Array::new(), Array::new()));
        }
        let (pending, _connection) = self.begin(&[store], TransactionMode::ReadOnly).await?;
        let fire = || -> Result<_, idb::Error> {
            let store = pending.store(store)?;
            let range = range.map(Query::KeyRange);
            Ok((
                store.get_all_keys(range.clone(), limit)?,
                store.get_all(range, limit)?,
            ))
        };
        let (keys, values) = fire().map_err(failed)?;
        pending.done().await?;
        let keys = keys.result().map_err(failed)?;
        let values = values.result().map_err(failed)?;
        Ok((keys.unchecked_into(), values.unchecked_into()))
    }

    async fn get(&self, store: &str, key: &str) -> Result<Option<JsValue>, StoreError> {
        let (pending, _connection) = self.begin(&[store], TransactionMode::ReadOnly).await?;
        let request = pending
            .store(store)
            .and_then(|store| store.get(JsValue::from_str(key)))
            .map_err(failed)?;
        pending.done().await?;
        let value = request.result().map_err(failed)?;
        Ok((!value.is_undefined()).then_some(value))
    }

    async fn count_entries(&self) -> Result<u64, StoreError> {
        let (pending, _connection) = self.begin(&[ENTRIES], TransactionMode::ReadOnly).await?;
        let request = pending
            .store(ENTRIES)
            .and_then(|store| store.count(None))
            .map_err(failed)?;
        pending.done().await?;
        let count = request.result().map_err(failed)?;
        Ok(count.as_f64().map_or(0, to_seq))
    }

    /// Adds the downloads that have entries and no head.
    async fn add_headless(&self, heads: &mut Vec<Head>) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let next = self.scan(ENTRIES, after, Some(1)).await?;
            let Some(row) = to_rows(&next).pop() else {
                return Ok(());
            };
            after = Some(KeyRange::lower_bound(&end(&row.download), None).map_err(failed)?);
            if !heads.iter().any(|head| head.download == row.download) {
                tracing::warn!(
                    "the head of {} is gone: its history is read instead",
                    row.download
                );
                heads.push(headless(row.download));
            }
        }
    }

    /// One conditional write over all three stores. The head is read inside the transaction, so a forget in between
    /// is a conflict too. A head that is gone, or behind, because somebody damaged it does not lock the log for ever: then
    /// the last entry that the writer saw tells.
    async fn write(&self, download: &str, expected: u64, write: Write) -> Result<(), AppendError> {
        let (pending, _connection) = self
            .begin(&[ENTRIES, HEADS, LINKS], TransactionMode::ReadWrite)
            .await?;
        let verdict = Verdict::default();
        let fire = || -> Result<GetStoreRequest, idb::Error> {
            let stores = Stores {
                entries: pending.store(ENTRIES)?,
                heads: pending.store(HEADS)?,
                links: pending.store(LINKS)?,
            };
            let mut request = stores.heads.get(JsValue::from_str(download))?;
            let last = key(download, expected);
            verdict.attach(&mut request, stores, (expected, last), write);
            Ok(request)
        };
        let mut request = Held(Some(fire().map_err(failed)?));
        let outcome = pending.done().await;
        request.0.take();
        let exception = match (verdict.0.take(), outcome) {
            (None, Ok(())) => return Ok(()),
            (Some(Found::Conflict(found)), _) => return Err(AppendError::Conflict { found }),
            (Some(Found::Threw(exception)), _) | (None, Err(exception)) => exception,
        };
        if exception.name == "ConstraintError" {
            // The head was behind its own log. What counts is the log.
            let found = self
                .read(download, 0, None)
                .await?
                .last()
                .map_or(0, |row| row.seq);
            return Err(AppendError::Conflict { found });
        }
        Err(AppendError::Store(exception.into()))
    }
}

impl EventStore for IndexedDb {
    async fn heads(&self) -> Result<Vec<Head>, StoreError> {
        let (keys, values) = self.scan(HEADS, None, None).await?;
        let mut heads = Vec::new();
        for (key, value) in keys.iter().zip(values.iter()) {
            if let Some(download) = key.as_string() {
                heads.push(to_head(download, &value));
            }
        }
        // Looked for only where the sums do not agree: heads that are gone, which leave their histories.
        let entries = heads
            .iter()
            .fold(0, |sum: u64, head| sum.saturating_add(head.seq));
        if self.count_entries().await? != entries {
            self.add_headless(&mut heads).await?;
        }
        Ok(heads)
    }

    async fn head(&self, download: &str) -> Result<Option<Head>, StoreError> {
        if let Some(value) = self.get(HEADS, download).await? {
            return Ok(Some(to_head(download.into(), &value)));
        }
        let rows = self.read(download, 0, Some(1)).await?;
        Ok((!rows.is_empty()).then(|| headless(download.into())))
    }

    async fn read(
        &self,
        download: &str,
        after: u64,
        limit: Option<u32>,
    ) -> Result<Vec<Row>, StoreError> {
        let range = KeyRange::bound(&key(download, after), &end(download), Some(true), None)
            .map_err(failed)?;
        Ok(to_rows(&self.scan(ENTRIES, Some(range), limit).await?))
    }

    async fn read_all(&self, limit: Option<u32>) -> Result<Vec<Row>, StoreError> {
        Ok(to_rows(&self.scan(ENTRIES, None, limit).await?))
    }

    async fn append(&self, batch: &Append) -> Result<(), AppendError> {
        let id = JsValue::from_str(&batch.download);
        let mut rows = Vec::with_capacity(batch.entries.len());
        for (index, entry) in batch.entries.iter().enumerate() {
            rows.push((
                key(&batch.download, batch.expected + 1 + index as u64),
                value(entry),
            ));
        }
        let head = head_value(batch.last(), &batch.head);
        let links_now = match &batch.links {
            Links::Keep => None,
            Links::Put(text) => Some(Some(value(text))),
            Links::Delete => Some(None),
        };
        let write: Write = Box::new(move |stores| {
            for (key, value) in &rows {
                stores.entries.add(value, Some(key))?;
            }
            stores.heads.put(&head, Some(&id))?;
            match links_now {
                None => {}
                Some(Some(value)) => drop(stores.links.put(&value, Some(&id))?),
                Some(None) => drop(stores.links.delete(id)?),
            }
            Ok(())
        });
        let result = self.write(&batch.download, batch.expected, write).await;
        confirmed(self, batch, result).await
    }

    async fn links(&self, download: &str) -> Result<Option<String>, StoreError> {
        let value = self.get(LINKS, download).await?;
        Ok(value.and_then(|value| text(&value, "text")))
    }

    async fn forget(&self, download: &str, expected: u64) -> Result<(), AppendError> {
        let id = JsValue::from_str(download);
        let all = KeyRange::bound(&start(download), &end(download), None, None).map_err(failed)?;
        let write: Write = Box::new(move |stores| {
            stores.entries.delete(all)?;
            stores.heads.delete(id.clone())?;
            stores.links.delete(id)?;
            Ok(())
        });
        let result = self.write(download, expected, write).await;
        match result {
            Err(AppendError::Store(_))
                if self.head(download).await == Ok(None)
                    && self
                        .read(download, 0, Some(1))
                        .await
                        .is_ok_and(|rows| rows.is_empty()) =>
            {
                Ok(())
            }
            other => other,
        }
    }
}

impl Verdict {
    /// Compares the head when it arrives and fires the write in the same callback, while the transaction is active. `last` is
    /// the key of the last entry that the writer saw.
    fn attach(
        &self,
        request: &mut GetStoreRequest,
        stores: Stores,
        (expected, last): (u64, JsValue),
        write: Write,
    ) {
        let verdict = self.clone();
        request.on_success(move |event| match event.result() {
            Ok(found) => match head_seq(found.as_ref()) {
                Some(found) if found > expected => verdict.found(Found::Conflict(found)),
                Some(found) if found < expected => verdict.look_behind(stores, found, last, write),
                // A head that is not understood cannot be compared; the entries' own keys still guard the log.
                _ => verdict.fire(&stores, write),
            },
            Err(error) => verdict.threw(&stores, &error),
        });
    }

    /// The head says less than the writer saw: begun anew since, or damaged.
    fn look_behind(self, stores: Stores, found: u64, last: JsValue, write: Write) {
        match stores.entries.get(last) {
            Ok(mut request) => {
                request.on_success(move |event| match event.result() {
                    Ok(Some(_)) => self.fire(&stores, write),
                    _ => self.found(Found::Conflict(found)),
                });
                // Given to the browser: nobody holds it, and it is rare.
                request.forget_callbacks();
            }
            Err(error) => self.threw(&stores, &error),
        }
    }

    fn fire(&self, stores: &Stores, write: Write) {
        if let Err(error) = write(stores) {
            self.threw(stores, &error);
        }
    }

    fn threw(&self, stores: &Stores, error: &idb::Error) {
        abort(&stores.heads);
        self.found(Found::Threw(exception(error)));
    }

    fn found(&self, found: Found) {
        self.0.replace(Some(found));
    }
}

/// Keeps a request's callback alive when its future is dropped before the browser called back.
struct Held(Option<GetStoreRequest>);

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(request) = &mut self.0 {
            request.forget_callbacks();
        }
    }
}

// By value, as `map_err` wants it.
#[allow(clippy::needless_pass_by_value)]
#[inline(never)]
fn failed(error: idb::Error) -> StoreError {
    exception(&error).into()
}
