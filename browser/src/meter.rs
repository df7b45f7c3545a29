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
use crate::net::now_ms;

/// Counts the bytes of one transfer.
pub struct Meter {
    bytes: Cell<u64>,
    moved_at: Cell<u64>,
}

impl Meter {
    /// A meter at zero. Times are in milliseconds since 1970.
    #[must_use]
    pub fn new(now: u64) -> Rc<Self> {
        Rc::new(Self {
            bytes: Cell::new(0),
            moved_at: Cell::new(now),
        })
    }

    /// Bytes so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    /// Counts bytes that came now.
    pub fn add(&self, bytes: u64, now: u64) {
        self.bytes.set(self.bytes.get().saturating_add(bytes));
        self.moved_at.set(now);
    }

    /// For how many milliseconds nothing has come. A silent connection is reported by no browser.
    #[must_use]
    pub fn idle_ms(&self, now: u64) -> u64 {
        now.saturating_sub(self.moved_at.get())
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
                meter.add(chunk.byte_length().into(), now_ms());
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
