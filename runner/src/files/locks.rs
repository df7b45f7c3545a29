//! Locks of the operating system, which a process that dies lets go of.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use futures_util::future::LocalBoxFuture;

use super::name_of;
use crate::errors::LockError;
use crate::ports::{Locks, Ownership};

/// How far apart it is tried again to get a lock that somebody holds, in milliseconds.
const AGAIN_MS: u32 = 50;

/// How an executor waits so many milliseconds.
type Sleep = Box<dyn Fn(u32) -> LocalBoxFuture<'static, ()>>;

/// Locks as files in a folder. Of several who wait, any may be next.
pub struct FileLocks {
    folder: PathBuf,
    sleep: Sleep,
}

impl FileLocks {
    /// The locks of this folder, which is made where it is missing.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn open(
        folder: &Path,
        sleep: impl Fn(u32) -> LocalBoxFuture<'static, ()> + 'static,
    ) -> io::Result<Self> {
        let folder = folder.join("locks");
        fs::create_dir_all(&folder)?;
        let sleep = Box::new(sleep);
        Ok(Self { folder, sleep })
    }
}

impl From<io::Error> for LockError {
    fn from(error: io::Error) -> Self {
        Self::Refused {
            name: error.kind().to_string(),
            message: error.to_string(),
        }
    }
}

impl Locks for FileLocks {
    async fn own(&self, name: &str, _lost: Rc<dyn Fn()>) -> Result<Ownership, LockError> {
        // Never deleted: somebody may hold it open.
        let file = File::create(self.folder.join(name_of(name)))?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Box::new(file)),
                Err(TryLockError::WouldBlock) => (self.sleep)(AGAIN_MS).await,
                Err(TryLockError::Error(error)) => return Err(error.into()),
            }
        }
    }
}
