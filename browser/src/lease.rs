//! Leases: ownership where the browser has no Web Locks (Safari before 15.4).
//!
//! A lease is a row in a database of its own, `longhaul-leases`, which only such browsers ever create: who holds it, and
//! until when. It is taken, and renewed every [`RENEW_MS`], in one read-write transaction, which no other can come
//! between. Whoever waits looks again every [`LOOK_MS`]; a lease that was let go is had at the next look, that of a dead
//! tab when its [`TERM_MS`] is over. So a successor takes over within 3.5 seconds.
//!
//! A lease is weaker than a lock. A browser that stops a hidden tab's timers for longer than the term lets another tab
//! begin while the first one still believes to be the owner, until its next renewal tells it. Nothing is lost then:
//! appends are conditional, and a part that comes twice is stored under the same key twice. It costs transfers, which is
//! why Web Locks are used where there are any.

use std::cell::Cell;
use std::rc::Rc;

use idb::{Database, ObjectStoreParams, Request, TransactionMode};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;

use crate::events::connection::attempt;
use crate::events::transaction::{Pending, abort, exception};
use crate::js::{Exception, number, set, text};
use crate::net::{now_ms, sleep};
use longhaul_runner::cancel::Cancel;
use longhaul_runner::errors::LockError;

/// For how long a lease holds when it is not renewed, in milliseconds.
pub const TERM_MS: u64 = 3_000;
/// How often a lease is renewed, in milliseconds: hidden tabs get a turn once a second.
pub const RENEW_MS: u32 = 1_000;
/// How often whoever waits for a lease looks again, in milliseconds.
pub const LOOK_MS: u32 = 500;

/// How long opening the database may take, in milliseconds.
const OPENING_MS: u32 = 10_000;

const DATABASE: &str = "longhaul-leases";
const LEASES: &str = "leases";

/// A lease that is held, and renewed, until this is dropped.
#[must_use = "dropping the lease releases it"]
pub struct Lease {
    ended: Cancel,
    row: Rc<Row>,
}

struct Row {
    name: String,
    owner: String,
    database: Database,
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.ended.cancel();
        let row = Rc::clone(&self.row);
        spawn_local(async move {
            // Where this fails the term ends by itself.
            let _ = row
                .write(|held| (held == Standing::Mine).then_some(0))
                .await;
        });
    }
}

/// Whose a lease is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    Mine,
    Free,
    Taken,
}

/// Whose a lease is at a time, by what its row says.
fn standing(row: Option<(&str, u64)>, me: &str, now: u64) -> Standing {
    match row {
        Some((owner, until)) if owner == me && until > 0 => Standing::Mine,
        // A clock that was set back must not make a lease eternal.
        Some((_, until)) if now < until && until - now <= TERM_MS => Standing::Taken,
        _ => Standing::Free,
    }
}

/// Waits for the lease of this name. `lost` is called when it is another's by the time it is renewed.
pub async fn acquire(name: &str, lost: Rc<dyn Fn()>) -> Result<Lease, LockError> {
    let random = js_sys::Math::random().to_bits();
    let row = Rc::new(Row {
        name: name.to_owned(),
        owner: [now_ms().to_string(), random.to_string()].join("-"),
        database: open().await.map_err(refused)?,
    });
    while !row.take().await? {
        sleep(LOOK_MS).await;
    }
    let lease = Lease {
        ended: Cancel::default(),
        row: Rc::clone(&row),
    };
    let ended = lease.ended.clone();
    spawn_local(async move {
        let renewing = async {
            loop {
                sleep(RENEW_MS).await;
                // What cannot be renewed now may be a second later, within the term.
                if row.write(|held| (held == Standing::Mine).then(term)).await == Ok(false) {
                    return;
                }
            }
        };
        if ended.race(renewing).await.is_some() {
            lost();
        }
    });
    Ok(lease)
}

/// When a term that begins now ends.
fn term() -> u64 {
    now_ms() + TERM_MS
}

impl Row {
    async fn take(&self) -> Result<bool, LockError> {
        let taken = self
            .write(|held| (held != Standing::Taken).then(term))
            .await;
        taken.map_err(refused)
    }

    /// Looks at the row and writes until when it is ours by now, or leaves it; whether it was written.
    async fn write(
        &self,
        until: impl FnOnce(Standing) -> Option<u64> + 'static,
    ) -> Result<bool, Exception> {
        let failed = |error: idb::Error| exception(&error);
        let mode = TransactionMode::ReadWrite;
        let pending = Pending::begin(&self.database, &[LEASES], mode).map_err(failed)?;
        let store = pending.store(LEASES).map_err(failed)?;
        let key = JsValue::from_str(&self.name);
        let mut request = store.get(key.clone()).map_err(failed)?;
        let written = Rc::new(Cell::new(false));
        let (writing, owner) = (Rc::clone(&written), self.owner.clone());
        let mut until = Some(until);
        request.on_success(move |event| {
            let found = idb::StoreEvent::result(&event).ok().flatten();
            let found = found.as_ref().and_then(read);
            let held = found
                .as_ref()
                .map(|(owner, until)| (owner.as_str(), *until));
            let standing = standing(held, &owner, now_ms());
            let Some(until) = until.take().and_then(|until| until(standing)) else {
                return;
            };
            match store.put(&value(&owner, until), Some(&key)) {
                Ok(_) => writing.set(true),
                Err(_) => abort(&store),
            }
        });
        let done = pending.done().await;
        drop(request);
        done.map(|()| written.get())
    }
}

async fn open() -> Result<Database, Exception> {
    let migrate = |database: &Database, _| {
        let params = ObjectStoreParams::new();
        database.create_object_store(LEASES, params).map(|_| ())
    };
    attempt(DATABASE, Some(1), migrate, OPENING_MS).await
}

fn value(owner: &str, until: u64) -> JsValue {
    let object = js_sys::Object::new();
    set(&object, "owner", &JsValue::from_str(owner));
    // Times stay far below 2^53.
    #[allow(clippy::cast_precision_loss)]
    set(&object, "until", &JsValue::from_f64(until as f64));
    object.into()
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn read(row: &JsValue) -> Option<(String, u64)> {
    Some((text(row, "owner")?, number(row, "until")? as u64))
}

fn refused(exception: Exception) -> LockError {
    LockError::Refused {
        name: exception.name,
        message: exception.message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_is_taken_while_its_term_lasts() {
        let row = Some(("a", 10_000));
        assert_eq!(standing(row, "b", 9_999), Standing::Taken);
        assert_eq!(standing(row, "b", 10_000), Standing::Free);
        assert_eq!(standing(row, "a", 9_999), Standing::Mine);
        assert_eq!(standing(None, "a", 0), Standing::Free);
    }

    #[test]
    fn a_lease_that_was_let_go_is_free_at_once() {
        assert_eq!(standing(Some(("a", 0)), "b", 5), Standing::Free);
        assert_eq!(standing(Some(("a", 0)), "a", 5), Standing::Free);
    }

    #[test]
    fn a_clock_that_was_set_back_makes_no_lease_eternal() {
        assert_eq!(standing(Some(("a", 1_000_000)), "b", 5), Standing::Free);
    }
}
