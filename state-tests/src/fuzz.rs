//! What is fuzzed, as plain functions of bytes: the codec, messages and registration ids. `fuzz/` hands them to libFuzzer;
//! `tests/fuzz_corpora.rs` runs what libFuzzer found worth keeping.
//!
//! Each panics where something does not hold, and takes anything else in silence.

use longhaul_browser::channel::{Notice, judge};
use longhaul_browser::deliver::requested_range;
use longhaul_core::{
    ContentRange, Download, Entry, Event, HttpResponse, JobId, Layout, PartRequest, Snapshot, Spec,
    is_transfer, measure,
};
use longhaul_runner::translate::retry_after_ms;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A target: takes any bytes.
pub type Target = fn(&[u8]);

/// The targets, by name.
pub const TARGETS: [(&str, Target); 4] = [
    ("history", history),
    ("json", json),
    ("registration", registration),
    ("message", message),
];

/// Lines of an exported history, whatever they are: they fold, are shown, and what is read is written as it was meant.
pub fn history(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let download = Download::fold("model", text.lines());
    if let Some(shown) = Snapshot::of(&download) {
        let shown: serde_json::Value =
            serde_json::from_str(&shown.canonical_json()).expect("a snapshot is JSON");
        assert_eq!(shown["id"], "model");
    }
    round_trips(&download);
    for line in text.lines() {
        if let Ok(entry) = Entry::decode(line) {
            assert_eq!(Entry::decode(&entry.encode()), Ok(entry));
        }
    }
}

/// Any text that might be a value of ours: what can be read is the same when it is written and read again.
pub fn json(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(event) = serde_json::from_str::<Event>(&text) {
        round_trips(&event);
    }
    if let Ok(spec) = serde_json::from_str::<Spec>(&text) {
        round_trips(&spec);
        // Checked or refused, but never a panic.
        drop(spec.validated());
    }
    if let Ok(download) = serde_json::from_str::<Download>(&text) {
        round_trips(&download);
    }
}

fn round_trips<T: Serialize + DeserializeOwned + PartialEq + core::fmt::Debug>(value: &T) {
    let text = serde_json::to_string(value).expect("values serialise");
    let again = serde_json::from_str::<T>(&text);
    assert_eq!(again.as_ref().ok(), Some(value), "{text}");
}

/// A registration id, or the URL of a record: ours, or recognised as foreign.
pub fn registration(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Some(id) = JobId::parse(&text) {
        assert_eq!(id.to_string(), text);
    }
    let Some(part) = PartRequest::parse(&text) else {
        return;
    };
    assert!(
        is_transfer(&text),
        "a part whose request would be served from the store"
    );
    if let (Some(range), Layout::Ranged { size, .. }) = (part.range(), part.file.layout()) {
        assert!(range.len > 0 && range.end() <= size, "{range:?} of {size}");
    }
    drop(measure(&part, &HttpResponse::default(), 0));
}

/// Three lines: a message's field, another one, and a header's value.
pub fn message(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.split('\n');
    let (first, second) = (lines.next(), lines.next().map(str::to_owned));
    let header = lines.next().unwrap_or_default();
    let has_second = second.is_some();
    match judge("longhaul", first, second.clone(), has_second) {
        Notice::ReadAgain(of) => assert_eq!((first, of), (Some("longhaul"), second)),
        Notice::Ignored => assert_ne!(first, Some("longhaul")),
    }
    for size in [0, 1, 100, u64::MAX] {
        if let Some(Some(range)) = requested_range(header, size) {
            assert!(
                range.len > 0 && range.start + (range.len - 1) < size,
                "{range:?} of {size}"
            );
        }
    }
    if let Some(ContentRange {
        range: Some(range),
        total: Some(total),
    }) = ContentRange::parse(header)
    {
        assert!(
            range.len > 0 && range.end() <= total,
            "{range:?} of {total}"
        );
    }
    let _ = retry_after_ms(header, None, 0);
}
