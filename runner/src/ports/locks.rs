//! Locks: one owner for each download, among all contexts and processes that share its stores.

use std::any::Any;
use std::rc::Rc;

use crate::errors::LockError;

/// Held as long as something is to be owned; dropping it lets the next owner go on.
pub type Ownership = Box<dyn Any>;

/// Exclusive locks by name, as wide as the stores are shared.
#[allow(async_fn_in_trait)]
pub trait Locks {
    /// Waits for the lock of this name, first come, first served. Dropping the future withdraws. A context that dies holds
    /// nothing any more. `lost` is called where an ownership ends by itself, which only a lease does.
    ///
    /// # Errors
    /// Where the lock cannot be had at all.
    async fn own(&self, name: &str, lost: Rc<dyn Fn()>) -> Result<Ownership, LockError>;
}
