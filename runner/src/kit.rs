//! A platform for an app that brings a clock, an executor and an HTTP client, and takes the rest ready-made.

use std::rc::Rc;

use crate::memory::{MemoryHistories, MemoryLocks, MemoryParts};
use crate::ports::{App, EventStore, Http, Locks, NoJobs, Parts, Platform, Runtime};

/// What the app brings, and stores to choose from. Nothing downloads in the background.
pub struct Kit<T, H, P, L> {
    /// What the app brings.
    pub process: Rc<T>,
    /// The histories.
    pub histories: H,
    /// The bytes.
    pub parts: P,
    /// Who may work on what.
    pub locks: L,
}

/// A platform whose downloads go with the process.
pub type MemoryKit<T> = Kit<T, MemoryHistories, MemoryParts, MemoryLocks>;

impl<T> MemoryKit<T> {
    /// Everything in memory.
    #[must_use]
    pub fn in_memory(process: T) -> Self {
        Self {
            process: Rc::new(process),
            histories: MemoryHistories::default(),
            parts: MemoryParts::default(),
            locks: MemoryLocks::default(),
        }
    }
}

/// A platform whose downloads outlive the process, and are shared with others over the same folder.
#[cfg(not(target_arch = "wasm32"))]
pub type FileKit<T> =
    Kit<T, crate::files::FileHistories, crate::files::FileParts, crate::files::FileLocks>;

#[cfg(not(target_arch = "wasm32"))]
impl<T: Runtime + 'static> FileKit<T> {
    /// Everything in a folder, which is made where it is missing.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn in_folder(process: T, folder: &std::path::Path) -> std::io::Result<Self> {
        let process = Rc::new(process);
        let clock = Rc::clone(&process);
        Ok(Self {
            process,
            histories: crate::files::FileHistories::open(folder)?,
            parts: crate::files::FileParts::open(folder)?,
            locks: crate::files::FileLocks::open(folder, move |ms| clock.sleep(ms))?,
        })
    }
}

impl<T, H, P, L> Platform for Kit<T, H, P, L>
where
    T: Runtime + Http + App + 'static,
    H: EventStore + 'static,
    P: Parts<T::Body> + 'static,
    L: Locks + 'static,
{
    type Runtime = T;
    type Histories = H;
    type Http = T;
    type Parts = P;
    type Jobs = NoJobs;
    type Locks = L;
    type App = T;

    fn runtime(&self) -> &T {
        &self.process
    }

    fn histories(&self) -> &H {
        &self.histories
    }

    fn http(&self) -> &T {
        &self.process
    }

    fn parts(&self) -> &P {
        &self.parts
    }

    fn jobs(&self) -> &NoJobs {
        &NoJobs
    }

    fn locks(&self) -> &L {
        &self.locks
    }

    fn app(&self) -> &T {
        &self.process
    }
}
