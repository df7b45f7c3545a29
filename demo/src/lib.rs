//! The demo's server: static files, model files, and a network that is as bad as a test wants it.
//!
//! # Faults
//! Any address under `/models/` takes these parameters, in any combination. Counters are kept by path and query, so that a
//! parameter of a test's own (`run=7`) gives it counters of its own. A parameter that is not in the table is left alone; a
//! value that the table does not know is answered with 400.
#![doc = include_str!("faults.md")]

mod app;
mod body;
mod catalog;
mod conditional;
mod content;
mod csp;
mod faults;
mod log;
mod models;
mod respond;
mod server;
mod socket;

pub use catalog::{DEFAULT_MODEL, KnownModel, Model, Resource};
pub use content::Generated;
pub use faults::{Row, table};
pub use log::{Entry, Log, Outcome};
pub use models::changed;
pub use server::{Builder, Folders, Server, Site};
pub use socket::Ending;
