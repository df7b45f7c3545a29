//! The edge to JavaScript: exceptions as plain data, properties, promises, streams, listeners.

use std::pin::Pin;
use std::task::{Context, Poll};

use js_sys::{Object, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::{JsFuture, future_to_promise, spawn_local};
use web_sys::{EventTarget, QueuingStrategy, ReadableStream, ReadableStreamDefaultController};

/// A JavaScript exception as plain data. No `JsValue` travels further than the module that caught it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// `name` of the `Error` or `DOMException`, for instance `QuotaExceededError`; `Error` where there is none.
    pub name: String,
    /// The engine's text. May name addresses: never persist or show the text of a network error.
    pub message: String,
}

impl Exception {
    /// Reads whatever was thrown; anything that is no error becomes `Error` with its text, if it is a string.
    #[must_use]
    #[inline(never)]
    pub fn from_js(thrown: &JsValue) -> Self {
        if let Some(text) = thrown.as_string() {
            return Self {
                name: "Error".into(),
                message: text,
            };
        }
        Self {
            name: text(thrown, "name").unwrap_or_else(|| "Error".into()),
            message: text(thrown, "message").unwrap_or_default(),
        }
    }

    /// An exception of our own making.
    #[must_use]
    pub fn new(name: &str, message: &str) -> Self {
        Self {
            name: name.into(),
            message: message.into(),
        }
    }

    /// Whether the browser said that there is no room.
    #[must_use]
    pub fn is_quota(&self) -> bool {
        self.name == "QuotaExceededError"
    }
}

impl From<JsValue> for Exception {
    fn from(thrown: JsValue) -> Self {
        Self::from_js(&thrown)
    }
}

/// A property, `undefined` where it is missing or reading it throws.
#[must_use]
pub fn property(object: &JsValue, key: &str) -> JsValue {
    // Reflect throws on anything that is no object; so does a hostile getter.
    js_sys::Reflect::get(object, &JsValue::from_str(key)).unwrap_or(JsValue::UNDEFINED)
}

/// A property that is a string.
#[must_use]
pub fn text(object: &JsValue, key: &str) -> Option<String> {
    property(object, key).as_string()
}

/// A property that is a number.
#[must_use]
pub fn number(object: &JsValue, key: &str) -> Option<f64> {
    property(object, key).as_f64()
}

/// Sets a property of an object that this crate made itself.
pub fn set(object: &JsValue, key: &str, value: &JsValue) {
    // Only a frozen object or a proxy refuses, and neither is ever passed here.
    let _ = js_sys::Reflect::set(object, &JsValue::from_str(key), value);
}

/// A property of the global scope, the same in page and worker.
#[must_use]
pub fn global(key: &str) -> JsValue {
    property(&js_sys::global(), key)
}

/// A promise being awaited; see [`settle`].
pub struct Settling(JsFuture);

/// Waits for a promise; what it is rejected with becomes plain data.
///
/// Everything that awaits a promise goes through this one type, so that the code for it exists once rather than at
/// every `await`.
#[must_use = "a promise is not waited for unless this is awaited"]
pub fn settle(promise: Promise) -> Settling {
    Settling(JsFuture::from(promise))
}

impl Future for Settling {
    type Output = Result<JsValue, Exception>;

    #[inline(never)]
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match Pin::new(&mut self.0).poll(context) {
            Poll::Ready(result) => Poll::Ready(result.map_err(Exception::from)),
            Poll::Pending => Poll::Pending,
        }
    }
}

/// Lets a promise go its way. Its rejection is nobody's business, and so must not end up as an unhandled one.
pub fn ignore(promise: Promise) {
    spawn_local(async {
        let _ = settle(promise).await;
    });
}

/// A stream that is pulled: `pull` is called whenever more is wanted, and hands it to the controller or closes it; where it
/// fails, so does the stream. `cancel` is called when nobody wants more. The browser asks for up to `ahead` chunks before
/// anybody reads (its high water mark).
pub fn pulled<Pulled: Future<Output = Result<(), JsValue>> + 'static>(
    mut pull: impl FnMut(ReadableStreamDefaultController) -> Pulled + 'static,
    cancel: impl FnMut() + 'static,
    ahead: u32,
) -> Result<ReadableStream, JsValue> {
    let pull = Closure::<dyn FnMut(ReadableStreamDefaultController) -> Promise>::new(
        move |controller: ReadableStreamDefaultController| {
            let pulled = pull(controller);
            future_to_promise(async move { pulled.await.map(|()| JsValue::UNDEFINED) })
        },
    );
    let cancel = Closure::<dyn FnMut()>::new(cancel);
    let source = Object::new();
    // Owned by the stream from here on, and collected with it.
    set(&source, "pull", &pull.into_js_value());
    set(&source, "cancel", &cancel.into_js_value());
    let strategy = QueuingStrategy::new();
    strategy.set_high_water_mark(ahead.into());
    ReadableStream::new_with_underlying_source_and_strategy(&source, &strategy)
}

/// An event listener that is removed when this is dropped.
#[must_use = "dropping a listener removes it"]
pub struct Listener {
    target: EventTarget,
    kind: &'static str,
    closure: Closure<dyn FnMut(JsValue)>,
}

/// Listens for events of one kind until the listener is dropped.
pub fn listen(
    target: &EventTarget,
    kind: &'static str,
    callback: impl FnMut(JsValue) + 'static,
) -> Listener {
    let closure = Closure::<dyn FnMut(JsValue)>::new(callback);
    // Adding a listener to an event target cannot fail.
    let _ = target.add_event_listener_with_callback(kind, closure.as_ref().unchecked_ref());
    Listener {
        target: target.clone(),
        kind,
        closure,
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self
            .target
            .remove_event_listener_with_callback(self.kind, self.closure.as_ref().unchecked_ref());
    }
}
