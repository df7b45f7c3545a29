//! What the part store over Cache Storage must do.

use js_sys::{Array, Uint8Array};
use longhaul_browser::js::{number, property};
use longhaul_browser::parts::PartStore;
use longhaul_core::Range;
use longhaul_runner::errors::PartError;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{Blob, Cache, CacheStorage, ReadableStream, ReadableStreamDefaultReader, Response};

use super::{Outcome, cases, ensure, ensure_eq};

cases! {
    /// Runs one case against a fresh name.
    fn run(name: &str) {
        an_unknown_file_has_no_parts_and_gets_no_cache,
        a_part_comes_back_byte_for_byte,
        parts_are_listed_in_order_whatever_the_order_they_came_in,
        a_part_stored_twice_is_there_once,
        a_part_is_stored_without_a_content_type,
        an_empty_part_is_a_part,
        deleting_a_part_leaves_the_others,
        deleting_a_file_takes_all_its_parts_and_no_other_file,
        files_of_another_name_are_not_seen,
        a_file_key_may_be_any_text,
        foreign_entries_in_the_cache_are_no_parts,
        a_part_that_is_not_as_long_as_it_says_is_dropped_by_whoever_reads_it,
        a_blob_is_composed_of_parts,
        a_blob_with_a_hole_is_not_composed,
        overlapping_parts_compose_to_the_right_bytes,
        a_stream_hands_out_any_window,
        a_stream_reads_only_what_is_asked_for,
        a_stream_fails_when_a_part_vanishes,
        a_cancelled_stream_stays_quiet,
        an_empty_window_is_an_empty_stream,
        parts_put_at_once_are_all_kept,
    }
}

/// Bytes that tell positions apart.
fn pattern(start: u64, len: u64) -> Vec<u8> {
    (start..start + len)
        .map(|position| (position * 31 + (position >> 8) * 7 % 251).to_le_bytes()[0])
        .collect()
}

fn blob(bytes: &[u8]) -> Result<Blob, String> {
    let pieces = Array::of1(&Uint8Array::from(bytes));
    Blob::new_with_u8_array_sequence(&pieces).map_err(|_| "no Blob".into())
}

async fn bytes(blob: &Blob) -> Result<Vec<u8>, String> {
    let buffer = JsFuture::from(blob.array_buffer())
        .await
        .map_err(|_| "a Blob that cannot be read")?;
    Ok(Uint8Array::new(&buffer).to_vec())
}

fn text(error: &PartError) -> String {
    error.to_string()
}

fn range(start: u64, len: u64) -> Range {
    Range { start, len }
}

async fn put(store: &PartStore, file: &str, start: u64, len: u64) -> Outcome {
    let stored = store
        .put(file, start, &blob(&pattern(start, len))?)
        .await
        .map_err(|error| text(&error))?;
    ensure_eq!(stored, len, "measured length");
    Ok(())
}

/// A file of 10,000 bytes in four parts of different lengths.
async fn file(name: &str) -> Result<PartStore, String> {
    let store = PartStore::new(name);
    for (start, len) in [(0, 4000), (4000, 1), (4001, 1999), (6000, 4000)] {
        put(&store, "f", start, len).await?;
    }
    Ok(store)
}

fn caches() -> CacheStorage {
    longhaul_browser::js::global("caches").unchecked_into()
}

/// The cache of file `f`.
async fn cache(name: &str) -> Result<Cache, String> {
    let opened = JsFuture::from(caches().open(&format!("longhaul/{name}/f"))).await;
    opened
        .map(JsCast::unchecked_into)
        .map_err(|_| "no cache".into())
}

async fn an_unknown_file_has_no_parts_and_gets_no_cache(name: &str) -> Outcome {
    let store = PartStore::new(name);
    ensure_eq!(store.list("f").await, Ok(vec![]), "parts");
    ensure_eq!(
        store.get("f", range(0, 1)).await.map(|part| part.is_some()),
        Ok(false),
        "part"
    );
    ensure_eq!(
        store.delete_part("f", range(0, 1)).await,
        Ok(false),
        "deleted part"
    );
    ensure_eq!(store.delete("f").await, Ok(false), "deleted file");
    ensure_eq!(store.files().await, Ok(vec![]), "files");
    Ok(())
}

async fn a_part_comes_back_byte_for_byte(name: &str) -> Outcome {
    let store = PartStore::new(name);
    put(&store, "f", 5, 3_000_000).await?;
    ensure_eq!(
        store.list("f").await,
        Ok(vec![range(5, 3_000_000)]),
        "parts"
    );
    let part = store
        .get("f", range(5, 3_000_000))
        .await
        .map_err(|error| text(&error))?
        .ok_or("the part is gone")?;
    ensure!(
        bytes(&part).await? == pattern(5, 3_000_000),
        "other bytes came back"
    );
    ensure!(
        store
            .get("f", range(5, 1))
            .await
            .is_ok_and(|part| part.is_none()),
        "a part that was never stored"
    );
    Ok(())
}

async fn parts_are_listed_in_order_whatever_the_order_they_came_in(name: &str) -> Outcome {
    let store = PartStore::new(name);
    let starts = [900, 10_000_000_000, 0, 1_000_000, 90];
    for start in starts {
        put(&store, "f", start, 10).await?;
    }
    let expected = [0, 90, 900, 1_000_000, 10_000_000_000].map(|start| range(start, 10));
    ensure_eq!(store.list("f").await, Ok(expected.to_vec()), "parts");
    Ok(())
}

async fn a_part_stored_twice_is_there_once(name: &str) -> Outcome {
    let store = PartStore::new(name);
    put(&store, "f", 0, 10).await?;
    let other = store.put("f", 0, &blob(&[7; 10])?).await;
    ensure_eq!(other, Ok(10), "measured length");
    ensure_eq!(store.list("f").await, Ok(vec![range(0, 10)]), "parts");
    let part = store
        .get("f", range(0, 10))
        .await
        .map_err(|error| text(&error))?
        .ok_or("the part is gone")?;
    ensure_eq!(bytes(&part).await?, [7; 10], "bytes");
    Ok(())
}

async fn a_part_is_stored_without_a_content_type(name: &str) -> Outcome {
    let store = PartStore::new(name);
    let typed = blob(&[1, 2, 3])?
        .slice_with_f64_and_f64_and_content_type(0.0, 3.0, "text/html")
        .map_err(|_| "no typed Blob")?;
    ensure_eq!(store.put("f", 0, &typed).await, Ok(3), "measured length");
    let stored = JsFuture::from(cache(name).await?.match_all())
        .await
        .map_err(|_| "no match")?;
    let response: Response = Array::from(&stored).get(0).unchecked_into();
    ensure_eq!(response.status(), 200, "status");
    ensure_eq!(
        response.headers().get("Content-Type").ok().flatten(),
        None,
        "type"
    );
    Ok(())
}

async fn an_empty_part_is_a_part(name: &str) -> Outcome {
    let store = PartStore::new(name);
    ensure_eq!(
        store.put("f", 0, &blob(&[])?).await,
        Ok(0),
        "measured length"
    );
    ensure_eq!(store.list("f").await, Ok(vec![range(0, 0)]), "parts");
    let whole = store
        .compose_blob("f", 0)
        .await
        .map_err(|error| text(&error))?;
    ensure_eq!(whole.size().to_string(), "0", "size");
    Ok(())
}

async fn deleting_a_part_leaves_the_others(name: &str) -> Outcome {
    let store = file(name).await?;
    ensure_eq!(
        store.delete_part("f", range(4000, 1)).await,
        Ok(true),
        "deleted"
    );
    ensure_eq!(
        store.delete_part("f", range(4000, 1)).await,
        Ok(false),
        "deleted again"
    );
    let left = vec![range(0, 4000), range(4001, 1999), range(6000, 4000)];
    ensure_eq!(store.list("f").await, Ok(left), "parts");
    Ok(())
}

async fn deleting_a_file_takes_all_its_parts_and_no_other_file(name: &str) -> Outcome {
    let store = file(name).await?;
    put(&store, "f2", 0, 10).await?;
    ensure_eq!(
        store.files().await,
        Ok(vec!["f".into(), "f2".into()]),
        "files"
    );
    ensure_eq!(store.delete("f").await, Ok(true), "deleted");
    ensure_eq!(store.list("f").await, Ok(vec![]), "parts");
    ensure_eq!(store.files().await, Ok(vec!["f2".into()]), "files left");
    ensure_eq!(
        store.list("f2").await,
        Ok(vec![range(0, 10)]),
        "parts of the other file"
    );
    Ok(())
}

async fn files_of_another_name_are_not_seen(name: &str) -> Outcome {
    let outer = PartStore::new(name);
    put(&outer, "f", 0, 10).await?;
    let inner = PartStore::new(&format!("{name}/inner"));
    put(&inner, "g", 0, 10).await?;
    let longer = PartStore::new(&format!("{name}2"));
    put(&longer, "h", 0, 10).await?;
    ensure_eq!(outer.files().await, Ok(vec!["f".into()]), "files");
    ensure_eq!(
        inner.files().await,
        Ok(vec!["g".into()]),
        "files of the inner name"
    );
    ensure_eq!(
        longer.files().await,
        Ok(vec!["h".into()]),
        "files of the longer name"
    );
    Ok(())
}

async fn a_file_key_may_be_any_text(name: &str) -> Outcome {
    let store = PartStore::new(name);
    let mut keys = [
        "",
        " ",
        "a/b",
        "a%2Fb",
        "../a",
        "模型",
        "\u{1f9e0}",
        "https://example.org/a?b#c",
        "__proto__",
    ];
    for key in keys {
        put(&store, key, 0, 10).await?;
    }
    keys.sort_unstable();
    ensure_eq!(
        store.files().await,
        Ok(keys.map(String::from).to_vec()),
        "files"
    );
    for key in keys {
        ensure_eq!(store.delete(key).await, Ok(true), "deleted {key:?}");
    }
    Ok(())
}

async fn foreign_entries_in_the_cache_are_no_parts(name: &str) -> Outcome {
    let store = file(name).await?;
    let response = Response::new_with_opt_str(Some("x")).map_err(|_| "no Response")?;
    let put = cache(name)
        .await?
        .put_with_str("https://longhaul.invalid/readme", &response);
    JsFuture::from(put).await.map_err(|_| "no put")?;
    ensure_eq!(
        store.list("f").await.map(|parts| parts.len()),
        Ok(4),
        "parts"
    );
    Ok(())
}

async fn a_part_that_is_not_as_long_as_it_says_is_dropped_by_whoever_reads_it(
    name: &str,
) -> Outcome {
    let store = file(name).await?;
    let (whole, wrong) = (store.list("f").await, range(10_000, 10));
    for (body, direction) in [("short", "shorter"), ("longer than it says", "longer")] {
        put_text(name, wrong, body).await?;
        let part = store.get("f", wrong).await;
        ensure!(part.is_ok_and(|part| part.is_none()), "part handed out");
        ensure_eq!(store.list("f").await, whole, "parts after get");

        put_text(name, wrong, body).await?;
        let blob = store.compose_blob("f", 10_010).await.map(|_| ());
        ensure_eq!(blob, Err(PartError::Missing { start: 10_000 }), "Blob");
        ensure_eq!(store.list("f").await, whole, "parts after a Blob");

        put_text(name, wrong, body).await?;
        let stream = store
            .compose_stream("f", 9_000, 10_010)
            .await
            .map_err(|error| text(&error))?;
        let failed = read(&stream).await;
        ensure!(
            failed
                .as_ref()
                .is_err_and(|message| message.contains(direction)),
            "stream: {failed:?}"
        );
        ensure_eq!(store.list("f").await, whole, "parts after a stream");
    }
    Ok(())
}

/// Puts a text in the place of a part, as nobody should.
async fn put_text(name: &str, range: Range, text: &str) -> Outcome {
    let response = Response::new_with_opt_str(Some(text)).map_err(|_| "no Response")?;
    let Range { start, len } = range;
    let address = format!("https://longhaul.invalid/{start:015}+{len:015}");
    let put = cache(name).await?.put_with_str(&address, &response);
    JsFuture::from(put).await.map_err(|_| "no put")?;
    Ok(())
}

async fn a_blob_is_composed_of_parts(name: &str) -> Outcome {
    let store = file(name).await?;
    let whole = store
        .compose_blob("f", 10_000)
        .await
        .map_err(|error| text(&error))?;
    ensure!(
        bytes(&whole).await? == pattern(0, 10_000),
        "other bytes came back"
    );
    Ok(())
}

async fn a_blob_with_a_hole_is_not_composed(name: &str) -> Outcome {
    let store = file(name).await?;
    let longer = store.compose_blob("f", 10_001).await.map(|_| ());
    ensure_eq!(
        longer,
        Err(PartError::Missing { start: 10_000 }),
        "Blob of one byte more"
    );
    ensure_eq!(
        store.delete_part("f", range(4000, 1)).await,
        Ok(true),
        "deleted"
    );
    let holed = store.compose_blob("f", 10_000).await.map(|_| ());
    ensure_eq!(holed, Err(PartError::Missing { start: 4000 }), "Blob");
    let holed = store.compose_stream("f", 100, 4001).await.map(|_| ());
    ensure_eq!(holed, Err(PartError::Missing { start: 4000 }), "stream");
    let before = store
        .compose_stream("f", 100, 4000)
        .await
        .map_err(|error| text(&error))?;
    ensure!(
        read(&before).await? == pattern(100, 3900),
        "other bytes came back"
    );
    Ok(())
}

async fn overlapping_parts_compose_to_the_right_bytes(name: &str) -> Outcome {
    let store = PartStore::new(name);
    for (start, len) in [(0, 100), (0, 250), (200, 100), (280, 220), (450, 10)] {
        put(&store, "f", start, len).await?;
    }
    for total in [500, 470, 300, 90] {
        let whole = store
            .compose_blob("f", total)
            .await
            .map_err(|error| text(&error))?;
        ensure!(
            bytes(&whole).await? == pattern(0, total),
            "Blob of {total}: other bytes came back"
        );
        let stream = store
            .compose_stream("f", 30, total)
            .await
            .map_err(|error| text(&error))?;
        ensure!(
            read(&stream).await? == pattern(30, total - 30),
            "stream to {total}: other bytes came back"
        );
    }
    Ok(())
}

async fn a_stream_hands_out_any_window(name: &str) -> Outcome {
    let store = file(name).await?;
    for (start, end) in [
        (0, 10_000),
        (0, 1),
        (9999, 10_000),
        (4000, 4001),
        (3999, 4002),
        (1, 9999),
        (4001, 6000),
        (6000, 9000),
    ] {
        let stream = store
            .compose_stream("f", start, end)
            .await
            .map_err(|error| text(&error))?;
        ensure!(
            read(&stream).await? == pattern(start, end - start),
            "{start}..{end}: other bytes came back"
        );
    }
    Ok(())
}

async fn a_stream_reads_only_what_is_asked_for(name: &str) -> Outcome {
    const LEN: u64 = 1_000_000;
    let store = PartStore::new(name);
    for part in 0..4 {
        put(&store, "f", part * LEN, LEN).await?;
    }
    let stream = store
        .compose_stream("f", 0, 4 * LEN)
        .await
        .map_err(|error| text(&error))?;
    let reader = ReadableStreamDefaultReader::new(&stream).map_err(|_| "no reader")?;
    let first = next(&reader).await?.ok_or("the stream ended at once")?;
    ensure!(
        !first.is_empty() && first.len() as u64 <= LEN,
        "a first chunk of {} bytes",
        first.len()
    );
    // Had it read ahead, the last part would still come.
    ensure_eq!(
        store.delete_part("f", range(3 * LEN, LEN)).await,
        Ok(true),
        "deleted"
    );
    let mut read = first.len() as u64;
    loop {
        match next(&reader).await {
            Ok(Some(chunk)) => read += chunk.len() as u64,
            Ok(None) => return Err("the stream ended well without its last part".into()),
            Err(_) => break,
        }
    }
    ensure_eq!(read, 3 * LEN, "bytes read");
    Ok(())
}

async fn a_stream_fails_when_a_part_vanishes(name: &str) -> Outcome {
    let store = file(name).await?;
    let stream = store
        .compose_stream("f", 0, 10_000)
        .await
        .map_err(|error| text(&error))?;
    ensure_eq!(store.delete("f").await, Ok(true), "deleted");
    let failed = read(&stream).await;
    ensure!(failed.is_err(), "a stream over nothing ended well");
    Ok(())
}

async fn a_cancelled_stream_stays_quiet(name: &str) -> Outcome {
    let store = file(name).await?;
    let stream = store
        .compose_stream("f", 10, 10_000)
        .await
        .map_err(|error| text(&error))?;
    let reader = ReadableStreamDefaultReader::new(&stream).map_err(|_| "no reader")?;
    next(&reader).await?;
    let pending = reader.read();
    ensure!(
        JsFuture::from(reader.cancel()).await.is_ok(),
        "cancelling failed"
    );
    let result = JsFuture::from(pending)
        .await
        .map_err(|_| "the read that was pending failed")?;
    ensure!(
        property(&result, "value").is_undefined() || property(&result, "value").is_object(),
        "an odd result"
    );
    ensure_eq!(next(&reader).await?, None, "chunk after the end");
    ensure_eq!(store.delete("f").await, Ok(true), "deleted");
    Ok(())
}

async fn an_empty_window_is_an_empty_stream(name: &str) -> Outcome {
    let store = file(name).await?;
    let stream = store
        .compose_stream("f", 500, 500)
        .await
        .map_err(|error| text(&error))?;
    ensure_eq!(read(&stream).await?, [0; 0], "bytes");
    Ok(())
}

async fn parts_put_at_once_are_all_kept(name: &str) -> Outcome {
    let store = PartStore::new(name);
    let puts = (0..16).map(|part| put(&store, "f", part * 10_000, 10_000));
    for outcome in futures_util::future::join_all(puts).await {
        outcome?;
    }
    let whole = store
        .compose_blob("f", 160_000)
        .await
        .map_err(|error| text(&error))?;
    ensure!(
        bytes(&whole).await? == pattern(0, 160_000),
        "other bytes came back"
    );
    Ok(())
}

/// The next chunk, `None` at the end, or the message the stream failed with.
async fn next(reader: &ReadableStreamDefaultReader) -> Result<Option<Vec<u8>>, String> {
    let result = JsFuture::from(reader.read()).await;
    let result = result.map_err(|thrown| longhaul_browser::js::Exception::from(thrown).message)?;
    let value: JsValue = property(&result, "value");
    if value.is_undefined() {
        return Ok(None);
    }
    ensure!(
        number(&value, "byteLength").is_some(),
        "a chunk that is no array of bytes"
    );
    Ok(Some(Uint8Array::from(value).to_vec()))
}

async fn read(stream: &ReadableStream) -> Result<Vec<u8>, String> {
    let reader = ReadableStreamDefaultReader::new(stream).map_err(|_| "no reader")?;
    let mut all = Vec::new();
    while let Some(chunk) = next(&reader).await? {
        all.extend(chunk);
    }
    Ok(all)
}
