//! Histories for viewers: folding entries, reading exports. Nothing here touches the stores.

use longhaul_browser::js::{number, set, text};
use longhaul_core::{DecodeError, Download, Entry, Snapshot};
use longhaul_runner::ports::histories::Row;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

/// The fold of one download's entries, each given as JSON text, up to and with number `seq`, as canonical JSON.
///
/// Entries may come in any order; those of other downloads than the first one's are left out.
#[wasm_bindgen(js_name = stateAt)]
#[must_use]
#[allow(
    clippy::needless_pass_by_value,
    reason = "wasm-bindgen hands over ownership"
)]
pub fn state_at(texts: Vec<String>, seq: Option<f64>) -> Option<String> {
    // Numbers of entries are whole and small; anything else compares as it should.
    #[allow(clippy::cast_precision_loss)]
    let within = |number: u64| seq.is_none_or(|seq| number as f64 <= seq);
    let mut read: Vec<(u64, Result<Entry, DecodeError>)> = Vec::new();
    let mut of: Option<String> = None;
    for text in &texts {
        let entry = Entry::decode(text);
        let envelope = match &entry {
            Ok(entry) => Some((entry.download.clone(), entry.seq)),
            Err(error) => error
                .envelope()
                .map(|envelope| (envelope.download.clone(), envelope.seq)),
        };
        let Some((download, number)) = envelope else {
            continue;
        };
        if of.get_or_insert_with(|| download.clone()) == &download && within(number) {
            read.push((number, entry));
        }
    }
    read.sort_by_key(|(number, _)| *number);
    let mut download = Download::new(&of?);
    for (_, entry) in &read {
        download.apply(entry.as_ref());
    }
    Snapshot::of(&download).map(|snapshot| snapshot.canonical_json())
}

/// An entry as it is handed out: as it is stored, or, where what is stored is no entry of that place, one that says so and
/// has the stored text. Its version 0 is none that a reader knows.
pub(crate) fn shown_entry(row: &Row) -> JsValue {
    // Sequence numbers stay far below 2^53.
    #[allow(clippy::cast_precision_loss)]
    let seq = row.seq as f64;
    if let Ok(entry) = js_sys::JSON::parse(&row.text)
        && text(&entry, "download").as_ref() == Some(&row.download)
        && number(&entry, "seq") == Some(seq)
        && number(&entry, "at").is_some()
    {
        return entry;
    }
    let event = js_sys::Object::new();
    set(&event, "type", &"unreadable".into());
    set(&event, "text", &row.text.as_str().into());
    let entry = js_sys::Object::new();
    set(&entry, "download", &row.download.as_str().into());
    set(&entry, "seq", &seq.into());
    set(&entry, "at", &0.into());
    set(&entry, "origin", &"page".into());
    set(&entry, "version", &0.into());
    set(&entry, "event", &event);
    entry.into()
}

/// Reads an exported history: `{entries, imported, skipped}`, where a line that is no entry is counted as skipped.
/// Entries with events that this version does not know are kept as they are.
#[wasm_bindgen(js_name = parseImport)]
#[must_use]
pub fn parse_import(ndjson: &str) -> JsValue {
    let entries = js_sys::Array::new();
    let mut skipped = 0_u32;
    for line in ndjson.lines().filter(|line| !line.trim().is_empty()) {
        let readable = !matches!(Entry::decode(line), Err(DecodeError::Malformed));
        match js_sys::JSON::parse(line) {
            Ok(entry) if readable => {
                entries.push(&entry);
            }
            _ => skipped += 1,
        }
    }
    let result = js_sys::Object::new();
    set(&result, "entries", &entries);
    set(&result, "imported", &entries.length().into());
    set(&result, "skipped", &skipped.into());
    result.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use longhaul_core::{AbortedBy, Event, Origin, Spec};

    fn history() -> Vec<String> {
        let spec: Spec = serde_json::from_str(r#"{"id":"a","resources":[{"url":"https://h/f"}]}"#)
            .expect("spec");
        let events = [
            Event::Requested {
                attempt: 1,
                spec,
                restarts: 0,
            },
            Event::Aborted { by: AbortedBy::App },
        ];
        (1..)
            .zip(events)
            .map(|(seq, event)| Entry::new("a", seq, seq, Origin::Page, event).encode())
            .collect()
    }

    #[test]
    fn a_history_is_folded_up_to_the_number_asked_for_in_any_order() {
        let mut texts = history();
        texts.reverse();
        let phase = |seq| state_at(texts.clone(), seq).expect("a state");
        assert!(phase(Some(1.0)).contains(r#""phase":"requested""#));
        assert!(phase(None).contains(r#""phase":"aborted""#));
        assert_eq!(state_at(texts.clone(), Some(0.0)), None);
        assert_eq!(state_at(Vec::new(), None), None);
    }

    #[test]
    fn what_belongs_to_another_download_is_left_out() {
        let mut texts = history();
        texts.push(
            Entry::new(
                "b",
                3,
                3,
                Origin::Page,
                Event::Aborted { by: AbortedBy::App },
            )
            .encode(),
        );
        texts.push("rubbish".into());
        let state = state_at(texts, None).expect("a state");
        assert!(state.contains(r#""seq":2"#), "{state}");
        assert!(!state.contains("degraded"), "{state}");
    }
}
