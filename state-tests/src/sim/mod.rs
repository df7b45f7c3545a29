//! A simulated browser, in which the real runner works: pages, a service worker, `IndexedDB`, Cache Storage, Web Locks,
//! Background Fetch with its quirks, servers that misbehave, and virtual time.
//!
//! [`World`] is the machine with everything on it, [`Context`] one page or the worker in it: another
//! [`Platform`](longhaul_runner::ports::Platform) for the very same runner that works in browsers. Nothing in here
//! decides anything about downloads.
//!
//! ```text
//!   adversary ──► world ◄── laws            executor: tasks of contexts, virtual time, a seeded order
//!                   │
//!      pages ── context ── worker           context: the port of the runner
//!                   │
//!   history · caches · locks · jobs · network
//! ```
//!
//! A run is decided by its seed alone: [`run::run`] gives the same steps, the same history and the same trace for the same
//! seed. What the quirks are was measured in real browsers; each is told where it is played.

pub mod adversary;
pub mod bytes;
pub mod caches;
pub mod context;
pub mod executor;
pub mod handles;
pub mod history;
pub mod jobs;
pub mod laws;
pub mod licence;
pub mod locks;
pub mod manager;
pub mod network;
pub mod pages;
pub mod rng;
pub mod run;
pub mod scenery;
pub mod servers;
pub mod stage;
pub mod transfer;
pub mod worker;
pub mod world;

pub use context::Context;
pub use world::World;
