//! What the page offers to the node that works in it.

use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::rc::Weak;

use futures_util::future::LocalBoxFuture;
use longhaul_browser::background_fetch::BackgroundFetchManager;
use longhaul_browser::channel::Channel;
use longhaul_browser::web::{Host, Web};
use longhaul_core::{Background, Download, Resource, Role};
use longhaul_runner::node::Node;
use web_sys::Headers;

use crate::worker::WorkerLink;

/// What the node tells the page.
pub(crate) enum Notice {
    /// A history grew.
    Changed(String),
    /// Figures newer than the history.
    Live(String, u64, u64),
}

type Listener = Box<dyn Fn(Notice)>;

/// Headers, and what they were given for: they are sent nowhere else.
struct Given {
    resources: Vec<Resource>,
    headers: Headers,
}

/// The page, as the node sees it.
pub(crate) struct PageHost {
    pub(crate) worker: WorkerLink,
    headers: RefCell<BTreeMap<String, Given>>,
    pub(crate) channel: OnceCell<Channel>,
    pub(crate) listener: OnceCell<Listener>,
    /// The node that works here.
    pub(crate) node: OnceCell<Weak<Node<Web>>>,
}

impl PageHost {
    pub(crate) fn new(worker: WorkerLink) -> Self {
        Self {
            worker,
            headers: RefCell::default(),
            channel: OnceCell::new(),
            listener: OnceCell::new(),
            node: OnceCell::new(),
        }
    }

    /// Keeps the headers of a request, in memory alone, for the download that it led to. Where that wants none, there are
    /// none any more.
    pub(crate) fn give(&self, download: &Download, headers: Option<Headers>) {
        let Some(spec) = download.spec.as_ref().filter(|spec| spec.headers) else {
            return self.forget(&download.id);
        };
        if let Some(headers) = headers {
            let resources = spec.resources.clone();
            let given = Given { resources, headers };
            let mut all = self.headers.borrow_mut();
            all.insert(download.id.clone(), given);
        }
    }

    /// Forgets the headers of a download.
    pub(crate) fn forget(&self, id: &str) {
        self.headers.borrow_mut().remove(id);
    }

    /// All jobs that the histories know.
    async fn written_down(&self) -> Vec<String> {
        let node = self.node.get().and_then(Weak::upgrade);
        let Some(node) = node else {
            return Vec::new();
        };
        // Where they cannot be read, nothing can be appended either.
        let downloads = node.list().await.unwrap_or_default();
        let transfers = downloads
            .iter()
            .filter_map(|download| download.state.transfer());
        transfers
            .filter_map(|transfer| transfer.registration.clone())
            .collect()
    }

    fn tell(&self, notice: Notice) {
        if let Some(listener) = self.listener.get() {
            listener(notice);
        }
    }
}

impl Host for PageHost {
    fn role(&self) -> Role {
        Role::Page
    }

    fn changed(&self, download: &str) {
        if let Some(channel) = self.channel.get() {
            channel.post(Some(download));
        }
        self.tell(Notice::Changed(download.to_owned()));
    }

    fn live(&self, download: &str, downloaded: u64, stored: u64) {
        self.tell(Notice::Live(download.to_owned(), downloaded, stored));
    }

    fn headers(&self, download: &Download) -> Option<Headers> {
        let spec = download.spec.as_ref().filter(|spec| spec.headers)?;
        let all = self.headers.borrow();
        let given = all.get(&download.id)?;
        (given.resources == spec.resources).then(|| given.headers.clone())
    }

    fn background(&self) -> LocalBoxFuture<'_, (Background, Option<BackgroundFetchManager>)> {
        Box::pin(self.worker.background())
    }

    fn managers(&self) -> LocalBoxFuture<'_, Vec<BackgroundFetchManager>> {
        Box::pin(self.worker.managers())
    }

    fn handling(&self) -> LocalBoxFuture<'_, Vec<String>> {
        Box::pin(async {
            match self.worker.handling().await {
                Some(handling) => handling,
                // Jobs cannot be seen from here, as in a dedicated worker: somebody may have them.
                None => self.written_down().await,
            }
        })
    }
}
