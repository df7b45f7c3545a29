//! The part store: downloaded parts at rest, in Cache Storage.
//!
//! One cache per file, so that deleting a file is one atomic `caches.delete`. Within it one response per part, under
//! an address that says which bytes it holds:
//!
//! ```text
//! cache     longhaul/<name>/<file key>
//! request   https://longhaul.invalid/<start, 15 digits>+<length, 15 digits>
//! response  200, no Content-Type, body: the bytes
//! ```
//!
//! Blobs go in and come out by handle; no byte of them passes through wasm memory.

use web_sys::{Blob, ReadableStream};

use crate::js::Exception;

/// A run of bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Range {
    /// The first byte's position.
    pub start: u64,
    /// How many bytes.
    pub len: u64,
}

impl Range {
    /// The position after the last byte.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.start + self.len
    }
}

/// Why the part store could not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PartError {
    /// No room. What was stored before is untouched.
    #[error("the browser has no room left for this part: free some space, then try again")]
    Quota,
    /// A part that the composition needs is not there, or is not as long as it should be.
    #[error("the bytes from {start} on are not stored")]
    Missing {
        /// Where the hole begins.
        start: u64,
    },
    /// The browser gives no Cache Storage here, or refused the operation.
    #[error("the browser's cache cannot be used: {name}: {message}")]
    StorageUnavailable {
        /// The exception's name.
        name: String,
        /// The exception's text.
        message: String,
    },
}

impl From<Exception> for PartError {
    fn from(exception: Exception) -> Self {
        if exception.is_quota() {
            return Self::Quota;
        }
        Self::StorageUnavailable {
            name: exception.name,
            message: exception.message,
        }
    }
}

/// The parts of all files under one name. Cheap to clone; holds nothing open.
#[derive(Debug, Clone)]
pub struct PartStore {
    prefix: String,
}

impl PartStore {
    /// The part store of this name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            prefix: name.into(),
        }
    }

    /// The keys of all files that have a cache, sorted.
    pub async fn files(&self) -> Result<Vec<String>, PartError> {
        todo!("{}", self.prefix)
    }

    /// The parts stored of a file, sorted. Reads no body, and creates nothing where the file is unknown.
    pub async fn list(&self, _file: &str) -> Result<Vec<Range>, PartError> {
        todo!()
    }

    /// Stores a part and says how long it is, as measured. A part stored a second time replaces the first.
    pub async fn put(&self, _file: &str, _start: u64, _part: &Blob) -> Result<u64, PartError> {
        todo!()
    }

    /// A stored part, `None` where it is not there whole.
    pub async fn get(&self, _file: &str, _range: Range) -> Result<Option<Blob>, PartError> {
        todo!()
    }

    /// Deletes a file with all its parts; whether there was one.
    pub async fn delete(&self, _file: &str) -> Result<bool, PartError> {
        todo!()
    }

    /// Deletes one part; whether there was one.
    pub async fn delete_part(&self, _file: &str, _range: Range) -> Result<bool, PartError> {
        todo!()
    }

    /// The bytes `0..total` as one Blob made of the parts' Blobs.
    pub async fn compose_blob(&self, _file: &str, _total: u64) -> Result<Blob, PartError> {
        todo!()
    }

    /// The bytes `start..end` as a stream that reads part after part, each only when it is asked for.
    pub async fn compose_stream(
        &self,
        _file: &str,
        _start: u64,
        _end: u64,
    ) -> Result<ReadableStream, PartError> {
        todo!()
    }
}
