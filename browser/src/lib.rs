//! The browser as the ports of [`longhaul_runner`]: one module for each of its surfaces, and [`web`], which puts them
//! together.
//!
//! The modules decide nothing. They hand out plain data and opaque handles (a `Blob`, a `Response`); bytes of a download
//! never enter wasm memory except the chunk that [`hash`] is working on.
//!
//! Everything compiles natively, so that tests can link it; whatever touches a JavaScript object panics outside a browser.

pub mod background_fetch;
mod bytes;
pub mod channel;
pub mod deliver;
pub mod events;
pub mod hash;
pub mod js;
pub mod lease;
pub mod locks;
pub mod net;
pub mod parts;
mod pour;
pub mod requests;
pub mod trace;
pub mod web;
