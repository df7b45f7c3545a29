//! `fetch`, timers and the online state, the same in page and worker.

use js_sys::{Array, Function, Promise};
use longhaul_core::Range;
use wasm_bindgen::prelude::*;
use web_sys::{
    AbortSignal, Headers, Request, RequestCache, RequestCredentials, RequestInit, RequestMode,
    Response,
};

use crate::js::{Exception, global, listen, property, settle, text};
use longhaul_runner::answer::HttpResponse;
use longhaul_runner::errors::NetError;
use longhaul_runner::once;

/// What to ask for. The default is a plain CORS `GET`.
#[derive(Debug, Clone, Default)]
pub struct Ask<'a> {
    /// The method; empty for `GET`.
    pub method: &'a str,
    /// The bytes wanted; an empty range asks for the whole.
    pub range: Option<Range>,
    /// Further headers. Never persisted.
    pub headers: Option<&'a Headers>,
    /// Aborts the request and the reading of its body.
    pub signal: Option<&'a AbortSignal>,
    /// Keeps the HTTP cache out of it. Wanted for ranges: they queue up in the cache otherwise.
    pub no_store: bool,
    /// `mode: "no-cors"` without credentials: only tells whether anybody answers at all.
    pub opaque: bool,
}

#[wasm_bindgen]
extern "C" {
    // The same names in page and worker; `web-sys` has one binding for each scope.
    #[wasm_bindgen(js_name = fetch)]
    fn js_fetch(request: &Request, init: &RequestInit) -> Promise;
    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(callback: &Function, ms: u32) -> JsValue;
    #[wasm_bindgen(js_name = clearTimeout)]
    fn clear_timeout(id: &JsValue);
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;
}

/// Asks, and gives what was answered as plain data, beside the handle to the body.
pub async fn fetch(url: &str, ask: &Ask<'_>) -> Result<(HttpResponse, Response), NetError> {
    let failed = |exception: Exception| {
        // The reason of an abort can be anything; the signal itself says that it was one.
        if ask.signal.is_some_and(AbortSignal::aborted) {
            return NetError::Aborted;
        }
        NetError::Failed {
            name: exception.name,
        }
    };
    let request = request(url, ask).map_err(|thrown| failed(thrown.into()))?;
    // Here and not in the request: of the signal of a request WebKitGTK 2.50 does not hear any more once a garbage collector
    // has looked, and then an aborted transfer goes on, or hangs, for ever.
    let init = RequestInit::new();
    init.set_signal(ask.signal);
    let answered = settle(js_fetch(&request, &init)).await.map_err(failed)?;
    let response: Response = answered.unchecked_into();
    Ok((answer(&response), response))
}

/// The request of an [`Ask`], not sent yet: Background Fetch takes requests.
pub fn request(url: &str, ask: &Ask<'_>) -> Result<Request, JsValue> {
    let init = RequestInit::new();
    if !ask.method.is_empty() {
        init.set_method(ask.method);
    }
    if ask.no_store {
        init.set_cache(RequestCache::NoStore);
    }
    if ask.opaque {
        init.set_mode(RequestMode::NoCors);
        init.set_credentials(RequestCredentials::Omit);
    }
    let request = Request::new_with_str_and_init(url, &init)?;
    let headers = request.headers();
    if let Some(more) = ask.headers {
        // `Headers` is iterable, which is all the constructor asks for; going through it keeps its checks.
        let given: Array = Array::from(more);
        for pair in given.iter() {
            let pair: Array = pair.unchecked_into();
            if let (Some(name), Some(value)) = (pair.get(0).as_string(), pair.get(1).as_string()) {
                headers.append(&name, &value)?;
            }
        }
    }
    if let Some(range) = ask.range.and_then(|range| range.header()) {
        headers.set("Range", &range)?;
    }
    Ok(request)
}

/// The plain data of a response, wherever it came from.
#[must_use]
pub fn answer(response: &Response) -> HttpResponse {
    let headers = response.headers();
    let header = |name: &str| headers.get(name).ok().flatten();
    HttpResponse {
        redirected: response.redirected(),
        cross_origin: text(response, "type").as_deref() == Some("cors"),
        ..HttpResponse::new(response.status(), header)
    }
}

/// A timer that is cleared when this is dropped.
pub(crate) struct Timer {
    id: JsValue,
    _callback: Closure<dyn FnMut()>,
}

impl Timer {
    /// Calls back once, after `ms` milliseconds.
    pub(crate) fn new(ms: u32, callback: impl FnOnce() + 'static) -> Self {
        let callback = Closure::once(callback);
        // Browsers take the delay as a signed number; anything longer would fire at once.
        let ms = ms.min(i32::MAX.unsigned_abs());
        Self {
            id: set_timeout(callback.as_ref().unchecked_ref(), ms),
            _callback: callback,
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        clear_timeout(&self.id);
    }
}

/// Waits; dropping the future clears the timer. In hidden pages browsers stretch this to a second and more.
pub async fn sleep(ms: u32) {
    let (sender, receiver) = once::channel();
    let _timer = Timer::new(ms, move || {
        let _ = sender.send(());
    });
    receiver.await;
}

/// Milliseconds since 1970, whole.
// `Date.now()` is whole, positive and far below 2^53.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
#[must_use]
pub fn now_ms() -> u64 {
    js_sys::Date::now() as u64
}

/// Milliseconds since this context began, by a clock that only goes forward (`performance.now()`, [High Resolution Time, 8]).
///
/// [High Resolution Time, 8]: https://www.w3.org/TR/hr-time-3/#sec-performance
#[must_use]
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub fn monotonic_ms() -> u64 {
    performance_now() as u64
}

/// `navigator.onLine`; `true` where there is no such property. Only `false` says anything.
#[must_use]
pub fn online() -> bool {
    property(&global("navigator"), "onLine").as_bool() != Some(false)
}

/// Waits for the `online` event, or not at all where the browser is online.
pub async fn until_online() {
    if online() {
        return;
    }
    let (sender, receiver) = once::channel();
    let mut sender = Some(sender);
    let _listener = listen(js_sys::global().unchecked_ref(), "online", move |_| {
        if let Some(sender) = sender.take() {
            let _ = sender.send(());
        }
    });
    receiver.await;
}
