//! What proves that Longhaul holds its laws: property tests and golden histories in `tests/`, and the conformance
//! suites, which are written once and run natively and in browsers.
//!
//! Built for a browser, this crate is a module of its own (`cargo xtask dist` writes it to `target/conformance/`) that
//! exports `conformance::run`: `conformance_cases()` gives the names, `run_case(name)` a promise that is rejected with
//! the sentence that did not hold.

#[cfg(feature = "adapters")]
pub mod conformance;
#[cfg(not(target_arch = "wasm32"))]
pub mod embedder;
#[cfg(all(feature = "adapters", not(target_arch = "wasm32")))]
pub mod fuzz;
#[cfg(not(target_arch = "wasm32"))]
pub mod given;
#[cfg(not(target_arch = "wasm32"))]
pub mod proof;
#[cfg(not(target_arch = "wasm32"))]
pub mod prove;
#[cfg(not(target_arch = "wasm32"))]
pub mod resumption;
#[cfg(not(target_arch = "wasm32"))]
pub mod scenario;
#[cfg(all(feature = "adapters", not(target_arch = "wasm32")))]
pub mod sim;
#[cfg(not(target_arch = "wasm32"))]
pub mod strategies;
#[cfg(not(target_arch = "wasm32"))]
pub mod world;
