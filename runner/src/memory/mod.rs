//! Stores in memory: for tests, and for an app whose downloads need not outlive it.

mod histories;
mod locks;
mod parts;

pub use histories::MemoryHistories;
pub use locks::MemoryLocks;
pub use parts::MemoryParts;
