//! SHA-256 over bytes at rest, computed as they stream by.

use js_sys::Uint8Array;
use sha2::{Digest, Sha256};
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{MessageChannel, ReadableStream, ReadableStreamDefaultReader};

use crate::js::{Exception, ignore, listen, property, settle};
use crate::net::now_ms;
use crate::once;

/// Why there is no hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// The callback said stop.
    #[error("hashing was cancelled")]
    Cancelled,
    /// The stream failed: the exception's name.
    #[error("reading what is stored failed: {0}")]
    Read(String),
}

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
    let reader = ReadableStreamDefaultReader::new(stream).map_err(failed)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; PIECE as usize];
    let mut done = 0;
    let mut turn = now_ms();
    loop {
        let result = settle(reader.read()).await?;
        let Ok(chunk) = property(&result, "value").dyn_into::<Uint8Array>() else {
            break;
        };
        let len = chunk.length();
        let mut from = 0;
        while from < len {
            let to = len.min(from + PIECE);
            let piece = &mut buffer[..(to - from) as usize];
            chunk.subarray(from, to).copy_to(piece);
            hash.update(&*piece);
            from = to;
        }
        done += u64::from(len);
        if !progress(done) {
            ignore(reader.cancel());
            return Err(HashError::Cancelled);
        }
        if now_ms() - turn >= TURN {
            yield_now().await;
            turn = now_ms();
        }
    }
    Ok(hex(&hash.finalize()))
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

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        text.push(DIGITS[usize::from(byte >> 4)].into());
        text.push(DIGITS[usize::from(byte & 15)].into());
    }
    text
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
