//! SHA-256 over bytes stored, computed as they stream by.

use sha2::{Digest, Sha256};
use wasm_bindgen::JsValue;
use web_sys::{MessageChannel, ReadableStream};

use crate::bytes::Reader;
use crate::js::{Exception, listen};
use crate::net::now_ms;
use longhaul_runner::errors::HashError;
use longhaul_runner::hex::hex;
use longhaul_runner::once;

impl From<Exception> for HashError {
    fn from(exception: Exception) -> Self {
        Self::Read(exception.name)
    }
}

/// Most bytes that are in wasm memory at once. Browsers hand out chunks of 64 KiB to several MiB.
const PIECE: u32 = 256 * 1024;

/// How long one turn may last, in milliseconds, before other work gets its own.
const TURN: u64 = 25;

/// Reads the stream to its end and gives the SHA-256 as 64 lowercase hexadecimal digits.
///
/// `progress` is called with the number of bytes done, after every chunk; hashing stops when it answers `false`.
/// Only the piece at hand enters wasm memory. Other work of the thread gets its turn between chunks.
pub async fn sha256(
    stream: &ReadableStream,
    mut progress: impl FnMut(u64) -> bool,
) -> Result<String, HashError> {
    let mut hash = Hash::new();
    hash.read(stream, &mut progress).await?;
    Ok(hash.digest())
}

/// A hash of several streams, one after the other.
pub(crate) struct Hash {
    sha: Sha256,
    /// The piece at hand.
    piece: Vec<u8>,
    done: u64,
    /// When this turn began.
    turn: u64,
}

impl Hash {
    pub(crate) fn new() -> Self {
        Self {
            sha: Sha256::new(),
            piece: vec![0; PIECE as usize],
            done: 0,
            turn: now_ms(),
        }
    }

    /// Reads a stream to its end; how many bytes it had.
    pub(crate) async fn read(
        &mut self,
        stream: &ReadableStream,
        progress: &mut dyn FnMut(u64) -> bool,
    ) -> Result<u64, HashError> {
        let before = self.done;
        let reader = Reader::new(stream, PIECE, true).map_err(failed)?;
        while let Some(chunk) = reader.next().await? {
            let len = chunk.length();
            let mut from = 0;
            while from < len {
                let to = len.min(from + PIECE);
                let piece = &mut self.piece[..(to - from) as usize];
                chunk.subarray(from, to).copy_to(piece);
                self.sha.update(&*piece);
                from = to;
            }
            self.done += u64::from(len);
            if !progress(self.done) {
                reader.cancel();
                return Err(HashError::Cancelled);
            }
            if now_ms().saturating_sub(self.turn) >= TURN {
                yield_now().await;
                self.turn = now_ms();
            }
        }
        Ok(self.done - before)
    }

    /// 64 lowercase hexadecimal digits.
    pub(crate) fn digest(self) -> String {
        hex(&self.sha.finalize())
    }
}

/// Lets the thread's other tasks run. Not a timer: those are stretched to a second and more in hidden pages.
async fn yield_now() {
    let Ok(channel) = MessageChannel::new() else {
        return;
    };
    let (sender, receiver) = once::channel();
    let mut sender = Some(sender);
    let port = channel.port1();
    let _listener = listen(&port, "message", move |_| {
        if let Some(sender) = sender.take() {
            let _ = sender.send(());
        }
    });
    port.start();
    if channel.port2().post_message(&JsValue::NULL).is_ok() {
        receiver.await;
    }
    port.close();
}

// By value, as `map_err` wants it.
#[allow(clippy::needless_pass_by_value)]
fn failed(thrown: JsValue) -> HashError {
    Exception::from_js(&thrown).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_lowercase_and_padded() {
        assert_eq!(hex(&[0, 15, 16, 255]), "000f10ff");
        let abc = Sha256::digest(b"abc");
        assert_eq!(
            hex(&abc),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
