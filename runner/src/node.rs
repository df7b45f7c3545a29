//! A node: one context (a page, or the service worker) at work on the shared stores.
//!
//! It reads histories into states, appends what the core decides, and takes observations. All contexts do the same over
//! the same stores, so none needs to trust what another one says.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use longhaul_core::owner::Look;
use longhaul_core::{
    Background, Batch, Command, Context, Download, Entry, Event, EvictedBy, FileVersion, Input,
    Job, JobId, Observation, Origin, Policy, Preference, Rejection, Role, Signal, State,
    StoredParts, decide, identity_of,
};

use crate::errors::PartError;
use crate::events::{Append, AppendError, EventStore, Links, StoreError};
use crate::platform::Platform;
use crate::translate;

/// How a node was set up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Setup {
    /// Prefix of database, caches and locks.
    pub name: String,
    /// The transport the app wants.
    pub preference: Preference,
    /// Sizes, limits and delays.
    pub policy: Policy,
    /// How many parts the page fetches at a time.
    pub parallel: usize,
}

/// Why a commit did not come about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// The command is not allowed in this state.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The history cannot be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The parts stored cannot be looked at.
    #[error(transparent)]
    Parts(#[from] PartError),
}

/// What a commit led to.
#[derive(Debug, Clone)]
pub struct Committed {
    /// The state afterwards.
    pub download: Download,
    /// What was appended.
    pub events: Vec<Event>,
}

/// A state with the text of the head it belongs to, by which a history that was forgotten and begun anew is told from
/// the one that was read before.
struct Known {
    head: String,
    download: Download,
}

/// One context at work on the shared stores.
pub struct Node<P> {
    /// How it was set up.
    pub setup: Setup,
    /// The context it runs in.
    pub platform: P,
    known: RefCell<BTreeMap<String, Known>>,
}

impl<P: Platform> Node<P> {
    /// A node in this context.
    #[must_use]
    pub fn new(setup: Setup, platform: P) -> Rc<Self> {
        Rc::new(Self {
            known: RefCell::default(),
            setup,
            platform,
        })
    }

    /// The name of the Web Lock under which a download has its owner.
    #[must_use]
    pub fn lock_name(&self, download: &str) -> String {
        ["longhaul/", &self.setup.name, "/", download].concat()
    }

    /// The state of a download: the fold of its history, of which only what is new is read.
    pub async fn load(&self, id: &str) -> Result<Download, StoreError> {
        let Some(head) = self.platform.store().head(id).await? else {
            self.known.borrow_mut().remove(id);
            return Ok(Download::new(id));
        };
        let before = self
            .known
            .borrow()
            .get(id)
            .map(|known| (known.head == head.state, known.download.clone()));
        let mut download = match before {
            Some((true, download)) => return Ok(download),
            Some((false, download)) if download.seq < head.seq => download,
            _ => Download::new(id),
        };
        let after = download.seq;
        for row in self.platform.store().read(id, after, None).await? {
            download.apply(Entry::decode(&row.text).as_ref());
        }
        if after > 0 && download.encode() != head.state {
            // Not the history that was read before: from the beginning, then.
            let rows = self.platform.store().read(id, 0, None).await?;
            download = Download::fold(id, rows.iter().map(|row| row.text.as_str()));
        }
        // The log can be ahead of the head only between two reads, and behind it only where entries are gone. Those had
        // numbers, which must not be given again.
        if download.seq < head.seq {
            download.degraded = true;
            download.seq = head.seq;
        }
        if download.degraded {
            tracing::warn!("a part of the history of {} cannot be read", id);
        }
        self.remember(head.state, &download);
        Ok(download)
    }

    fn remember(&self, head: String, download: &Download) {
        let known = Known {
            head,
            download: download.clone(),
        };
        self.known.borrow_mut().insert(download.id.clone(), known);
    }

    /// Decides on an input and appends what was decided. `None` where another writer was faster: then the input is to
    /// be made anew from the state as it is by now, so that an observation is never older than the history it is held
    /// against. Without an input there is nothing to decide.
    ///
    /// `links` are the full URLs of a request, kept apart from the history while they are needed.
    //
    // The loop is the caller's. With a closure for the input this function would be compiled once for each caller,
    // state machines and all.
    pub async fn commit(
        &self,
        download: Download,
        input: Option<Input>,
        links: Option<String>,
    ) -> Result<Option<Committed>, CommitError> {
        let now = self.platform.now_ms();
        let events = match input {
            Some(input) => decide(&download, now, input)?,
            None => Vec::new(),
        };
        if events.is_empty() && links.is_none() {
            return Ok(Some(Committed { download, events }));
        }
        let batch = Batch::new(&download, now, self.origin(), events.clone());
        let appended = self.append(batch, links).await?;
        Ok(appended.map(|batch| Committed {
            download: batch.into_after(),
            events,
        }))
    }

    fn origin(&self) -> Origin {
        match self.platform.role() {
            Role::Page => Origin::Page,
            Role::Worker => Origin::ServiceWorker,
        }
    }

    /// Appends a batch, where the history still ends where it was decided: then it is handed back. `links` are the full
    /// URLs of a request.
    pub async fn append(
        &self,
        batch: Batch,
        links: Option<String>,
    ) -> Result<Option<Batch>, StoreError> {
        let append = Append {
            download: batch.id().to_owned(),
            expected: batch.expected(),
            entries: batch.entries().to_vec(),
            head: batch.head(),
            links: match (batch.ends_use_of_urls(), links) {
                (true, _) => Links::Delete,
                (false, Some(links)) => Links::Put(links),
                (false, None) => Links::Keep,
            },
        };
        match self.platform.store().append(&append).await {
            Ok(()) => {
                self.remember(append.head, batch.after());
                // New URLs without an event are news, too.
                self.platform.changed(batch.id());
                Ok(Some(batch))
            }
            Err(AppendError::Conflict { .. }) => Ok(None),
            Err(AppendError::Store(error)) => Err(error),
        }
    }

    /// Decides on a command and appends what was decided, as often as another writer is faster.
    pub async fn command(
        &self,
        id: &str,
        command: Command,
        links: Option<String>,
    ) -> Result<Download, CommitError> {
        loop {
            let download = self.load(id).await?;
            let input = Some(Input::Command(command.clone()));
            if let Some(committed) = self.commit(download, input, links.clone()).await? {
                return Ok(committed.download);
            }
        }
    }

    /// What can be observed of a download now, what is stored included.
    pub async fn observation(&self, download: &Download) -> Result<Observation, PartError> {
        let mut observation = self.observation_without_stored(download).await;
        let keys: Vec<String> = download.files.iter().map(FileVersion::key).collect();
        observation.stored = self.rest(&keys).await?;
        Ok(observation)
    }

    /// What can be observed but for what is stored, which is to be looked at afterwards: a completion that is named
    /// here may store parts until then, but not the other way retry.
    pub async fn observation_without_stored(&self, download: &Download) -> Observation {
        let background = self.platform.background().await;
        let jobs = self.jobs(Some(&download.id)).await;
        let current = download
            .state
            .transfer()
            .and_then(|transfer| transfer.registration.as_ref());
        let absent = current.is_some_and(|id| !jobs.iter().any(|job| job.registration == *id));
        // An absent job is not a lost one: its completion may be under way.
        let handling = if absent {
            self.platform.handling().await
        } else {
            Vec::new()
        };
        Observation {
            jobs,
            handling,
            context: self.context(download, background),
            ..Observation::default()
        }
    }

    /// Looks at what an owner wants to know; and which of the keys that it asks for another download refers to.
    pub async fn observe(
        &self,
        download: &Download,
        look: Look,
    ) -> Result<(Observation, Vec<String>), CommitError> {
        let mut observation = self.observation_without_stored(download).await;
        if !look.keys.is_empty() {
            observation.stored = self.rest(&look.keys).await?;
        }
        let held = if look.held.is_empty() {
            Vec::new()
        } else {
            self.held_by_others(&download.id, &look.held).await?
        };
        if look.room {
            observation.room = self.platform.room().await;
        }
        Ok((observation, held))
    }

    /// What is stored under these keys.
    pub async fn rest(&self, keys: &[String]) -> Result<StoredParts, PartError> {
        let mut rest = StoredParts::new();
        for key in keys {
            if !rest.contains_key(key) {
                let ranges = self.platform.list(key).await?;
                rest.insert(key.clone(), ranges.into());
            }
        }
        Ok(rest)
    }

    /// Looks whether what is available is still there; whatever else a download is, it stays.
    pub async fn look(&self, id: &str) -> Result<Download, CommitError> {
        loop {
            let download = self.load(id).await?;
            if !download.is_available() {
                return Ok(download);
            }
            let keys: Vec<String> = download.files.iter().map(FileVersion::key).collect();
            let observation = Observation {
                stored: self.rest(&keys).await?,
                ..Observation::default()
            };
            let look = Input::Signal(Signal::Observed(Box::new(observation)));
            if let Some(committed) = self.commit(download, Some(look), None).await? {
                return Ok(committed.download);
            }
        }
    }

    fn context(&self, download: &Download, background: Background) -> Context {
        Context {
            name: self.setup.name.clone(),
            role: self.platform.role(),
            offline: !self.platform.online(),
            headers: self.platform.has_headers(download),
            background,
            preference: self.setup.preference,
            policy: self.setup.policy.clone(),
        }
    }

    /// What a registration id of an event says, where the job is one of this name's. Others are left to whoever began them.
    #[must_use]
    pub fn own_job(&self, registration: &str) -> Option<JobId> {
        let own = JobId::parse(registration).filter(|id| id.name == self.setup.name);
        if own.is_none() {
            tracing::warn!("ignored a background job that is not ours");
        }
        own
    }

    /// The jobs of this name that the browser knows: of one download, or of all.
    pub async fn jobs(&self, download: Option<&str>) -> Vec<Job> {
        let mut jobs = Vec::new();
        for state in self.platform.jobs().await {
            if let Some((id, job)) = translate::job(&state, &self.setup.name)
                && download.is_none_or(|download| id.download == download)
            {
                jobs.push(job);
            }
        }
        jobs
    }

    /// The states of all downloads, from their heads; a head that cannot be read costs a fold of its history.
    pub async fn list(&self) -> Result<Vec<Download>, StoreError> {
        let mut downloads = Vec::new();
        for head in self.platform.store().heads().await? {
            let state = Download::decode(&head.state)
                .filter(|download| download.seq == head.seq && download.id == head.download);
            downloads.push(match state {
                Some(download) => download,
                None => self.load(&head.download).await?,
            });
        }
        Ok(downloads)
    }

    /// Deletes files under these keys, except those that another download than `of` refers to.
    pub async fn delete_files(&self, of: &str, keys: &[String]) -> Result<(), CommitError> {
        let downloads = self.list().await?;
        let others: Vec<&Download> = downloads
            .iter()
            .filter(|download| download.id != of)
            .collect();
        for key in keys {
            if !others.iter().any(|other| holds(other) && names(other, key)) {
                self.platform.delete(key).await?;
            }
        }
        Ok(())
    }

    /// Which of these keys another available download than `of` refers to.
    pub(crate) async fn held_by_others(
        &self,
        of: &str,
        keys: &[String],
    ) -> Result<Vec<String>, StoreError> {
        let downloads = self.list().await?;
        let others = downloads
            .iter()
            .filter(|other| other.id != of && other.is_available());
        let others: Vec<&Download> = others.collect();
        let held = |key: &&String| others.iter().any(|other| names(other, key));
        Ok(keys.iter().filter(held).cloned().collect())
    }

    /// Deletes what there is of the files of a download that was ended: empty ones too, of which no part tells. For its
    /// owner, who alone knows that nothing is being stored of it any more.
    pub async fn delete_ended(&self, id: &str) -> Result<(), CommitError> {
        let download = self.load(id).await?;
        if holds(&download) {
            return Ok(());
        }
        let mut keys = self.platform.files().await?;
        keys.retain(|key| names(&download, key));
        self.delete_files(id, &keys).await
    }

    /// Deletes every file that no download names. The files are listed before the downloads are read: one that is begun
    /// meanwhile is not among them. The files of a download that was ended are its owner's to delete, when nothing is
    /// being stored of them any more. Where a history cannot be read, the files may be those that it named, and stay.
    pub async fn sweep(&self) -> Result<(), CommitError> {
        let files = self.platform.files().await?;
        if files.is_empty() {
            return Ok(());
        }
        let downloads = self.list().await?;
        if downloads.iter().any(may_refer_to_anything) {
            return Ok(());
        }
        for key in files {
            if !downloads.iter().any(|download| names(download, &key)) {
                tracing::warn!("removed bytes that belong to no download");
                self.platform.delete(&key).await?;
            }
        }
        Ok(())
    }
}

/// Whether a download is one whose bytes are there, or are to be.
fn holds(download: &Download) -> bool {
    !matches!(
        download.state,
        State::Aborted { .. }
            | State::Evicted {
                by: EvictedBy::Removal
            }
            | State::None
    )
}

/// Whether the file under a key is one of a download's latest attempt, or may be found to be one by an attempt that has
/// not yet written down which files it is about.
fn names(download: &Download, key: &str) -> bool {
    let mut resources = download.spec.iter().flat_map(|spec| &spec.resources);
    let asks_for = |identity: &str| resources.any(|resource| resource.url == identity);
    download.files.iter().any(|file| file.key() == key)
        || (download.state == State::Requested && identity_of(key).is_some_and(asks_for))
}

/// Whether nobody can say any more which bytes are a download's.
fn may_refer_to_anything(download: &Download) -> bool {
    download.degraded
}

#[cfg(test)]
mod tests {
    use super::*;
    use longhaul_core::evolve;

    const URL: &str = "https://host/model.gguf";

    fn file() -> FileVersion {
        FileVersion {
            url: URL.to_owned(),
            size: Some(3),
            validator: None,
            part_bytes: None,
            content_type: None,
            cross_origin: false,
        }
    }

    /// A download as it is after these events.
    fn after(events: &[Event]) -> Download {
        let mut download = Download::default();
        for event in events {
            evolve(&mut download, event);
        }
        download
    }

    fn requested(url: &str) -> Event {
        let resource = longhaul_core::Resource {
            url: url.to_owned(),
            bytes: None,
            sha256: None,
        };
        Event::Requested {
            attempt: 1,
            spec: longhaul_core::Spec {
                id: "model".to_owned(),
                title: None,
                icons: Vec::new(),
                secret_params: Vec::new(),
                resources: vec![resource],
                headers: false,
            },
            restarts: 0,
        }
    }

    #[test]
    fn a_download_that_was_only_asked_for_may_find_any_version_of_its_files() {
        let asked = after(&[requested(URL)]);
        assert!(names(&asked, &file().key()));
        let other = FileVersion {
            size: Some(4),
            ..file()
        };
        assert!(names(&asked, &other.key()));
        assert!(!names(
            &after(&[requested("https://host/m")]),
            &file().key()
        ));
        assert!(!names(&after(&[]), &file().key()));
    }

    #[test]
    fn of_a_history_that_cannot_be_read_in_part_nobody_knows_which_files_it_named() {
        let mut download = after(&[requested("https://host/other")]);
        assert!(!may_refer_to_anything(&download));
        download.degraded = true;
        assert!(may_refer_to_anything(&download));
    }
}
