//! Parts: the bytes that are stored.

use futures_util::future::LocalBoxFuture;
use longhaul_core::{FileVersion, Range};

use crate::errors::{DigestError, PartError};

/// To be called with how many bytes of a body have just come.
pub type Came = Box<dyn Fn(u64)>;

/// Why a body did not become a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreStreamError {
    /// It was cancelled.
    Cancelled,
    /// It ended early: nobody says why.
    Cut,
    /// It is of another length, or had more than it should when it had come to this one.
    Length(u64),
    /// The part store refused it.
    Refused(PartError),
}

/// A store of parts. `B` is the body of an answer as this platform's [`Http`](super::Http) hands it out.
///
/// A part is a range of a file, whole or absent: whatever becomes of the process, a part that is listed has all of its
/// bytes. A file goes by its key ([`FileVersion::key`]), any text without line breaks, up to some thousand bytes long. Positions
/// and lengths are in bytes.
#[allow(async_fn_in_trait)]
pub trait Parts<B> {
    /// A whole body that is not in the store yet, by handle: bytes in memory, or a file without a name.
    type Blob;

    /// The keys of all files of which there may be bytes, in any order.
    async fn files(&self) -> Result<Vec<String>, PartError>;

    /// The parts of a file that are stored, by their start; none where the file is unknown.
    async fn list(&self, key: &str) -> Result<Vec<Range>, PartError>;

    /// Stores a part that begins at `start`; how long it is. What was stored there before is replaced.
    async fn put(&self, key: &str, start: u64, part: &Self::Blob) -> Result<u64, PartError>;

    /// Stores a part straight from a body, without holding it: exactly this range, or nothing. `came` is called as bytes
    /// come. Where `cancelled` is ready first, the transfer is broken off; what is being written then is written or gone
    /// when this returns.
    async fn store_stream(
        &self,
        body: B,
        key: &str,
        range: Range,
        came: Came,
        cancelled: LocalBoxFuture<'_, ()>,
    ) -> Result<(), StoreStreamError>;

    /// Reads a body of unknown length to its end; `None` where it ended early. Dropping the future breaks it off.
    async fn read(&self, body: B, came: Option<Came>) -> Option<Self::Blob>;

    /// The size of a blob in bytes.
    fn size(&self, blob: &Self::Blob) -> u64;

    /// Deletes all parts of a file. One that is unknown is as good.
    async fn delete(&self, key: &str) -> Result<(), PartError>;

    /// The SHA-256 over all that is stored of a file, from its first byte on, as 64 lower case hexadecimal digits. Asked now
    /// and then whether it is still `wanted`.
    ///
    /// # Errors
    /// [`PartError::Missing`] where a part is not there, [`HashError::Cancelled`](crate::errors::HashError) where it is no
    /// longer wanted.
    async fn digest(
        &self,
        file: &FileVersion,
        wanted: &dyn Fn() -> bool,
    ) -> Result<String, DigestError>;

    /// How many bytes more may be stored, where anybody says. It may say too much: only storing tells.
    async fn room(&self) -> Option<u64> {
        None
    }
}
