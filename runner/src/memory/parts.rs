//! Parts in memory.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use futures_util::future::LocalBoxFuture;
use longhaul_core::{FileVersion, Range};
use sha2::{Digest, Sha256};

use crate::body::{Chunks, copy_all, copy_exactly};
use crate::delivery::cover;
use crate::errors::{DigestError, HashError, PartError};
use crate::hex::hex;
use crate::ports::{Came, Parts, StoreStreamError};

/// The parts of a file by their start.
type Stored = BTreeMap<u64, Vec<u8>>;

/// A part store in memory. Clones share their content.
#[derive(Debug, Clone, Default)]
pub struct MemoryParts(Rc<RefCell<BTreeMap<String, Stored>>>);

impl MemoryParts {
    /// The bytes of a file from `start` to `end`.
    ///
    /// # Errors
    /// [`PartError::Missing`] where some of them are not stored.
    pub fn bytes(&self, key: &str, start: u64, end: u64) -> Result<Vec<u8>, PartError> {
        let files = self.0.borrow();
        let parts = files.get(key);
        let mut bytes = Vec::new();
        for part in cover(&ranges(parts), start, end)? {
            let missing = PartError::Missing { start: part.start };
            let stored = parts.and_then(|parts| parts.get(&part.start));
            let at = start + bytes.len() as u64;
            let piece = stored.and_then(|stored| {
                let from = usize::try_from(at - part.start).ok()?;
                let to = usize::try_from(end.min(part.end()) - part.start).ok()?;
                stored.get(from..to)
            });
            bytes.extend_from_slice(piece.ok_or(missing)?);
        }
        Ok(bytes)
    }

    fn insert(&self, key: &str, start: u64, part: Vec<u8>) {
        let mut files = self.0.borrow_mut();
        files.entry(key.to_owned()).or_default().insert(start, part);
    }
}

fn ranges(parts: Option<&Stored>) -> Vec<Range> {
    let range = |(start, part): (&u64, &Vec<u8>)| Range::new(*start, part.len() as u64);
    parts.into_iter().flatten().map(range).collect()
}

impl<B: Chunks> Parts<B> for MemoryParts {
    type Blob = Vec<u8>;

    async fn files(&self) -> Result<Vec<String>, PartError> {
        Ok(self.0.borrow().keys().cloned().collect())
    }

    async fn list(&self, key: &str) -> Result<Vec<Range>, PartError> {
        Ok(ranges(self.0.borrow().get(key)))
    }

    async fn put(&self, key: &str, start: u64, part: &Vec<u8>) -> Result<u64, PartError> {
        self.insert(key, start, part.clone());
        Ok(part.len() as u64)
    }

    async fn store_stream(
        &self,
        body: B,
        key: &str,
        range: Range,
        came: Came,
        cancelled: LocalBoxFuture<'_, ()>,
    ) -> Result<(), StoreStreamError> {
        let mut part = Vec::new();
        let keep = |piece: &[u8]| {
            part.extend_from_slice(piece);
            Ok(())
        };
        copy_exactly(body, range.len, &came, cancelled, keep).await?;
        self.insert(key, range.start, part);
        Ok(())
    }

    async fn read(&self, body: B, came: Option<Came>) -> Option<Vec<u8>> {
        let mut all = Vec::new();
        let keep = |piece: &[u8]| {
            all.extend_from_slice(piece);
            Ok(())
        };
        copy_all(body, came.as_ref(), keep).await?;
        Some(all)
    }

    fn size(&self, blob: &Vec<u8>) -> u64 {
        blob.len() as u64
    }

    async fn delete(&self, key: &str) -> Result<(), PartError> {
        self.0.borrow_mut().remove(key);
        Ok(())
    }

    async fn digest(
        &self,
        file: &FileVersion,
        wanted: &dyn Fn() -> bool,
    ) -> Result<String, DigestError> {
        if !wanted() {
            return Err(HashError::Cancelled.into());
        }
        let key = file.key();
        let stored = ranges(self.0.borrow().get(&key));
        let end = stored.iter().map(Range::end).max().unwrap_or(0);
        Ok(hex(&Sha256::digest(self.bytes(&key, 0, end)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::Cut;
    use futures_util::FutureExt;
    use futures_util::future::pending;

    struct Pieces(Vec<Result<Vec<u8>, Cut>>);

    impl Chunks for Pieces {
        async fn next(&mut self) -> Result<Option<Vec<u8>>, Cut> {
            if self.0.is_empty() {
                return Ok(None);
            }
            self.0.remove(0).map(Some)
        }
    }

    fn store(parts: &MemoryParts, body: Vec<Result<Vec<u8>, Cut>>) -> Result<(), StoreStreamError> {
        let range = Range::new(4, 3);
        let cancelled = Box::pin(pending());
        parts
            .store_stream(Pieces(body), "a", range, Box::new(|_| {}), cancelled)
            .now_or_never()
            .expect("nothing to wait for")
    }

    #[test]
    fn a_part_is_whole_or_absent() {
        let parts = MemoryParts::default();
        let cut = store(&parts, vec![Ok(vec![1, 2]), Err(Cut)]);
        assert_eq!(cut, Err(StoreStreamError::Cut));
        let short = store(&parts, vec![Ok(vec![1, 2])]);
        assert_eq!(short, Err(StoreStreamError::Length(2)));
        let long = store(&parts, vec![Ok(vec![1, 2]), Ok(vec![3, 4])]);
        assert_eq!(long, Err(StoreStreamError::Length(4)));
        assert_eq!(parts.bytes("a", 4, 7), Err(PartError::Missing { start: 4 }));
        assert_eq!(store(&parts, vec![Ok(vec![1, 2]), Ok(vec![3])]), Ok(()));
        assert_eq!(parts.bytes("a", 5, 7), Ok(vec![2, 3]));
    }
}
