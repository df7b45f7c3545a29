//! The pieces that answers are made of.

use std::ops::Range;

use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};

use crate::conditional::{Honours, Metadata};
use crate::faults::{Answer, Cors, Faults, NoHead, WrongRange, WrongTotal};
use crate::log::{Outcome, Recorder};

/// What scripts of other origins may read beside the headers that are always readable.
const EXPOSED: &str =
    "Accept-Ranges, Content-Encoding, Content-Length, Content-Range, ETag, Retry-After";

/// What networks answer whose terms have not been accepted yet.
const PORTAL: &str =
    "<!doctype html><title>Welcome</title><p>Please accept the terms of this network.";

/// A line of text.
pub(crate) fn plain(status: StatusCode, text: &str, mut recorder: Recorder) -> Response {
    recorder.status(status.as_u16());
    recorder.sent(text.len());
    recorder.ends(Outcome::Done);
    (status, text.to_owned()).into_response()
}

/// No body at all.
pub(crate) fn empty(status: StatusCode, mut recorder: Recorder) -> Response {
    recorder.status(status.as_u16());
    recorder.ends(Outcome::Done);
    status.into_response()
}

/// The status that a query asked for.
pub(crate) fn refusal(status: u16, retry_after: Option<u64>, recorder: Recorder) -> Response {
    let status = StatusCode::from_u16(status).expect("checked when it was parsed");
    if matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        return empty(status, recorder);
    }
    let text = format!("The fault that was asked for: {status}");
    let response = plain(status, &text, recorder);
    match retry_after {
        Some(seconds) => with(response, header::RETRY_AFTER, &seconds.to_string()),
        None => response,
    }
}

/// A page of HTML in place of the file.
pub(crate) fn portal(recorder: Recorder) -> Response {
    let response = plain(StatusCode::OK, PORTAL, recorder);
    with(response, header::CONTENT_TYPE, "text/html; charset=utf-8")
}

/// The same response with one more header.
pub(crate) fn with(mut response: Response, name: HeaderName, text: &str) -> Response {
    response.headers_mut().insert(name, value(text));
    response
}

pub(crate) fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("made of visible characters")
}

/// The value of `Content-Range`, or none where the fault is that it is missing.
pub(crate) fn content_range(part: &Range<u64>, bytes: u64, answer: &Answer) -> Option<String> {
    let total = match answer.wrong_total {
        None => bytes.to_string(),
        Some(WrongTotal::Off) => (bytes + 1).to_string(),
        Some(WrongTotal::Unknown) => "*".to_owned(),
    };
    let (start, last) = match answer.wrong_range {
        None => (part.start, part.end - 1),
        Some(WrongRange::Off) if part.start > 0 => (part.start - 1, part.end - 2),
        Some(WrongRange::Off) => (part.start + 1, part.end),
        Some(WrongRange::Missing) => return None,
    };
    Some(format!("bytes {start}-{last}/{total}"))
}

/// Adds what a client needs to ask for the same version again.
pub(crate) fn with_validators(
    mut response: Response,
    metadata: &Metadata,
    honours: Honours,
) -> Response {
    if let Some(etag) = &metadata.etag {
        response = with(response, header::ETAG, etag);
    }
    if let Some(modified) = metadata.modified {
        let date = httpdate::fmt_http_date(modified);
        response = with(response, header::LAST_MODIFIED, &date);
    }
    if honours.range {
        response = with(response, header::ACCEPT_RANGES, "bytes");
    }
    with(response, header::CACHE_CONTROL, "no-cache")
}

/// Adds what other origins need.
pub(crate) fn with_cors(
    mut response: Response,
    method: &Method,
    request: &HeaderMap,
    faults: &Faults,
) -> Response {
    let without = (method == Method::HEAD && faults.no_head == Some(NoHead::Cors))
        || (method == Method::OPTIONS && faults.no_preflight);
    let allowed = match faults.cors {
        _ if without => None,
        Cors::Everybody => Some(HeaderValue::from_static("*")),
        Cors::Echo => request.get(header::ORIGIN).cloned(),
        Cors::Off => None,
    };
    let headers = response.headers_mut();
    if faults.cors == Cors::Echo {
        headers.insert(header::VARY, value("Origin"));
    }
    let Some(allowed) = allowed else {
        return response;
    };
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
    match faults.expose.as_deref() {
        Some("") => {}
        exposed => {
            let exposed = value(exposed.unwrap_or(EXPOSED));
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        }
    }
    if method == Method::OPTIONS {
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, value("GET, HEAD"));
        // A star would leave out `Authorization`: whatever is asked for is named.
        if let Some(asked) = request.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
        }
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, value("600"));
    }
    response
}
