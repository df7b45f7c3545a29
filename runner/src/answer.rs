//! What a server answered, as plain data.
//!
//! Ports fill these in, and [`translate`](crate::translate) consumes them. Header values stand as they came; what cannot
//! be read across origins is `None`, exactly like what was not sent.

/// Status and headers of one response. The addresses of redirects are left out: they may carry credentials.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HttpResponse {
    /// The status code; 0 for an opaque answer (`no-cors`).
    pub status: u16,
    /// Whether a redirect was followed.
    pub redirected: bool,
    /// Whether another origin answered, after whatever redirects: then headers may be there that nobody here can see.
    pub cross_origin: bool,
    /// `Content-Range`, as sent.
    pub content_range: Option<String>,
    /// `Content-Length` in bytes, where it is a number. On the wire, so meaningless under a content encoding.
    pub content_length: Option<u64>,
    /// `ETag`, as sent, with its quotes and its `W/`.
    pub etag: Option<String>,
    /// `Last-Modified`, as sent.
    pub last_modified: Option<String>,
    /// `Accept-Ranges`, as sent.
    pub accept_ranges: Option<String>,
    /// `Content-Type`, as sent.
    pub content_type: Option<String>,
    /// `Content-Encoding`, as sent.
    pub content_encoding: Option<String>,
    /// `Retry-After`, as sent: seconds or a date.
    pub retry_after: Option<String>,
    /// `Date`, as sent: what a `Retry-After` date is measured against.
    pub date: Option<String>,
}

impl HttpResponse {
    /// An answer of this status, with whatever `header` says under a name. Where it came from is not in it.
    #[must_use]
    pub fn new(status: u16, header: impl Fn(&str) -> Option<String>) -> Self {
        Self {
            status,
            redirected: false,
            cross_origin: false,
            content_range: header("Content-Range"),
            content_length: header("Content-Length").and_then(|length| length.trim().parse().ok()),
            etag: header("ETag"),
            last_modified: header("Last-Modified"),
            accept_ranges: header("Accept-Ranges"),
            content_type: header("Content-Type"),
            content_encoding: header("Content-Encoding"),
            retry_after: header("Retry-After"),
            date: header("Date"),
        }
    }
}
