//! Time, and tasks.

use futures_util::future::LocalBoxFuture;

/// Clocks, and an executor for one thread. Nothing here fails.
pub trait Runtime {
    /// The wall clock, in milliseconds since 1970. May jump.
    fn now_ms(&self) -> u64;

    /// A clock that only goes forward, in milliseconds from any beginning.
    fn monotonic_ms(&self) -> u64;

    /// Waits so many milliseconds; longer where the machine slept. Dropping the future ends the wait.
    fn sleep(&self, ms: u32) -> LocalBoxFuture<'static, ()>;

    /// Runs something beside everything else, for as long as this context lives. Not polled before this returns.
    fn spawn(&self, work: LocalBoxFuture<'static, ()>);
}
