//! Bytes, without the bytes: which run of which version of which file they are.

use std::rc::Rc;

/// A run of bytes as a server sent them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Piece {
    /// Which file: the server's number.
    pub file: usize,
    /// Which version of it.
    pub version: u32,
    /// Where the run begins in it.
    pub start: u64,
    /// How long it is.
    pub len: u64,
}

/// Bytes, by handle.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bytes(Rc<[Piece]>);

impl Bytes {
    /// These runs, one after the other.
    #[must_use]
    pub fn new(pieces: impl IntoIterator<Item = Piece>) -> Self {
        let mut joined: Vec<Piece> = Vec::new();
        for piece in pieces {
            match joined.last_mut() {
                Some(last)
                    if last.file == piece.file
                        && last.version == piece.version
                        && last.start + last.len == piece.start =>
                {
                    last.len += piece.len;
                }
                _ if piece.len == 0 => {}
                _ => joined.push(piece),
            }
        }
        Self(joined.into())
    }

    /// How many they are.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.0.iter().map(|piece| piece.len).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The runs they are made of.
    #[must_use]
    pub fn pieces(&self) -> &[Piece] {
        &self.0
    }

    /// Whether these are the bytes from `start` on of one version of one file.
    #[must_use]
    pub fn are_from(&self, file: usize, start: u64) -> bool {
        match self.pieces() {
            [] => true,
            [piece] => piece.file == file && piece.start == start,
            _ => false,
        }
    }

    /// Their SHA-256, or what stands for it: 64 digits that differ wherever the bytes do.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for piece in self.pieces() {
            let numbers = [
                piece.file as u64,
                u64::from(piece.version),
                piece.start,
                piece.len,
            ];
            for byte in numbers.into_iter().flat_map(u64::to_le_bytes) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        format!("{hash:064x}")
    }
}

/// The digest of a whole file.
#[must_use]
pub fn digest_of(file: usize, version: u32, size: u64) -> String {
    let piece = Piece {
        file,
        version,
        start: 0,
        len: size,
    };
    Bytes::new([piece]).digest()
}
