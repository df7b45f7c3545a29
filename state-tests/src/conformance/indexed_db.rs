//! What only `IndexedDB` can get wrong: transactions, versions, connections.

use idb::{Database, DatabaseEvent, Factory, ObjectStoreParams, Request, TransactionMode};
use js_sys::Array;
use longhaul_browser::events::IndexedDb;
use longhaul_browser::net::sleep;
use longhaul_runner::once;
use longhaul_runner::ports::histories::{Append, AppendError, EventStore, Head, Links, StoreError};
use wasm_bindgen::prelude::*;

use super::{Outcome, cases, ensure, ensure_eq};

cases! {
    /// Runs one case against a fresh database name.
    fn run(name: &str) {
        an_aborted_transaction_is_an_error_and_leaves_nothing,
        an_exception_in_mid_batch_leaves_nothing,
        a_write_that_was_committed_and_reported_as_an_error_counts,
        a_forget_that_was_committed_and_reported_as_an_error_counts,
        an_entry_nobody_counted_is_a_conflict_and_is_not_overwritten,
        no_room_is_told_from_other_errors,
        a_newer_database_is_refused_and_left_alone,
        a_store_lets_go_when_another_context_deletes_the_database,
        a_store_lets_go_when_newer_code_upgrades_the_database,
        an_opening_that_is_held_up_does_not_hang_and_leaves_no_connection,
        a_closed_store_opens_again_and_has_its_data,
        values_that_are_not_understood_keep_their_place,
        a_dropped_append_does_no_harm,
        many_operations_at_once_on_a_store_that_is_not_open_yet,
    }
}

// Each of these changes a prototype until it is undone, to make the browser behave as it rarely does.
#[wasm_bindgen(inline_js = r#"
const replace = (method, replacement) => {
  const original = IDBObjectStore.prototype[method];
  IDBObjectStore.prototype[method] = replacement(original);
  return () => { IDBObjectStore.prototype[method] = original; };
};
export const abort_after_add = () => replace("add", (original) => function (...args) {
  const request = original.apply(this, args);
  this.transaction.abort();
  return request;
});
export const abort_quietly_after_put = () => replace("put", (original) => function (...args) {
  const request = original.apply(this, args);
  const transaction = this.transaction;
  request.addEventListener("success", () => transaction.abort());
  return request;
});
export const throw_at_head = (name) => replace("put", (original) => function (...args) {
  if (this.name === "heads") throw new DOMException("no", name);
  return original.apply(this, args);
});
export const commit_and_throw = (method, store) => replace(method, (original) => function (...args) {
  const request = original.apply(this, args);
  if (this.name === store) {
    this.transaction.commit();
    throw new DOMException("too late", "UnknownError");
  }
  return request;
});
"#)]
extern "C" {
    fn abort_after_add() -> js_sys::Function;
    fn abort_quietly_after_put() -> js_sys::Function;
    fn throw_at_head(name: &str) -> js_sys::Function;
    fn commit_and_throw(method: &str, store: &str) -> js_sys::Function;
}

/// A changed prototype; dropping it undoes the change.
struct Patch(js_sys::Function);

impl Drop for Patch {
    fn drop(&mut self) {
        let _ = self.0.call0(&JsValue::UNDEFINED);
    }
}

fn batch(expected: u64, entries: &[&str]) -> Append {
    Append {
        download: "m".into(),
        expected,
        entries: entries.iter().map(|&entry| entry.into()).collect(),
        head: "head".into(),
        links: Links::Put("links".into()),
    }
}

async fn nothing_beyond_a(store: &IndexedDb) -> Outcome {
    let log: Vec<_> = store
        .read_all(None)
        .await
        .map_err(|error| error.to_string())?;
    ensure_eq!(
        log.iter().map(|row| row.text.as_str()).collect::<Vec<_>>(),
        ["a"],
        "log"
    );
    ensure_eq!(
        store.head("m").await.map(|head| head.map(|head| head.seq)),
        Ok(Some(1)),
        "head"
    );
    ensure_eq!(store.links("m").await, Ok(None), "links");
    Ok(())
}

async fn with_a(name: &str) -> Result<IndexedDb, String> {
    let store = IndexedDb::new(name);
    let first = Append {
        links: Links::Keep,
        ..batch(0, &["a"])
    };
    store
        .append(&first)
        .await
        .map_err(|error| error.to_string())?;
    Ok(store)
}

fn refused(result: &Result<(), AppendError>, expected: &str) -> Outcome {
    match result {
        Err(AppendError::Store(StoreError::StorageUnavailable { name, .. }))
            if name == expected =>
        {
            Ok(())
        }
        other => Err(format!("not refused with {expected}: {other:?}")),
    }
}

async fn an_aborted_transaction_is_an_error_and_leaves_nothing(name: &str) -> Outcome {
    let store = with_a(name).await?;
    {
        let _patch = Patch(abort_after_add());
        // The second `add` meets a transaction that is over.
        refused(
            &store.append(&batch(1, &["b", "c"])).await,
            "TransactionInactiveError",
        )?;
    }
    nothing_beyond_a(&store).await?;
    {
        let _patch = Patch(abort_quietly_after_put());
        refused(&store.append(&batch(1, &["b", "c"])).await, "AbortError")?;
    }
    nothing_beyond_a(&store).await?;
    ensure_eq!(
        store.append(&batch(1, &["b", "c"])).await,
        Ok(()),
        "the same batch afterwards"
    );
    Ok(())
}

async fn an_exception_in_mid_batch_leaves_nothing(name: &str) -> Outcome {
    let store = with_a(name).await?;
    {
        let _patch = Patch(throw_at_head("DataCloneError"));
        refused(
            &store.append(&batch(1, &["b", "c"])).await,
            "DataCloneError",
        )?;
    }
    nothing_beyond_a(&store).await
}

async fn a_write_that_was_committed_and_reported_as_an_error_counts(name: &str) -> Outcome {
    let store = with_a(name).await?;
    let result = {
        let _patch = Patch(commit_and_throw("put", "links"));
        store.append(&batch(1, &["b", "c"])).await
    };
    ensure_eq!(result, Ok(()), "append");
    let log = store
        .read("m", 0, None)
        .await
        .map_err(|error| error.to_string())?;
    ensure_eq!(log.len(), 3, "entries");
    Ok(())
}

async fn a_forget_that_was_committed_and_reported_as_an_error_counts(name: &str) -> Outcome {
    let store = with_a(name).await?;
    let result = {
        let _patch = Patch(commit_and_throw("delete", "links"));
        store.forget("m", 1).await
    };
    ensure_eq!(result, Ok(()), "forget");
    ensure_eq!(store.read_all(None).await, Ok(vec![]), "entries");
    Ok(())
}

async fn an_entry_nobody_counted_is_a_conflict_and_is_not_overwritten(name: &str) -> Outcome {
    let store = with_a(name).await?;
    let key = Array::of2(&"m".into(), &2.into());
    put(name, "entries", &key, &object("text", &"stray".into())).await?;
    let result = store.append(&batch(1, &["b"])).await;
    ensure_eq!(result, Err(AppendError::Conflict { found: 2 }), "append");
    let log = store
        .read("m", 0, None)
        .await
        .map_err(|error| error.to_string())?;
    ensure_eq!(
        log.iter().map(|row| row.text.as_str()).collect::<Vec<_>>(),
        ["a", "stray"],
        "log"
    );
    ensure_eq!(store.links("m").await, Ok(None), "links");
    Ok(())
}

async fn no_room_is_told_from_other_errors(name: &str) -> Outcome {
    let store = with_a(name).await?;
    {
        let _patch = Patch(throw_at_head("QuotaExceededError"));
        let result = store.append(&batch(1, &["b"])).await;
        ensure_eq!(result, Err(AppendError::Store(StoreError::Quota)), "append");
    }
    nothing_beyond_a(&store).await
}

async fn a_newer_database_is_refused_and_left_alone(name: &str) -> Outcome {
    open_raw(name, 7, true).await?.close();
    let store = IndexedDb::new(name);
    let newer = StoreError::NewerDatabase { found: 7, known: 1 };
    ensure_eq!(store.open().await, Err(newer.clone()), "open");
    ensure_eq!(store.heads().await, Err(newer.clone()), "heads");
    ensure_eq!(
        store.append(&batch(0, &["a"])).await,
        Err(AppendError::Store(newer)),
        "append"
    );
    let database = open_raw(name, 7, false).await?;
    let stores = database.store_names();
    database.close();
    ensure_eq!(stores, ["newer"], "stores");
    Ok(())
}

async fn a_store_lets_go_when_another_context_deletes_the_database(name: &str) -> Outcome {
    let store = with_a(name).await?;
    delete(name).await?;
    // And finds nothing any more, rather than an error.
    ensure_eq!(store.heads().await, Ok(vec![]), "heads afterwards");
    ensure_eq!(
        store.append(&batch(0, &["a"])).await,
        Ok(()),
        "append afterwards"
    );
    Ok(())
}

async fn a_store_lets_go_when_newer_code_upgrades_the_database(name: &str) -> Outcome {
    let store = with_a(name).await?;
    open_raw(name, 2, true).await?.close();
    let newer = StoreError::NewerDatabase { found: 2, known: 1 };
    ensure_eq!(store.heads().await, Err(newer), "heads afterwards");
    Ok(())
}

async fn an_opening_that_is_held_up_does_not_hang_and_leaves_no_connection(name: &str) -> Outcome {
    // A page that ignores `versionchange` holds up the deletion, and that holds up every opening.
    let holder = open_raw(name, 1, false).await?;
    let (deleted, deletion) = once::channel();
    let mut request = Factory::new()
        .and_then(|factory| factory.delete(name))
        .map_err(|error| error.to_string())?;
    request.on_success(move |_| {
        let _ = deleted.send(());
    });
    let store = IndexedDb::new(name).opening_limit(300);
    match store.heads().await {
        Err(StoreError::StorageUnavailable { name, .. }) if name == "TimeoutError" => {}
        other => return Err(format!("not given up: {other:?}")),
    }
    holder.close();
    ensure!(deletion.await.is_some(), "the deletion never came through");
    // The opening that was given up comes through now; it must not stay open and be in the way of others.
    delete(name).await?;
    ensure_eq!(store.heads().await, Ok(vec![]), "heads afterwards");
    Ok(())
}

async fn a_closed_store_opens_again_and_has_its_data(name: &str) -> Outcome {
    let store = with_a(name).await?;
    store.close();
    nothing_beyond_a(&store).await?;
    drop(store);
    nothing_beyond_a(&IndexedDb::new(name)).await
}

async fn values_that_are_not_understood_keep_their_place(name: &str) -> Outcome {
    let store = with_a(name).await?;
    for (seq, value) in [
        (2, JsValue::from(5)),
        (3, object("text", &JsValue::from(5))),
        (4, JsValue::NULL),
    ] {
        put(
            name,
            "entries",
            &Array::of2(&"m".into(), &seq.into()),
            &value,
        )
        .await?;
    }
    put(
        name,
        "entries",
        &"no array".into(),
        &object("text", &"x".into()),
    )
    .await?;
    put(name, "heads", &"m".into(), &JsValue::from_str("no head")).await?;
    put(name, "links", &"m".into(), &JsValue::from(5)).await?;
    let log = store
        .read_all(None)
        .await
        .map_err(|error| error.to_string())?;
    let found: Vec<_> = log.iter().map(|row| (row.seq, row.text.as_str())).collect();
    ensure_eq!(found, [(1, "a"), (2, ""), (3, ""), (4, "")], "log");
    let head = Head {
        download: "m".into(),
        seq: 0,
        state: String::new(),
    };
    ensure_eq!(store.heads().await, Ok(vec![head]), "heads");
    ensure_eq!(store.links("m").await, Ok(None), "links");
    // A writer who has read the log can mend the head.
    ensure_eq!(store.append(&batch(4, &["b"])).await, Ok(()), "append");
    ensure_eq!(
        store.head("m").await.map(|head| head.map(|head| head.seq)),
        Ok(Some(5)),
        "head"
    );
    Ok(())
}

async fn a_dropped_append_does_no_harm(name: &str) -> Outcome {
    let store = with_a(name).await?;
    for _ in 0..20 {
        let batch = batch(1, &["b"]);
        let append = std::pin::pin!(store.append(&batch));
        // Gone before the browser calls back for the first time.
        let _ = futures_util::future::select(append, std::future::ready(())).await;
    }
    let head = store.head("m").await.map_err(|error| error.to_string())?;
    let seq = head.map_or(0, |head| head.seq);
    let log = store
        .read("m", 0, None)
        .await
        .map_err(|error| error.to_string())?;
    ensure_eq!(log.len() as u64, seq, "entries, by the head");
    ensure!((1..=2).contains(&seq), "a head of {seq}");
    Ok(())
}

async fn many_operations_at_once_on_a_store_that_is_not_open_yet(name: &str) -> Outcome {
    let store = IndexedDb::new(name);
    let batches: Vec<_> = (0..8)
        .map(|number| Append {
            download: format!("m{number}"),
            ..batch(0, &["a", "b"])
        })
        .collect();
    for result in
        futures_util::future::join_all(batches.iter().map(|batch| store.append(batch))).await
    {
        ensure_eq!(result, Ok(()), "append");
    }
    ensure_eq!(store.heads().await.map(|heads| heads.len()), Ok(8), "heads");
    Ok(())
}

fn object(key: &str, value: &JsValue) -> JsValue {
    let object = js_sys::Object::new();
    longhaul_browser::js::set(&object, key, value);
    object.into()
}

/// Writes past the store, as damage or another version would.
async fn put(name: &str, store: &str, key: &JsValue, value: &JsValue) -> Outcome {
    let database = open_raw(name, 1, false).await?;
    let (done, finished) = once::channel();
    let fire = || -> Result<_, idb::Error> {
        let mut transaction = database.transaction(&[store], TransactionMode::ReadWrite)?;
        transaction.on_complete(move |_| {
            let _ = done.send(());
        });
        transaction.object_store(store)?.put(value, Some(key))?;
        Ok(transaction)
    };
    let transaction = fire().map_err(|error| error.to_string())?;
    let written = finished.await;
    drop(transaction);
    database.close();
    written.ok_or_else(|| "the raw write was lost".into())
}

/// A connection that ignores `versionchange`. `upgrade`: makes a store, as newer code would.
async fn open_raw(name: &str, version: u32, upgrade: bool) -> Result<Database, String> {
    let (done, opened) = once::channel();
    let mut request = Factory::new()
        .and_then(|factory| factory.open(name, Some(version)))
        .map_err(|error| error.to_string())?;
    if upgrade {
        request.on_upgrade_needed(|event| {
            if let Ok(database) = event.database() {
                for store in database.store_names() {
                    let _ = database.delete_object_store(&store);
                }
                let _ = database.create_object_store("newer", ObjectStoreParams::new());
            }
        });
    }
    request.on_success(move |event| {
        let _ = done.send(event.database());
    });
    let limit = std::pin::pin!(sleep(5000));
    match futures_util::future::select(opened, limit).await {
        futures_util::future::Either::Left((Some(Ok(database)), _)) => Ok(database),
        _ => Err(format!(
            "version {version} of the database could not be opened"
        )),
    }
}

/// Deletes a database. An error when a connection is in the way.
pub(super) async fn delete(name: &str) -> Outcome {
    let (done, deleted) = once::channel();
    let mut request = Factory::new()
        .and_then(|factory| factory.delete(name))
        .map_err(|error| error.to_string())?;
    request.on_success(move |_| {
        let _ = done.send(());
    });
    let limit = std::pin::pin!(sleep(5000));
    match futures_util::future::select(deleted, limit).await {
        futures_util::future::Either::Left((Some(()), _)) => Ok(()),
        _ => Err("the database could not be deleted: a connection is in the way".into()),
    }
}
