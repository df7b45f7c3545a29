//! Pouring: a body on its way to the cache, counted and measured as it passes, so that nobody holds it.
//!
//! The cache is given a stream that pulls from the body. One that ends early, or does not end, makes the stream fail,
//! and with it the `put`: nothing is stored then.

use std::cell::Cell;
use std::rc::Rc;

use js_sys::Uint8Array;
use wasm_bindgen::JsValue;
use web_sys::{ReadableStream, ReadableStreamDefaultController};

use crate::bytes::Reader;
use crate::js::pulled;
use longhaul_runner::ports::Came;

/// How much is passed on at a time. Whatever a read brings, a buffer of this size goes with it, so it is no more than
/// browsers hand out at once.
const PIECE: u32 = 64 * 1024;

/// What was wrong with a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// The browser broke it off.
    Broken,
    /// It has another length, or has come to this one without ending.
    Length(u64),
}

/// A body that passes by.
pub(crate) struct Pour {
    reader: Reader,
    came: Came,
    /// How long it must be.
    expected: Option<u64>,
    passed: Cell<u64>,
    flaw: Cell<Option<Flaw>>,
}

impl Pour {
    /// The stream that the body passes through, and what watches over it. With `one_buffer` all bytes pass through one:
    /// only for a reader that takes them out before it asks for more.
    pub(crate) fn new(
        body: &ReadableStream,
        expected: Option<u64>,
        came: Came,
        one_buffer: bool,
    ) -> Result<(ReadableStream, Rc<Self>), JsValue> {
        let pour = Rc::new(Self {
            reader: Reader::new(body, PIECE, one_buffer)?,
            came,
            expected,
            passed: Cell::new(0),
            flaw: Cell::default(),
        });
        let (source, cancelled) = (Rc::clone(&pour), Rc::clone(&pour));
        let pull = move |controller| {
            let pour = Rc::clone(&source);
            async move { pour.pull(&controller).await }
        };
        // Nothing is read ahead: what was handed out has been taken when more is asked for.
        let stream = pulled(pull, move || cancelled.reader.cancel(), 0)?;
        Ok((stream, pour))
    }

    /// What was wrong with the body, if it was that.
    pub(crate) fn flaw(&self) -> Option<Flaw> {
        self.flaw.get()
    }

    async fn pull(&self, controller: &ReadableStreamDefaultController) -> Result<(), JsValue> {
        match self.next().await {
            Ok(Some(bytes)) => controller.enqueue_with_chunk(&bytes),
            Ok(None) => controller.close(),
            Err(flaw) => {
                self.flaw.set(Some(flaw));
                Err(js_sys::Error::new("the body is not what was asked for").into())
            }
        }
    }

    /// The next bytes, counted.
    async fn next(&self) -> Result<Option<Uint8Array>, Flaw> {
        let next = self.reader.next().await.map_err(|_| Flaw::Broken)?;
        let len = next.as_ref().map_or(0, |bytes| bytes.byte_length().into());
        let passed = self.passed.get().saturating_add(len);
        self.passed.set(passed);
        if next.is_some() {
            (self.came)(len);
        }
        let Some(expected) = self.expected else {
            return Ok(next);
        };
        if passed > expected {
            self.reader.cancel();
        }
        if passed > expected || (next.is_none() && passed < expected) {
            return Err(Flaw::Length(passed));
        }
        Ok(next)
    }
}
