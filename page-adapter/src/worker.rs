//! The link to the service worker, which `js/link.js` keeps: whether background jobs can be started, where they may be, and
//! which completions are being handled.

use js_sys::{Array, Object, Promise};
use longhaul_browser::background_fetch::BackgroundFetchManager;
use longhaul_browser::js::{property, settle, text};
use longhaul_core::Background;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// The `WorkerLink` of `js/link.js`. None of its promises rejects.
    #[wasm_bindgen(extends = Object)]
    #[derive(Debug, Clone)]
    pub type WorkerLink;

    #[wasm_bindgen(method, getter, js_name = seesJobs)]
    pub(crate) fn sees_jobs(this: &WorkerLink) -> bool;

    #[wasm_bindgen(method, js_name = background)]
    fn js_background(this: &WorkerLink) -> Promise;

    #[wasm_bindgen(method, js_name = managers)]
    fn js_managers(this: &WorkerLink) -> Promise;

    #[wasm_bindgen(method, js_name = handling)]
    fn js_handling(this: &WorkerLink) -> Promise;
}

impl WorkerLink {
    /// Whether background jobs can be started, and by which manager.
    pub(crate) async fn background(&self) -> (Background, Option<BackgroundFetchManager>) {
        let said = settle(self.js_background()).await.unwrap_or_default();
        let background = match text(&said, "word").as_deref() {
            Some("usable") => Background::Usable,
            Some("missing") => Background::Missing,
            _ => Background::NoWorker,
        };
        let manager = property(&said, "manager");
        (
            background,
            manager.is_object().then(|| manager.unchecked_into()),
        )
    }

    /// Every manager that may have jobs of ours.
    pub(crate) async fn managers(&self) -> Vec<BackgroundFetchManager> {
        let managers = list(self.js_managers()).await.unwrap_or_default();
        managers.into_iter().map(JsCast::unchecked_into).collect()
    }

    /// The registrations whose completion a worker is handling; `None` where jobs cannot be seen from here just now.
    pub(crate) async fn handling(&self) -> Option<Vec<String>> {
        let ids = list(self.js_handling()).await?;
        Some(ids.iter().filter_map(JsValue::as_string).collect())
    }
}

async fn list(promise: Promise) -> Option<Vec<JsValue>> {
    let list = settle(promise).await.ok()?;
    Array::is_array(&list).then(|| Array::from(&list).iter().collect())
}
