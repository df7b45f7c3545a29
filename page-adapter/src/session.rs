//! What one open Longhaul does in this page: it asks, listens, reads again and tells the app.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use js_sys::Function;
use longhaul_browser::channel::{Channel, Notice as Heard, parse};
use longhaul_browser::js::{Listener, global, listen, property};
use longhaul_browser::web::{Host, Web};
use longhaul_core::{Download, Snapshot, Spec};
use longhaul_runner::delivery::{Stored, resource_of};
use longhaul_runner::node::Node;
use longhaul_runner::ports::Runtime;
use longhaul_runner::ports::histories::{EventStore, Row};
use longhaul_runner::supervisor::Supervisor;
use wasm_bindgen::JsCast;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::Headers;

use crate::error::PageError;
use crate::host::{Notice, PageHost};
use crate::options::Options;
use crate::text::{from_js, to_js};
use crate::view::shown_entry;
use crate::worker::WorkerLink;

/// How far apart a context without messages of the service worker looks what runs, in milliseconds.
const LOOK_MS: u32 = 5_000;

/// Longhaul over one name, as [`Engine`](crate::engine::Engine) hands it on.
pub(crate) struct Session {
    pub(crate) node: Rc<Node<Web>>,
    pub(crate) host: Rc<PageHost>,
    /// Called with `("entry", Entry)`, `("change", Snapshot)`, `("gone", id)`.
    emit: Function,
    pub(crate) supervisor: Rc<Supervisor<Web>>,
    shown: RefCell<BTreeMap<String, Shown>>,
    refreshing: RefCell<BTreeMap<String, bool>>,
    listeners: RefCell<Vec<Listener>>,
    closed: Cell<bool>,
}

/// What the app was told of a download.
#[derive(Default)]
struct Shown {
    seq: u64,
    snapshot: Option<Snapshot>,
    /// Attempt, downloaded, stored: the most that was seen of each in this attempt.
    live: (u32, u64, u64),
}

impl Shown {
    fn now(&self) -> Option<Snapshot> {
        let snapshot = self.snapshot.clone()?;
        let (attempt, downloaded, stored) = self.live;
        Some(
            if attempt == snapshot.attempt && snapshot.phase == "transferring" {
                snapshot.with_live(downloaded, stored)
            } else {
                snapshot
            },
        )
    }
}

impl Session {
    /// Touches nothing before [`open`](Self::open).
    pub(crate) fn new(options: &Options, worker: WorkerLink, emit: Function) -> Rc<Self> {
        let setup = options.setup();
        let host = Rc::new(PageHost::new(worker));
        let web = Web::new(&setup.name, Rc::clone(&host) as Rc<dyn Host>);
        let node = Node::new(setup, web);
        // Set once, here.
        let _ = host.node.set(Rc::downgrade(&node));
        Rc::new(Self {
            supervisor: Supervisor::new(Rc::clone(&node)),
            node,
            host,
            emit,
            shown: RefCell::default(),
            refreshing: RefCell::default(),
            listeners: RefCell::default(),
            closed: Cell::default(),
        })
    }

    /// Opens the stores, listens, and looks after everything that is under way.
    pub(crate) async fn open(self: Rc<Self>) -> Result<(), PageError> {
        self.node.platform.store.open().await?;
        self.listen();
        for download in self.node.list().await? {
            self.show(&download);
        }
        if self.host.worker.sees_jobs() {
            spawn_local(Rc::clone(&self.supervisor).reconcile());
        } else {
            spawn_local(self.look_now_and_then());
        }
        Ok(())
    }

    /// Whether a download is to be driven from here: a background job that cannot be seen is left to the pages and the
    /// service worker, and a driver would keep them from it.
    fn drives(&self, download: &Download) -> bool {
        let transfer = download.state.transfer();
        let in_background = transfer.is_some_and(|transfer| transfer.registration.is_some());
        download.is_running() && (!in_background || self.host.worker.sees_jobs())
    }

    /// What the supervisor does elsewhere, where jobs cannot be seen: looks after what runs, and what is stored for nobody. The
    /// service worker's messages do not come here either, so that it is looked what is new.
    async fn look_now_and_then(self: Rc<Self>) {
        if let Err(error) = self.node.sweep().await {
            tracing::warn!("not everything could be looked after: {}", error);
        }
        let mut first = true;
        while !self.closed.get() {
            // What cannot be read now is read the next time.
            for download in self.node.list().await.unwrap_or_default() {
                let shown = self.shown.borrow().get(&download.id).map(|shown| shown.seq);
                if shown != Some(download.seq) || (first && download.is_running()) {
                    self.refresh(&download.id);
                }
            }
            first = false;
            self.node.platform.sleep(LOOK_MS).await;
        }
    }

    /// Lets go of everything; nothing more is told.
    pub(crate) fn close(&self) {
        self.closed.set(true);
        self.listeners.take();
        self.supervisor.close();
    }

    pub(crate) async fn request(
        self: &Rc<Self>,
        spec: &JsValue,
        headers: Option<Headers>,
    ) -> Result<JsValue, PageError> {
        let mut spec: Spec = from_js(spec)?;
        spec.headers = headers.is_some();
        let spec = spec.validated()?;
        let id = spec.id.clone();
        let download = self.node.request(spec).await?;
        self.host.give(&download, headers);
        if self.drives(&download) {
            self.supervisor.drive(&id);
        }
        Ok(self.snapshot_of(&download))
    }

    fn listen(self: &Rc<Self>) {
        let heard = Rc::downgrade(self);
        let hear = move |download: Option<String>| {
            if let Some(session) = heard.upgrade() {
                session.heard(download.as_deref());
            }
        };
        let name = self.node.setup.name.clone();
        if let Some(channel) = Channel::open(&name, hear.clone()) {
            // Set once, here.
            let _ = self.host.channel.set(channel);
        }
        // The worker tells its clients one by one.
        let container = property(&global("navigator"), "serviceWorker");
        if let Ok(container) = container.dyn_into::<web_sys::EventTarget>() {
            let listener = listen(&container, "message", move |event| {
                if let Heard::ReadAgain(download) = parse(&name, &property(&event, "data")) {
                    hear(download);
                }
            });
            self.listeners.borrow_mut().push(listener);
        }
        let own = Rc::downgrade(self);
        let listener: Box<dyn Fn(Notice)> = Box::new(move |notice| {
            if let Some(session) = own.upgrade() {
                match notice {
                    Notice::Changed(id) => session.refresh(&id),
                    Notice::Live(id, downloaded, stored) => session.live(&id, downloaded, stored),
                }
            }
        });
        // Set once, here.
        let _ = self.host.listener.set(listener);
    }

    /// Another context says "read again".
    fn heard(self: &Rc<Self>, download: Option<&str>) {
        let ids: Vec<String> = match download {
            Some(id) => vec![id.to_owned()],
            None => self.shown.borrow().keys().cloned().collect(),
        };
        for id in ids {
            self.refresh(&id);
            self.supervisor.notify(&id);
        }
    }

    /// Shows what is new of a download. Runs once at a time for each; what comes meanwhile makes it run again.
    fn refresh(self: &Rc<Self>, id: &str) {
        if let Some(again) = self.refreshing.borrow_mut().get_mut(id) {
            *again = true;
            return;
        }
        self.refreshing.borrow_mut().insert(id.to_owned(), false);
        let (session, id) = (Rc::clone(self), id.to_owned());
        spawn_local(async move {
            loop {
                if let Err(error) = session.read_again(&id).await {
                    tracing::warn!("{} could not be read again: {}", id, error);
                }
                let again = session
                    .refreshing
                    .borrow_mut()
                    .get_mut(&id)
                    .is_some_and(std::mem::take);
                if !again {
                    break;
                }
            }
            session.refreshing.borrow_mut().remove(&id);
        });
    }

    async fn read_again(self: &Rc<Self>, id: &str) -> Result<(), PageError> {
        let download = self.node.load(id).await?;
        let after = self.shown.borrow().get(id).map_or(0, |shown| shown.seq);
        let gone = download.seq < after;
        if gone || (download.seq == 0 && self.shown.borrow().contains_key(id)) {
            self.shown.borrow_mut().remove(id);
            self.emit("gone", &id.into());
        }
        // What begins anew under an id is told from its beginning.
        let after = if gone { 0 } else { after };
        for row in self.node.platform.store.read(id, after, None).await? {
            // Entries that came after the state was read are shown with the next one.
            if row.seq <= download.seq {
                self.emit("entry", &shown_entry(&row));
            }
        }
        if download.seq > 0 && self.show(&download) {
            self.emit("change", &self.snapshot_of(&download));
        }
        if self.drives(&download) {
            self.supervisor.drive(id);
        }
        Ok(())
    }

    /// Notes what is shown of a download; whether that is new.
    fn show(&self, download: &Download) -> bool {
        let mut all = self.shown.borrow_mut();
        let shown = all.entry(download.id.clone()).or_default();
        let snapshot = Snapshot::of(download);
        // A history can turn out to be damaged without a new entry.
        let new = shown.seq != download.seq || shown.snapshot != snapshot;
        shown.seq = download.seq;
        shown.snapshot = snapshot;
        new
    }

    fn live(&self, id: &str, downloaded: u64, stored: u64) {
        let snapshot = {
            let mut all = self.shown.borrow_mut();
            let Some(shown) = all.get_mut(id) else {
                return;
            };
            let attempt = shown
                .snapshot
                .as_ref()
                .map_or(0, |snapshot| snapshot.attempt);
            shown.live = match shown.live {
                (of, most, stored_now) if of == attempt => {
                    (attempt, most.max(downloaded), stored_now.max(stored))
                }
                _ => (attempt, downloaded, stored),
            };
            shown.now()
        };
        if let Some(snapshot) = snapshot.filter(|snapshot| snapshot.live) {
            self.emit("change", &to_js(&snapshot));
        }
    }

    pub(crate) fn snapshot_of(&self, download: &Download) -> JsValue {
        let Some(snapshot) = Snapshot::of(download) else {
            return JsValue::UNDEFINED;
        };
        let live = self
            .shown
            .borrow()
            .get(&download.id)
            .map(|shown| shown.live);
        let shown = Shown {
            seq: 0,
            snapshot: Some(snapshot),
            live: live.unwrap_or_default(),
        };
        shown
            .now()
            .map_or(JsValue::UNDEFINED, |snapshot| to_js(&snapshot))
    }

    fn emit(&self, kind: &str, payload: &JsValue) {
        if !self.closed.get() {
            // `js/index.js` catches what the app's listeners throw.
            let _ = self.emit.call2(&JsValue::UNDEFINED, &kind.into(), payload);
        }
    }

    pub(crate) async fn stored(&self, id: &str, url: Option<String>) -> Result<Stored, PageError> {
        let download = self.node.look(id).await?;
        if !download.is_available() {
            return Err(PageError::withheld(&download));
        }
        let resource = match url {
            Some(url) => resource_of(&download, &url),
            None if download.files.len() == 1 => Some(0),
            None => return Err(PageError::Ambiguous(download.files.len())),
        };
        let stored = match resource {
            Some(resource) => self.node.stored(&download, resource).await?,
            None => None,
        };
        stored.ok_or_else(|| {
            PageError::Withheld("this download has no resource with that URL".to_owned())
        })
    }

    pub(crate) async fn rows(
        &self,
        id: Option<&str>,
        after: f64,
        limit: Option<u32>,
    ) -> Result<Vec<Row>, PageError> {
        // Whole and not negative, as `js/index.js` checked.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let after = after as u64;
        Ok(match id {
            Some(id) => self.node.platform.store.read(id, after, limit).await?,
            None => self.node.platform.store.read_all(limit).await?,
        })
    }
}
