//! The app around: what a context says of itself, and what it hears.

use longhaul_core::{Download, Role};

/// The app around. Every method has a default, for an app that has no headers to send and asks for what it shows.
pub trait App {
    /// Which side this is. Everything that is not a service worker works as a page does.
    fn role(&self) -> Role {
        Role::Page
    }

    /// The history of a download grew: everyone should read again, in this context and in all others. May be called while
    /// the caller holds nothing, and should return at once.
    fn changed(&self, _download: &str) {}

    /// Figures newer than the history, a few times a second: bytes that came, and bytes that are stored. Either may be less
    /// than what was said before; the most is what counts.
    fn live(&self, _download: &str, _downloaded: u64, _stored: u64) {}

    /// Whether this context holds the headers that requests of a download are to carry. Asked only where its spec says
    /// that there are some.
    fn has_headers(&self, _download: &Download) -> bool {
        false
    }
}

/// An app that has nothing to say and listens to nothing.
impl App for () {}
