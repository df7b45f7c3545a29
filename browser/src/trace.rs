//! Where traces go: `tracing-wasm`, which prints to the console, installed at most once in a realm.
//!
//! Only events, never spans: every span leaves a performance mark behind for ever, even with
//! `report_logs_in_timings(false)`. Builds without debug assertions print warnings and errors only; what lies below
//! is compiled out (feature `release_max_level_warn` of `tracing`). `tracing-wasm` prints errors through
//! `console.log`, so filter by its text, not by the console's level. Traces name downloads by id and never hold an
//! address or a header.

use std::sync::Once;

use tracing::Level;
use tracing_wasm::{WASMLayerConfigBuilder, set_as_global_default_with_config};

static INSTALLED: Once = Once::new();

/// Installs the console as the place for traces. Every call after the first does nothing: a second installation
/// would trap the whole module.
pub fn install() {
    INSTALLED.call_once(|| {
        let level = if cfg!(debug_assertions) {
            Level::DEBUG
        } else {
            Level::WARN
        };
        let config = WASMLayerConfigBuilder::new()
            .set_report_logs_in_timings(false)
            .set_max_level(level)
            .build();
        set_as_global_default_with_config(config);
    });
}
