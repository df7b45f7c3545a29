//! What every event store must do.

mod forgetting;
mod reading;

use futures_util::future::{join, join_all};
use longhaul_runner::ports::histories::{
    Append, AppendError, EventStore, Head, Links, Row, StoreError,
};

use super::{Outcome, cases, ensure, ensure_eq};
use forgetting::{
    a_conflict_leaves_the_links_alone, a_forgotten_download_begins_anew,
    an_append_after_a_forget_is_a_conflict,
    forgetting_an_old_state_is_a_conflict_and_deletes_nothing,
    forgetting_deletes_entries_head_and_links, forgetting_what_never_was_is_no_error,
    links_are_put_kept_and_deleted, of_a_forget_and_an_append_at_once_exactly_one_wins,
};
use reading::{
    a_limit_of_zero_reads_nothing, downloads_do_not_see_each_other, ids_may_be_any_text,
    large_entries_are_kept_whole, many_entries_are_kept_in_order,
    reading_all_goes_by_download_then_by_sequence, reading_starts_after_and_stops_at_the_limit,
    texts_may_be_any_text,
};

/// Opens the storage of one case; every call is a further handle to the same content, as another tab would have.
pub trait Factory {
    /// The store under test.
    type Store: EventStore;

    /// A handle to the case's storage, empty at first.
    fn open(&self) -> Self::Store;
}

cases! {
    /// Runs one case against a fresh storage.
    fn run(factory: &F) [F: Factory] {
        a_fresh_store_is_empty,
        what_was_appended_is_read_back_as_it_was_written,
        a_log_is_gapless_from_one,
        several_entries_of_one_append_follow_each_other,
        an_append_to_an_old_state_is_a_conflict_and_writes_nothing,
        an_append_ahead_of_the_log_is_a_conflict,
        a_conflict_on_a_new_download_says_zero,
        of_two_writers_at_once_exactly_one_wins,
        many_writers_that_read_again_lose_no_entry,
        appending_no_entry_still_replaces_the_head,
        heads_list_every_download_once,
        reading_starts_after_and_stops_at_the_limit,
        a_limit_of_zero_reads_nothing,
        reading_all_goes_by_download_then_by_sequence,
        downloads_do_not_see_each_other,
        ids_may_be_any_text,
        texts_may_be_any_text,
        large_entries_are_kept_whole,
        many_entries_are_kept_in_order,
        links_are_put_kept_and_deleted,
        a_conflict_leaves_the_links_alone,
        forgetting_deletes_entries_head_and_links,
        forgetting_an_old_state_is_a_conflict_and_deletes_nothing,
        forgetting_what_never_was_is_no_error,
        a_forgotten_download_begins_anew,
        an_append_after_a_forget_is_a_conflict,
        of_a_forget_and_an_append_at_once_exactly_one_wins,
        a_second_handle_sees_what_the_first_wrote,
    }
}

fn batch(download: &str, expected: u64, entries: &[&str]) -> Append {
    Append {
        download: download.into(),
        expected,
        entries: entries.iter().map(|&entry| entry.into()).collect(),
        head: format!("state after {}", expected + entries.len() as u64),
        links: Links::Keep,
    }
}

/// The texts of a log, after checking that it is the download's own and gapless from `after + 1`.
fn texts(download: &str, after: u64, rows: Vec<Row>) -> Result<Vec<String>, String> {
    for (row, seq) in rows.iter().zip(after.saturating_add(1)..) {
        ensure_eq!(row.seq, seq, "sequence number");
        ensure_eq!(row.download, download, "download of row {seq}");
    }
    Ok(rows.into_iter().map(|row| row.text).collect())
}

fn store_error(error: &StoreError) -> String {
    format!("the store failed: {error}")
}

async fn log(store: &impl EventStore, download: &str) -> Result<Vec<String>, String> {
    texts(
        download,
        0,
        store
            .read(download, 0, None)
            .await
            .map_err(|error| store_error(&error))?,
    )
}

async fn head(store: &impl EventStore, download: &str) -> Result<Option<Head>, String> {
    store
        .head(download)
        .await
        .map_err(|error| store_error(&error))
}

async fn append(store: &impl EventStore, batch: &Append) -> Outcome {
    store
        .append(batch)
        .await
        .map_err(|error| format!("append after {}: {error}", batch.expected))
}

async fn put_links(store: &impl EventStore, download: &str, links: &str) -> Outcome {
    append(
        store,
        &Append {
            links: Links::Put(links.into()),
            ..batch(download, 0, &["a"])
        },
    )
    .await
}

async fn links(store: &impl EventStore, download: &str) -> Result<Option<String>, String> {
    store
        .links(download)
        .await
        .map_err(|error| store_error(&error))
}

async fn a_fresh_store_is_empty(factory: &impl Factory) -> Outcome {
    let store = factory.open();
    ensure_eq!(store.heads().await, Ok(vec![]), "heads");
    ensure_eq!(store.head("m").await, Ok(None), "head");
    ensure_eq!(store.read("m", 0, None).await, Ok(vec![]), "log");
    ensure_eq!(store.read_all(None).await, Ok(vec![]), "all logs");
    ensure_eq!(store.links("m").await, Ok(None), "links");
    Ok(())
}

async fn what_was_appended_is_read_back_as_it_was_written(factory: &impl Factory) -> Outcome {
    let store = factory.open();
    // Not the canonical form of anything: the store must not read, let alone rewrite it.
    let text = "{ \"b\" : 1.0 ,\n\t\"a\":\"\\u00e4\", \"a\": null }";
    append(&store, &batch("m", 0, &[text])).await?;
    ensure_eq!(log(&store, "m").await?, [text], "log");
    let expected = Head {
        download: "m".into(),
        seq: 1,
        state: "state after 1".into(),
    };
    ensure_eq!(head(&store, "m").await?, Some(expected), "head");
    Ok(())
}

async fn a_log_is_gapless_from_one(factory: &impl Factory) -> Outcome {
    let store = factory.open();
    for (expected, entry) in ["a", "b", "c", "d"].iter().enumerate() {
        append(&store, &batch("m", expected as u64, &[entry])).await?;
    }
    ensure_eq!(log(&store, "m").await?, ["a", "b", "c", "d"], "log");
    Ok(())
}

async fn several_entries_of_one_append_follow_each_other(factory: &impl Factory) -> Outcome {
    let store = factory.open();
    append(&store, &batch("m", 0, &["a", "b", "c"])).await?;
    append(&store, &batch("m", 3, &["d", "e"])).await?;
    ensure_eq!(log(&store, "m").await?, ["a", "b", "c", "d", "e"], "log");
    ensure_eq!(
        head(&store, "m").await?.map(|head| head.seq),
        Some(5),
        "head"
    );
    Ok(())
}

async fn an_append_to_an_old_state_is_a_conflict_and_writes_nothing(
    factory: &impl Factory,
) -> Outcome {
    let store = factory.open();
    append(&store, &batch("m", 0, &["a", "b"])).await?;
    let before = head(&store, "m").await?;
    for expected in [0, 1] {
        let mut late = batch("m", expected, &["x", "y", "z"]);
        late.links = Links::Put("x".into());
        ensure_eq!(
            store.append(&late).await,
            Err(AppendError::Conflict { found: 2 }),
            "append after {expected}"
        );
    }
    ensure_eq!(log(&store, "m").await?, ["a", "b"], "log");
    ensure_eq!(head(&store, "m").await?, before, "head");
    ensure_eq!(links(&store, "m").await?, None, "links");
    Ok(())
}

async fn an_append_ahead_of_the_log_is_a_conflict(factory: &impl Factory) -> Outcome {
    let store = factory.open();
    append(&store, &batch("m", 0, &["a"])).await?;
    let early = store.append(&batch("m", 2, &["c"])).await;
    ensure_eq!(
        early,
        Err(AppendError::Conflict { found: 1 }),
        "append after 2 of 1"
    );
    ensure_eq!(log(&store, "m").await?, ["a"], "log");
    Ok(())
}

async fn a_conflict_on_a_new_download_says_zero(factory: &impl Factory) -> Outcome {
    let store = factory.open();
    let early = store.append(&batch("m", 1, &["b"])).await;
    ensure_eq!(
        early,
        Err(AppendError::Conflict { found: 0 }),
        "append after 1 of 0"
    );
    ensure_eq!(store.heads().await, Ok(vec![]), "heads");
    Ok(())
}

async fn of_two_writers_at_once_exactly_one_wins(factory: &impl Factory) -> Outcome {
    let (first, second) = (factory.open(), factory.open());
    append(&first, &batch("m", 0, &["a"])).await?;
    let (one, two) = (batch("m", 1, &["one", "1"]), batch("m", 1, &["two"]));
    let results = join(first.append(&one), second.append(&two)).await;
    let expected = match results {
        (Ok(()), Err(AppendError::Conflict { found: 3 })) => vec!["a", "one", "1"],
        (Err(AppendError::Conflict { found: 2 }), Ok(())) => vec!["a", "two"],
        other => return Err(format!("not exactly one winner: {other:?}")),
    };
    ensure_eq!(log(&first, "m").await?, expected, "log");
    Ok(())
}

async fn many_writers_that_read_again_lose_no_entry(factory: &impl Factory) -> Outcome {
    const WRITERS: usize = 6;
    const EACH: usize = 5;
    let writer = |number: usize| {
        let store = factory.open();
        async move {
            let mut conflicts = 0;
            for entry in 0..EACH {
                let text = format!("{number}.{entry}");
                loop {
                    let seen = head(&store, "m").await?.map_or(0, |head| head.seq);
                    match store.append(&batch("m", seen, &[&text])).await {
                        Ok(()) => break,
                        Err(AppendError::Conflict { found }) if found > seen => conflicts += 1,
                        Err(error) => return Err(format!("{text} after {seen}: {error}")),
                    }
                    ensure!(
                        conflicts <= WRITERS * EACH,
                        "more conflicts than other entries"
                    );
                }
            }
            Ok(())
        }
    };
    for result in join_all((0..WRITERS).map(writer)).await {
        result?;
    }
    let log = log(&factory.open(), "m").await?;
    ensure_eq!(log.len(), WRITERS * EACH, "entries");
    for number in 0..WRITERS {
        let own: Vec<_> = log
            .iter()
            .filter(|text| text.starts_with(&format!("{number}.")))
            .collect();
        ensure!(
            own.is_sorted() && own.len() == EACH,
            "entries of writer {number}: {own:?}"
        );
    }
    Ok(())
}

async fn appending_no_entry_still_replaces_the_head(factory: &impl Factory) -> Outcome {
    let store = factory.open();
    append(&store, &batch("m", 0, &["a"])).await?;
    append(
        &store,
        &Append {
            head: "new".into(),
            ..batch("m", 1, &[])
        },
    )
    .await?;
    let expected = Head {
        download: "m".into(),
        seq: 1,
        state: "new".into(),
    };
    ensure_eq!(head(&store, "m").await?, Some(expected), "head");
    ensure_eq!(log(&store, "m").await?, ["a"], "log");
    Ok(())
}

async fn heads_list_every_download_once(factory: &impl Factory) -> Outcome {
    let store = factory.open();
    append(&store, &batch("b", 0, &["1", "2"])).await?;
    append(&store, &batch("a", 0, &["1"])).await?;
    append(&store, &batch("b", 2, &["3"])).await?;
    let head = |download: &str, seq| Head {
        download: download.into(),
        seq,
        state: format!("state after {seq}"),
    };
    ensure_eq!(
        store.heads().await,
        Ok(vec![head("a", 1), head("b", 3)]),
        "heads"
    );
    Ok(())
}

async fn a_second_handle_sees_what_the_first_wrote(factory: &impl Factory) -> Outcome {
    let first = factory.open();
    put_links(&first, "m", "first").await?;
    let second = factory.open();
    ensure_eq!(log(&second, "m").await?, ["a"], "log");
    ensure_eq!(
        links(&second, "m").await?.as_deref(),
        Some("first"),
        "links"
    );
    append(&second, &batch("m", 1, &["b"])).await?;
    ensure_eq!(
        log(&first, "m").await?,
        ["a", "b"],
        "log of the first handle"
    );
    Ok(())
}
