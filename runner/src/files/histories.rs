//! Histories as one file that only grows: newline-delimited JSON, one entry a line.
//!
//! The lines of one append follow each other, and all but the last have a space before their end. So it shows where an
//! append was cut short by the death of its process: what stands behind the last line without that space counts for nothing,
//! and is cut off by the next one who appends.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use longhaul_core::{Download, Entry};

use crate::memory::MemoryHistories;
use crate::ports::histories::{Append, AppendError, EventStore, Head, Links, Row, StoreError};

/// How an append ends.
const END: &[u8] = b"}\n";

/// Histories in a file. Heads are folded when it is read.
///
/// Full URLs are kept in memory alone, and go with the process: whoever wants a download to go on asks for it again, and
/// says where from.
pub struct FileHistories {
    folder: PathBuf,
    read: RefCell<Read>,
    /// How long the file was when it was last asked whether it has changed.
    bytes: Cell<u64>,
}

/// What was read of the file.
#[derive(Default)]
struct Read {
    text: Vec<u8>,
    folded: BTreeMap<String, Download>,
    memory: MemoryHistories,
}

impl From<io::Error> for StoreError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Quota,
            kind => Self::StorageUnavailable {
                name: kind.to_string(),
                message: error.to_string(),
            },
        }
    }
}

impl Read {
    /// Takes in what a line says. One that is no entry is passed over: nobody can say whose it is.
    async fn line(&mut self, line: &str) -> Result<(), StoreError> {
        let entry = Entry::decode(line);
        let id = match &entry {
            Ok(entry) => entry.download.clone(),
            Err(error) => match error.envelope() {
                Some(envelope) => envelope.download.clone(),
                None => return Ok(()),
            },
        };
        let head = self.memory.head(&id).await?;
        let folded = self.folded.entry(id.clone());
        let folded = folded.or_insert_with(|| Download::new(&id));
        folded.apply(entry.as_ref());
        let append = Append {
            download: id,
            expected: head.map_or(0, |head| head.seq),
            entries: vec![line.to_owned()],
            head: folded.encode(),
            links: Links::Keep,
        };
        // It is not in dispute where it ends: it was asked.
        let appended = self.memory.append(&append).await;
        debug_assert!(appended.is_ok(), "{appended:?}");
        Ok(())
    }
}

impl FileHistories {
    /// The histories of this folder, which is made where it is missing.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self {
            folder: folder.to_owned(),
            read: RefCell::default(),
            bytes: Cell::default(),
        })
    }

    /// Whether anybody has written since this was asked last: other processes, or this one.
    #[must_use]
    pub fn has_changed(&self) -> bool {
        let bytes = fs::metadata(self.path()).map_or(0, |metadata| metadata.len());
        self.bytes.replace(bytes) != bytes
    }

    fn path(&self) -> PathBuf {
        self.folder.join("history.ndjson")
    }

    /// The histories as they are by now.
    // Nothing is polled twice while this is borrowed: memory does not wait.
    #[allow(clippy::await_holding_refcell_ref)]
    async fn now(&self) -> Result<MemoryHistories, StoreError> {
        let bytes = match fs::read(self.path()) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            bytes => bytes?,
        };
        let whole = bytes.windows(END.len()).rposition(|two| two == END);
        let bytes = &bytes[..whole.map_or(0, |at| at + END.len())];
        let mut read = self.read.borrow_mut();
        if !bytes.starts_with(&read.text) {
            // Somebody has written it anew.
            *read = Read::default();
        }
        let new = String::from_utf8_lossy(&bytes[read.text.len()..]).into_owned();
        read.text = bytes.to_vec();
        for line in new.lines() {
            read.line(line.trim_end()).await?;
        }
        Ok(read.memory.clone())
    }

    /// Holds everybody else off who appends, until it is dropped.
    fn lock(&self) -> io::Result<File> {
        let lock = File::create(self.folder.join("history.lock"))?;
        lock.lock()?;
        Ok(lock)
    }

    fn write(&self, entries: &[String]) -> io::Result<()> {
        let whole = self.read.borrow().text.len() as u64;
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .open(self.path())?;
        file.set_len(whole)?;
        file.write_all((entries.join(" \n") + "\n").as_bytes())?;
        file.sync_data()
    }
}

impl EventStore for FileHistories {
    async fn heads(&self) -> Result<Vec<Head>, StoreError> {
        self.now().await?.heads().await
    }

    async fn head(&self, download: &str) -> Result<Option<Head>, StoreError> {
        self.now().await?.head(download).await
    }

    async fn read(
        &self,
        download: &str,
        after: u64,
        limit: Option<u32>,
    ) -> Result<Vec<Row>, StoreError> {
        self.now().await?.read(download, after, limit).await
    }

    async fn read_all(&self, limit: Option<u32>) -> Result<Vec<Row>, StoreError> {
        self.now().await?.read_all(limit).await
    }

    async fn append(&self, batch: &Append) -> Result<(), AppendError> {
        let _lock = self.lock().map_err(StoreError::from)?;
        let memory = self.now().await?;
        let head = memory.head(&batch.download).await?;
        let found = head.as_ref().map_or(0, |head| head.seq);
        if found != batch.expected {
            return Err(AppendError::Conflict { found });
        }
        if !batch.entries.is_empty() {
            self.write(&batch.entries).map_err(StoreError::from)?;
        }
        let memory = self.now().await?;
        let links = Append {
            expected: batch.last(),
            entries: Vec::new(),
            ..batch.clone()
        };
        memory.append(&links).await
    }

    async fn links(&self, download: &str) -> Result<Option<String>, StoreError> {
        self.now().await?.links(download).await
    }

    /// Writes the file anew, without this download.
    async fn forget(&self, download: &str, expected: u64) -> Result<(), AppendError> {
        let _lock = self.lock().map_err(StoreError::from)?;
        let memory = self.now().await?;
        let head = memory.head(download).await?;
        let found = head.map_or(0, |head| head.seq);
        if found != expected {
            return Err(AppendError::Conflict { found });
        }
        let mut rows = memory.read_all(None).await?;
        rows.retain(|row| row.download != download);
        let text: String = rows.iter().flat_map(|row| [&row.text, "\n"]).collect();
        let new = self.folder.join("history.new");
        fs::write(&new, text)
            .and_then(|()| fs::rename(new, self.path()))
            .map_err(StoreError::from)?;
        memory.forget(download, expected).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use longhaul_core::{AbortedBy, Event, Origin};

    /// A folder that goes with the test.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let own = format!("longhaul-{name}-{}", std::process::id());
            Self(std::env::temp_dir().join(own))
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn at_once<T>(answer: impl Future<Output = T>) -> T {
        answer.now_or_never().expect("files are read at once")
    }

    fn append(
        histories: &FileHistories,
        id: &str,
        expected: u64,
        count: u64,
    ) -> Result<(), AppendError> {
        let by = AbortedBy::App;
        let entry =
            |n| Entry::new(id, expected + n, 7, Origin::Page, Event::Aborted { by }).encode();
        at_once(histories.append(&Append {
            download: id.to_owned(),
            expected,
            entries: (1..=count).map(entry).collect(),
            head: String::new(),
            links: Links::Keep,
        }))
    }

    fn seq(histories: &FileHistories, id: &str) -> u64 {
        let head = at_once(histories.head(id)).expect("readable");
        head.map_or(0, |head| head.seq)
    }

    #[test]
    fn an_append_is_there_whole_or_not_at_all_wherever_it_was_cut_short() {
        let folder = Folder::new("torn");
        let whole = FileHistories::open(&folder.0).expect("a folder");
        append(&whole, "a", 0, 1).expect("appended");
        let before = fs::metadata(whole.path()).expect("a file").len();
        append(&whole, "a", 1, 3).expect("appended");
        let text = fs::read(whole.path()).expect("readable");
        for cut in before..=text.len() as u64 {
            let at = usize::try_from(cut).expect("fits");
            fs::write(whole.path(), &text[..at]).expect("written");
            let torn = FileHistories::open(&folder.0).expect("a folder");
            let found = seq(&torn, "a");
            let expected = if at == text.len() { 4 } else { 1 };
            assert_eq!(found, expected, "cut at {cut}");
            append(&torn, "a", found, 2).expect("goes on");
            // Whoever had read more sees what was written since.
            assert_eq!(seq(&whole, "a"), found + 2, "cut at {cut}");
            let rows = at_once(torn.read("a", 0, None)).expect("readable");
            assert!(rows.iter().all(|row| Entry::decode(&row.text).is_ok()));
        }
    }

    #[test]
    fn of_two_writers_one_hears_of_the_other() {
        let folder = Folder::new("writers");
        let one = FileHistories::open(&folder.0).expect("a folder");
        let other = FileHistories::open(&folder.0).expect("a folder");
        append(&one, "a", 0, 1).expect("appended");
        let conflict = append(&other, "a", 0, 1);
        assert_eq!(conflict, Err(AppendError::Conflict { found: 1 }));
        append(&other, "a", 1, 1).expect("appended");
        assert_eq!(seq(&one, "a"), 2);
        append(&one, "b", 0, 1).expect("appended");
        at_once(other.forget("a", 2)).expect("forgotten");
        assert_eq!((seq(&one, "a"), seq(&one, "b")), (0, 1));
    }
}
