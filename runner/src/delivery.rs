//! Finding what is stored and may be handed out.

use longhaul_core::{Download, FileVersion, Range, identity};

use crate::errors::PartError;
use crate::node::{CommitError, Node};
use crate::ports::{Parts, Platform};

/// A stored file, with where it ends.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The file.
    pub file: FileVersion,
    /// Its size in bytes, as it is stored.
    pub size: u64,
}

impl<P: Platform> Node<P> {
    /// The first available download's file that a URL means, if its bytes are all there.
    pub async fn find(&self, url: &str) -> Result<Option<Stored>, CommitError> {
        for download in self.list().await? {
            let Some(resource) = resource_of(&download, url).filter(|_| download.is_available())
            else {
                continue;
            };
            // What was evicted behind our back is noticed here.
            let download = self.look(&download.id).await?;
            if download.is_available()
                && let Some(stored) = self.stored(&download, resource).await?
            {
                return Ok(Some(stored));
            }
        }
        Ok(None)
    }

    /// A file of a download, as it is stored; `None` where there is no such resource.
    pub async fn stored(
        &self,
        download: &Download,
        resource: usize,
    ) -> Result<Option<Stored>, PartError> {
        let Some(file) = download.files.get(resource) else {
            return Ok(None);
        };
        let size = match file.size {
            Some(size) => size,
            None => self
                .platform
                .parts()
                .list(&file.key())
                .await?
                .iter()
                .map(Range::end)
                .max()
                .unwrap_or(0),
        };
        Ok(Some(Stored {
            file: file.clone(),
            size,
        }))
    }
}

/// The parts that the bytes from `start` to `end` can be read from, one after the other, of those that are stored.
///
/// # Errors
/// [`PartError::Missing`] where there is a hole.
pub fn cover(parts: &[Range], start: u64, end: u64) -> Result<Vec<Range>, PartError> {
    let mut chosen = Vec::new();
    let mut position = start;
    while position < end {
        let next = parts
            .iter()
            .filter(|part| part.start <= position && position < part.end())
            .max_by_key(|part| part.end())
            .ok_or(PartError::Missing { start: position })?;
        chosen.push(*next);
        position = next.end();
    }
    Ok(chosen)
}

/// Which resource of a download a URL means.
#[must_use]
pub fn resource_of(download: &Download, url: &str) -> Option<usize> {
    let spec = download.spec.as_ref()?;
    let identity = identity(url, &spec.secret_params);
    spec.resources
        .iter()
        .position(|resource| resource.url == identity)
}
