//! What Longhaul's page and service worker share: one module for each surface of the browser, and the runner
//! that loops input, decision, append and effects over them.
//!
//! The modules decide nothing. They hand out plain data ([`answer`], [`job`]) and opaque handles (a `Blob`, a `Response`);
//! bytes of a download never enter wasm memory except the chunk that [`hash`] is working on.
//!
//! The runner ([`node`], [`driver`], [`work`], [`keeper`], [`completion`]) knows the browser only by one port,
//! [`platform`]. [`web`] is that port over the modules here; the simulation in `state-tests` is another one.
//!
//! Everything compiles natively, so that the simulation and the property tests can link it; whatever touches a
//! JavaScript object panics outside a browser. The runner, [`events::Memory`], [`answer`], [`job`], [`cancel`] and
//! [`once`] run anywhere.

pub mod answer;
pub mod background_fetch;
mod bytes;
pub mod cancel;
pub mod channel;
pub mod completion;
pub mod deliver;
pub mod driver;
pub mod events;
pub mod hash;
pub mod job;
pub mod js;
pub mod keeper;
pub mod lease;
pub mod links;
pub mod locks;
pub mod meter;
pub mod net;
pub mod node;
pub mod once;
pub mod parts;
pub mod platform;
mod pour;
pub mod requests;
pub mod trace;
pub mod translate;
pub mod web;
pub mod work;
