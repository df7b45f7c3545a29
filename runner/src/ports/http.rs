//! HTTP: asking servers.

use futures_util::future::{LocalBoxFuture, pending};
use longhaul_core::{Download, Range};

use crate::answer::HttpResponse;
use crate::errors::NetError;

/// What to ask a server for. The default is a plain `GET` that any cache on the way is passed by: ranges queue up in a
/// browser's otherwise.
#[derive(Debug, Clone, Copy, Default)]
pub struct HttpRequest<'a> {
    /// Where: a full URL, which may carry credentials. Its fragment is not for the server.
    pub url: &'a str,
    /// `HEAD` instead of `GET`.
    pub head: bool,
    /// The bytes wanted; an empty range asks for everything from its start on.
    pub range: Option<Range>,
    /// The download whose headers are to be sent, where this context holds any.
    pub headers_of: Option<&'a Download>,
    /// `mode: "no-cors"` without credentials: only tells whether anybody answers at all.
    pub opaque: bool,
}

/// An HTTP client.
///
/// Redirects are followed. Any status is an answer, and no error: 206, 404 and 503 alike. A body is handed out as the
/// file's own bytes only where the server sent no content encoding, so a client should ask for none.
#[allow(async_fn_in_trait)]
pub trait Http {
    /// The body of an answer, not read yet. Dropping it ends its transfer.
    type Body;

    /// Asks a server; the body can be read later. Dropping the future ends the request. There is no time limit in here: the
    /// runner has one of its own.
    ///
    /// # Errors
    /// Where no answer came.
    async fn send(&self, request: &HttpRequest<'_>)
    -> Result<(HttpResponse, Self::Body), NetError>;

    /// Whether a URL is of another origin than this context, so that its answers may hide headers. Only a browser has
    /// origins.
    fn is_cross_origin(&self, _url: &str) -> bool {
        false
    }

    /// Whether the device is online, as far as anybody says; only `false` says anything.
    fn online(&self) -> bool {
        true
    }

    /// Waits until the device is online. Asked only where it is not.
    fn came_online(&self) -> LocalBoxFuture<'static, ()> {
        Box::pin(pending())
    }
}
