//! Files: one generation of a resource's bytes, how it is split, and the keys its parts are stored under.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::identity::{escape, identity, unescape};
use crate::parts::{Layout, Range};

/// What tells two versions of a resource apart ([RFC 9110, 8.8]).
///
/// [RFC 9110, 8.8]: https://www.rfc-editor.org/rfc/rfc9110#section-8.8
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Validator {
    /// A strong entity tag, quotes included.
    Etag(String),
    /// The value of `Last-Modified`, as sent.
    LastModified(String),
}

impl Validator {
    fn text(this: Option<&Self>) -> String {
        match this {
            Some(Self::Etag(tag)) => format!("e{tag}"),
            Some(Self::LastModified(date)) => format!("m{date}"),
            None => String::new(),
        }
    }

    fn parse(text: &str) -> Option<Self> {
        if let Some(tag) = text.strip_prefix('e') {
            return Some(Self::Etag(tag.to_owned()));
        }
        text.strip_prefix('m')
            .map(|date| Self::LastModified(date.to_owned()))
    }
}

/// One generation of a resource: which bytes they are, and how they are split.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FileVersion {
    /// Identity of the resource.
    pub url: String,
    /// Size in bytes, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// What tells this generation from others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validator: Option<Validator>,
    /// Size of a part in bytes; absent: one part, the whole body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part_bytes: Option<u64>,
    /// The `Content-Type` the server gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// Whether its answers come from another origin: then those to a background job hide their version.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub cross_origin: bool,
}

impl FileVersion {
    /// How the file is split.
    #[must_use]
    pub fn layout(&self) -> Layout {
        match (self.size, self.part_bytes) {
            (Some(size), Some(part)) => Layout::Ranged {
                size,
                part: part.max(1),
            },
            (size, _) => Layout::Whole { size },
        }
    }

    /// Whether parts that a background job brings do not show which version they are of.
    pub(crate) const fn hides_versions(&self) -> bool {
        self.cross_origin && self.part_bytes.is_some()
    }

    /// Whether the server says that it is a page of HTML.
    #[must_use]
    pub fn is_html(&self) -> bool {
        is_html(self.content_type.as_deref())
    }

    /// The key that its parts are stored under: identity, size and validator, so that bytes of two
    /// generations can never meet, and two downloads of one generation share them.
    #[must_use]
    pub fn key(&self) -> String {
        // A file without a validator and without ranges is whatever one answer brought: it must
        // not be mistaken for the parts of a ranged transfer of the same size.
        let size = match (self.size, self.part_bytes) {
            (Some(size), Some(_)) => size.to_string(),
            (Some(size), None) => format!("{size}w"),
            (None, _) => "w".to_owned(),
        };
        format!(
            "{size} {} {}",
            escape(&Validator::text(self.validator.as_ref())),
            self.url
        )
    }
}

/// The identity at the end of a file's key.
#[must_use]
pub fn identity_of(key: &str) -> Option<&str> {
    key.splitn(3, ' ').nth(2)
}

/// The media type of HTML, whatever parameters follow it.
pub(crate) const HTML: &str = "text/html";

/// Whether a `Content-Type` says HTML.
pub(crate) fn is_html(content_type: Option<&str>) -> bool {
    content_type.is_some_and(|kind| {
        let kind = kind.split(';').next().unwrap_or_default().trim();
        kind.eq_ignore_ascii_case(HTML)
    })
}

/// What a request for one part expects: everything needed to measure and store the answer,
/// carried in the fragment of the request's URL, which no server ever sees.
///
/// A completion handler can thus store a record from its URL alone, even when the history
/// cannot be opened. The fragment begins with the number of the part: it makes the URLs of a job
/// distinct, without which Chromium answers every early read with the bytes of whichever record
/// came first. (It is padded so that URLs sort like their parts for whoever lists them. The order
/// in which Chromium asks for records does not depend on it: see `requests` in the browser crate.)
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PartRequest {
    /// The file the part belongs to. Of its `content_type` only whether it is HTML is carried.
    pub file: FileVersion,
    /// Number of the part.
    pub index: u32,
}

impl PartRequest {
    /// The range of the part; `None` for a whole body of unknown size.
    #[must_use]
    pub fn range(&self) -> Option<Range> {
        self.file.layout().range(self.index)
    }

    /// The range that its request asks for; `None` where the whole body is asked for.
    #[must_use]
    pub fn range_asked(&self) -> Option<Range> {
        self.file.part_bytes?;
        self.range()
    }

    /// The URL to ask for: `url` (the full one) with the fragment that [`PartRequest::parse`] reads.
    #[must_use]
    pub fn url(&self, url: &str, secret_params: &[String]) -> String {
        let base = url.split('#').next().unwrap_or_default();
        let number = |value: Option<u64>| value.map_or_else(String::new, |v| v.to_string());
        let secret: Vec<String> = secret_params.iter().map(|name| escape(name)).collect();
        format!(
            "{base}#part={:04}&size={}&each={}&of={}&secret={}{}{}",
            self.index,
            number(self.file.size),
            number(self.file.part_bytes),
            escape(&Validator::text(self.file.validator.as_ref())),
            secret.join(","),
            if self.file.cross_origin { FAR_MARK } else { "" },
            if self.file.is_html() { HTML_MARK } else { "" },
        )
    }

    /// Reads back what [`PartRequest::url`] wrote; `None` for any other URL.
    #[must_use]
    pub fn parse(url: &str) -> Option<Self> {
        let (base, fragment) = url.split_once('#')?;
        let (fragment, is_html) = match fragment.strip_suffix(HTML_MARK) {
            Some(fragment) => (fragment, true),
            None => (fragment, false),
        };
        let (fragment, cross_origin) = match fragment.strip_suffix(FAR_MARK) {
            Some(fragment) => (fragment, true),
            None => (fragment, false),
        };
        let mut fields = fragment.split('&');
        let mut field = |name: &str| fields.next()?.strip_prefix(name)?.strip_prefix('=');
        let number = |text: &str| match text {
            "" => Some(None),
            digits => digits.parse::<u64>().ok().map(Some),
        };
        let index = field("part")?.parse().ok()?;
        let size = number(field("size")?)?;
        let part_bytes = number(field("each")?)?;
        let validator = Validator::parse(&unescape(field("of")?)?);
        let secret = field("secret")?
            .split(',')
            .filter(|name| !name.is_empty())
            .map(unescape)
            .collect::<Option<Vec<String>>>()?;
        let file = FileVersion {
            url: identity(base, &secret),
            size,
            validator,
            part_bytes,
            content_type: is_html.then(|| HTML.to_owned()),
            cross_origin,
        };
        (index < file.layout().count()).then_some(Self { file, index })
    }
}

/// Stands in the fragment of a request for a file of another origin, whose version is asked for again afterwards: only then may an
/// answer hide it.
const FAR_MARK: &str = "&far=1";

/// Ends the fragment of a request for a file that is HTML, so that such an answer is none to wonder at.
const HTML_MARK: &str = "&html=1";

/// The URL (`url` is the full one) by which a server is asked what it has: one of our own transfers, too, and of no part.
#[must_use]
pub fn probe_url(url: &str) -> String {
    let base = url.split('#').next().unwrap_or_default();
    format!("{base}#part=probe")
}

/// Whether a URL is one of our own transfers, which no cache of ours may answer.
#[must_use]
pub fn is_transfer(url: &str) -> bool {
    url.split_once('#')
        .is_some_and(|(_, fragment)| fragment.starts_with("part="))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_ends_with_its_identity() {
        let file = FileVersion {
            url: "https://host/a b?c=%20".into(),
            size: Some(3),
            validator: Some(Validator::LastModified(
                "Tue, 24 Nov 2026 18:00:00 GMT".into(),
            )),
            part_bytes: None,
            content_type: None,
            cross_origin: false,
        };
        assert_eq!(identity_of(&file.key()), Some(file.url.as_str()));
        assert_eq!(identity_of("of another make"), Some("make"));
        assert_eq!(identity_of("nothing"), None);
    }

    #[test]
    fn probes_are_transfers_of_no_part() {
        let url = probe_url("https://host/a?b=c#d");
        assert_eq!(url, "https://host/a?b=c#part=probe");
        assert!(is_transfer(&url));
        assert_eq!(PartRequest::parse(&url), None);
    }

    fn file() -> FileVersion {
        FileVersion {
            url: "https://h/f?token=".into(),
            size: Some(100),
            validator: Some(Validator::Etag("\"a b#&\"".into())),
            part_bytes: Some(30),
            content_type: None,
            cross_origin: false,
        }
    }

    #[test]
    fn a_request_url_tells_everything_about_its_part() {
        let request = PartRequest {
            file: file(),
            index: 3,
        };
        let url = request.url("https://h/f?token=s3cret", &["token".into()]);
        assert!(
            url.starts_with("https://h/f?token=s3cret#part=0003&"),
            "{url}"
        );
        assert!(is_transfer(&url));
        assert_eq!(PartRequest::parse(&url), Some(request.clone()));
        let header = request.range_asked().and_then(|range| range.header());
        assert_eq!(header.as_deref(), Some("bytes=90-99"));
    }

    #[test]
    fn a_request_url_tells_whether_html_is_expected_and_knows_no_empty_query() {
        let page = PartRequest {
            file: FileVersion {
                url: "https://h/f".into(),
                content_type: Some("text/HTML; charset=utf-8".into()),
                ..file()
            },
            index: 0,
        };
        // Chromium gives the second form back for the first.
        for full in ["https://h/f?", "https://h/f"] {
            let read = PartRequest::parse(&page.url(full, &[])).expect("ours");
            assert!(read.file.is_html());
            assert_eq!(read.file.key(), page.file.key());
        }
        let plain = PartRequest {
            file: file(),
            index: 0,
        };
        let read = PartRequest::parse(&plain.url("https://h/f", &[])).expect("ours");
        assert!(!read.file.is_html());
    }

    #[test]
    fn a_request_url_tells_whether_its_file_is_of_another_origin() {
        for (cross_origin, kind) in [(true, None), (true, Some(HTML)), (false, Some(HTML))] {
            let request = PartRequest {
                file: FileVersion {
                    cross_origin,
                    content_type: kind.map(str::to_owned),
                    ..file()
                },
                index: 1,
            };
            let url = request.url("https://h/f?token=s3cret", &["token".into()]);
            assert_eq!(PartRequest::parse(&url), Some(request), "{url}");
        }
    }

    #[test]
    fn foreign_urls_are_no_part_requests() {
        for url in [
            "https://h/f",
            "https://h/f#part=0001",
            "https://h/f#part=x&size=&each=&of=&secret=",
            "https://h/f#part=0001&size=&each=&of=&secret=",
            "https://h/f#part=0000&size=1&each=1&of=%ZZ&secret=",
        ] {
            assert_eq!(PartRequest::parse(url), None, "{url}");
        }
    }

    #[test]
    fn request_urls_sort_like_their_parts() {
        let wide = FileVersion {
            size: Some(10_000),
            part_bytes: Some(1),
            ..file()
        };
        let urls: Vec<String> = (0..2000)
            .map(|index| {
                PartRequest {
                    file: wide.clone(),
                    index,
                }
                .url("https://h/f", &[])
            })
            .collect();
        assert!(urls.is_sorted());
    }

    #[test]
    fn generations_have_different_keys() {
        let base = file();
        let keys = [
            base.key(),
            FileVersion {
                size: Some(101),
                ..base.clone()
            }
            .key(),
            FileVersion {
                validator: None,
                ..base.clone()
            }
            .key(),
            FileVersion {
                validator: Some(Validator::LastModified("\"a b#&\"".into())),
                ..base.clone()
            }
            .key(),
            FileVersion {
                part_bytes: None,
                ..base.clone()
            }
            .key(),
            FileVersion {
                url: "https://h/g".into(),
                ..base.clone()
            }
            .key(),
        ];
        for (n, key) in keys.iter().enumerate() {
            assert!(!keys[..n].contains(key), "{key}");
        }
        assert_eq!(
            base.key(),
            FileVersion {
                part_bytes: Some(10),
                ..base.clone()
            }
            .key()
        );
    }
}
