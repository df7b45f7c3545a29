//! Values to JavaScript and back.

use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::prelude::*;

use crate::error::PageError;

/// By way of text, as it is stored and exported: one form for everything that has one.
pub(crate) fn to_js<T: Serialize>(value: &T) -> JsValue {
    let text = serde_json::to_string(value).expect("no type of ours has keys that are no strings");
    js_sys::JSON::parse(&text).unwrap_or(JsValue::NULL)
}

/// A value whose types `js/index.js` has checked.
pub(crate) fn from_js<T: DeserializeOwned>(value: &JsValue) -> Result<T, PageError> {
    let text = js_sys::JSON::stringify(value).map_err(|_| PageError::Misfit)?;
    serde_json::from_str(&String::from(text)).map_err(|_| PageError::Misfit)
}
