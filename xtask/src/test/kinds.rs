//! The kinds of tests that are counted apart.

/// What a test is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Unit,
    Doc,
    Property,
    Page,
    Store,
    EndToEnd,
}

impl Kind {
    /// Every kind, in the order of the report.
    pub(crate) const ALL: [Self; 6] = [
        Self::Unit,
        Self::Doc,
        Self::Property,
        Self::Page,
        Self::Store,
        Self::EndToEnd,
    ];

    /// The kind's name in the report.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Unit => "native unit",
            Self::Doc => "doc",
            Self::Property => "property",
            Self::Page => "page script",
            Self::Store => "wasm store in the browser",
            Self::EndToEnd => "end-to-end",
        }
    }
}
