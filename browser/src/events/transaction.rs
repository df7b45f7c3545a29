//! One transaction, whose outcome cannot be missed or mistaken.
//!
//! `idb`'s own future for a transaction calls an abort `Ok`, loses the reason, and hangs for ever when anything else
//! was awaited before it. Here the handlers are attached when the transaction is created, an abort is an error with
//! its reason, and the outcome is awaited once, after all requests were fired. No request's own future is ever
//! awaited: results are read when the transaction is through.

use std::cell::RefCell;
use std::rc::Rc;

use idb::{Database, Event, ObjectStore, Transaction, TransactionMode};

use crate::js::Exception;
use longhaul_runner::once::{self, Receiver};

/// A running transaction. Dropping it early lets the browser commit what was fired, with nobody listening.
pub(crate) struct Pending {
    inner: Transaction,
    outcome: Option<Receiver<Result<(), Exception>>>,
}

impl Pending {
    /// Begins a transaction. There is no way to ask for `durability: "strict"` through `idb`; that what was reported
    /// complete survives a killed browser was measured, and is a test.
    pub(crate) fn begin(
        database: &Database,
        stores: &[&str],
        mode: TransactionMode,
    ) -> Result<Self, idb::Error> {
        let mut inner = database.transaction(stores, mode)?;
        let (sender, receiver) = once::channel();
        let sender = Rc::new(RefCell::new(Some(sender)));
        let also = sender.clone();
        inner.on_complete(move |_| {
            if let Some(sender) = also.take() {
                let _ = sender.send(Ok(()));
            }
        });
        inner.on_abort(move |event| {
            if let Some(sender) = sender.take() {
                let _ = sender.send(Err(reason(&event)));
            }
        });
        Ok(Self {
            inner,
            outcome: Some(receiver),
        })
    }

    /// A store of this transaction.
    pub(crate) fn store(&self, name: &str) -> Result<ObjectStore, idb::Error> {
        self.inner.object_store(name)
    }

    /// Waits until the transaction is through.
    pub(crate) async fn done(mut self) -> Result<(), Exception> {
        let Some(outcome) = self.outcome.as_mut() else {
            return Ok(());
        };
        let result = outcome
            .await
            .unwrap_or_else(|| Err(Exception::new("AbortError", "")));
        self.outcome = None;
        result
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        // The browser may still call back. A leaked closure is harmless, a dropped one throws.
        if self.outcome.is_some() {
            self.inner.forget_callbacks();
        }
    }
}

/// Why a transaction was aborted; the event's target is the transaction.
fn reason(event: &web_sys::Event) -> Exception {
    event
        .target()
        .and_then(|target| Transaction::try_from(target).ok())
        .and_then(|transaction| transaction.error())
        .map_or_else(
            || Exception::new("AbortError", "the transaction was aborted"),
            |error| Exception::from_js(&error),
        )
}

/// The exception inside an error of `idb`, as plain data.
pub(crate) fn exception(error: &idb::Error) -> Exception {
    use idb::Error as E;
    match error {
        E::AddFailed(thrown)
        | E::DeleteFailed(thrown)
        | E::GetAllFailed(thrown)
        | E::GetAllKeysFailed(thrown)
        | E::GetFailed(thrown)
        | E::IndexedDbNotFound(thrown)
        | E::IndexedDbOpenFailed(thrown)
        | E::KeyRangeCreateFailed(thrown)
        | E::ObjectStoreCreateFailed(thrown)
        | E::ObjectStoreNotFound(thrown)
        | E::RequestErrorNotFound(thrown)
        | E::RequestResultNotFound(thrown)
        | E::TransactionAbortError(thrown)
        | E::TransactionOpenFailed(thrown)
        | E::UpdateFailed(thrown) => Exception::from_js(thrown),
        E::DomException(exception) => Exception::from_js(exception),
        _ => Exception::new("Error", "IndexedDB answered with something unexpected"),
    }
}

/// Aborts the transaction a store belongs to, from inside a request's callback.
pub(crate) fn abort(store: &ObjectStore) {
    // It can only refuse because it is over already.
    let _ = store.transaction().abort();
}

/// The transaction of an upgrade, aborted: the database stays as it was.
pub(crate) fn abort_upgrade(event: &idb::event::VersionChangeEvent) {
    if let Some(transaction) = event
        .target()
        .ok()
        .and_then(|request| idb::Request::transaction(&request))
    {
        let _ = transaction.abort();
    }
}
