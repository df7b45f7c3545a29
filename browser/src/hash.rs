//! SHA-256 over bytes at rest, computed as they stream by.

use web_sys::ReadableStream;

use crate::js::Exception;

/// Why there is no hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// The callback said stop.
    #[error("hashing was cancelled")]
    Cancelled,
    /// The stream failed.
    #[error("reading what is stored failed: {0}")]
    Read(String),
}

impl From<Exception> for HashError {
    fn from(exception: Exception) -> Self {
        Self::Read(exception.name)
    }
}

/// Reads the stream to its end and gives the SHA-256 as 64 lowercase hexadecimal digits.
///
/// `progress` is called with the number of bytes done, after every chunk; hashing stops when it answers `false`.
/// Only the chunk at hand enters wasm memory. Other work of the thread gets its turn between chunks.
pub async fn sha256(
    _stream: &ReadableStream,
    _progress: impl FnMut(u64) -> bool,
) -> Result<String, HashError> {
    todo!()
}
