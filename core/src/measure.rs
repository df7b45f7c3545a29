//! Measuring: what a server's answer is worth, before its bytes count.
//!
//! A background record can claim success with status 200 and an empty body; a server can ignore
//! `Range`, or have a new file in mid-download. No answer is trusted for its status alone.

use alloc::borrow::ToOwned;
use alloc::string::String;
use serde::{Deserialize, Serialize};

use crate::file::{FileVersion, PartRequest, Validator, is_html};
use crate::parts::Range;
use crate::policy::Policy;
use crate::spec::{MAX_BYTES, Resource};
use crate::transfer_error::TransferError;

/// A response, as plain data: status and the headers that matter. A header that is absent, or
/// hidden by CORS, is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct HttpResponse {
    /// Status code.
    pub status: u16,
    /// `Content-Range`.
    pub content_range: Option<String>,
    /// `Content-Length`, where it is a number.
    pub content_length: Option<u64>,
    /// `Content-Encoding`.
    pub content_encoding: Option<String>,
    /// `Content-Type`.
    pub content_type: Option<String>,
    /// `ETag`, as sent.
    pub etag: Option<String>,
    /// `Last-Modified`, as sent.
    pub last_modified: Option<String>,
    /// `Retry-After` in milliseconds from now.
    pub retry_after_ms: Option<u64>,
    /// Whether another origin answered, so that headers may be there and hidden ([Fetch, CORS-safelisted response-header
    /// name]). Chromium hides all but `Content-Length` and `Content-Type` of a background job's, even those that are exposed.
    ///
    /// [Fetch, CORS-safelisted response-header name]: https://fetch.spec.whatwg.org/#cors-safelisted-response-header-name
    pub cross_origin: bool,
}

/// A parsed `Content-Range` ([RFC 9110, 14.4]).
///
/// [RFC 9110, 14.4]: https://www.rfc-editor.org/rfc/rfc9110#section-14.4
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ContentRange {
    /// The range; `None` for `*`, which says that it cannot be satisfied.
    pub range: Option<Range>,
    /// Size of the whole; `None` for `*`.
    pub total: Option<u64>,
}

impl ContentRange {
    /// Parses a header's value; `None` where it is not in the form of the RFC.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
        let total = match total {
            "*" => None,
            digits => Some(digits.parse().ok()?),
        };
        if range == "*" {
            return Some(Self { range: None, total });
        }
        let (first, last) = range.split_once('-')?;
        let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        let len = last.checked_sub(first)?.checked_add(1)?;
        if total.is_some_and(|total| last >= total) {
            return None;
        }
        Some(Self {
            range: Some(Range::new(first, len)),
            total,
        })
    }
}

/// The strongest validator of an answer. A weak entity tag says that two versions mean the same,
/// not that they are the same bytes, so it does not count ([RFC 9110, 8.8.1]).
///
/// [RFC 9110, 8.8.1]: https://www.rfc-editor.org/rfc/rfc9110#section-8.8.1
#[must_use]
pub fn validator(answer: &HttpResponse) -> Option<Validator> {
    let etag = answer.etag.as_deref().map(str::trim);
    match etag {
        Some(tag) if tag.starts_with('"') && tag.len() > 2 => Some(Validator::Etag(tag.to_owned())),
        _ => answer.last_modified.clone().map(Validator::LastModified),
    }
}

/// Measures the body of an answer to a part's request.
///
/// # Errors
/// The fault for which the bytes must not be stored.
pub fn measure(
    request: &PartRequest,
    answer: &HttpResponse,
    body: u64,
) -> Result<Range, TransferError> {
    check_status(request, answer)?;
    let same_version = match &request.file.validator {
        // A header hidden by CORS tells nothing; the total and the hash still do.
        Some(Validator::Etag(tag)) => answer.etag.as_ref().is_none_or(|found| found.trim() == tag),
        Some(Validator::LastModified(date)) => answer
            .last_modified
            .as_ref()
            .is_none_or(|found| found == date),
        None => true,
    };
    if !same_version {
        return Err(TransferError::Changed);
    }
    if request.file.part_bytes.is_none() {
        return measure_whole(request, answer, body);
    }
    let asked = request.range().ok_or(TransferError::WrongRange)?;
    check_range(asked, &request.file, answer)?;
    if body != asked.len {
        return Err(TransferError::Truncated);
    }
    Ok(asked)
}

/// Whether an answer with status 206 is one to the range that was asked for, as far as it shows.
fn check_range(
    asked: Range,
    file: &FileVersion,
    answer: &HttpResponse,
) -> Result<(), TransferError> {
    let Some(text) = &answer.content_range else {
        // Hidden, it tells nothing; the length is not, and says how much of the file this is. A file that was not known to
        // be of another origin is not asked for again afterwards.
        let fits = answer.content_length.is_none_or(|len| len == asked.len);
        return if file.cross_origin && answer.cross_origin && fits {
            Ok(())
        } else {
            Err(TransferError::WrongRange)
        };
    };
    let found = ContentRange::parse(text).ok_or(TransferError::WrongRange)?;
    if found.total.is_some() && found.total != file.size {
        return Err(TransferError::Changed);
    }
    if found.range != Some(asked) {
        return Err(TransferError::WrongRange);
    }
    Ok(())
}

/// Whether the version of a file is still the one that was begun with, by an answer that may show it.
///
/// # Errors
/// [`TransferError::Changed`] where it is another one, [`TransferError::Network`] where the answer does not say.
pub(crate) fn check_version(
    file: &FileVersion,
    now: &FileVersion,
    answer: &HttpResponse,
) -> Result<(), TransferError> {
    let same = match &file.validator {
        // Compression on the way makes a tag weak, and the version it names is the same.
        Some(Validator::Etag(tag)) => answer
            .etag
            .as_deref()
            .map(|found| found.trim().trim_start_matches("W/") == tag),
        Some(Validator::LastModified(date)) => {
            answer.last_modified.as_ref().map(|found| found == date)
        }
        None => Some(true),
    };
    let other_size = now.size.is_some() && now.size != file.size;
    match same {
        Some(true) if !other_size => Ok(()),
        None if !other_size => Err(TransferError::Network),
        _ => Err(TransferError::Changed),
    }
}

fn check_status(request: &PartRequest, answer: &HttpResponse) -> Result<(), TransferError> {
    match (answer.status, request.file.part_bytes) {
        // A portal stands between us and the server. Where the file is HTML itself, other tests must do.
        (200, _) if is_html(answer.content_type.as_deref()) && !request.file.is_html() => {
            Err(TransferError::UnexpectedType)
        }
        (206, Some(_)) | (200, None) => Ok(()),
        // The server ignores Range (or the record claims a success it did not have), or answers
        // a plain request with a part.
        (200, Some(_)) | (206, None) => Err(TransferError::WrongRange),
        // The range begins past the end, or a precondition failed: another file.
        (412 | 416, _) => Err(TransferError::Changed),
        // No server has this status. Chromium gives it to a record whose first request found no server, whatever came of later ones.
        (0, _) => Err(TransferError::Unreachable),
        (status, _) => Err(TransferError::Status {
            status,
            retry_after_ms: answer.retry_after_ms,
        }),
    }
}

fn measure_whole(
    request: &PartRequest,
    answer: &HttpResponse,
    body: u64,
) -> Result<Range, TransferError> {
    if let Some(size) = request.file.size
        && size != body
    {
        return Err(TransferError::Truncated);
    }
    // Content-Length counts the bytes on the wire. Where they were compressed and CORS hides
    // that, more come out than it says; fewer always means that the end is missing.
    let announced = match answer.content_encoding.as_deref() {
        None | Some("identity" | "") => answer.content_length,
        Some(_) => None,
    };
    if announced.is_some_and(|announced| body < announced) {
        return Err(TransferError::Truncated);
    }
    // An empty body of unknown length is what a broken background record looks like.
    if body == 0 && announced != Some(0) {
        return Err(TransferError::Truncated);
    }
    Ok(Range::new(0, body))
}

impl FileVersion {
    /// What the answer to a probe (`Range: bytes=0-0`, or `HEAD`) says of a resource: the generation
    /// to transfer and its split.
    ///
    /// `identity` is the resource's identity; `resource` what the spec asks for.
    ///
    /// # Errors
    /// The fault for which there is nothing to transfer.
    pub fn from_probe(
        resource: &Resource,
        identity: &str,
        answer: &HttpResponse,
        policy: &Policy,
    ) -> Result<Self, TransferError> {
        let range = answer
            .content_range
            .as_deref()
            .and_then(ContentRange::parse);
        let (size, ranged) = match answer.status {
            206 => (
                range.and_then(|range| range.total),
                range.is_some_and(|range| range.range.is_some()),
            ),
            // Nothing satisfies bytes=0-0 in an empty file.
            416 if range.is_some_and(|range| range.total == Some(0)) => (Some(0), false),
            200..=299 => (plain_length(answer), false),
            status => {
                return Err(TransferError::Status {
                    status,
                    retry_after_ms: answer.retry_after_ms,
                });
            }
        };
        if resource.sha256.is_none() && is_html(answer.content_type.as_deref()) {
            return Err(TransferError::UnexpectedType);
        }
        if let (Some(size), Some(asked)) = (size, resource.bytes)
            && size != asked
        {
            return Err(TransferError::Changed);
        }
        // What JavaScript cannot count is not known.
        let size = size.filter(|size| *size <= MAX_BYTES).or(resource.bytes);
        let validator = validator(answer);
        // Without a validator or a hash, parts of two versions could not be told apart.
        let can_split = ranged && (validator.is_some() || resource.sha256.is_some());
        let part_bytes = size
            .filter(|_| can_split)
            .map(|size| (size, policy.part_bytes(size)))
            .filter(|(size, part)| size > part)
            .map(|(_, part)| part);
        Ok(Self {
            url: identity.to_owned(),
            size,
            validator,
            part_bytes,
            content_type: answer.content_type.clone(),
            cross_origin: answer.cross_origin,
        })
    }
}

/// The length of a plain body, where the header can be trusted to be that of the bytes.
fn plain_length(answer: &HttpResponse) -> Option<u64> {
    match answer.content_encoding.as_deref() {
        None | Some("identity" | "") => answer.content_length,
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::FailReason;

    fn request(part_bytes: Option<u64>) -> PartRequest {
        let file = FileVersion {
            url: "https://h/f".into(),
            size: Some(100),
            validator: Some(Validator::Etag("\"v1\"".into())),
            part_bytes,
            content_type: None,
            cross_origin: false,
        };
        PartRequest { file, index: 0 }
    }

    fn partial() -> HttpResponse {
        HttpResponse {
            status: 206,
            content_range: Some("bytes 0-39/100".into()),
            etag: Some("\"v1\"".into()),
            ..HttpResponse::default()
        }
    }

    #[test]
    fn a_part_counts_only_when_everything_about_it_is_right() {
        let ranged = request(Some(40));
        assert_eq!(measure(&ranged, &partial(), 40), Ok(Range::new(0, 40)));
        let with = |change: fn(&mut HttpResponse)| {
            let mut answer = partial();
            change(&mut answer);
            measure(&ranged, &answer, 40)
        };
        let status = |status| {
            Err(TransferError::Status {
                status,
                retry_after_ms: None,
            })
        };
        assert_eq!(with(|a| a.status = 200), Err(TransferError::WrongRange));
        assert_eq!(with(|a| a.status = 404), status(404));
        assert_eq!(with(|a| a.status = 412), Err(TransferError::Changed));
        assert_eq!(with(|a| a.status = 416), Err(TransferError::Changed));
        assert_eq!(with(|a| a.status = 0), Err(TransferError::Unreachable));
        assert_eq!(
            with(|a| a.content_range = None),
            Err(TransferError::WrongRange)
        );
        assert_eq!(
            with(|a| a.content_range = Some("bytes 1-40/100".into())),
            Err(TransferError::WrongRange)
        );
        assert_eq!(
            with(|a| a.content_range = Some("bytes 0-39/101".into())),
            Err(TransferError::Changed)
        );
        assert_eq!(
            with(|a| a.etag = Some("\"v2\"".into())),
            Err(TransferError::Changed)
        );
        assert_eq!(with(|a| a.etag = None), Ok(Range::new(0, 40)));
        assert_eq!(
            measure(&ranged, &partial(), 39),
            Err(TransferError::Truncated)
        );
        assert_eq!(
            measure(&ranged, &partial(), 0),
            Err(TransferError::Truncated)
        );
    }

    #[test]
    fn an_empty_success_is_no_model() {
        let mut whole = request(None);
        let answer = HttpResponse {
            status: 200,
            content_length: Some(100),
            ..HttpResponse::default()
        };
        assert_eq!(measure(&whole, &answer, 0), Err(TransferError::Truncated));
        assert_eq!(measure(&whole, &answer, 100), Ok(Range::new(0, 100)));
        whole.file.size = None;
        assert_eq!(measure(&whole, &answer, 99), Err(TransferError::Truncated));
        let unknown = HttpResponse {
            status: 200,
            ..HttpResponse::default()
        };
        assert_eq!(measure(&whole, &unknown, 0), Err(TransferError::Truncated));
        assert_eq!(measure(&whole, &unknown, 7), Ok(Range::new(0, 7)));
        let empty = HttpResponse {
            status: 200,
            content_length: Some(0),
            ..HttpResponse::default()
        };
        assert_eq!(measure(&whole, &empty, 0), Ok(Range::new(0, 0)));
    }

    #[test]
    fn a_page_of_html_is_no_part_and_no_body_of_another_file() {
        let html = HttpResponse {
            status: 200,
            content_type: Some("text/html; charset=utf-8".into()),
            content_length: Some(100),
            ..HttpResponse::default()
        };
        for part_bytes in [Some(40), None] {
            let mut request = request(part_bytes);
            assert_eq!(
                measure(&request, &html, 100),
                Err(TransferError::UnexpectedType)
            );
            request.file.content_type = Some("text/html".into());
            let expected = match part_bytes {
                Some(_) => Err(TransferError::WrongRange),
                None => Ok(Range::new(0, 100)),
            };
            assert_eq!(measure(&request, &html, 100), expected);
        }
    }

    #[test]
    fn content_ranges_are_read_strictly() {
        let parse = ContentRange::parse;
        assert_eq!(
            parse("bytes 5-9/20"),
            Some(ContentRange {
                range: Some(Range::new(5, 5)),
                total: Some(20)
            })
        );
        assert_eq!(
            parse("bytes */0"),
            Some(ContentRange {
                range: None,
                total: Some(0)
            })
        );
        assert_eq!(
            parse("bytes 0-0/*"),
            Some(ContentRange {
                range: Some(Range::new(0, 1)),
                total: None
            })
        );
        for bad in [
            "",
            "bytes",
            "bytes 5-4/9",
            "bytes 0-9/9",
            "items 0-1/2",
            "bytes 0-18446744073709551615/*",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }

    fn probe(answer: &HttpResponse, resource: &str) -> Result<FileVersion, TransferError> {
        let resource: Resource = serde_json::from_str(resource).expect("a resource");
        let policy = Policy {
            part_bytes: Some(10),
            ..Policy::default()
        };
        FileVersion::from_probe(&resource, &resource.url, answer, &policy)
    }

    #[test]
    fn a_file_is_split_only_where_its_parts_can_be_told_from_another_versions() {
        let plain = r#"{"url":"https://h/f"}"#;
        let hashed = r#"{"url":"https://h/f","sha256":"00"}"#;
        let ranged = |etag: Option<&str>| HttpResponse {
            status: 206,
            content_range: Some("bytes 0-0/100".into()),
            etag: etag.map(str::to_owned),
            ..HttpResponse::default()
        };
        let split =
            |answer: &HttpResponse, resource| probe(answer, resource).expect("a file").part_bytes;
        assert_eq!(split(&ranged(Some("\"a\"")), plain), Some(10));
        assert_eq!(split(&ranged(Some("W/\"a\"")), plain), None);
        assert_eq!(split(&ranged(None), plain), None);
        assert_eq!(split(&ranged(None), hashed), Some(10));
        let whole = HttpResponse {
            status: 200,
            content_length: Some(100),
            ..HttpResponse::default()
        };
        assert_eq!(split(&whole, hashed), None);
    }

    #[test]
    fn a_size_beyond_what_javascript_can_count_is_no_size() {
        let sized = |size: u64| HttpResponse {
            status: 206,
            content_range: Some(format!("bytes 0-0/{size}")),
            etag: Some("\"a\"".into()),
            ..HttpResponse::default()
        };
        let of = |size| probe(&sized(size), r#"{"url":"https://h/f"}"#).expect("a file");
        assert_eq!(of((1 << 53) - 1).size, Some((1 << 53) - 1));
        assert_eq!((of(1 << 53).size, of(1 << 53).part_bytes), (None, None));
    }

    #[test]
    fn probes_tell_what_is_wrong() {
        let plain = r#"{"url":"https://h/f"}"#;
        let html = HttpResponse {
            status: 200,
            content_type: Some("Text/HTML; charset=utf-8".into()),
            ..HttpResponse::default()
        };
        assert_eq!(probe(&html, plain), Err(TransferError::UnexpectedType));
        assert!(probe(&html, r#"{"url":"https://h/f","sha256":"00"}"#).is_ok());
        let other_size = HttpResponse {
            status: 200,
            content_length: Some(9),
            ..HttpResponse::default()
        };
        assert_eq!(
            probe(&other_size, r#"{"url":"https://h/f","bytes":8}"#),
            Err(TransferError::Changed)
        );
        let gone = HttpResponse {
            status: 410,
            ..HttpResponse::default()
        };
        let fault = probe(&gone, plain).expect_err("gone");
        assert_eq!(fault.failure(Some(0)).reason, FailReason::NotFound);
        let empty = HttpResponse {
            status: 416,
            content_range: Some("bytes */0".into()),
            ..HttpResponse::default()
        };
        assert_eq!(probe(&empty, plain).expect("empty").layout().count(), 0);
    }
}
