//! The link to the service worker: whether it is there, of which format, and which completions it is handling.

use std::cell::{Cell, RefCell};

use js_sys::{Array, Object};
use longhaul_browser::background_fetch::{BackgroundFetchManager, manager};
use longhaul_browser::js::{listen, property, set, text};
use longhaul_browser::net::{now_ms, sleep};
use longhaul_browser::once;
use longhaul_core::{Background, JOB_FORMAT};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{MessageChannel, ServiceWorker, ServiceWorkerRegistration, ServiceWorkerState};

/// How long an answer of the worker is waited for, in milliseconds. Starting one takes seconds on a busy device; one
/// that does not answer at all is of another make.
const ANSWER_MS: u32 = 20_000;

/// For how long an answer about name and format is believed, in milliseconds.
const BELIEVED_MS: u64 = 30_000;

/// For how long the same worker is not asked again when it was of another make, in milliseconds: everything would wait for the
/// answer that does not come.
const DOUBTED_MS: u64 = 600_000;

/// The registration of the page's service worker, if it has one.
pub(crate) struct WorkerLink {
    name: String,
    registration: Option<ServiceWorkerRegistration>,
    /// The worker that was asked last, whether it is of our make, and until when that holds.
    asked: RefCell<Option<ServiceWorker>>,
    same_make: Cell<bool>,
    until: Cell<u64>,
}

/// What the worker says of itself.
struct Report {
    same_make: bool,
    handling: Vec<String>,
}

impl WorkerLink {
    pub(crate) fn new(name: &str, registration: Option<ServiceWorkerRegistration>) -> Self {
        Self {
            name: name.to_owned(),
            registration,
            asked: RefCell::default(),
            same_make: Cell::default(),
            until: Cell::default(),
        }
    }

    /// Whether background jobs can be started: the browser has them, and the active worker is of this name and format.
    pub(crate) async fn background(&self) -> (Background, Option<BackgroundFetchManager>) {
        let Some(registration) = &self.registration else {
            return (Self::without_worker(), None);
        };
        let Some(manager) = manager(registration) else {
            return (Background::Missing, None);
        };
        let Some(worker) = active(registration).await else {
            return (Background::NoWorker, None);
        };
        if self.asked.borrow().as_ref() != Some(&worker) || now_ms() >= self.until.get() {
            let same_make = self
                .ask(&worker)
                .await
                .is_some_and(|report| report.same_make);
            if !same_make {
                tracing::warn!(
                    "the active service worker is of another version or name: no background jobs"
                );
            }
            let holds = if same_make { BELIEVED_MS } else { DOUBTED_MS };
            self.until.set(now_ms() + holds);
            self.same_make.set(same_make);
            self.asked.replace(Some(worker));
        }
        if !self.same_make.get() {
            return (Background::NoWorker, Some(manager));
        }
        (Background::Usable, Some(manager))
    }

    fn without_worker() -> Background {
        let known = property(
            &longhaul_browser::js::global("ServiceWorkerRegistration"),
            "prototype",
        );
        if js_sys::Reflect::has(&known, &"backgroundFetch".into()).unwrap_or(false) {
            Background::NoWorker
        } else {
            Background::Missing
        }
    }

    /// The registrations whose completion the worker is handling. It answers after the first line of every completion
    /// handler that was under way when it was asked.
    pub(crate) async fn handling(&self) -> Vec<String> {
        let worker = match &self.registration {
            Some(registration) => registration.active(),
            None => None,
        };
        match worker {
            Some(worker) => self
                .ask(&worker)
                .await
                .map_or_else(Vec::new, |report| report.handling),
            None => Vec::new(),
        }
    }

    async fn ask(&self, worker: &ServiceWorker) -> Option<Report> {
        let channel = MessageChannel::new().ok()?;
        let (sender, receiver) = once::channel::<JsValue>();
        let mut sender = Some(sender);
        let port = channel.port1();
        let _listener = listen(&port, "message", move |event| {
            if let Some(sender) = sender.take() {
                // Nobody waits after the deadline.
                let _ = sender.send(property(&event, "data"));
            }
        });
        port.start();
        let question = Object::new();
        set(&question, "longhaul", &self.name.as_str().into());
        set(&question, "ask", &"state".into());
        worker
            .post_message_with_transferable(&question, &Array::of1(&channel.port2()))
            .ok()?;
        let deadline = Box::pin(sleep(ANSWER_MS));
        let answer = match futures_util::future::select(receiver, deadline).await {
            futures_util::future::Either::Left((answer, _)) => answer,
            futures_util::future::Either::Right(_) => None,
        };
        port.close();
        Some(self.judge(&answer?))
    }

    fn judge(&self, answer: &JsValue) -> Report {
        let format = property(answer, "format").as_f64();
        let handling = property(answer, "handling");
        let handling = if Array::is_array(&handling) {
            Array::from(&handling)
                .iter()
                .filter_map(|id| id.as_string())
                .collect()
        } else {
            Vec::new()
        };
        Report {
            same_make: format == Some(f64::from(JOB_FORMAT))
                && text(answer, "name").as_ref() == Some(&self.name),
            handling,
        }
    }
}

/// The active worker; one that is being installed for the first time is waited for.
async fn active(registration: &ServiceWorkerRegistration) -> Option<ServiceWorker> {
    if let Some(worker) = registration.active() {
        return Some(worker);
    }
    let coming = registration
        .waiting()
        .or_else(|| registration.installing())?;
    let (sender, receiver) = once::channel();
    let (mut sender, watched) = (Some(sender), coming.clone());
    let _listener = listen(&coming, "statechange", move |_| {
        let state = watched.state();
        if matches!(
            state,
            ServiceWorkerState::Activating
                | ServiceWorkerState::Activated
                | ServiceWorkerState::Redundant
        ) && let Some(sender) = sender.take()
        {
            // The waiter may have gone with its page's download.
            let _ = sender.send(());
        }
    });
    if registration.active().is_none() {
        receiver.await;
    }
    registration.active()
}

/// Whether something is a registration, which a page may be unable to have.
pub(crate) fn registration_of(value: JsValue) -> Option<ServiceWorkerRegistration> {
    value.dyn_into().ok()
}
