//! Bodies that are read piece by piece, for stores that take bytes.

use std::pin::pin;

use futures_util::future::{Either, LocalBoxFuture, select};

use crate::errors::PartError;
use crate::ports::{Came, StoreStreamError};

/// A body that comes in pieces.
#[allow(async_fn_in_trait)]
pub trait Chunks {
    /// The next piece; `None` at the end.
    ///
    /// # Errors
    /// [`Cut`] where the body ended before its end.
    async fn next(&mut self) -> Result<Option<Vec<u8>>, Cut>;
}

/// A body ended before its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut;

/// Passes a body on to `sink`, piece by piece, and sees to it that it has exactly `len` bytes. No byte beyond them is
/// passed on.
pub async fn copy_exactly(
    mut body: impl Chunks,
    len: u64,
    came: &Came,
    mut cancelled: LocalBoxFuture<'_, ()>,
    mut sink: impl FnMut(&[u8]) -> Result<(), PartError>,
) -> Result<(), StoreStreamError> {
    let mut passed = 0_u64;
    loop {
        let next = match select(pin!(body.next()), &mut cancelled).await {
            Either::Left((next, _)) => next,
            Either::Right(_) => return Err(StoreStreamError::Cancelled),
        };
        match next {
            Err(Cut) => return Err(StoreStreamError::Cut),
            Ok(None) if passed == len => return Ok(()),
            Ok(None) => return Err(StoreStreamError::Length(passed)),
            Ok(Some(piece)) => {
                passed += piece.len() as u64;
                if passed > len {
                    return Err(StoreStreamError::Length(passed));
                }
                sink(&piece).map_err(StoreStreamError::Refused)?;
                came(piece.len() as u64);
            }
        }
    }
}

/// Passes a body on to `sink`, piece by piece, to its end; how many bytes there were, `None` where it ended early or the
/// sink refused them.
pub async fn copy_all(
    mut body: impl Chunks,
    came: Option<&Came>,
    mut sink: impl FnMut(&[u8]) -> Result<(), PartError>,
) -> Option<u64> {
    let mut passed = 0_u64;
    while let Some(piece) = body.next().await.ok()? {
        passed += piece.len() as u64;
        sink(&piece).ok()?;
        if let Some(came) = came {
            came(piece.len() as u64);
        }
    }
    Some(passed)
}
