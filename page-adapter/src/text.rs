//! Values to JavaScript and back.

use longhaul_core::json::{self, FromJson, ToJson};
use wasm_bindgen::prelude::*;

use crate::error::PageError;

/// By way of text, as it is stored and exported: one form for everything that has one.
pub(crate) fn to_js(value: &dyn ToJson) -> JsValue {
    parse_text(&json::write(value))
}

/// A value whose types `js/index.js` has checked.
pub(crate) fn from_js<T: FromJson>(value: &JsValue) -> Result<T, PageError> {
    let text = js_sys::JSON::stringify(value).map_err(|_| PageError::Misfit)?;
    json::read(&String::from(text)).map_err(|_| PageError::Misfit)
}

fn parse_text(text: &str) -> JsValue {
    js_sys::JSON::parse(text).unwrap_or(JsValue::NULL)
}
