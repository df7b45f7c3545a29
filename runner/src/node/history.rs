//! History: reading histories into states, deciding on inputs, appending what was decided.

use longhaul_core::{
    Batch, Command, Download, Entry, Event, Input, Origin, Rejection, Role, ValidSpec, decide,
};

use super::Node;
use crate::errors::PartError;
use crate::links::FullUrls;
use crate::ports::histories::{Append, AppendError, EventStore, Links, StoreError};
use crate::ports::{App, Platform, Runtime};

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
pub(super) struct Known {
    head: String,
    download: Download,
}

impl<P: Platform> Node<P> {
    /// The state of a download: the fold of its history, of which only what is new is read.
    pub async fn load(&self, id: &str) -> Result<Download, StoreError> {
        let Some(head) = self.platform.histories().head(id).await? else {
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
        for row in self.platform.histories().read(id, after, None).await? {
            download.apply(Entry::decode(&row.text).as_ref());
        }
        if after > 0 && download.encode() != head.state {
            // Not the history that was read before: from the beginning, then.
            let rows = self.platform.histories().read(id, 0, None).await?;
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
        // A clock can be set back; a history never goes back, and its waits are held against its own time.
        let now = self.platform.runtime().now_ms().max(download.at);
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
        match self.platform.app().role() {
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
        match self.platform.histories().append(&append).await {
            Ok(()) => {
                self.remember(append.head, batch.after());
                // New URLs without an event are news, too.
                self.platform.app().changed(batch.id());
                Ok(Some(batch))
            }
            Err(AppendError::Conflict { .. }) => Ok(None),
            Err(AppendError::Store(error)) => Err(error),
        }
    }

    /// Asks for a download: for what is there, or under way, or else for a new attempt. What has vanished meanwhile is
    /// noticed first.
    pub async fn request(&self, spec: ValidSpec) -> Result<Download, CommitError> {
        let id = spec.id.clone();
        self.look(&id).await?;
        let links = FullUrls::of(&spec).encode();
        let request = Command::Request(Box::new(spec));
        self.command(&id, request, Some(links)).await
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

    /// The states of all downloads, from their heads; a head that cannot be read costs a fold of its history.
    pub async fn list(&self) -> Result<Vec<Download>, StoreError> {
        let mut downloads = Vec::new();
        for head in self.platform.histories().heads().await? {
            let state = Download::decode(&head.state)
                .filter(|download| download.seq == head.seq && download.id == head.download);
            downloads.push(match state {
                Some(download) => download,
                None => self.load(&head.download).await?,
            });
        }
        Ok(downloads)
    }
}
