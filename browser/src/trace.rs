//! Where traces go: the layer of `tracing-wasm`, which prints to the console, installed at most once in a realm.
//!
//! Only events, never spans: every span would leave a performance mark behind for ever, even with
//! `report_logs_in_timings(false)`. Here that is not a rule but a type: the layer stands on a subscriber that knows
//! no spans. It replaces the registry that `tracing-wasm` would install, which keeps books on spans and nothing
//! else, and was measured to be a quarter of what tracing weighs (6 of 24 KiB, compressed).
//!
//! Builds without debug assertions print warnings and errors only; what lies below is compiled out (feature
//! `release_max_level_warn` of `tracing`). `tracing-wasm` prints errors through `console.log`, so filter by its
//! text, not by the console's level. Traces name downloads by id and never hold an address or a header.

use std::sync::Once;

use tracing::span::{Attributes, Record};
use tracing::{Event, Id, Level, Metadata, Subscriber};
use tracing_subscriber::layer::Layer;
use tracing_subscriber::registry::{Extensions, ExtensionsMut, LookupSpan, SpanData};
use tracing_wasm::{WASMLayer, WASMLayerConfigBuilder};

static INSTALLED: Once = Once::new();

/// Installs the console as the place for traces. Every call after the first does nothing: a second installation
/// would trap the whole module. Where another subscriber was installed before, that one stays.
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
        let console = WASMLayer::new(config).with_subscriber(Spanless);
        let _ = tracing::subscriber::set_global_default(console);
    });
}

/// A subscriber that takes everything and keeps nothing.
struct Spanless;

impl Subscriber for Spanless {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event()
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        // Never asked for: no span is enabled. An id is not allowed to be 0.
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl LookupSpan<'_> for Spanless {
    type Data = NoSpan;

    fn span_data(&self, _: &Id) -> Option<NoSpan> {
        None
    }
}

/// The data of a span, of which there is none.
enum NoSpan {}

impl SpanData<'_> for NoSpan {
    fn id(&self) -> Id {
        match *self {}
    }

    fn metadata(&self) -> &'static Metadata<'static> {
        match *self {}
    }

    fn parent(&self) -> Option<&Id> {
        match *self {}
    }

    fn extensions(&self) -> Extensions<'_> {
        match *self {}
    }

    fn extensions_mut(&self) -> ExtensionsMut<'_> {
        match *self {}
    }
}
