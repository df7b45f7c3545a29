//! Web Locks: one owner at a time for what must not be done twice, across all tabs and the worker.

use std::cell::RefCell;
use std::rc::Rc;

use js_sys::{Array, Function, Object, Promise};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::AbortSignal;

use crate::js::{Exception, global, property, set, settle, text};
use longhaul_runner::errors::LockError;
use longhaul_runner::once;

/// A lock that is held until this is dropped.
#[must_use = "dropping the guard releases the lock"]
pub struct Guard {
    /// Resolves the promise for as long as which the browser keeps the lock.
    release: Function,
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.release.call0(&JsValue::UNDEFINED);
    }
}

// The bindings of `web-sys` need a compiler flag for every user of this crate.
#[wasm_bindgen]
extern "C" {
    type LockManager;

    #[wasm_bindgen(method, catch)]
    fn request(
        this: &LockManager,
        name: &str,
        options: &Object,
        callback: &JsValue,
    ) -> Result<Promise, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn query(this: &LockManager) -> Result<Promise, JsValue>;
}

fn manager() -> Option<LockManager> {
    let locks = property(&global("navigator"), "locks");
    locks.is_object().then(|| locks.unchecked_into())
}

/// Whether this browser has Web Locks here (insecure contexts have none).
#[must_use]
pub fn supported() -> bool {
    manager().is_some()
}

/// Waits for the lock, first come, first served. When the future is dropped, the lock is let go as soon as it comes.
pub async fn acquire(name: &str, signal: Option<&AbortSignal>) -> Result<Guard, LockError> {
    let options = Object::new();
    if let Some(signal) = signal {
        set(&options, "signal", signal);
    }
    let granted = request(name, &options).await;
    match granted {
        Ok(Some(guard)) => Ok(guard),
        // Without `ifAvailable` the browser never answers with nothing.
        Ok(None) => Err(refused(Exception::new("Error", "no lock was given"))),
        // The reason of an abort can be anything; the signal itself says that it was one.
        Err(_) if signal.is_some_and(AbortSignal::aborted) => Err(LockError::Aborted),
        Err(error) => Err(error),
    }
}

/// Takes the lock if nobody has it; `None` if somebody does.
pub async fn try_acquire(name: &str) -> Result<Option<Guard>, LockError> {
    let options = Object::new();
    set(&options, "ifAvailable", &JsValue::TRUE);
    request(name, &options).await
}

/// Whether anybody on this origin holds the lock.
pub async fn is_held(name: &str) -> Result<bool, LockError> {
    let query = manager().ok_or(LockError::Unsupported)?.query();
    let promise = query.map_err(|thrown| refused(thrown.into()))?;
    let snapshot = settle(promise).await.map_err(refused)?;
    let held = Array::from(&property(&snapshot, "held"));
    Ok(held
        .iter()
        .any(|lock| text(&lock, "name").as_deref() == Some(name)))
}

type Granted = Result<Option<Guard>, LockError>;

async fn request(name: &str, options: &Object) -> Granted {
    let manager = manager().ok_or(LockError::Unsupported)?;
    let (sender, receiver) = once::channel::<Granted>();
    let sender = Rc::new(RefCell::new(Some(sender)));
    let granting = sender.clone();
    let callback = Closure::once_into_js(move |lock: JsValue| -> JsValue {
        let Some(sender) = granting.take() else {
            return JsValue::UNDEFINED;
        };
        if lock.is_null() {
            let _ = sender.send(Ok(None));
            return JsValue::UNDEFINED;
        }
        let mut release = None;
        let held = Promise::new(&mut |resolve, _| release = Some(resolve));
        let Some(release) = release else {
            return JsValue::UNDEFINED;
        };
        // Where nobody waits any more the guard comes back, and its end is the end of the lock.
        let _ = sender.send(Ok(Some(Guard { release })));
        held.into()
    });
    let requested = manager
        .request(name, options, &callback)
        .map_err(|thrown| refused(thrown.into()))?;
    spawn_local(async move {
        // Fulfilled when the lock is let go; rejected when it was never had.
        let result = settle(requested).await;
        if let (Err(exception), Some(sender)) = (result, sender.take()) {
            let _ = sender.send(Err(refused(exception)));
        }
    });
    receiver
        .await
        .unwrap_or_else(|| Err(refused(Exception::new("Error", "no lock was given"))))
}

fn refused(exception: Exception) -> LockError {
    LockError::Refused {
        name: exception.name,
        message: exception.message,
    }
}
