//! Bindings for Background Fetch, which `web-sys` does not have, and their translation into plain data.

use js_sys::Array;
use wasm_bindgen::prelude::*;
use web_sys::{Event, EventTarget, ExtendableEvent, Request, Response, ServiceWorkerRegistration};

use crate::job::JobState;
use crate::js::{Exception, Listener};

#[wasm_bindgen]
extern "C" {
    /// `BackgroundFetchManager`, as it hangs on a service worker's registration.
    #[derive(Debug, Clone)]
    pub type BackgroundFetchManager;

    /// `BackgroundFetchRegistration`: one job.
    #[wasm_bindgen(extends = EventTarget)]
    #[derive(Debug, Clone)]
    pub type BackgroundFetchRegistration;

    /// `BackgroundFetchRecord`: one request of a job.
    #[derive(Debug, Clone)]
    pub type BackgroundFetchRecord;

    /// The event of a service worker that says how a job ended or that it was clicked.
    #[wasm_bindgen(extends = ExtendableEvent, extends = Event)]
    #[derive(Debug, Clone)]
    pub type BackgroundFetchEvent;
}

/// A picture for the browser's own download display (`ImageResource`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Icon {
    /// Where it is.
    pub src: String,
    /// For instance `64x64 128x128`.
    pub sizes: Option<String>,
    /// Its media type.
    pub kind: Option<String>,
    /// Its accessible name.
    pub label: Option<String>,
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

/// Why the browser did not start a job. Its texts are dropped: they may name addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// The id or the list of requests is empty; the browser is not even asked, because an empty id crashes the page.
    #[error("a job needs an id and at least one request")]
    Empty,
    /// The browser has less room than `download_total`.
    #[error("the browser has no room for a job of this size")]
    Quota,
    /// The user or the context does not allow it (also: called in a service worker).
    #[error("background downloads are not allowed here")]
    NotAllowed,
    /// The browser refused: the id is taken, five jobs exist, or the server cannot be reached.
    #[error("the browser refused the job: {name}")]
    Refused {
        /// The exception's name.
        name: String,
    },
}

/// The manager, `None` in browsers without Background Fetch.
#[must_use]
pub fn manager(_registration: &ServiceWorkerRegistration) -> Option<BackgroundFetchManager> {
    todo!()
}

impl BackgroundFetchManager {
    /// Starts a job.
    pub async fn fetch(
        &self,
        _id: &str,
        _requests: Vec<Request>,
        _options: &JobOptions,
    ) -> Result<BackgroundFetchRegistration, StartError> {
        todo!()
    }

    /// The job with this id. `None` also from the moment its completion event has begun, seconds before a handler
    /// runs: an absent registration is not a lost completion.
    pub async fn get(&self, _id: &str) -> Result<Option<BackgroundFetchRegistration>, Exception> {
        todo!()
    }

    /// The ids of all jobs of this origin that are still active, other scripts' among them.
    pub async fn get_ids(&self) -> Result<Vec<String>, Exception> {
        todo!()
    }
}

impl BackgroundFetchRegistration {
    /// One look at the job.
    #[must_use]
    pub fn state(&self) -> JobState {
        todo!()
    }

    /// The records of the job, finished or not, in the lexicographic order of their addresses.
    pub async fn match_all(&self) -> Result<Vec<BackgroundFetchRecord>, Exception> {
        todo!()
    }

    /// Aborts the job; `false` when it had ended before.
    pub async fn abort(&self) -> Result<bool, Exception> {
        todo!()
    }

    /// Calls back whenever the job moved, until the listener is dropped.
    pub fn on_progress(&self, _callback: impl FnMut(JobState) + 'static) -> Listener {
        todo!()
    }
}

impl BackgroundFetchRecord {
    /// The request's address with its fragment.
    #[must_use]
    pub fn url(&self) -> String {
        todo!()
    }

    /// Waits until the response is there. Rejects with the exception's name alone for a record that failed.
    pub async fn response(&self) -> Result<Response, String> {
        todo!()
    }
}

impl BackgroundFetchEvent {
    /// The job the event is about.
    #[must_use]
    pub fn registration(&self) -> BackgroundFetchRegistration {
        todo!()
    }

    /// Changes what the browser shows for the job. Not for an aborted one.
    pub async fn update_ui(&self, _title: Option<&str>, _icons: &[Icon]) -> Result<(), Exception> {
        todo!()
    }
}

/// Icons as the browser wants them.
#[must_use]
pub fn icons_to_js(_icons: &[Icon]) -> Array {
    todo!()
}
