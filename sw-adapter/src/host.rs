//! What the service worker offers to the node that works in it.

use std::future::ready;

use futures_util::future::LocalBoxFuture;
use js_sys::Array;
use longhaul_browser::background_fetch::{BackgroundFetchManager, manager};
use longhaul_browser::channel::message;
use longhaul_browser::web::Host;
use longhaul_core::{Background, Download, Role};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{
    Client, ClientQueryOptions, ClientType, Headers, ServiceWorkerGlobalScope, WindowClient,
};

/// The worker, as the node sees it.
pub(crate) struct WorkerHost {
    name: String,
}

/// The global scope of this worker.
pub(crate) fn scope() -> ServiceWorkerGlobalScope {
    js_sys::global().unchecked_into()
}

impl WorkerHost {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
        }
    }

    /// Tells every client, controlled or not, to read again. Awaited before an event's handler ends: a message sent
    /// later may never leave.
    pub(crate) async fn tell_all(&self, download: &str) {
        for client in clients(None).await {
            // A client that is gone by now needs no message.
            let _ = client.post_message(&message(&self.name, Some(download)));
        }
    }
}

async fn clients(kind: Option<ClientType>) -> Vec<Client> {
    let options = ClientQueryOptions::new();
    options.set_include_uncontrolled(true);
    options.set_type(kind.unwrap_or(ClientType::All));
    let found = JsFuture::from(scope().clients().match_all_with_options(&options)).await;
    let found: Array = found.map_or_else(|_| Array::new(), JsCast::unchecked_into);
    found.iter().map(JsCast::unchecked_into).collect()
}

/// Brings a window of this origin to the front, or opens one at `home`.
pub(crate) async fn show_window(home: &str) {
    let window = clients(Some(ClientType::Window)).await.into_iter().next();
    let shown = match window {
        Some(client) => client.unchecked_into::<WindowClient>().focus().ok(),
        None => Some(scope().clients().open_window(home)),
    };
    if let Some(shown) = shown {
        // The browser may refuse where no click led here.
        let _ = JsFuture::from(shown).await;
    }
}

impl Host for WorkerHost {
    fn role(&self) -> Role {
        Role::Worker
    }

    fn changed(&self, download: &str) {
        let (name, download) = (self.name.clone(), download.to_owned());
        // At once, so that pages do not wait for the handler's end, which tells them again.
        spawn_local(async move { Self { name }.tell_all(&download).await });
    }

    fn live(&self, _download: &str, _downloaded: u64, _stored: u64) {}

    fn headers(&self, _download: &Download) -> Option<Headers> {
        None
    }

    fn background(&self) -> LocalBoxFuture<'_, (Background, Option<BackgroundFetchManager>)> {
        // Jobs can be looked up here, but not started.
        Box::pin(ready((Background::NoWorker, None)))
    }

    fn managers(&self) -> LocalBoxFuture<'_, Vec<BackgroundFetchManager>> {
        let manager = manager(&scope().registration());
        Box::pin(ready(manager.into_iter().collect()))
    }

    fn handling(&self) -> LocalBoxFuture<'_, Vec<String>> {
        Box::pin(ready(Vec::new()))
    }
}
