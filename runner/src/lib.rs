//! The async shell around the state machine of [`longhaul_core`]: it performs what the machine says through small ports,
//! and tells it what came of it.
//!
//! No type of a browser is in here. [`platform`] says what is needed of the world; `longhaul-browser` is that for pages
//! and service workers, the simulation of `longhaul-state-tests` for tests, and a native app brings its own.

pub mod answer;
pub mod cancel;
pub mod completion;
pub mod delivery;
pub mod driver;
pub mod errors;
pub mod events;
pub mod job;
pub mod keeper;
pub mod links;
pub mod meter;
pub mod node;
pub mod once;
pub mod platform;
pub mod translate;
pub mod work;
