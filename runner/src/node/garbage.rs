//! Garbage collector: deleting what no download refers to any more. Files are shared by all downloads of a name.

use longhaul_core::{Download, EvictedBy, State, identity_of};

use super::{CommitError, Node};
use crate::ports::histories::StoreError;
use crate::ports::{Parts, Platform};

impl<P: Platform> Node<P> {
    /// Deletes files under these keys, except those that another download than `of` refers to.
    pub async fn delete_files(&self, of: &str, keys: &[String]) -> Result<(), CommitError> {
        let downloads = self.list().await?;
        let others: Vec<&Download> = downloads
            .iter()
            .filter(|download| download.id != of)
            .collect();
        for key in keys {
            if !others.iter().any(|other| holds(other) && names(other, key)) {
                self.platform.parts().delete(key).await?;
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
        let mut keys = self.platform.parts().files().await?;
        keys.retain(|key| names(&download, key));
        self.delete_files(id, &keys).await
    }

    /// Deletes every file that no download names. The files are listed before the downloads are read: one that is begun
    /// meanwhile is not among them. The files of a download that was ended are its owner's to delete, when nothing is
    /// being stored of them any more. Where a history cannot be read, the files may be those that it named, and stay.
    pub async fn sweep(&self) -> Result<(), CommitError> {
        let files = self.platform.parts().files().await?;
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
                self.platform.parts().delete(&key).await?;
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
    use longhaul_core::{Event, FileVersion, evolve};

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
