//! The engine: what `js/index.js` calls.

use std::rc::Rc;

use futures_util::future::LocalBoxFuture;
use js_sys::{Array, Function, Promise};
use longhaul_browser::trace;
use longhaul_browser::web::Host;
use longhaul_core::Command;
use longhaul_runner::ports::histories::{AppendError, EventStore};
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;

use crate::error::PageError;
use crate::options::Options;
use crate::session::Session;
use crate::text::from_js;
use crate::view::shown_entry;
use crate::worker::WorkerLink;

/// Longhaul in this page, over one name.
#[wasm_bindgen]
pub struct Engine(Rc<Session>);

/// Sets work going. The work is boxed and its errors become JavaScript's here, in one place: an exported `async`
/// method of each would be compiled with a promise's whole machinery around it.
fn promise(work: impl Future<Output = Result<JsValue, PageError>> + 'static) -> Promise {
    let work: LocalBoxFuture<'static, Result<JsValue, PageError>> = Box::pin(work);
    future_to_promise(async move { Ok(work.await?) })
}

#[wasm_bindgen]
impl Engine {
    /// `options` are those of `js/index.js`, `worker` the link to the service worker. No function hands out an `Engine`: the
    /// glue would then name the class in what the wasm imports, and no script that has no use for it could leave it out.
    #[wasm_bindgen(constructor)]
    pub fn new(options: &JsValue, worker: WorkerLink, emit: Function) -> Result<Self, JsValue> {
        trace::install();
        let options: Options = from_js(options)?;
        Ok(Self(Session::new(&options, worker, emit)))
    }

    /// Opens the stores and looks after everything that is under way.
    pub fn open(&self) -> Promise {
        let session = Rc::clone(&self.0);
        promise(async move {
            session.open().await?;
            Ok(JsValue::UNDEFINED)
        })
    }

    /// Asks for a download; its snapshot. `spec` is that of `js/index.js`, `headers` a `Headers` or undefined.
    pub fn request(&self, spec: JsValue, headers: JsValue) -> Promise {
        let session = Rc::clone(&self.0);
        promise(async move { session.request(&spec, headers.dyn_into().ok()).await })
    }

    /// The snapshot of a download, undefined where nothing was requested.
    pub fn snapshot(&self, id: String) -> Promise {
        let session = Rc::clone(&self.0);
        promise(async move { Ok(session.snapshot_of(&session.node.look(&id).await?)) })
    }

    /// The snapshots of all downloads, a list.
    pub fn list(&self) -> Promise {
        let session = Rc::clone(&self.0);
        promise(async move {
            let list = Array::new();
            for download in session.node.list().await? {
                // What was deleted or damaged behind our back is noticed here. One that cannot be looked at is shown as
                // it was written down last.
                let looked = session.node.look(&download.id).await;
                let snapshot = session.snapshot_of(looked.as_ref().unwrap_or(&download));
                if !snapshot.is_undefined() {
                    list.push(&snapshot);
                }
            }
            Ok(list.into())
        })
    }

    /// Aborts the attempt that runs, and waits until nothing is left of it.
    pub fn abort(&self, id: String) -> Promise {
        self.end(id, Command::Abort)
    }

    /// Removes the bytes, and waits until they are gone.
    pub fn remove(&self, id: String) -> Promise {
        self.end(id, Command::Remove)
    }

    /// Tries again.
    pub fn retry(&self, id: String) -> Promise {
        let session = Rc::clone(&self.0);
        promise(async move {
            session.node.look(&id).await?;
            session.node.command(&id, Command::Retry, None).await?;
            session.supervisor.drive(&id);
            Ok(JsValue::UNDEFINED)
        })
    }

    /// Removes bytes and history.
    pub fn forget(&self, id: String) -> Promise {
        let session = Rc::clone(&self.0);
        promise(async move {
            loop {
                session.supervisor.end(&id, Command::Remove).await?;
                let download = session.node.load(&id).await?;
                match session.node.platform.store.forget(&id, download.seq).await {
                    Ok(()) => break,
                    // Somebody appended meanwhile: what that was is removed, too.
                    Err(AppendError::Conflict { .. }) => {}
                    Err(AppendError::Store(error)) => return Err(error.into()),
                }
            }
            session.host.forget(&id);
            session.host.changed(&id);
            Ok(JsValue::UNDEFINED)
        })
    }

    /// The bytes of a resource as a Blob.
    pub fn blob(&self, id: String, url: Option<String>) -> Promise {
        let session = Rc::clone(&self.0);
        promise(async move {
            let stored = session.stored(&id, url).await?;
            Ok(session.node.platform.blob(&stored).await?.into())
        })
    }

    /// The bytes of a resource as a streaming Response.
    pub fn response(&self, id: String, url: Option<String>) -> Promise {
        let session = Rc::clone(&self.0);
        promise(async move {
            let stored = session.stored(&id, url).await?;
            Ok(session.node.platform.response(&stored, None).await?.into())
        })
    }

    /// What is stored for a URL, a Response or undefined.
    #[wasm_bindgen(js_name = match)]
    pub fn find(&self, url: String) -> Promise {
        let session = Rc::clone(&self.0);
        promise(async move {
            match session.node.find(&url).await? {
                Some(stored) => Ok(session.node.platform.response(&stored, None).await?.into()),
                None => Ok(JsValue::UNDEFINED),
            }
        })
    }

    /// Entries as a list of objects: of one download after a number, or of all.
    pub fn history(&self, id: Option<String>, after: f64, limit: Option<u32>) -> Promise {
        let session = Rc::clone(&self.0);
        promise(async move {
            let list = Array::new();
            for row in session.rows(id.as_deref(), after, limit).await? {
                list.push(&shown_entry(&row));
            }
            Ok(list.into())
        })
    }

    /// All entries as they are stored, one a line.
    pub fn export(&self) -> Promise {
        let session = Rc::clone(&self.0);
        promise(async move {
            let mut ndjson = String::new();
            for row in session.rows(None, 0.0, None).await? {
                ndjson.push_str(&row.text);
                ndjson.push('\n');
            }
            Ok(ndjson.into())
        })
    }

    /// Lets go of everything: other tabs take over what this one ran.
    pub fn close(&self) {
        self.0.close();
    }
}

impl Engine {
    fn end(&self, id: String, command: Command) -> Promise {
        let session = Rc::clone(&self.0);
        promise(async move {
            session.supervisor.end(&id, command).await?;
            Ok(JsValue::UNDEFINED)
        })
    }
}
