//! A stream over the parts of a file. The browser pulls; between two pulls nothing is read.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

use js_sys::Uint8Array;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{ReadableStream, ReadableStreamDefaultController, ReadableStreamDefaultReader};

use super::PartStore;
use crate::js::{ignore, property, pulled, settle};
use longhaul_core::Range;

struct Flow {
    store: PartStore,
    file: String,
    /// What is not opened yet.
    parts: RefCell<VecDeque<Range>>,
    /// The reader of the part at hand, and that part.
    reader: RefCell<Option<(ReadableStreamDefaultReader, Range)>>,
    /// The next byte to hand out.
    position: Cell<u64>,
    end: u64,
    cancelled: Cell<bool>,
}

pub(super) fn compose(
    store: PartStore,
    file: String,
    parts: Vec<Range>,
    start: u64,
    end: u64,
) -> Result<ReadableStream, JsValue> {
    let flow = Rc::new(Flow {
        store,
        file,
        parts: RefCell::new(parts.into()),
        reader: RefCell::new(None),
        position: Cell::new(start),
        end,
        cancelled: Cell::new(false),
    });
    let (source, cancelled) = (flow.clone(), flow);
    let pull = move |controller| {
        let flow = source.clone();
        async move { flow.pull(&controller).await }
    };
    pulled(pull, move || cancelled.cancel(), 1)
}

impl Flow {
    /// Hands out one chunk, or closes. A rejection makes the stream fail with it.
    async fn pull(&self, controller: &ReadableStreamDefaultController) -> Result<(), JsValue> {
        while self.position.get() < self.end && !self.cancelled.get() {
            let (reader, part) = self.reader().await?;
            let part_end = part.end();
            let result = settle(reader.read())
                .await
                .map_err(|exception| broken(&exception.message))?;
            let position = self.position.get();
            if let Ok(chunk) = property(&result, "value").dyn_into::<Uint8Array>() {
                self.position.set(position + u64::from(chunk.length()));
                if self.position.get() > part_end.min(self.end) {
                    self.store.drop_broken(&self.file, part).await;
                    return Err(broken("a stored part is longer than it says"));
                }
                if chunk.length() > 0 && !self.cancelled.get() {
                    controller.enqueue_with_chunk(&chunk)?;
                    break;
                }
            } else {
                self.reader.take();
                // A read that was cancelled ends, too, and says nothing of the part.
                if position < part_end.min(self.end) && !self.cancelled.get() {
                    self.store.drop_broken(&self.file, part).await;
                    return Err(broken("a stored part is shorter than it says"));
                }
            }
        }
        if self.position.get() >= self.end && !self.cancelled.get() {
            self.stop();
            controller.close()?;
        }
        Ok(())
    }

    /// The reader of the part at the current position.
    async fn reader(&self) -> Result<(ReadableStreamDefaultReader, Range), JsValue> {
        if let Some((reader, part)) = &*self.reader.borrow() {
            return Ok((reader.clone(), *part));
        }
        let part = self
            .parts
            .borrow_mut()
            .pop_front()
            .ok_or_else(|| broken("a stored part is missing"))?;
        let body = self
            .store
            .body(&self.file, part, self.position.get(), self.end)
            .await
            .map_err(|_| broken("a stored part is missing"))?;
        let reader = ReadableStreamDefaultReader::new(&body)?;
        self.reader.replace(Some((reader.clone(), part)));
        if self.cancelled.get() {
            self.stop();
        }
        Ok((reader, part))
    }

    fn cancel(&self) {
        self.cancelled.set(true);
        self.stop();
    }

    /// Lets go of the part being read. Nobody waits for that, so nobody needs to hear how it went.
    fn stop(&self) {
        if let Some((reader, _)) = self.reader.take() {
            ignore(reader.cancel());
        }
    }
}

/// What the reader of the stream gets to see.
fn broken(message: &str) -> JsValue {
    js_sys::Error::new(message).into()
}
