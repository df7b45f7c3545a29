//! Arbitrary values for proptest.

mod events;
mod secrets;
mod worlds;

pub use events::{any_entry, any_event, any_text};
pub use secrets::{Secretive, any_secretive};
pub use worlds::{EVERYTHING, Emphasis, any_fault, any_setup, any_step, any_steps};
