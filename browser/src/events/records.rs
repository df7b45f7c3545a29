//! What the stores hold, from and to JavaScript values: keys, texts, heads.

use js_sys::Array;
use wasm_bindgen::{JsCast, JsValue};

use crate::js::{number, set, text};
use longhaul_runner::ports::histories::{Head, Row};

// Sequence numbers stay far below 2^53.
#[allow(clippy::cast_precision_loss)]
fn js_number(seq: u64) -> JsValue {
    JsValue::from_f64(seq as f64)
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(super) fn to_seq(value: f64) -> u64 {
    value as u64
}

pub(super) fn key(download: &str, seq: u64) -> JsValue {
    Array::of2(&JsValue::from_str(download), &js_number(seq)).into()
}

/// Below every key of the download.
pub(super) fn start(download: &str) -> JsValue {
    Array::of1(&JsValue::from_str(download)).into()
}

/// Above every key of the download: to the browser an array is greater than any number or string.
pub(super) fn end(download: &str) -> JsValue {
    Array::of2(&JsValue::from_str(download), &Array::new()).into()
}

pub(super) fn value(text: &str) -> JsValue {
    let object = js_sys::Object::new();
    set(&object, "text", &JsValue::from_str(text));
    object.into()
}

pub(super) fn head_value(seq: u64, state: &str) -> JsValue {
    let object = js_sys::Object::new();
    set(&object, "seq", &js_number(seq));
    set(&object, "state", &JsValue::from_str(state));
    object.into()
}

/// The sequence number of a stored head; 0 where there is none, `None` where it is not understood.
pub(super) fn head_seq(stored: Option<&JsValue>) -> Option<u64> {
    match stored {
        None => Some(0),
        Some(value) => number(value, "seq").map(to_seq),
    }
}

pub(super) fn to_head(download: String, value: &JsValue) -> Head {
    Head {
        download,
        seq: head_seq(Some(value)).unwrap_or_default(),
        state: text(value, "state").unwrap_or_default(),
    }
}

/// What stands for a head that is gone: as one that is not understood.
pub(super) fn headless(download: String) -> Head {
    Head {
        download,
        seq: 0,
        state: String::new(),
    }
}

/// Rows of what was read. A value that is not understood keeps its place, with an empty text.
pub(super) fn to_rows((keys, values): &(Array, Array)) -> Vec<Row> {
    let mut rows = Vec::new();
    for (key, value) in keys.iter().zip(values.iter()) {
        let Some(key) = key.dyn_ref::<Array>() else {
            continue;
        };
        if let (Some(download), Some(seq)) = (key.get(0).as_string(), key.get(1).as_f64()) {
            let text = text(&value, "text").unwrap_or_default();
            rows.push(Row {
                download,
                seq: to_seq(seq),
                text,
            });
        }
    }
    rows
}
