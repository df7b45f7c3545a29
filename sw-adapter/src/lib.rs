//! The service worker's side of Longhaul: what `js/sw.js` hands its events to.
//!
//! A completion event comes once. So its handler stores first, from the registration id and the records' URLs alone,
//! and does the accounting after; what it cannot finish in its time, any later page can.

mod host;
mod node;

pub use node::WorkerNode;
