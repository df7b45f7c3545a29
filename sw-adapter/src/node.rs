//! The worker at work.

use std::rc::Rc;

use futures_util::future::{Either, select};
use js_sys::Function;
use longhaul_browser::background_fetch::BackgroundFetchEvent;
use longhaul_browser::deliver::{Stored, requested_range};
use longhaul_browser::driver::Driver;
use longhaul_browser::js::set;
use longhaul_browser::net::{now_ms, sleep};
use longhaul_browser::node::{CommitError, Node, Setup};
use longhaul_browser::parts::PartError;
use longhaul_browser::work::harvest;
use longhaul_browser::{trace, translate};
use longhaul_core::{Download, Input, JOB_FORMAT, JobEnd, JobId, Signal, State};
use wasm_bindgen::prelude::*;
use web_sys::{Headers, Request, Response, ResponseInit};

use crate::host::{WorkerHost, show_window};

/// Browsers stop a handler after five minutes. What is not done by then is left for the next page in good order.
const BUDGET_MS: u64 = 4 * 60_000;

/// Longhaul in a service worker, over one name.
#[wasm_bindgen]
pub struct WorkerNode {
    name: String,
    node: Rc<Node<WorkerHost>>,
}

#[wasm_bindgen]
impl WorkerNode {
    /// A node over the stores of this name.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new(name: &str) -> Self {
        trace::install();
        let setup = Setup {
            name: name.to_owned(),
            ..Setup::default()
        };
        Self {
            name: name.to_owned(),
            node: Node::new(setup, WorkerHost::new(name)),
        }
    }

    /// Format of registration ids and request fragments.
    #[wasm_bindgen(getter)]
    #[must_use]
    pub fn format(&self) -> u32 {
        JOB_FORMAT
    }

    /// Handles the end of a job: stores what it brought, then writes down what happened, then `accounted` is called,
    /// then what is left (hashes, deletions) is done, the browser's own display is updated and all clients are told.
    pub async fn completed(
        &self,
        event: BackgroundFetchEvent,
        accounted: Function,
    ) -> Result<(), JsValue> {
        let began = now_ms();
        let registration = event.registration();
        let state = registration.state();
        let Some(id) = JobId::parse(&state.id).filter(|id| id.name == self.name) else {
            tracing::warn!("ignored a background job that is not ours");
            return Ok(());
        };
        let end = translate::job_end(&state);
        let faults = if end == JobEnd::Abort && !self.is_wanted(&id.download).await {
            Vec::new()
        } else {
            harvest(&self.node.parts, &registration, true).await.faults
        };
        let accounting = self.account(&id, &state.id, end, &faults).await;
        // Whoever waited for this completion finds it in the history from here on.
        let _ = accounted.call0(&JsValue::UNDEFINED);
        match accounting {
            Ok(download) => self.finish(&download, &event, began).await,
            Err(error) => {
                tracing::warn!("what became of a job could not be written down: {}", error);
            }
        }
        self.node.host.tell_all(&id.download).await;
        Ok(())
    }

    /// A click on the browser's own display of a job.
    pub async fn clicked(&self, registration: String) {
        if JobId::parse(&registration).is_some_and(|id| id.name == self.name) {
            show_window().await;
        }
    }

    /// The stored bytes that a request asks for, or undefined.
    pub async fn serve(&self, request: Request) -> Result<JsValue, JsValue> {
        let stored = self
            .node
            .find(&request.url())
            .await
            .map_err(|error| exception(&error))?;
        let Some(stored) = stored else {
            return Ok(JsValue::UNDEFINED);
        };
        let range = request.headers().get("Range")?;
        let range = range.and_then(|header| requested_range(&header, stored.size));
        let response = match range {
            Some(None) => unsatisfiable(&stored)?,
            Some(range) => self
                .node
                .response(&stored, range)
                .await
                .map_err(|error| exception(&error.into()))?,
            None => self
                .node
                .response(&stored, None)
                .await
                .map_err(|error: PartError| exception(&error.into()))?,
        };
        Ok(response.into())
    }
}

impl WorkerNode {
    /// Whether bytes of a download are still wanted; also where its history cannot be read.
    async fn is_wanted(&self, download: &str) -> bool {
        self.node
            .load(download)
            .await
            .map_or(true, |download| download.state.is_running())
    }

    async fn account(
        &self,
        id: &JobId,
        registration: &str,
        end: JobEnd,
        faults: &[longhaul_core::Fault],
    ) -> Result<Download, CommitError> {
        loop {
            let download = self.node.load(&id.download).await?;
            let witness = Box::new(self.node.witness(&download).await?);
            let ended = Input::Signal(Signal::JobEnded {
                registration: registration.to_owned(),
                end,
                faults: faults.to_vec(),
                witness,
            });
            if let Some(committed) = self.node.commit(download, Some(ended), None).await? {
                return Ok(committed.download);
            }
        }
    }

    /// Does what is left, as the download's owner: where a page is, it may be faster, and then nothing is left.
    async fn finish(&self, download: &Download, event: &BackgroundFetchEvent, began: u64) {
        if let Some(driver) = Driver::new(Rc::clone(&self.node), &download.id) {
            let left = BUDGET_MS.saturating_sub(now_ms().saturating_sub(began));
            let deadline = Box::pin(sleep(u32::try_from(left).unwrap_or(u32::MAX)));
            let work = Box::pin(Rc::clone(&driver).run());
            if let Either::Right(((), work)) = select(work, deadline).await {
                driver.close();
                work.await;
            }
        }
        let download = self.node.load(&download.id).await;
        if let Some(title) = download.as_ref().ok().and_then(title) {
            // The event of an abort has no such power, and a display that stays as it was is no fault.
            let _ = event.update_ui(Some(&title), &[]).await;
        }
    }
}

/// What the browser's own display says when a job has ended.
fn title(download: &Download) -> Option<String> {
    let title = download
        .spec
        .as_ref()?
        .title
        .as_deref()
        .unwrap_or(&download.id);
    match &download.state {
        State::Available => Some([title, " is stored"].concat()),
        State::Failed { failure } => Some([title, ": ", &failure.message].concat()),
        State::Requested | State::Transferring { .. } => {
            Some([title, " goes on when its page is open"].concat())
        }
        _ => None,
    }
}

/// 416 ([RFC 9110, 15.5.17](https://www.rfc-editor.org/rfc/rfc9110#section-15.5.17)).
fn unsatisfiable(stored: &Stored) -> Result<Response, JsValue> {
    let headers = Headers::new()?;
    headers.set(
        "Content-Range",
        &["bytes */", &stored.size.to_string()].concat(),
    )?;
    let init = ResponseInit::new();
    init.set_status(416);
    init.set_headers(&headers);
    Response::new_with_opt_str_and_init(None, &init)
}

/// Plain data for `js/sw.js`, which only names it.
fn exception(error: &CommitError) -> JsValue {
    let object = js_sys::Object::new();
    set(&object, "name", &"LonghaulError".into());
    set(&object, "message", &error.to_string().into());
    object.into()
}
