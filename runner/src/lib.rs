//! The async shell around the state machine of [`longhaul_core`]: it performs what the machine says through small ports,
//! and tells it what came of it.
//!
//! No type of a browser is in here. [`ports`] say what is needed of the world: `longhaul-browser` is that for pages and
//! service workers, the simulation of `longhaul-state-tests` for tests, and a native app brings its own
//! (`examples/download.rs`).

pub mod answer;
pub mod body;
pub mod cancel;
pub mod completion;
pub mod delivery;
pub mod driver;
pub mod errors;
#[cfg(not(target_arch = "wasm32"))]
pub mod files;
pub mod hex;
pub mod job;
pub mod kit;
pub mod links;
pub mod memory;
pub mod meter;
pub mod node;
pub mod once;
pub mod ports;
pub mod supervisor;
pub mod translate;
pub mod work;
