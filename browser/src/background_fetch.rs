//! Bindings for Background Fetch, which `web-sys` does not have, and their translation into plain data.

use js_sys::{Array, Object, Promise};
use wasm_bindgen::prelude::*;
use web_sys::{Event, EventTarget, ExtendableEvent, Request, Response, ServiceWorkerRegistration};

use crate::js::{Exception, Listener, ignore, listen, number, property, set, settle, text};
use longhaul_core::Icon;
use longhaul_runner::errors::{NetError, StartError};
use longhaul_runner::job::{JobFailure, JobResult, JobState};

#[wasm_bindgen]
extern "C" {
    /// `BackgroundFetchManager`, as it hangs on a service worker's registration.
    #[wasm_bindgen(extends = Object)]
    #[derive(Debug, Clone)]
    pub type BackgroundFetchManager;

    #[wasm_bindgen(method, catch, js_name = fetch)]
    fn js_fetch(
        this: &BackgroundFetchManager,
        id: &str,
        requests: &Array,
        options: &Object,
    ) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch, js_name = get)]
    fn js_get(this: &BackgroundFetchManager, id: &str) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch, js_name = getIds)]
    fn js_get_ids(this: &BackgroundFetchManager) -> Result<Promise, JsValue>;

    /// `BackgroundFetchRegistration`: one job.
    #[wasm_bindgen(extends = EventTarget, extends = Object)]
    #[derive(Debug, Clone)]
    pub type BackgroundFetchRegistration;

    #[wasm_bindgen(method, catch, js_name = matchAll)]
    fn js_match_all(this: &BackgroundFetchRegistration) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch, js_name = abort)]
    fn js_abort(this: &BackgroundFetchRegistration) -> Result<Promise, JsValue>;

    /// `BackgroundFetchRecord`: one request of a job.
    #[wasm_bindgen(extends = Object)]
    #[derive(Debug, Clone)]
    pub type BackgroundFetchRecord;

    /// The request, as it was given to `fetch()`.
    #[wasm_bindgen(method, getter)]
    pub fn request(this: &BackgroundFetchRecord) -> Request;

    #[wasm_bindgen(method, getter, js_name = responseReady)]
    fn response_ready(this: &BackgroundFetchRecord) -> Promise;

    /// The event of a service worker that says how a job ended (`backgroundfetchsuccess`, `backgroundfetchfail`,
    /// `backgroundfetchabort`) or that it was clicked (`backgroundfetchclick`).
    #[wasm_bindgen(extends = ExtendableEvent, extends = Event, extends = Object)]
    #[derive(Debug, Clone)]
    pub type BackgroundFetchEvent;

    /// The job the event is about.
    #[wasm_bindgen(method, getter)]
    pub fn registration(this: &BackgroundFetchEvent) -> BackgroundFetchRegistration;

    #[wasm_bindgen(method, catch, js_name = updateUI)]
    fn js_update_ui(this: &BackgroundFetchEvent, options: &Object) -> Result<Promise, JsValue>;
}

/// What a job is shown as, and how large it will be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobOptions {
    /// The title in the browser's own display.
    pub title: Option<String>,
    /// Its pictures.
    pub icons: Vec<Icon>,
    /// The sum of all bodies in bytes; 0 where unknown. One byte too few fails the job.
    pub download_total: u64,
}

/// The manager, `None` in browsers without Background Fetch. In a service worker it is there, but cannot start jobs.
#[must_use]
pub fn manager(registration: &ServiceWorkerRegistration) -> Option<BackgroundFetchManager> {
    let manager = property(registration, "backgroundFetch");
    manager.is_object().then(|| manager.unchecked_into())
}

impl BackgroundFetchManager {
    /// Starts a job.
    pub async fn fetch(
        &self,
        id: &str,
        requests: &[Request],
        options: &JobOptions,
    ) -> Result<BackgroundFetchRegistration, StartError> {
        if id.is_empty() || requests.is_empty() {
            return Err(StartError::Empty);
        }
        let list = Array::new();
        for request in requests {
            list.push(request.as_ref());
        }
        let shown = shown_as(options.title.as_deref(), &options.icons);
        // A total of 0 is what the browser assumes without one.
        set(
            &shown,
            "downloadTotal",
            &JsValue::from_f64(float(options.download_total)),
        );
        match asked(self.js_fetch(id, &list, &shown)).await {
            Ok(registration) => Ok(registration.unchecked_into()),
            Err(exception) if exception.is_quota() => Err(StartError::Quota),
            Err(exception) if exception.name == "NotAllowedError" => Err(StartError::NotAllowed),
            Err(exception) => Err(StartError::Refused {
                name: exception.name,
            }),
        }
    }

    /// The job with this id. `None` also from the moment its completion event has begun, seconds before a handler
    /// runs: an absent registration is not a lost completion.
    pub async fn get(&self, id: &str) -> Result<Option<BackgroundFetchRegistration>, Exception> {
        let found = asked(self.js_get(id)).await?;
        Ok(found.is_object().then(|| found.unchecked_into()))
    }

    /// The ids of all jobs of this origin that are still active, other scripts' among them.
    pub async fn get_ids(&self) -> Result<Vec<String>, Exception> {
        let ids: Array = asked(self.js_get_ids()).await?.unchecked_into();
        Ok(ids.iter().filter_map(|id| id.as_string()).collect())
    }
}

impl BackgroundFetchRegistration {
    /// One look at the job.
    #[must_use]
    pub fn state(&self) -> JobState {
        JobState {
            id: text(self, "id").unwrap_or_default(),
            downloaded: bytes(self, "downloaded"),
            total: bytes(self, "downloadTotal"),
            uploaded: bytes(self, "uploaded"),
            upload_total: bytes(self, "uploadTotal"),
            result: JobResult::parse(&text(self, "result").unwrap_or_default()),
            failure: JobFailure::parse(&text(self, "failureReason").unwrap_or_default()),
            records_available: property(self, "recordsAvailable").is_truthy(),
        }
    }

    /// The records of the job, finished or not. While the job runs the unfinished ones come first, so only a record's
    /// own address says which part it is. Fails once the records are no longer available.
    pub async fn match_all(&self) -> Result<Vec<BackgroundFetchRecord>, Exception> {
        let records: Array = asked(self.js_match_all()).await?.unchecked_into();
        Ok(records.iter().map(JsCast::unchecked_into).collect())
    }

    /// Aborts the job; `false` when it had ended before.
    pub async fn abort(&self) -> Result<bool, Exception> {
        Ok(asked(self.js_abort()).await?.is_truthy())
    }

    /// Calls back whenever the job moved, until the listener is dropped.
    pub fn on_progress(&self, mut callback: impl FnMut(JobState) + 'static) -> Listener {
        let registration = self.clone();
        listen(self, "progress", move |_| callback(registration.state()))
    }
}

impl BackgroundFetchRecord {
    /// The request's address with its fragment. May carry credentials: only for comparing, never for showing.
    #[must_use]
    pub fn url(&self) -> String {
        text(&self.request(), "url").unwrap_or_default()
    }

    /// Waits until the response is there; [`NetError::Aborted`] for what an abort left unfinished.
    pub async fn response(&self) -> Result<Response, NetError> {
        settle(self.response_ready())
            .await
            .map(JsCast::unchecked_into)
            .map_err(refused)
    }

    /// The response if it is there by now, without waiting for it.
    pub async fn response_now(&self) -> Option<Result<Response, NetError>> {
        // Of promises that are settled already the first in the list wins.
        let ready = self.response_ready();
        let race = Promise::race(&Array::of2(
            ready.as_ref(),
            Promise::resolve(&JsValue::NULL).as_ref(),
        ));
        match settle(race).await {
            Ok(nothing) if nothing.is_null() => {
                // It may be rejected later, when nobody looks.
                ignore(ready);
                None
            }
            Ok(response) => Some(Ok(response.unchecked_into())),
            Err(thrown) => Some(Err(refused(thrown))),
        }
    }
}

impl BackgroundFetchEvent {
    /// Changes what the browser shows for the job. `false` where the event has no such power: an abort, a click.
    pub async fn update_ui(&self, title: Option<&str>, icons: &[Icon]) -> Result<bool, Exception> {
        if !property(self, "updateUI").is_function() {
            return Ok(false);
        }
        asked(self.js_update_ui(&shown_as(title, icons)))
            .await
            .map(|_| true)
    }
}

fn shown_as(title: Option<&str>, icons: &[Icon]) -> Object {
    let options = Object::new();
    set_text(&options, "title", title);
    if !icons.is_empty() {
        let list = Array::new();
        for icon in icons {
            let item = Object::new();
            set_text(&item, "src", Some(&icon.src));
            set_text(&item, "sizes", icon.sizes.as_deref());
            set_text(&item, "type", icon.kind.as_deref());
            set_text(&item, "label", icon.label.as_deref());
            list.push(item.as_ref());
        }
        set(&options, "icons", &list);
    }
    options
}

fn set_text(object: &Object, key: &str, value: Option<&str>) {
    if let Some(value) = value {
        set(object, key, &JsValue::from_str(value));
    }
}

async fn asked(promise: Result<Promise, JsValue>) -> Result<JsValue, Exception> {
    settle(promise?).await
}

fn refused(exception: Exception) -> NetError {
    if exception.name == "AbortError" {
        NetError::Aborted
    } else {
        NetError::Failed {
            name: exception.name,
        }
    }
}

// Byte counts are whole, not negative, and below 2^53.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn bytes(object: &JsValue, key: &str) -> u64 {
    number(object, key).unwrap_or_default() as u64
}

#[allow(clippy::cast_precision_loss)]
fn float(bytes: u64) -> f64 {
    bytes as f64
}
