//! The page's side of Longhaul: the engine behind the JavaScript classes of `js/index.js`.
//!
//! It turns calls of the app into commands, keeps a [driver](longhaul_runner::driver) for every download that has
//! something to do, and tells the app what the histories say. It decides nothing.

mod engine;
mod error;
mod host;
mod options;
mod session;
mod text;
mod view;
mod worker;

pub use engine::Engine;
pub use view::{parse_import, state_at};
