//! What is read: ranges, limits, order, and any text.

use longhaul_runner::ports::histories::{EventStore, Links};

use super::{Factory, append, batch, head, links, log, store_error, texts};
use crate::conformance::{Outcome, ensure, ensure_eq};

pub(super) async fn reading_starts_after_and_stops_at_the_limit(factory: &impl Factory) -> Outcome {
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

pub(super) async fn a_limit_of_zero_reads_nothing(factory: &impl Factory) -> Outcome {
    let store = factory.open();
    append(&store, &batch("m", 0, &["1"])).await?;
    ensure_eq!(store.read("m", 0, Some(0)).await, Ok(vec![]), "one log");
    ensure_eq!(store.read_all(Some(0)).await, Ok(vec![]), "all logs");
    Ok(())
}

pub(super) async fn reading_all_goes_by_download_then_by_sequence(
    factory: &impl Factory,
) -> Outcome {
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

pub(super) async fn downloads_do_not_see_each_other(factory: &impl Factory) -> Outcome {
    let store = factory.open();
    append(&store, &batch("a", 0, &["a1", "a2"])).await?;
    append(&store, &batch("b", 0, &["b1"])).await?;
    append(&store, &batch("a", 2, &["a3"])).await?;
    ensure_eq!(log(&store, "a").await?, ["a1", "a2", "a3"], "log of a");
    ensure_eq!(log(&store, "b").await?, ["b1"], "log of b");
    Ok(())
}

pub(super) async fn ids_may_be_any_text(factory: &impl Factory) -> Outcome {
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

pub(super) async fn texts_may_be_any_text(factory: &impl Factory) -> Outcome {
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

pub(super) async fn large_entries_are_kept_whole(factory: &impl Factory) -> Outcome {
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

pub(super) async fn many_entries_are_kept_in_order(factory: &impl Factory) -> Outcome {
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
