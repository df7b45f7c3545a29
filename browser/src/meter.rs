//! Meters: how many bytes of a transfer have come, and since when none has.

use std::cell::Cell;
use std::rc::Rc;

use js_sys::{Object, Uint8Array};
use wasm_bindgen::prelude::*;
use web_sys::{
    ReadableStream, ReadableWritablePair, Response, TransformStream,
    TransformStreamDefaultController,
};

use crate::js::set;
use crate::net::{now_ms, sleep};

/// Counts the bytes of one transfer.
pub struct Meter {
    bytes: Cell<u64>,
    moved_at: Cell<u64>,
}

impl Meter {
    /// A meter at zero.
    #[must_use]
    pub fn new() -> Rc<Self> {
        Rc::new(Self {
            bytes: Cell::new(0),
            moved_at: Cell::new(now_ms()),
        })
    }

    /// Bytes so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    fn add(&self, bytes: u64) {
        self.bytes.set(self.bytes.get() + bytes);
        self.moved_at.set(now_ms());
    }

    /// Waits until nothing has come for `after_ms` milliseconds. A silent connection is reported by no browser.
    pub async fn stalled(&self, after_ms: u64) {
        loop {
            let idle = now_ms().saturating_sub(self.moved_at.get());
            if idle >= after_ms {
                return;
            }
            sleep(u32::try_from(after_ms - idle).unwrap_or(u32::MAX)).await;
        }
    }
}

/// A body that is counted as it passes by. Its chunks are handed on by handle; none enters wasm memory.
pub struct Metered {
    response: Response,
    // The stream calls it for as long as it runs.
    _transform: Closure<dyn FnMut(Uint8Array, TransformStreamDefaultController)>,
}

impl Metered {
    /// Sends a body through the meter; `moved` is called with every chunk.
    pub fn new(
        body: &ReadableStream,
        meter: Rc<Meter>,
        moved: impl Fn() + 'static,
    ) -> Result<Self, JsValue> {
        let transform = Closure::<dyn FnMut(Uint8Array, TransformStreamDefaultController)>::new(
            move |chunk: Uint8Array, controller: TransformStreamDefaultController| {
                meter.add(chunk.byte_length().into());
                moved();
                // A stream that was cancelled meanwhile takes no more, and says so to the sender itself.
                let _ = controller.enqueue_with_chunk(&chunk);
            },
        );
        let transformer = Object::new();
        set(&transformer, "transform", transform.as_ref());
        let through = TransformStream::new_with_transformer(&transformer)?;
        let pair = ReadableWritablePair::new(&through.readable(), &through.writable());
        let response = Response::new_with_opt_readable_stream(Some(&body.pipe_through(&pair)))?;
        Ok(Self {
            response,
            _transform: transform,
        })
    }

    /// The body, to be read while this lives.
    #[must_use]
    pub fn response(&self) -> &Response {
        &self.response
    }
}
