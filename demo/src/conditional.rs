//! Preconditions and ranges of HTTP, as plain functions (RFC 9110, sections 13 and 14).
//!
//! Nothing in here does I/O: a request's headers and the representation's metadata go in, what should be answered comes out.

use std::ops::Range;
use std::time::{Duration, SystemTime};

use axum::http::header::{
    HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE, RANGE,
};
use axum::http::{HeaderMap, Method};

/// What is known of a representation before its bytes are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Metadata {
    /// The whole length in bytes.
    pub(crate) bytes: u64,
    /// The entity tag with its quotes (and `W/` where it is weak), if there is one.
    pub(crate) etag: Option<String>,
    /// The time of the last change, whole seconds, if it is told.
    pub(crate) modified: Option<SystemTime>,
}

/// Which of the request's headers are looked at; a faulty server looks at fewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Honours {
    /// `If-Match`, `If-Unmodified-Since` and `If-Range` are evaluated. Where they are not, they count as true.
    pub(crate) preconditions: bool,
    /// `Range` is evaluated.
    pub(crate) range: bool,
}

/// What a request is to be answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selected {
    /// 200 with everything.
    Whole,
    /// 206 with these bytes, never an empty range.
    Part(Range<u64>),
    /// 304.
    NotModified,
    /// 412.
    PreconditionFailed,
    /// 416.
    Unsatisfiable,
}

/// Evaluates a GET or HEAD in the order of RFC 9110, section 13.2.2.
#[must_use]
pub(crate) fn select(
    method: &Method,
    headers: &HeaderMap,
    of: &Metadata,
    honours: Honours,
) -> Selected {
    if honours.preconditions && !unchanged(headers, of) {
        return Selected::PreconditionFailed;
    }
    if !newer(headers, of) {
        return Selected::NotModified;
    }
    if !honours.range || method != Method::GET {
        return Selected::Whole;
    }
    let Some(range) = text(headers, &RANGE) else {
        return Selected::Whole;
    };
    if honours.preconditions && !range_applies(headers, of) {
        return Selected::Whole;
    }
    parse_range(range, of.bytes)
}

/// `If-Match`, else `If-Unmodified-Since`: is the representation still the one the client means?
fn unchanged(headers: &HeaderMap, of: &Metadata) -> bool {
    if let Some(tags) = text(headers, &IF_MATCH) {
        return tags.trim() == "*"
            || of
                .etag
                .as_deref()
                .is_some_and(|etag| list(tags).any(|tag| strongly_equal(tag, etag)));
    }
    match (date(headers, &IF_UNMODIFIED_SINCE), of.modified) {
        (Some(limit), Some(modified)) => whole_seconds(modified) <= limit,
        _ => true,
    }
}

/// `If-None-Match`, else `If-Modified-Since`: has the client not got it yet?
fn newer(headers: &HeaderMap, of: &Metadata) -> bool {
    if let Some(tags) = text(headers, &IF_NONE_MATCH) {
        return tags.trim() != "*"
            && of
                .etag
                .as_deref()
                .is_none_or(|etag| !list(tags).any(|tag| weakly_equal(tag, etag)));
    }
    match (date(headers, &IF_MODIFIED_SINCE), of.modified) {
        (Some(limit), Some(modified)) => whole_seconds(modified) > limit,
        _ => true,
    }
}

/// `If-Range`: a strong tag or the exact date; anything else makes the range void.
fn range_applies(headers: &HeaderMap, of: &Metadata) -> bool {
    let Some(condition) = text(headers, &IF_RANGE) else {
        return true;
    };
    let condition = condition.trim();
    if condition.starts_with('"') || condition.starts_with("W/") {
        return of
            .etag
            .as_deref()
            .is_some_and(|etag| strongly_equal(condition, etag));
    }
    match (httpdate::parse_http_date(condition), of.modified) {
        (Ok(stated), Some(modified)) => stated == whole_seconds(modified),
        _ => false,
    }
}

/// One byte range. A malformed one and a list of several are ignored, as the RFC allows.
fn parse_range(value: &str, bytes: u64) -> Selected {
    let Some((unit, spec)) = value.split_once('=') else {
        return Selected::Whole;
    };
    if !unit.trim().eq_ignore_ascii_case("bytes") || spec.contains(',') {
        return Selected::Whole;
    }
    let Some((first, last)) = spec.trim().split_once('-') else {
        return Selected::Whole;
    };
    let (first, last) = (Bound::parse(first), Bound::parse(last));
    let (start, end) = match (first, last) {
        (Bound::At(first), Bound::At(last)) if last < first => return Selected::Whole,
        (Bound::At(first), Bound::At(last)) => (first, last.saturating_add(1).min(bytes)),
        (Bound::At(first), Bound::Open) => (first, bytes),
        (Bound::Open, Bound::At(suffix)) => (bytes.saturating_sub(suffix), bytes),
        _ => return Selected::Whole,
    };
    if start < end {
        Selected::Part(start..end)
    } else {
        Selected::Unsatisfiable
    }
}

/// One side of a range.
enum Bound {
    Open,
    /// A number too large for 64 bits stands for the largest.
    At(u64),
    Malformed,
}

impl Bound {
    fn parse(text: &str) -> Self {
        match text {
            "" => Bound::Open,
            _ if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                Bound::At(text.parse().unwrap_or(u64::MAX))
            }
            _ => Bound::Malformed,
        }
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn date(headers: &HeaderMap, name: &HeaderName) -> Option<SystemTime> {
    httpdate::parse_http_date(text(headers, name)?.trim()).ok()
}

/// The tags of a list. A comma inside a tag would split it; tags that this server makes have none.
fn list(tags: &str) -> impl Iterator<Item = &str> {
    tags.split(',').map(str::trim)
}

fn strongly_equal(a: &str, b: &str) -> bool {
    a == b && !a.starts_with("W/")
}

fn weakly_equal(a: &str, b: &str) -> bool {
    a.trim_start_matches("W/") == b.trim_start_matches("W/")
}

/// HTTP dates have no fractions.
#[must_use]
pub(crate) fn whole_seconds(time: SystemTime) -> SystemTime {
    match time.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => SystemTime::UNIX_EPOCH + Duration::from_secs(since.as_secs()),
        Err(_) => SystemTime::UNIX_EPOCH,
    }
}

#[cfg(test)]
mod tests {
    use super::{Honours, Metadata, Selected, select};
    use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
    use std::time::{Duration, SystemTime};

    const MODIFIED: &str = "Thu, 01 Jan 2026 00:00:00 GMT";
    const EARLIER: &str = "Wed, 31 Dec 2025 23:59:59 GMT";

    fn metadata(bytes: u64) -> Metadata {
        Metadata {
            bytes,
            etag: Some("\"v1\"".to_owned()),
            modified: Some(SystemTime::UNIX_EPOCH + Duration::from_hours(490_896)),
        }
    }

    #[track_caller]
    fn check(bytes: u64, headers: &[(&'static str, &str)], expected: &Selected) {
        let map: HeaderMap = headers
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_str(value).unwrap(),
                )
            })
            .collect();
        let honours = Honours {
            preconditions: true,
            range: true,
        };
        let selected = select(&Method::GET, &map, &metadata(bytes), honours);
        assert_eq!(&selected, expected, "{headers:?} of {bytes} bytes");
    }

    #[test]
    fn ranges_are_read_as_the_rfc_says() {
        let part = Selected::Part;
        for (range, expected) in [
            ("bytes=0-0", part(0..1)),
            ("bytes=0-99", part(0..100)),
            ("bytes=90-", part(90..100)),
            ("bytes=90-1000", part(90..100)),
            ("bytes=90-99999999999999999999999", part(90..100)),
            ("bytes=-1", part(99..100)),
            ("bytes=-1000", part(0..100)),
            ("BYTES=5-6", part(5..7)),
            ("bytes=100-", Selected::Unsatisfiable),
            ("bytes=100-200", Selected::Unsatisfiable),
            ("bytes=-0", Selected::Unsatisfiable),
            ("bytes=6-5", Selected::Whole),
            ("bytes=-", Selected::Whole),
            ("bytes=a-b", Selected::Whole),
            ("bytes=+1-2", Selected::Whole),
            ("bytes=0-1,5-6", Selected::Whole),
            ("items=0-1", Selected::Whole),
            ("0-1", Selected::Whole),
        ] {
            check(100, &[("range", range)], &expected);
        }
        check(0, &[("range", "bytes=0-0")], &Selected::Unsatisfiable);
        check(0, &[], &Selected::Whole);
    }

    #[test]
    fn preconditions_come_in_the_order_of_the_rfc() {
        let part = Selected::Part(0..1);
        let cases: [(&[(&'static str, &str)], &Selected); 18] = [
            (&[("if-match", "\"v1\"")], &Selected::Whole),
            (&[("if-match", "\"v0\", \"v1\"")], &Selected::Whole),
            (&[("if-match", "*")], &Selected::Whole),
            (&[("if-match", "\"v0\"")], &Selected::PreconditionFailed),
            (&[("if-match", "W/\"v1\"")], &Selected::PreconditionFailed),
            (&[("if-unmodified-since", MODIFIED)], &Selected::Whole),
            (
                &[("if-unmodified-since", EARLIER)],
                &Selected::PreconditionFailed,
            ),
            (&[("if-none-match", "\"v1\"")], &Selected::NotModified),
            (&[("if-none-match", "W/\"v1\"")], &Selected::NotModified),
            (&[("if-none-match", "*")], &Selected::NotModified),
            (&[("if-none-match", "\"v0\"")], &Selected::Whole),
            (&[("if-modified-since", MODIFIED)], &Selected::NotModified),
            (&[("if-modified-since", EARLIER)], &Selected::Whole),
            // The tag decides where both are there.
            (
                &[("if-none-match", "\"v0\""), ("if-modified-since", MODIFIED)],
                &Selected::Whole,
            ),
            (&[("range", "bytes=0-0"), ("if-range", "\"v1\"")], &part),
            (
                &[("range", "bytes=0-0"), ("if-range", "\"v0\"")],
                &Selected::Whole,
            ),
            (&[("range", "bytes=0-0"), ("if-range", MODIFIED)], &part),
            (
                &[("range", "bytes=0-0"), ("if-range", EARLIER)],
                &Selected::Whole,
            ),
        ];
        for (headers, expected) in cases {
            check(100, headers, expected);
        }
    }

    #[test]
    fn a_head_has_no_range() {
        let mut headers = HeaderMap::new();
        headers.insert("range", HeaderValue::from_static("bytes=0-0"));
        let honours = Honours {
            preconditions: true,
            range: true,
        };
        let selected = select(&Method::HEAD, &headers, &metadata(100), honours);
        assert_eq!(selected, Selected::Whole);
    }
}
