//! The driver: does what the [`Owner`] of a download says, while it holds the download's lock.
//!
//! It decides nothing. What was set going runs beside the loop, and tells what came of it.

mod effects;
mod live;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use futures_channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded};
use futures_util::StreamExt;
use futures_util::future::{Either, select};
use longhaul_core::owner::{
    Input, Look, Now, Outcome, Output, Owner, STORE_TROUBLE_MS, Settings, Store,
};
use longhaul_core::{Batch, Download, EffectId, WaitReason};

use crate::cancel::Cancel;
use crate::links::FullUrls;
use crate::node::{CommitError, Node};
use crate::ports::histories::EventStore;
use crate::ports::{App, Http, Jobs, Locks, Ownership, Platform, Runtime, Watching};
use live::Live;

/// How long whoever loops over the stores rests after they failed, in milliseconds.
pub(crate) const TROUBLE_MS: u32 = 5_000;
const _: () = assert!(TROUBLE_MS as u64 == STORE_TROUBLE_MS);

/// The owner of one download, at work.
pub struct Driver<P> {
    node: Rc<Node<P>>,
    id: String,
    tell: UnboundedSender<Input>,
    /// What was told, until somebody runs this.
    told: RefCell<Option<UnboundedReceiver<Input>>>,
    /// Ends waiting for the lock.
    closing: Cancel,
    in_flight: RefCell<BTreeMap<EffectId, Cancel>>,
    /// The full URLs, as they were when this was last told to look at everything.
    urls: RefCell<Option<Rc<FullUrls>>>,
    /// The job that is to be watched, and what watches it.
    watching: RefCell<(Option<String>, Option<Watching>)>,
    listens_for_network: Cell<bool>,
    live: Live,
}

/// How a turn of the loop ended.
enum Turn {
    /// Go on when something is told, or at this time.
    Wait(Option<u64>),
    /// Give the lock to somebody else for now.
    Release,
    /// It is over.
    Done,
}

impl<P: Platform> Driver<P> {
    /// A driver that is not at work yet.
    #[must_use]
    pub fn new(node: Rc<Node<P>>, id: &str) -> Rc<Self> {
        let (tell, told) = unbounded();
        Rc::new(Self {
            node,
            id: id.to_owned(),
            tell,
            told: RefCell::new(Some(told)),
            closing: Cancel::default(),
            in_flight: RefCell::default(),
            urls: RefCell::default(),
            watching: RefCell::default(),
            listens_for_network: Cell::default(),
            live: Live::default(),
        })
    }

    /// Something changed that this driver has not seen: look again, at everything.
    pub fn notify(&self) {
        self.urls.take();
        self.tell(Input::Notified);
    }

    /// Stops, and lets the next owner go on.
    pub fn close(&self) {
        self.closing.cancel();
        self.tell(Input::Close);
    }

    /// Waits for the lock, then works until nothing is left to do.
    pub async fn run(self: Rc<Self>) {
        self.work(false).await;
    }

    /// Waits for the lock, then works until nothing is left of an attempt that has ended. A download that runs again by
    /// then is left to its own driver: nobody notifies this one.
    pub async fn clear_up(self: Rc<Self>) {
        self.work(true).await;
    }

    fn tell(&self, input: Input) {
        // Whoever has stopped working needs to know nothing.
        let _ = self.tell.unbounded_send(input);
    }

    async fn work(self: Rc<Self>, clears_up: bool) {
        let Some(mut told) = self.told.take() else {
            return;
        };
        let Some(mut ownership) = self.own().await else {
            return;
        };
        let settings = Settings {
            role: self.node.platform.app().role(),
            policy: self.node.setup.policy.clone(),
            parallel: self.node.setup.parallel,
            clears_up,
        };
        let mut owner = Owner::new(&self.id, settings);
        loop {
            match self.turn(&mut owner) {
                Turn::Wait(until) => self.wait(&mut owner, &mut told, until).await,
                Turn::Release => {
                    drop(ownership);
                    // Whatever is told may be what this context lacks.
                    let _ = told.next().await;
                    let Some(again) = self.own().await else {
                        return;
                    };
                    ownership = again;
                    owner.handle(self.now(), Input::Acquired);
                }
                Turn::Done => break,
            }
        }
        if clears_up && !owner.download().is_running() {
            self.delete_ended().await;
        }
        self.watching.take();
        drop(ownership);
    }

    /// Does what the owner says until it waits.
    fn turn(self: &Rc<Self>, owner: &mut Owner) -> Turn {
        while let Some(output) = owner.poll(self.now()) {
            match output {
                Output::Read => self.beside(Self::read),
                Output::Observe(look) => {
                    let download = Arc::clone(owner.download());
                    self.beside(async move |driver| driver.observe(&download, look).await);
                }
                Output::Append(batch) => {
                    self.beside(async move |driver| driver.append(*batch).await);
                }
                Output::Start(licensed) => self.start(licensed, owner),
                Output::Cancel(id) => {
                    if let Some(cancel) = self.in_flight.borrow().get(&id) {
                        cancel.cancel();
                    }
                }
                Output::Watch(registration) => self.watch(registration, owner.download()),
                Output::Wait { until, reason } => {
                    if reason == Some(WaitReason::Offline) {
                        self.tell_when_online();
                    }
                    return Turn::Wait(until);
                }
                Output::Release => return Turn::Release,
                Output::Done => return Turn::Done,
            }
        }
        Turn::Done
    }

    async fn wait(
        &self,
        owner: &mut Owner,
        told: &mut UnboundedReceiver<Input>,
        until: Option<u64>,
    ) {
        let mut next = match until {
            None => told.next().await,
            Some(until) => {
                let left = until.saturating_sub(self.now().monotonic_ms);
                let sleep = self.sleep_ms(left);
                match select(told.next(), Box::pin(sleep)).await {
                    Either::Left((input, _)) => input,
                    Either::Right(_) => Some(Input::Elapsed),
                }
            }
        };
        while let Some(input) = next {
            let brought = matches!(
                input,
                Input::Ended(
                    _,
                    Outcome::Stored(_) | Outcome::Failed(_) | Outcome::Harvested { .. }
                )
            );
            owner.handle(self.now(), input);
            if brought {
                self.live.set_stored(owner.stored());
                self.show_live(true);
            }
            next = told.try_recv().ok();
        }
    }

    /// Does something beside the loop, and tells what came of it.
    fn beside<F>(self: &Rc<Self>, work: F)
    where
        F: AsyncFnOnce(Rc<Self>) -> Input + 'static,
    {
        let driver = Rc::clone(self);
        self.node.platform.runtime().spawn(Box::pin(async move {
            let input = work(Rc::clone(&driver)).await;
            driver.tell(input);
        }));
    }

    async fn read(self: Rc<Self>) -> Input {
        match self.node.load(&self.id).await {
            Ok(download) => Input::Read(download.into()),
            Err(error) => self.failed(&error.into()),
        }
    }

    async fn observe(&self, download: &Download, look: Look) -> Input {
        match self.node.observe(download, look).await {
            Ok((observation, held)) => Input::Observed {
                observation: Box::new(observation),
                held,
            },
            Err(error) => self.failed(&error),
        }
    }

    async fn append(&self, batch: Batch) -> Input {
        match self.node.append(batch, None).await {
            Ok(Some(batch)) => Input::Appended(Box::new(batch)),
            Ok(None) => Input::Conflict,
            Err(error) => self.failed(&error.into()),
        }
    }

    fn failed(&self, error: &CommitError) -> Input {
        Input::StoreFailed(self.trouble(error))
    }

    fn trouble(&self, error: &CommitError) -> Store {
        tracing::warn!("the stores failed for {}: {}", self.id, error);
        match error {
            CommitError::Parts(_) => Store::Parts,
            CommitError::Store(_) | CommitError::Rejected(_) => Store::History,
        }
    }

    /// Deletes what is left of an attempt that has ended.
    async fn delete_ended(&self) {
        while let Err(error) = self.node.delete_ended(&self.id).await {
            self.trouble(&error);
            let rest = self.node.platform.runtime().sleep(TROUBLE_MS);
            if self.closing.race(rest).await.is_none() {
                return;
            }
        }
    }

    async fn own(self: &Rc<Self>) -> Option<Ownership> {
        let lock = self.node.lock_name(&self.id);
        let driver = Rc::downgrade(self);
        let lost = Rc::new(move || {
            if let Some(driver) = driver.upgrade() {
                driver.close();
            }
        });
        let owned = self.node.platform.locks().own(&lock, lost);
        match self.closing.race(owned).await? {
            Ok(ownership) => Some(ownership),
            Err(error) => {
                tracing::warn!("no ownership of {}: {}", self.id, error);
                None
            }
        }
    }

    fn now(&self) -> Now {
        Now {
            monotonic_ms: self.node.platform.runtime().monotonic_ms(),
            wall_ms: self.node.platform.runtime().now_ms(),
        }
    }

    async fn sleep_ms(&self, ms: u64) {
        let ms = u32::try_from(ms).unwrap_or(u32::MAX);
        self.node.platform.runtime().sleep(ms).await;
    }

    async fn full_urls(&self, download: &Download) -> Result<Rc<FullUrls>, CommitError> {
        if let Some(known) = self.urls.borrow().as_ref() {
            return Ok(Rc::clone(known));
        }
        let kept = self.node.platform.histories().links(&self.id).await?;
        let urls = Rc::new(FullUrls::read(kept.as_deref(), download));
        self.urls.replace(Some(Rc::clone(&urls)));
        Ok(urls)
    }

    /// Being online again ends a wait early.
    fn tell_when_online(self: &Rc<Self>) {
        if self.node.platform.http().online() || self.listens_for_network.replace(true) {
            return;
        }
        let driver = Rc::downgrade(self);
        let online = self.node.platform.http().came_online();
        self.node.platform.runtime().spawn(Box::pin(async move {
            online.await;
            if let Some(driver) = driver.upgrade() {
                driver.listens_for_network.set(false);
                driver.tell(Input::Notified);
            }
        }));
    }

    /// Watches a job, so that its progress is told and shows up live.
    fn watch(self: &Rc<Self>, registration: Option<String>, download: &Download) {
        self.watching.replace((registration.clone(), None));
        let Some(registration) = registration else {
            return;
        };
        let base = download
            .state
            .transfer()
            .map_or(0, |transfer| transfer.base);
        let driver = Rc::clone(self);
        self.node.platform.runtime().spawn(Box::pin(async move {
            let (weak, of) = (Rc::downgrade(&driver), registration.clone());
            let moved = Box::new(move |state: crate::job::JobState| {
                if let Some(driver) = weak.upgrade() {
                    let all = base.saturating_add(state.downloaded);
                    driver.node.platform.app().live(&driver.id, all, 0);
                    driver.tell(Input::JobMoved {
                        registration: of.clone(),
                        downloaded: state.downloaded,
                    });
                }
            });
            let watched = driver
                .node
                .platform
                .jobs()
                .watch(&registration, moved)
                .await;
            match watched {
                Some((state, watching)) => {
                    let downloaded = state.downloaded;
                    let mut wanted = driver.watching.borrow_mut();
                    if wanted.0.as_ref() == Some(&registration) {
                        wanted.1 = Some(watching);
                    }
                    drop(wanted);
                    driver.tell(Input::JobMoved {
                        registration,
                        downloaded,
                    });
                }
                None => driver.tell(Input::NotWatched),
            }
        }));
    }
}
