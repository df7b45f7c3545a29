//! What every event store must do.

use futures_util::future::{join, join_all};
use longhaul_browser::events::{Append, AppendError, EventStore, Head, Links, Row, StoreError};

use super::{Outcome, cases, ensure, ensure_eq};

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

async fn reading_starts_after_and_stops_at_the_limit(factory: &impl Factory) -> Outcome {
    let store = factory.open();
    append(&store, &batch("m", 0, &["1", "2", "3", "4", "5"])).await?;
    for (after, limit, expected) in [
        (2, None, vec!["3", "4", "5"]),
        (2, Some(2), vec!["3", "4"]),
        (0, Some(1), vec!["1"]),
        (4, Some(9), vec!["5"]),
        (5, None, vec![]),
        (u64::MAX, None, vec![]),
    ] {
        let rows = store
            .read("m", after, limit)
            .await
            .map_err(|error| store_error(&error))?;
        ensure_eq!(
            texts("m", after, rows)?,
            expected,
            "after {after}, limit {limit:?}"
        );
    }
    Ok(())
}

async fn a_limit_of_zero_reads_nothing(factory: &impl Factory) -> Outcome {
    let store = factory.open();
    append(&store, &batch("m", 0, &["1"])).await?;
    ensure_eq!(store.read("m", 0, Some(0)).await, Ok(vec![]), "one log");
    ensure_eq!(store.read_all(Some(0)).await, Ok(vec![]), "all logs");
    Ok(())
}

async fn reading_all_goes_by_download_then_by_sequence(factory: &impl Factory) -> Outcome {
    let store = factory.open();
    // U+FFFD is below U+1F600 by code point and above it by UTF-16 code unit, which is what browsers sort by.
    let ids = ["", "A", "a", "aa", "b", "\u{1f600}", "\u{fffd}"];
    for id in ids.iter().rev() {
        append(&store, &batch(id, 0, &["1"])).await?;
    }
    for id in ids {
        append(&store, &batch(id, 1, &["2"])).await?;
    }
    let rows = store
        .read_all(None)
        .await
        .map_err(|error| store_error(&error))?;
    let found: Vec<_> = rows
        .iter()
        .map(|row| (row.download.as_str(), row.seq))
        .collect();
    let expected: Vec<_> = ids.iter().flat_map(|&id| [(id, 1), (id, 2)]).collect();
    ensure_eq!(found, expected, "all logs");
    let some = store
        .read_all(Some(3))
        .await
        .map_err(|error| store_error(&error))?;
    ensure_eq!(some, rows[..3], "all logs, at most three");
    let heads = store.heads().await.map_err(|error| store_error(&error))?;
    let heads: Vec<_> = heads.iter().map(|head| head.download.as_str()).collect();
    ensure_eq!(heads, ids, "heads");
    Ok(())
}

async fn downloads_do_not_see_each_other(factory: &impl Factory) -> Outcome {
    let store = factory.open();
    append(&store, &batch("a", 0, &["a1", "a2"])).await?;
    append(&store, &batch("b", 0, &["b1"])).await?;
    append(&store, &batch("a", 2, &["a3"])).await?;
    ensure_eq!(log(&store, "a").await?, ["a1", "a2", "a3"], "log of a");
    ensure_eq!(log(&store, "b").await?, ["b1"], "log of b");
    Ok(())
}

async fn ids_may_be_any_text(factory: &impl Factory) -> Outcome {
    let store = factory.open();
    let ids = [
        "",
        " ",
        "m",
        "m ",
        "m,1",
        "m\u{0}",
        "m\u{0}1",
        "[\"m\",1]",
        "m/1",
        "../m",
        "1",
        "01",
        "-1",
        "Infinity",
        "NaN",
        "__proto__",
        "constructor",
        "Ä",
        "A\u{308}",
        "模型",
        "\u{1f9e0}",
        "\u{10ffff}",
        "\u{ffff}",
        "\u{202e}m",
        "<b>m</b>",
        "https://example.org/a?b=c#d",
    ];
    for id in ids {
        append(&store, &batch(id, 0, &[id, "second"])).await?;
    }
    for id in ids {
        ensure_eq!(log(&store, id).await?, [id, "second"], "log of {id:?}");
        ensure_eq!(
            head(&store, id).await?.map(|head| head.download).as_deref(),
            Some(id),
            "head of {id:?}"
        );
    }
    let long = "m".repeat(10_000);
    append(&store, &batch(&long, 0, &["long"])).await?;
    ensure_eq!(log(&store, &long).await?, ["long"], "log of a long id");
    for id in ids {
        let forgotten = store.forget(id, 2).await;
        ensure_eq!(forgotten, Ok(()), "forgetting {id:?}");
    }
    let left = store
        .read_all(None)
        .await
        .map_err(|error| store_error(&error))?;
    ensure_eq!(left.len(), 1, "entries left");
    Ok(())
}

async fn texts_may_be_any_text(factory: &impl Factory) -> Outcome {
    let store = factory.open();
    let odd = [
        "",
        "\u{0}",
        "null",
        "{\"text\":1}",
        "\u{1f9e0}\u{feff}",
        "\r\n",
        "not json",
    ];
    let mut odd_batch = batch("m", 0, &odd);
    odd_batch.head = "\u{0}\u{10ffff}".into();
    odd_batch.links = Links::Put(String::new());
    append(&store, &odd_batch).await?;
    ensure_eq!(log(&store, "m").await?, odd, "log");
    ensure_eq!(
        head(&store, "m").await?.map(|head| head.state),
        Some(odd_batch.head),
        "head"
    );
    ensure_eq!(links(&store, "m").await?, Some(String::new()), "links");
    Ok(())
}

async fn large_entries_are_kept_whole(factory: &impl Factory) -> Outcome {
    let store = factory.open();
    let large: String = "0123456789abcdeä".chars().cycle().take(2_000_000).collect();
    let mut batch = batch("m", 0, &[&large, "small", &large]);
    batch.head.clone_from(&large);
    append(&store, &batch).await?;
    ensure!(
        log(&store, "m").await? == batch.entries,
        "a large entry came back different"
    );
    ensure!(
        head(&store, "m")
            .await?
            .is_some_and(|head| head.state == large),
        "a large head came back different"
    );
    Ok(())
}

async fn many_entries_are_kept_in_order(factory: &impl Factory) -> Outcome {
    let store = factory.open();
    let entries: Vec<_> = (1..=1000).map(|number| format!("entry {number}")).collect();
    for (index, some) in entries.chunks(250).enumerate() {
        let mut batch = batch("m", index as u64 * 250, &[]);
        batch.entries = some.to_vec();
        append(&store, &batch).await?;
    }
    ensure_eq!(log(&store, "m").await?, entries, "log");
    let tail = store
        .read("m", 990, None)
        .await
        .map_err(|error| store_error(&error))?;
    ensure_eq!(texts("m", 990, tail)?, entries[990..], "tail");
    Ok(())
}

async fn links_are_put_kept_and_deleted(factory: &impl Factory) -> Outcome {
    let store = factory.open();
    put_links(&store, "m", "first").await?;
    append(&store, &batch("m", 1, &["b"])).await?;
    ensure_eq!(
        links(&store, "m").await?.as_deref(),
        Some("first"),
        "kept links"
    );
    append(
        &store,
        &Append {
            links: Links::Put("second".into()),
            ..batch("m", 2, &[])
        },
    )
    .await?;
    ensure_eq!(
        links(&store, "m").await?.as_deref(),
        Some("second"),
        "replaced links"
    );
    append(
        &store,
        &Append {
            links: Links::Delete,
            ..batch("m", 2, &["c"])
        },
    )
    .await?;
    ensure_eq!(links(&store, "m").await?, None, "deleted links");
    append(
        &store,
        &Append {
            links: Links::Delete,
            ..batch("m", 3, &["d"])
        },
    )
    .await?;
    ensure_eq!(log(&store, "m").await?, ["a", "b", "c", "d"], "log");
    Ok(())
}

async fn a_conflict_leaves_the_links_alone(factory: &impl Factory) -> Outcome {
    let store = factory.open();
    put_links(&store, "m", "first").await?;
    for change in [Links::Delete, Links::Put("x".into())] {
        let late = store
            .append(&Append {
                links: change,
                ..batch("m", 0, &["x"])
            })
            .await;
        ensure_eq!(late, Err(AppendError::Conflict { found: 1 }), "late append");
    }
    ensure_eq!(links(&store, "m").await?.as_deref(), Some("first"), "links");
    Ok(())
}

async fn forgetting_deletes_entries_head_and_links(factory: &impl Factory) -> Outcome {
    let store = factory.open();
    put_links(&store, "m", "first").await?;
    append(&store, &batch("m", 1, &["b", "c"])).await?;
    append(&store, &batch("m2", 0, &["other"])).await?;
    ensure_eq!(store.forget("m", 3).await, Ok(()), "forget");
    ensure_eq!(log(&store, "m").await?, [""; 0], "log");
    ensure_eq!(head(&store, "m").await?, None, "head");
    ensure_eq!(links(&store, "m").await?, None, "links");
    ensure_eq!(
        log(&store, "m2").await?,
        ["other"],
        "log of the other download"
    );
    Ok(())
}

async fn forgetting_an_old_state_is_a_conflict_and_deletes_nothing(
    factory: &impl Factory,
) -> Outcome {
    let store = factory.open();
    put_links(&store, "m", "first").await?;
    append(&store, &batch("m", 1, &["b"])).await?;
    for expected in [0, 1, 3] {
        let late = store.forget("m", expected).await;
        ensure_eq!(
            late,
            Err(AppendError::Conflict { found: 2 }),
            "forgetting at {expected}"
        );
    }
    ensure_eq!(log(&store, "m").await?, ["a", "b"], "log");
    ensure_eq!(links(&store, "m").await?.as_deref(), Some("first"), "links");
    Ok(())
}

async fn forgetting_what_never_was_is_no_error(factory: &impl Factory) -> Outcome {
    let store = factory.open();
    ensure_eq!(store.forget("m", 0).await, Ok(()), "at 0");
    ensure_eq!(
        store.forget("m", 1).await,
        Err(AppendError::Conflict { found: 0 }),
        "at 1"
    );
    Ok(())
}

async fn a_forgotten_download_begins_anew(factory: &impl Factory) -> Outcome {
    let store = factory.open();
    append(&store, &batch("m", 0, &["a", "b"])).await?;
    ensure_eq!(store.forget("m", 2).await, Ok(()), "forget");
    append(&store, &batch("m", 0, &["c"])).await?;
    ensure_eq!(log(&store, "m").await?, ["c"], "log");
    Ok(())
}

async fn an_append_after_a_forget_is_a_conflict(factory: &impl Factory) -> Outcome {
    let (first, second) = (factory.open(), factory.open());
    append(&first, &batch("m", 0, &["a", "b"])).await?;
    ensure_eq!(second.forget("m", 2).await, Ok(()), "forget");
    let late = first.append(&batch("m", 2, &["c"])).await;
    ensure_eq!(
        late,
        Err(AppendError::Conflict { found: 0 }),
        "append of one who did not know"
    );
    ensure_eq!(first.heads().await, Ok(vec![]), "heads");
    Ok(())
}

async fn of_a_forget_and_an_append_at_once_exactly_one_wins(factory: &impl Factory) -> Outcome {
    for round in 0..4 {
        let (first, second) = (factory.open(), factory.open());
        let id = format!("m{round}");
        append(&first, &batch(&id, 0, &["a"])).await?;
        let grown = batch(&id, 1, &["b"]);
        let results = if round % 2 == 0 {
            join(first.append(&grown), second.forget(&id, 1)).await
        } else {
            let (forgotten, grown) = join(second.forget(&id, 1), first.append(&grown)).await;
            (grown, forgotten)
        };
        let expected = match results {
            (Ok(()), Err(AppendError::Conflict { found: 2 })) => vec!["a", "b"],
            (Err(AppendError::Conflict { found: 0 }), Ok(())) => vec![],
            other => return Err(format!("not exactly one winner: {other:?}")),
        };
        ensure_eq!(log(&first, &id).await?, expected, "log of {id}");
    }
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
