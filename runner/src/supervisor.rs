//! The supervisor: looks after all downloads of a page.
//!
//! Each one that runs has a [`Driver`], at work or waiting for the lock; what was left behind is mended, what belongs to
//! nobody is removed.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use longhaul_core::{Command, Download, JobId, plan};

use crate::cancel::Cancel;
use crate::driver::{Driver, TROUBLE_MS};
use crate::node::{CommitError, Node};
use crate::ports::{Jobs, Locks, Platform, Runtime};

/// How far apart the supervisor looks what runs, in milliseconds. Contexts tell each other what they append, but one that
/// dies between its append and its message tells nobody.
const LOOK_MS: u32 = 60_000;

/// All drivers of a page.
pub struct Supervisor<P> {
    node: Rc<Node<P>>,
    drivers: RefCell<BTreeMap<String, Rc<Driver<P>>>>,
    closing: Cancel,
}

impl<P: Platform> Supervisor<P> {
    /// A supervisor that looks after nothing yet.
    #[must_use]
    pub fn new(node: Rc<Node<P>>) -> Rc<Self> {
        Rc::new(Self {
            node,
            drivers: RefCell::default(),
            closing: Cancel::default(),
        })
    }

    /// Sees to it that a download has a driver in this page, at work or waiting for the lock.
    pub fn drive(self: &Rc<Self>, id: &str) {
        if self.closing.is_cancelled() {
            return;
        }
        if let Some(driver) = self.drivers.borrow().get(id) {
            return driver.notify();
        }
        let driver = Driver::new(Rc::clone(&self.node), id);
        self.drivers
            .borrow_mut()
            .insert(id.to_owned(), Rc::clone(&driver));
        let (supervisor, id) = (Rc::clone(self), id.to_owned());
        self.node.platform.runtime().spawn(Box::pin(async move {
            driver.run().await;
            supervisor.drivers.borrow_mut().remove(&id);
            // A request that came while the driver was leaving.
            if let Ok(download) = supervisor.node.load(&id).await
                && download.is_running()
            {
                supervisor.drive(&id);
            }
        }));
    }

    /// Something changed that the driver of this download has not seen.
    pub fn notify(&self, id: &str) {
        if let Some(driver) = self.drivers.borrow().get(id) {
            driver.notify();
        }
    }

    /// Lets go of everything: other tabs take over what this one ran.
    pub fn close(&self) {
        self.closing.cancel();
        for driver in self.drivers.take().into_values() {
            driver.close();
        }
    }

    /// Looks after everything: what runs, what was left behind, what was evicted, what belongs to nobody. Then, until it
    /// is closed, looks now and then what runs.
    pub async fn reconcile(self: Rc<Self>) {
        while let Err(error) = self.look_after_all().await {
            tracing::warn!("not everything could be looked after: {}", error);
            if !self.rest(TROUBLE_MS).await {
                return;
            }
        }
        while self.rest(LOOK_MS).await {
            // What cannot be read now is read the next time.
            for download in self.node.list().await.unwrap_or_default() {
                if download.is_running() {
                    self.drive(&download.id);
                }
            }
        }
    }

    /// Rests; whether the supervisor is still open then.
    async fn rest(&self, ms: u32) -> bool {
        self.closing
            .race(self.node.platform.runtime().sleep(ms))
            .await
            .is_some()
    }

    async fn look_after_all(self: &Rc<Self>) -> Result<(), CommitError> {
        let downloads = self.node.list().await?;
        for download in &downloads {
            if download.is_running() {
                self.drive(&download.id);
                continue;
            }
            let download = self.node.look(&download.id).await?;
            let observation = self.node.observation(&download).await?;
            if !plan(&download, &observation, 0).is_empty() {
                self.drive(&download.id);
            }
        }
        self.drop_orphans(&downloads).await?;
        self.node.sweep().await
    }

    async fn drop_orphans(&self, downloads: &[Download]) -> Result<(), CommitError> {
        for job in self.node.jobs(None).await {
            let Some(JobId { download: of, .. }) = JobId::parse(&job.registration) else {
                continue;
            };
            // A job whose history was begun after the list was read is not an orphan.
            let known = downloads.iter().any(|download| download.id == of);
            if known || self.node.load(&of).await?.seq > 0 {
                continue;
            }
            let lock = self.node.lock_name(&of);
            // Where there are no locks, there are no jobs either.
            let _owned = self.node.platform.locks().own(&lock, Rc::new(|| {})).await;
            if self.node.load(&of).await?.seq == 0 {
                tracing::warn!("aborted a background job that belongs to no download");
                // Where it has ended meanwhile the worker has what it brought.
                self.node.platform.jobs().abort(&job.registration).await;
            }
        }
        Ok(())
    }

    /// Carries out a command that ends something, and waits until its effects are done, by whichever tab owns them.
    pub async fn end(self: &Rc<Self>, id: &str, command: Command) -> Result<(), CommitError> {
        self.node.command(id, command, None).await?;
        self.notify(id);
        Driver::new(Rc::clone(&self.node), id).clear_up().await;
        self.node.sweep().await
    }
}
