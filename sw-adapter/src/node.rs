//! The worker at work.

use std::rc::Rc;

use js_sys::Function;
use longhaul_browser::background_fetch::BackgroundFetchEvent;
use longhaul_browser::deliver::Asked;
use longhaul_browser::js::set;
use longhaul_browser::trace;
use longhaul_browser::web::{Host, Web, records};
use longhaul_core::{Download, State};
use longhaul_runner::completion::complete;
use longhaul_runner::node::{CommitError, Node, Setup};
use wasm_bindgen::prelude::*;
use web_sys::Request;

use crate::host::{WorkerHost, show_window};

/// Longhaul in a service worker, over one name.
#[wasm_bindgen]
pub struct WorkerNode {
    node: Rc<Node<Web>>,
    host: Rc<WorkerHost>,
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
        let host = Rc::new(WorkerHost::new(name));
        let web = Web::new(name, Rc::clone(&host) as Rc<dyn Host>);
        Self {
            node: Node::new(setup, web),
            host,
        }
    }

    /// Handles the end of a job: stores what it brought, then writes down what happened, then `accounted` is called,
    /// then what is left (hashes, deletions) is done, the browser's own display is updated and all clients are told.
    pub async fn completed(
        &self,
        event: BackgroundFetchEvent,
        accounted: Function,
    ) -> Result<(), JsValue> {
        let registration = event.registration();
        let state = registration.state();
        if self.node.own_job(&state.id).is_none() {
            // Its records, its outcome and its display are another script's.
            return Ok(());
        }
        let records = records(&registration).await;
        let accounted = || {
            // It only forgets a name.
            let _ = accounted.call0(&JsValue::UNDEFINED);
        };
        let Some((id, download)) = complete(&self.node, &state, records, accounted).await else {
            return Ok(());
        };
        if let Some(title) = download.as_ref().and_then(title) {
            // The event of an abort has no such power, and a display that stays as it was is no fault.
            let _ = event.update_ui(Some(&title), &[]).await;
        }
        self.host.tell_all(&id).await;
        Ok(())
    }

    /// A click on the browser's own display of a job. `home` is opened where no page of this origin is open.
    pub async fn clicked(&self, registration: String, home: String) {
        if self.node.own_job(&registration).is_some() {
            show_window(&home).await;
        }
    }

    /// What a request for a stored URL is answered, as a server would; undefined where it is not stored.
    pub async fn serve(&self, request: Request) -> Result<JsValue, JsValue> {
        let stored = self
            .node
            .find(&request.url())
            .await
            .map_err(|error| exception(&error))?;
        let Some(stored) = stored else {
            return Ok(JsValue::UNDEFINED);
        };
        let headers = request.headers();
        let asked = Asked {
            head: request.method() == "HEAD",
            range: headers.get("Range")?,
            if_range: headers.get("If-Range")?,
            if_none_match: headers.get("If-None-Match")?,
            if_modified_since: headers.get("If-Modified-Since")?,
        };
        let reply = self.node.platform.reply(&stored, &asked).await;
        Ok(reply.map_err(|error| exception(&error.into()))?.into())
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

/// Plain data for `js/sw.js`, which only names it.
fn exception(error: &CommitError) -> JsValue {
    let object = js_sys::Object::new();
    set(&object, "name", &"LonghaulError".into());
    set(&object, "message", &error.to_string().into());
    object.into()
}
