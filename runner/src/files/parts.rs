//! Parts as files in a folder.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::future::LocalBoxFuture;
use longhaul_core::{FileVersion as Version, Range};
use sha2::{Digest, Sha256};

use super::name_of;
use crate::body::{Chunks, copy_all, copy_exactly};
use crate::delivery::cover;
use crate::errors::{DigestError, HashError, PartError};
use crate::hex::hex;
use crate::ports::{Came, Parts, StoreStreamError};

/// What holds a file's key, beside its parts.
const KEY: &str = "key";
/// How a part is called that is not whole yet.
const UNFINISHED: &str = "tmp";
/// How much is read at a time.
const PIECE: usize = 1 << 16;

/// Parts as files in a folder.
pub struct FileParts {
    folder: PathBuf,
}

/// Bytes on the disk that are no part yet. Deleted when this is dropped, or, where the process dies, by the next one.
pub struct Blob {
    /// Locked, by which it shows that somebody needs it.
    file: File,
    path: PathBuf,
    len: u64,
}

impl Drop for Blob {
    fn drop(&mut self) {
        // Where it became a part it is gone.
        let _ = fs::remove_file(&self.path);
    }
}

impl From<io::Error> for PartError {
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

impl FileParts {
    /// The parts of this folder, which is made where it is missing.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let folder = folder.join("parts");
        fs::create_dir_all(&folder)?;
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|end| end == UNFINISHED) {
                // Whoever needs it holds its lock, or has just made a part of it.
                let free = File::open(&path).is_ok_and(|file| file.try_lock().is_ok());
                if free {
                    let _ = fs::remove_file(&path);
                }
            }
        }
        Ok(Self { folder })
    }

    /// Copies all that is stored of a file, from its first byte on, as long as it is `wanted`; how many bytes there were.
    ///
    /// # Errors
    /// Where a part is missing, or nobody wants it any more.
    pub fn copy(
        &self,
        key: &str,
        to: &mut dyn Write,
        wanted: &dyn Fn() -> bool,
    ) -> Result<u64, DigestError> {
        let folder = self.folder_of(key);
        let stored = ranges(&folder)?;
        let end = stored.iter().map(Range::end).max().unwrap_or(0);
        let mut position = 0;
        let mut piece = vec![0; PIECE];
        for part in cover(&stored, 0, end)? {
            let mut file = File::open(folder.join(part.start.to_string()))
                .map_err(|_| PartError::Missing { start: part.start })?;
            // What an overlap has brought already.
            io::copy(
                &mut (&mut file).take(position - part.start),
                &mut io::sink(),
            )
            .map_err(PartError::from)?;
            loop {
                if !wanted() {
                    return Err(HashError::Cancelled.into());
                }
                let read = file.read(&mut piece).map_err(PartError::from)?;
                if read == 0 {
                    break;
                }
                to.write_all(&piece[..read]).map_err(PartError::from)?;
                position += read as u64;
            }
        }
        Ok(position)
    }

    fn folder_of(&self, key: &str) -> PathBuf {
        self.folder.join(name_of(key))
    }

    /// An empty blob on the same disk as what it may become.
    fn blob(&self) -> io::Result<Blob> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{}-{next}.{UNFINISHED}", std::process::id());
        let path = self.folder.join(name);
        let file = File::create(&path)?;
        file.lock()?;
        Ok(Blob { file, path, len: 0 })
    }

    /// Makes a blob a part: from one moment to the next, and only once all of it is on the disk.
    fn keep(&self, key: &str, start: u64, blob: &Blob) -> io::Result<()> {
        let folder = self.folder_of(key);
        if !folder.join(KEY).exists() {
            fs::create_dir_all(&folder)?;
            let mut named = self.blob()?;
            named.file.write_all(key.as_bytes())?;
            named.file.sync_data()?;
            fs::rename(&named.path, folder.join(KEY))?;
        }
        blob.file.sync_data()?;
        fs::rename(&blob.path, folder.join(start.to_string()))
    }
}

/// The parts in a folder; none where there is no such folder.
fn ranges(folder: &Path) -> Result<Vec<Range>, PartError> {
    let listed = match fs::read_dir(folder) {
        Ok(listed) => listed,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let mut ranges = Vec::new();
    for entry in listed {
        let entry = entry?;
        if let Some(start) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        {
            ranges.push(Range::new(start, entry.metadata()?.len()));
        }
    }
    ranges.sort();
    Ok(ranges)
}

impl<B: Chunks> Parts<B> for FileParts {
    type Blob = Blob;

    async fn files(&self) -> Result<Vec<String>, PartError> {
        let mut keys = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            // What a process left that was killed before the key was written belongs to nobody, and goes with the next part.
            if let Ok(key) = fs::read_to_string(path.join(KEY)) {
                keys.push(key);
            }
        }
        Ok(keys)
    }

    async fn list(&self, key: &str) -> Result<Vec<Range>, PartError> {
        ranges(&self.folder_of(key))
    }

    async fn put(&self, key: &str, start: u64, part: &Blob) -> Result<u64, PartError> {
        self.keep(key, start, part)?;
        Ok(part.len)
    }

    async fn store_stream(
        &self,
        body: B,
        key: &str,
        range: Range,
        came: Came,
        cancelled: LocalBoxFuture<'_, ()>,
    ) -> Result<(), StoreStreamError> {
        let refused = |error| StoreStreamError::Refused(PartError::from(error));
        let mut blob = self.blob().map_err(refused)?;
        let write = |piece: &[u8]| Ok(blob.file.write_all(piece)?);
        copy_exactly(body, range.len, &came, cancelled, write).await?;
        blob.len = range.len;
        self.keep(key, range.start, &blob).map_err(refused)
    }

    async fn read(&self, body: B, came: Option<Came>) -> Option<Blob> {
        let mut blob = self.blob().ok()?;
        let write = |piece: &[u8]| Ok(blob.file.write_all(piece)?);
        blob.len = copy_all(body, came.as_ref(), write).await?;
        Some(blob)
    }

    fn size(&self, blob: &Blob) -> u64 {
        blob.len
    }

    async fn delete(&self, key: &str) -> Result<(), PartError> {
        match fs::remove_dir_all(self.folder_of(key)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    async fn digest(
        &self,
        file: &Version,
        wanted: &dyn Fn() -> bool,
    ) -> Result<String, DigestError> {
        struct Hash(Sha256);
        impl Write for Hash {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.update(bytes);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut hash = Hash(Sha256::new());
        self.copy(&file.key(), &mut hash, wanted)?;
        Ok(hex(&hash.0.finalize()))
    }
}
