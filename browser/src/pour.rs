//! Pouring: a body on its way to the cache, counted and measured as it passes, so that nobody holds it.
//!
//! The cache is given a stream that pulls from the body. One that ends early, or does not end, makes the stream fail,
//! and with it the `put`: nothing is stored then.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use js_sys::{Object, Promise, Uint8Array};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::future_to_promise;
use web_sys::{
    QueuingStrategy, ReadableByteStreamController, ReadableStream, ReadableStreamDefaultController,
};

use crate::bytes::{Next, Reader};
use crate::js::{property, set};
use crate::meter::Meter;
use crate::net::now_ms;

/// How much is passed on at a time. Whatever a read brings, a buffer of this size goes with it, so it is no more than
/// browsers hand out at once.
const PIECE: u32 = 64 * 1024;

/// Counts what comes, and is called then.
type Metering = (Rc<Meter>, Box<dyn Fn()>);

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
    meter: Option<Metering>,
    /// How long it must be.
    expected: Option<u64>,
    passed: Cell<u64>,
    /// Filled again and again, where whoever reads takes the bytes out before it asks for more.
    buffer: Option<RefCell<Uint8Array>>,
    flaw: RefCell<Option<Flaw>>,
}

impl Pour {
    /// The stream that the body passes through, and what watches over it. With `one_buffer` all bytes pass through one:
    /// only for a reader that takes them out before it asks for more.
    pub(crate) fn new(
        body: &ReadableStream,
        expected: Option<u64>,
        meter: Option<Metering>,
        one_buffer: bool,
    ) -> Result<(ReadableStream, Rc<Self>), JsValue> {
        let reader = Reader::new(body)?;
        let buffer = (one_buffer && reader.fills())
            .then(|| RefCell::new(Uint8Array::new_with_length(PIECE)));
        let pour = Rc::new(Self {
            reader,
            meter,
            expected,
            passed: Cell::new(0),
            buffer,
            flaw: RefCell::default(),
        });
        let source = Object::new();
        let (pulled, cancelled) = (Rc::clone(&pour), Rc::clone(&pour));
        let pull: JsValue = if pour.reader.fills() && pour.buffer.is_none() {
            set(&source, "type", &"bytes".into());
            set(&source, "autoAllocateChunkSize", &PIECE.into());
            let fill = move |controller: ReadableByteStreamController| {
                let pour = Rc::clone(&pulled);
                promise(async move { pour.fill(&controller).await })
            };
            Closure::<dyn FnMut(ReadableByteStreamController) -> Promise>::new(fill).into_js_value()
        } else {
            let hand = move |controller: ReadableStreamDefaultController| {
                let pour = Rc::clone(&pulled);
                promise(async move { pour.hand(&controller).await })
            };
            Closure::<dyn FnMut(ReadableStreamDefaultController) -> Promise>::new(hand)
                .into_js_value()
        };
        let cancel = Closure::<dyn FnMut()>::new(move || cancelled.reader.cancel());
        // Owned by the stream from here on, and collected with it.
        set(&source, "pull", &pull);
        set(&source, "cancel", &cancel.into_js_value());
        // Nothing is read ahead: what was handed out has been taken when more is asked for.
        let strategy = QueuingStrategy::new();
        strategy.set_high_water_mark(0.0);
        let stream = ReadableStream::new_with_underlying_source_and_strategy(&source, &strategy)?;
        Ok((stream, pour))
    }

    /// What was wrong with the body, if it was that.
    pub(crate) fn flaw(&self) -> Option<Flaw> {
        *self.flaw.borrow()
    }

    async fn fill(&self, controller: &ReadableByteStreamController) -> Result<(), JsValue> {
        let request = property(controller, "byobRequest");
        let request: web_sys::ReadableStreamByobRequest = request.dyn_into()?;
        let view = request.view().map_or(JsValue::UNDEFINED, JsValue::from);
        match self.next(&view.dyn_into()?).await? {
            Next::Bytes(bytes) => request.respond_with_new_view_with_js_u8_array(&bytes),
            Next::End(rest) => {
                controller.close()?;
                match rest {
                    Some(rest) => request.respond_with_new_view_with_js_u8_array(&rest),
                    None => Ok(()),
                }
            }
        }
    }

    async fn hand(&self, controller: &ReadableStreamDefaultController) -> Result<(), JsValue> {
        let buffer = self.buffer.as_ref().map(RefCell::take);
        match self.next(&buffer.unwrap_or_default()).await? {
            Next::Bytes(bytes) => {
                if let Some(buffer) = &self.buffer {
                    buffer.replace(Uint8Array::new(&bytes.buffer()));
                }
                controller.enqueue_with_chunk(&bytes)
            }
            Next::End(_) => controller.close(),
        }
    }

    /// The next bytes, counted. A rejection makes the stream fail with it.
    async fn next(&self, buffer: &Uint8Array) -> Result<Next, JsValue> {
        let Ok(next) = self.reader.next(buffer).await else {
            return Err(self.flawed(Flaw::Broken));
        };
        let expected = self.expected;
        match &next {
            Next::Bytes(bytes) => {
                let len = u64::from(bytes.byte_length());
                let passed = self.passed.get().saturating_add(len);
                self.passed.set(passed);
                if let Some((meter, moved)) = &self.meter {
                    meter.add(len, now_ms());
                    moved();
                }
                if expected.is_some_and(|expected| passed > expected) {
                    self.reader.cancel();
                    return Err(self.flawed(Flaw::Length(passed)));
                }
            }
            Next::End(_) => {
                let passed = self.passed.get();
                if expected.is_some_and(|expected| passed != expected) {
                    return Err(self.flawed(Flaw::Length(passed)));
                }
            }
        }
        Ok(next)
    }

    fn flawed(&self, flaw: Flaw) -> JsValue {
        self.flaw.replace(Some(flaw));
        js_sys::Error::new("the body is not what was asked for").into()
    }
}

fn promise(work: impl Future<Output = Result<(), JsValue>> + 'static) -> Promise {
    future_to_promise(async move { work.await.map(|()| JsValue::UNDEFINED) })
}
