//! What an app asks for, checked before anything is written.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

use crate::identity::identity;

/// Longest id, in bytes of UTF-8: ids become part of lock names and registration ids.
const MAX_ID_BYTES: usize = 512;
/// Longest URL and title, in bytes of UTF-8. A URL of megabytes crashes a Chromium page.
const MAX_TEXT_BYTES: usize = 16 * 1024;
/// Most resources of one download.
const MAX_RESOURCES: usize = 1000;
/// Largest integer that JavaScript keeps exact: `Number.MAX_SAFE_INTEGER`.
pub(crate) const MAX_BYTES: u64 = (1 << 53) - 1;

/// An image for the browser's own download UI: the `ImageResource` of the
/// [Image Resource](https://www.w3.org/TR/image-resource/) document.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Icon {
    /// Absolute URL of the image.
    pub src: String,
    /// Sizes such as `192x192`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sizes: Option<String>,
    /// MIME type.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Accessible label.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// One file of a download.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Resource {
    /// Absolute URL: in a [`Spec`] the full one, in the history its identity.
    pub url: String,
    /// Size in bytes, where the app knows it. Another size is then a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// SHA-256 of the bytes, 64 lower-case hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

impl Resource {
    /// Whether both are the same file, of the same bytes. Hexadecimal digits mean the same in either case.
    fn asks_the_same(&self, other: &Self) -> bool {
        let same_digest = match (&self.sha256, &other.sha256) {
            (Some(one), Some(other)) => one.eq_ignore_ascii_case(other),
            (one, other) => one == other,
        };
        same_digest && self.url == other.url && self.bytes == other.bytes
    }
}

/// What an app asks for: one download of one or more resources.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Spec {
    /// The app's name for the download.
    pub id: String,
    /// Title for people; shown by the browser's own download UI.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Icons for the browser's own download UI.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub icons: Vec<Icon>,
    /// Query parameters that carry credentials, besides those every identity leaves out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secret_params: Vec<String>,
    /// The files.
    pub resources: Vec<Resource>,
    /// Whether requests need headers that only the app can supply.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub headers: bool,
}

/// A spec that cannot be asked for: which field is wrong, and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct InvalidSpec {
    /// Path of the field, such as `resources[1].sha256`.
    pub field: String,
    /// What the field must be, as the end of a sentence.
    pub expected: &'static str,
}

impl core::fmt::Display for InvalidSpec {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "the spec's field `{}` must be {}",
            self.field, self.expected
        )
    }
}

impl core::error::Error for InvalidSpec {}

impl Spec {
    /// Checks the spec and brings it into the one form that is recorded: hashes in lower case,
    /// URLs without fragments.
    ///
    /// # Errors
    /// The first field that is wrong.
    pub fn validated(mut self) -> Result<ValidSpec, InvalidSpec> {
        let invalid = |field: String, expected| Err(InvalidSpec { field, expected });
        if self.id.is_empty() || self.id.len() > MAX_ID_BYTES {
            return invalid("id".into(), "a string of 1 to 512 bytes");
        }
        if self
            .title
            .as_ref()
            .is_some_and(|title| title.len() > MAX_TEXT_BYTES)
        {
            return invalid("title".into(), "at most 16384 bytes long");
        }
        for (n, icon) in self.icons.iter().enumerate() {
            if !is_http(&icon.src) || icon.src.len() > MAX_TEXT_BYTES {
                return invalid(format!("icons[{n}].src"), "an http or https URL");
            }
        }
        for (n, name) in self.secret_params.iter().enumerate() {
            if name.is_empty() || name.len() > MAX_ID_BYTES {
                return invalid(
                    format!("secretParams[{n}]"),
                    "the name of a query parameter",
                );
            }
        }
        if self.resources.is_empty() || self.resources.len() > MAX_RESOURCES {
            return invalid("resources".into(), "a list of 1 to 1000 resources");
        }
        let mut seen: Vec<String> = Vec::with_capacity(self.resources.len());
        for (n, resource) in self.resources.iter_mut().enumerate() {
            let field = |name: &str| format!("resources[{n}].{name}");
            if !is_http(&resource.url) || resource.url.len() > MAX_TEXT_BYTES {
                return invalid(field("url"), "an http or https URL of at most 16384 bytes");
            }
            if has_credentials(&resource.url) {
                return invalid(
                    field("url"),
                    "without a user name and password: pass them as headers",
                );
            }
            if let Some(end) = resource.url.find('#') {
                resource.url.truncate(end);
            }
            if resource.bytes.is_some_and(|bytes| bytes > MAX_BYTES) {
                return invalid(field("bytes"), "a whole number from 0 to 9007199254740991");
            }
            if let Some(hash) = &mut resource.sha256 {
                hash.make_ascii_lowercase();
                if hash.len() != 64 || !hash.bytes().all(|b| b.is_ascii_hexdigit()) {
                    return invalid(field("sha256"), "64 hexadecimal digits");
                }
            }
            let identity = identity(&resource.url, &self.secret_params);
            if seen.contains(&identity) {
                return invalid(field("url"), "another file than the resources before it");
            }
            seen.push(identity);
        }
        Ok(ValidSpec(self))
    }

    /// The spec as the history records it: identities for URLs, no icons (their URLs may be
    /// signed, and they matter only while a job is started).
    #[must_use]
    pub fn recorded(&self) -> Self {
        let blank = |resource: &Resource| Resource {
            url: identity(&resource.url, &self.secret_params),
            ..resource.clone()
        };
        Self {
            icons: Vec::new(),
            resources: self.resources.iter().map(blank).collect(),
            ..self.clone()
        }
    }

    /// Whether both ask for the same bytes under the same conditions. Titles, icons and the need
    /// for headers may differ.
    #[must_use]
    pub fn asks_the_same(&self, other: &Self) -> bool {
        let same = |(one, other): (&Resource, &Resource)| one.asks_the_same(other);
        self.secret_params == other.secret_params
            && self.resources.len() == other.resources.len()
            && self.resources.iter().zip(&other.resources).all(same)
    }
}

/// A spec that was checked: what can be requested. Only [`Spec::validated`] makes one.
///
/// ```compile_fail
/// # use longhaul_core::{Command, Spec};
/// fn request(unchecked: Spec) -> Command {
///     Command::Request(Box::new(unchecked))
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ValidSpec(Spec);

impl core::ops::Deref for ValidSpec {
    type Target = Spec;

    fn deref(&self) -> &Spec {
        &self.0
    }
}

impl From<ValidSpec> for Spec {
    fn from(valid: ValidSpec) -> Self {
        valid.0
    }
}

fn is_http(url: &str) -> bool {
    url.strip_prefix("https://")
        .or_else(|| url.strip_prefix("http://"))
        .is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', '?', '#']))
}

fn has_credentials(url: &str) -> bool {
    let authority = url.split_once("://").map_or("", |(_, rest)| rest);
    authority
        .split(['/', '?', '#'])
        .next()
        .is_some_and(|authority| authority.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(json: &str) -> Spec {
        serde_json::from_str(json).expect("a spec in JSON")
    }

    #[test]
    fn every_wrong_field_is_named() {
        let long = "x".repeat(513);
        let cases = [
            (
                r#"{"id":"","resources":[{"url":"https://h/f"}]}"#.to_owned(),
                "id",
            ),
            (
                format!(r#"{{"id":"{long}","resources":[{{"url":"https://h/f"}}]}}"#),
                "id",
            ),
            (r#"{"id":"a","resources":[]}"#.to_owned(), "resources"),
            (
                r#"{"id":"a","resources":[{"url":"data:,x"}]}"#.to_owned(),
                "resources[0].url",
            ),
            (
                r#"{"id":"a","resources":[{"url":"https://"}]}"#.to_owned(),
                "resources[0].url",
            ),
            (
                r#"{"id":"a","resources":[{"url":"https://u:p@h/f"}]}"#.to_owned(),
                "resources[0].url",
            ),
            (
                r#"{"id":"a","resources":[{"url":"https://h/f"},{"url":"https://h/f#x"}]}"#
                    .to_owned(),
                "resources[1].url",
            ),
            (
                r#"{"id":"a","resources":[{"url":"https://h/f","sha256":"12"}]}"#.to_owned(),
                "resources[0].sha256",
            ),
            (
                r#"{"id":"a","resources":[{"url":"https://h/f","bytes":9007199254740992}]}"#
                    .to_owned(),
                "resources[0].bytes",
            ),
            (
                r#"{"id":"a","secretParams":[""],"resources":[{"url":"https://h/f"}]}"#.to_owned(),
                "secretParams[0]",
            ),
            (
                r#"{"id":"a","icons":[{"src":"x"}],"resources":[{"url":"https://h/f"}]}"#
                    .to_owned(),
                "icons[0].src",
            ),
            (
                format!(
                    r#"{{"id":"a","title":"{}","resources":[{{"url":"https://h/f"}}]}}"#,
                    "x".repeat(20_000)
                ),
                "title",
            ),
        ];
        for (json, field) in cases {
            let error = spec(&json).validated().expect_err(field);
            assert_eq!(error.field, field);
            assert!(error.to_string().contains(field), "{error}");
        }
    }

    #[test]
    fn what_is_recorded_has_no_secret_and_no_icon() {
        let spec = spec(
            r#"{"id":"a","icons":[{"src":"https://h/i?sig=1"}],"secretParams":["token"],
                "resources":[{"url":"https://h/f?token=s3cret&X-Amz-Signature=s4cret#frag","sha256":"AA00000000000000000000000000000000000000000000000000000000000000"}]}"#,
        )
        .validated()
        .expect("valid");
        let text = serde_json::to_string(&spec.recorded()).expect("JSON");
        assert!(
            !text.contains("s3cret") && !text.contains("s4cret"),
            "{text}"
        );
        assert!(!text.contains("icons"), "{text}");
        assert!(text.contains("aa00"), "{text}");
    }

    #[test]
    fn the_largest_of_everything_is_allowed_and_one_more_is_not() {
        let url = |len: usize| {
            let mut url = String::from("https://h/");
            url.extend(core::iter::repeat_n('a', len - url.len()));
            url
        };
        let text = |len: usize| "a".repeat(len);
        let resource = |url: String, bytes| Resource {
            url,
            bytes,
            sha256: None,
        };
        let at = |id: usize, title: usize, icon: usize, secret: usize, long: usize, more: u64| {
            let spec = Spec {
                id: text(id),
                title: Some(text(title)),
                icons: vec![Icon {
                    src: url(icon),
                    sizes: None,
                    kind: None,
                    label: None,
                }],
                secret_params: vec![text(secret)],
                resources: vec![resource(url(long), Some(MAX_BYTES + more))],
                headers: false,
            };
            spec.validated().err().map(|invalid| invalid.field)
        };
        let (id, long) = (MAX_ID_BYTES, MAX_TEXT_BYTES);
        assert_eq!(at(id, long, long, id, long, 0), None);
        let wrong = |field: &str| Some(field.to_owned());
        assert_eq!(at(id + 1, long, long, id, long, 0), wrong("id"));
        assert_eq!(at(id, long + 1, long, id, long, 0), wrong("title"));
        assert_eq!(at(id, long, long + 1, id, long, 0), wrong("icons[0].src"));
        assert_eq!(
            at(id, long, long, id + 1, long, 0),
            wrong("secretParams[0]")
        );
        assert_eq!(
            at(id, long, long, id, long + 1, 0),
            wrong("resources[0].url")
        );
        assert_eq!(at(id, long, long, id, long, 1), wrong("resources[0].bytes"));

        let many = |count: usize| {
            let spec = Spec {
                id: "a".into(),
                title: None,
                icons: Vec::new(),
                secret_params: Vec::new(),
                resources: (0..count)
                    .map(|n| resource(format!("https://h/{n}"), None))
                    .collect(),
                headers: false,
            };
            spec.validated().err().map(|invalid| invalid.field)
        };
        assert_eq!(many(MAX_RESOURCES), None);
        assert_eq!(many(MAX_RESOURCES + 1), wrong("resources"));
    }
}
