//! What the page offers to the node that works in it.

use std::cell::{OnceCell, RefCell};

use longhaul_browser::background_fetch::BackgroundFetchManager;
use longhaul_browser::channel::Channel;
use longhaul_browser::web::Host;
use longhaul_core::{Background, Role, Table};
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

/// The page, as the node sees it.
pub(crate) struct PageHost {
    pub(crate) worker: WorkerLink,
    /// Header values live here and nowhere else.
    pub(crate) headers: RefCell<Table<String, Headers>>,
    pub(crate) channel: OnceCell<Channel>,
    pub(crate) listener: OnceCell<Listener>,
}

impl PageHost {
    pub(crate) fn new(worker: WorkerLink) -> Self {
        Self {
            worker,
            headers: RefCell::default(),
            channel: OnceCell::new(),
            listener: OnceCell::new(),
        }
    }

    fn tell(&self, notice: Notice) {
        if let Some(listener) = self.listener.get() {
            listener(notice);
        }
    }
}

impl Host for PageHost {
    const BEGINS_TRANSFERS: bool = true;

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

    fn headers(&self, download: &str) -> Option<Headers> {
        self.headers.borrow().get(download).cloned()
    }

    async fn background(&self) -> (Background, Option<BackgroundFetchManager>) {
        self.worker.background().await
    }

    async fn handling(&self) -> Vec<String> {
        self.worker.handling().await
    }
}
