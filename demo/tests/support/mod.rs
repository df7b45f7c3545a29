//! The harness of the end-to-end tests: real browsers over `WebDriver`, against the demo's server in this process.
#![allow(
    dead_code,
    reason = "every test binary compiles the whole harness and uses its own share of it"
)]

pub(crate) mod apps;
pub(crate) mod browser;
pub(crate) mod chance;
pub(crate) mod client;
pub(crate) mod engine;
pub(crate) mod history;
pub(crate) mod model;
pub(crate) mod page;
pub(crate) mod process;
pub(crate) mod readme;
pub(crate) mod server;
pub(crate) mod site;
pub(crate) mod world;
