//! Handing out what is stored: as a Blob of Blobs, as a streaming Response, or as a server would answer a request for it.

use longhaul_core::{FileVersion, Range, Validator};
use wasm_bindgen::JsValue;
use web_sys::{Blob, Headers, Response, ResponseInit};

use crate::js::Exception;
use crate::web::Web;
use longhaul_runner::errors::PartError;

use longhaul_runner::delivery::Stored;
use longhaul_runner::translate::http_date_ms;

impl Web {
    /// The bytes of a stored file as a Blob made of the parts' Blobs; none is read.
    pub async fn blob(&self, stored: &Stored) -> Result<Blob, PartError> {
        let blob = self
            .parts
            .compose_blob(&stored.file.key(), stored.size)
            .await?;
        let Some(kind) = &stored.file.content_type else {
            return Ok(blob);
        };
        blob.slice_with_f64_and_f64_and_content_type(0.0, blob.size(), kind)
            .map_err(|thrown| Exception::from_js(&thrown).into())
    }

    /// A stored file as a 200, or a range of it as a 206 ([RFC 9110, 15.3.7]). The body is read as it is asked for.
    ///
    /// [RFC 9110, 15.3.7]: https://www.rfc-editor.org/rfc/rfc9110#section-15.3.7
    pub async fn response(
        &self,
        stored: &Stored,
        range: Option<Range>,
    ) -> Result<Response, PartError> {
        let whole = Range {
            start: 0,
            len: stored.size,
        };
        let wanted = range.unwrap_or(whole);
        let body = self
            .parts
            .compose_stream(&stored.file.key(), wanted.start, wanted.end())
            .await?;
        response(stored, range, wanted, Some(&body))
            .map_err(|thrown| Exception::from_js(&thrown).into())
    }

    /// A stored file as a server would answer a request for it ([RFC 9110, 13.2.2]).
    ///
    /// [RFC 9110, 13.2.2]: https://www.rfc-editor.org/rfc/rfc9110#section-13.2.2
    pub async fn reply(&self, stored: &Stored, asked: &Asked) -> Result<Response, PartError> {
        let whole = Range {
            start: 0,
            len: stored.size,
        };
        let made = match judge(&stored.file, stored.size, asked) {
            Reply::Whole => return self.response(stored, None).await,
            Reply::Part(range) => return self.response(stored, Some(range)).await,
            Reply::Head => response(stored, None, whole, None),
            Reply::NotModified => not_modified(stored),
            Reply::Unsatisfiable => unsatisfiable(stored),
        };
        made.map_err(|thrown| Exception::from_js(&thrown).into())
    }
}

/// What a request asks for beside its URL: the headers that matter, as sent.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Asked {
    /// Whether only the head is wanted.
    pub head: bool,
    /// `Range`.
    pub range: Option<String>,
    /// `If-Range`.
    pub if_range: Option<String>,
    /// `If-None-Match`.
    pub if_none_match: Option<String>,
    /// `If-Modified-Since`.
    pub if_modified_since: Option<String>,
}

/// How a request for a stored file is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// 200 with the whole body.
    Whole,
    /// 200 without a body.
    Head,
    /// 206 with this range.
    Part(Range),
    /// 304: whoever asks has it already.
    NotModified,
    /// 416: there is no such range.
    Unsatisfiable,
}

/// Judges a request in the order of [RFC 9110, 13.2.2]. What it has no validator for, or cannot read, it passes over.
///
/// [RFC 9110, 13.2.2]: https://www.rfc-editor.org/rfc/rfc9110#section-13.2.2
#[must_use]
pub fn judge(file: &FileVersion, size: u64, asked: &Asked) -> Reply {
    let validator = file.validator.as_ref();
    let unchanged = match (&asked.if_none_match, &asked.if_modified_since) {
        (Some(tags), _) => names_tag(tags, validator),
        (None, Some(date)) => is_as_old_as(date, validator),
        (None, None) => false,
    };
    if unchanged {
        return Reply::NotModified;
    }
    if asked.head {
        return Reply::Head;
    }
    let range = asked.range.as_deref().filter(|_| {
        let condition = asked.if_range.as_deref();
        condition.is_none_or(|condition| match validator {
            Some(Validator::Etag(tag)) => condition.trim() == tag,
            Some(Validator::LastModified(date)) => condition.trim() == date,
            None => false,
        })
    });
    match range.and_then(|header| requested_range(header, size)) {
        Some(Some(range)) => Reply::Part(range),
        Some(None) => Reply::Unsatisfiable,
        None => Reply::Whole,
    }
}

/// Whether a list of entity tags, or `*`, has the file's. The comparison is the weak one.
fn names_tag(tags: &str, validator: Option<&Validator>) -> bool {
    if tags.trim() == "*" {
        return true;
    }
    let Some(Validator::Etag(own)) = validator else {
        return false;
    };
    // A comma may be part of a tag, so that it is looked for as it is, quotes included, between what may stand between tags.
    tags.match_indices(own.as_str()).any(|(at, _)| {
        let before = tags[..at].trim_end();
        let before = before.strip_suffix("W/").unwrap_or(before).trim_end();
        let after = tags[at + own.len()..].trim_start();
        (before.is_empty() || before.ends_with(',')) && (after.is_empty() || after.starts_with(','))
    })
}

fn is_as_old_as(date: &str, validator: Option<&Validator>) -> bool {
    let Some(Validator::LastModified(own)) = validator else {
        return false;
    };
    match (http_date_ms(own), http_date_ms(date)) {
        (Some(own), Some(known)) => own <= known,
        _ => false,
    }
}

fn validated(headers: &Headers, stored: &Stored) -> Result<(), JsValue> {
    match &stored.file.validator {
        Some(Validator::Etag(tag)) => headers.set("ETag", tag),
        Some(Validator::LastModified(date)) => headers.set("Last-Modified", date),
        None => Ok(()),
    }
}

/// 304 ([RFC 9110, 15.4.5](https://www.rfc-editor.org/rfc/rfc9110#section-15.4.5)).
fn not_modified(stored: &Stored) -> Result<Response, JsValue> {
    let headers = Headers::new()?;
    validated(&headers, stored)?;
    empty(304, &headers)
}

/// 416 ([RFC 9110, 15.5.17](https://www.rfc-editor.org/rfc/rfc9110#section-15.5.17)).
fn unsatisfiable(stored: &Stored) -> Result<Response, JsValue> {
    let headers = Headers::new()?;
    let range = ["bytes */", &stored.size.to_string()].concat();
    headers.set("Content-Range", &range)?;
    empty(416, &headers)
}

fn empty(status: u16, headers: &Headers) -> Result<Response, JsValue> {
    let init = ResponseInit::new();
    init.set_status(status);
    init.set_headers(headers);
    Response::new_with_opt_str_and_init(None, &init)
}

fn response(
    stored: &Stored,
    range: Option<Range>,
    wanted: Range,
    body: Option<&web_sys::ReadableStream>,
) -> Result<Response, JsValue> {
    let headers = Headers::new()?;
    headers.set("Content-Length", &wanted.len.to_string())?;
    headers.set("Accept-Ranges", "bytes")?;
    let kind = stored
        .file
        .content_type
        .as_deref()
        .unwrap_or("application/octet-stream");
    headers.set("Content-Type", kind)?;
    validated(&headers, stored)?;
    let init = ResponseInit::new();
    if range.is_some() {
        let text = [
            "bytes ",
            &wanted.start.to_string(),
            "-",
            &(wanted.end() - 1).to_string(),
            "/",
            &stored.size.to_string(),
        ];
        headers.set("Content-Range", &text.concat())?;
        init.set_status(206);
    }
    init.set_headers(&headers);
    Response::new_with_opt_readable_stream_and_init(body, &init)
}

/// The one range that a `Range` header asks for ([RFC 9110, 14.1.2]), within a file of this size. `None` where the
/// header is to be passed over (another unit, several ranges, not in the form of the RFC), `Some(None)` where it
/// cannot be satisfied.
///
/// [RFC 9110, 14.1.2]: https://www.rfc-editor.org/rfc/rfc9110#section-14.1.2
#[must_use]
#[allow(
    clippy::option_option,
    reason = "three answers: pass over, unsatisfiable, this range"
)]
pub fn requested_range(header: &str, size: u64) -> Option<Option<Range>> {
    let (first, last) = header.trim().strip_prefix("bytes=")?.split_once('-')?;
    let number = |digits: &str| digits.trim().parse::<u64>().ok();
    let (start, end) = match (first.trim(), last.trim()) {
        ("", suffix) => (size.saturating_sub(number(suffix)?), size),
        (first, "") => (number(first)?, size),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            (first, last.saturating_add(1).min(size))
        }
    };
    Some((start < end).then(|| Range {
        start,
        len: end - start,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn range_headers_are_read_as_the_rfc_says() {
        let some = |start, len| Some(Some(Range { start, len }));
        assert_eq!(requested_range("bytes=0-9", 100), some(0, 10));
        assert_eq!(requested_range("bytes=90-", 100), some(90, 10));
        assert_eq!(requested_range("bytes=90-1000", 100), some(90, 10));
        assert_eq!(requested_range("bytes=-5", 100), some(95, 5));
        assert_eq!(requested_range("bytes=-500", 100), some(0, 100));
        assert_eq!(requested_range("bytes=100-", 100), Some(None));
        assert_eq!(requested_range("bytes=-0", 100), Some(None));
        for passed_over in [
            "",
            "bytes=",
            "items=0-1",
            "bytes=5-4",
            "bytes=0-1,3-4",
            "bytes=a-b",
        ] {
            assert_eq!(requested_range(passed_over, 100), None, "{passed_over}");
        }
    }

    fn file(validator: Option<Validator>) -> FileVersion {
        FileVersion {
            url: "https://h/f".into(),
            size: Some(100),
            validator,
            part_bytes: None,
            content_type: None,
            cross_origin: false,
        }
    }

    fn tagged() -> FileVersion {
        file(Some(Validator::Etag("\"a,b\"".into())))
    }

    fn dated() -> FileVersion {
        let date = "Tue, 24 Nov 2026 10:00:00 GMT";
        file(Some(Validator::LastModified(date.into())))
    }

    #[test]
    fn whoever_has_the_file_already_is_told_so() {
        let none_match = |file: &FileVersion, tags: &str| {
            let asked = Asked {
                if_none_match: Some(tags.to_owned()),
                ..Asked::default()
            };
            judge(file, 100, &asked) == Reply::NotModified
        };
        for tags in [
            "\"a,b\"",
            "W/\"a,b\"",
            "\"x\", \"a,b\"",
            "\"x\",W/\"a,b\" ,\"y\"",
            "*",
        ] {
            assert!(none_match(&tagged(), tags), "{tags}");
        }
        for tags in ["", "\"a\"", "\"a,b", "a,b", "\"x\"\"a,b\"", "\"a,b\"x"] {
            assert!(!none_match(&tagged(), tags), "{tags}");
        }
        assert!(!none_match(&dated(), "\"a,b\""));

        let since = |file: &FileVersion, date: &str| {
            let asked = Asked {
                if_modified_since: Some(date.to_owned()),
                ..Asked::default()
            };
            judge(file, 100, &asked) == Reply::NotModified
        };
        assert!(since(&dated(), "Tue, 24 Nov 2026 10:00:00 GMT"));
        assert!(since(&dated(), "Wed, 25 Nov 2026 00:00:00 GMT"));
        assert!(!since(&dated(), "Tue, 24 Nov 2026 09:59:59 GMT"));
        assert!(!since(&dated(), "yesterday"));
        assert!(!since(&tagged(), "Wed, 25 Nov 2026 00:00:00 GMT"));
        // With both it is the tag that counts.
        let both = Asked {
            if_none_match: Some("\"x\"".to_owned()),
            if_modified_since: Some("Wed, 25 Nov 2026 00:00:00 GMT".to_owned()),
            ..Asked::default()
        };
        assert_eq!(judge(&dated(), 100, &both), Reply::Whole);
    }

    #[test]
    fn a_range_is_answered_where_its_condition_holds_and_a_head_has_none() {
        let asked = |condition: Option<&str>| Asked {
            range: Some("bytes=10-19".to_owned()),
            if_range: condition.map(str::to_owned),
            ..Asked::default()
        };
        let part = Reply::Part(Range { start: 10, len: 10 });
        assert_eq!(judge(&tagged(), 100, &asked(None)), part);
        assert_eq!(judge(&tagged(), 100, &asked(Some("\"a,b\""))), part);
        assert_eq!(
            judge(&dated(), 100, &asked(Some("Tue, 24 Nov 2026 10:00:00 GMT"))),
            part
        );
        for condition in ["W/\"a,b\"", "\"other\"", "Tue, 24 Nov 2026 10:00:00 GMT"] {
            assert_eq!(judge(&tagged(), 100, &asked(Some(condition))), Reply::Whole);
        }
        assert_eq!(judge(&file(None), 100, &asked(Some("\"a\""))), Reply::Whole);
        assert_eq!(judge(&tagged(), 10, &asked(None)), Reply::Unsatisfiable);
        let head = Asked {
            head: true,
            ..asked(None)
        };
        assert_eq!(judge(&tagged(), 100, &head), Reply::Head);
    }
}
