//! Identity: which URLs are the same file, and what of a URL may be written down.
//!
//! A signed URL carries a credential, and the same file is signed anew each time it is asked
//! for. A resource's identity is therefore its URL without fragment and with the values of
//! signature parameters blanked. Only identities reach the history, messages, errors and logs.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

/// Parameters that a signature scheme puts into a query, and what shows that it was used there.
///
/// Short names such as `sp` or `Expires` are ordinary words elsewhere, so they are blanked only
/// in a query that also has the parameters which make the scheme certain: two URLs that differ
/// in any other parameter are different files.
struct Scheme {
    /// All of these must be in the query.
    shown_by: &'static [&'static str],
    /// Then the values of these are blanked.
    blanked: &'static [&'static str],
}

/// Prefixes that belong to one scheme alone (AWS Signature Version 4, Google Cloud Storage V4).
const PREFIXES: [&str; 2] = ["x-amz-", "x-goog-"];

const SCHEMES: [Scheme; 3] = [
    // CloudFront, canned policy and custom policy.
    Scheme {
        shown_by: &["signature", "key-pair-id"],
        blanked: &[
            "signature",
            "key-pair-id",
            "policy",
            "expires",
            "hash-algorithm",
        ],
    },
    Scheme {
        shown_by: &["policy", "key-pair-id"],
        blanked: &[
            "signature",
            "key-pair-id",
            "policy",
            "expires",
            "hash-algorithm",
        ],
    },
    // Azure Storage shared access signatures: account, service and user delegation.
    Scheme {
        shown_by: &["sig", "sv"],
        blanked: &[
            "sig", "sv", "ss", "srt", "sr", "sp", "se", "st", "spr", "sip", "si", "skoid", "sktid",
            "skt", "ske", "sks", "skv", "saoid", "suoid", "scid", "sdd", "ses",
        ],
    },
];

/// The identity of `url`: without fragment, the values of signature parameters and of
/// `secret_params` (names compared without the case of ASCII letters: the tables for all others
/// would weigh five kilobytes) blanked. A query without anything in it is none:
/// Chromium drops its question mark from the URLs of background records.
///
/// `url` is an absolute URL in the form the browser serialises it. The order of parameters and
/// the names of those blanked stay, so that an identity reads like the URL it stands for.
///
/// ```
/// use longhaul_core::identity;
/// let signed = "https://host/m.gguf?rev=2&X-Amz-Signature=abc#top";
/// assert_eq!(identity(signed, &[]), "https://host/m.gguf?rev=2&X-Amz-Signature=");
/// ```
#[must_use]
pub fn identity(url: &str, secret_params: &[String]) -> String {
    let url = url.split('#').next().unwrap_or_default();
    let Some((path, query)) = url.split_once('?') else {
        return url.to_owned();
    };
    if query.is_empty() {
        return path.to_owned();
    }
    let names: Vec<String> = query.split('&').map(name_of).collect();
    let blank = |name: &str| {
        PREFIXES.iter().any(|prefix| name.starts_with(prefix))
            || secret_params
                .iter()
                .any(|secret| secret.to_ascii_lowercase() == name)
            || SCHEMES.iter().any(|scheme| {
                scheme.blanked.contains(&name)
                    && scheme
                        .shown_by
                        .iter()
                        .all(|by| names.iter().any(|n| n == by))
            })
    };
    let mut out = String::with_capacity(url.len());
    out.push_str(path);
    for (n, (pair, name)) in query.split('&').zip(&names).enumerate() {
        out.push(if n == 0 { '?' } else { '&' });
        if blank(name) {
            out.push_str(pair.split('=').next().unwrap_or_default());
            out.push('=');
        } else {
            out.push_str(pair);
        }
    }
    out
}

/// The decoded name, its ASCII letters in lower case, of a `name=value` pair of a query.
fn name_of(pair: &str) -> String {
    let name = pair.split('=').next().unwrap_or_default();
    unescape(&name.replace('+', " "))
        .unwrap_or_else(|| name.to_owned())
        .to_ascii_lowercase()
}

/// Percent-encodes everything but unreserved characters ([RFC 3986, 2.3]).
///
/// [RFC 3986, 2.3]: https://www.rfc-editor.org/rfc/rfc3986#section-2.3
#[must_use]
pub fn escape(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    out
}

/// Undoes [`escape`]; `None` where an escape is malformed or the bytes are not UTF-8.
#[must_use]
pub fn unescape(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let high = char::from(bytes.next()?).to_digit(16)?;
            let low = char::from(bytes.next()?).to_digit(16)?;
            out.push(u8::try_from(high * 16 + low).ok()?);
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(a: &str, b: &str) -> bool {
        identity(a, &[]) == identity(b, &[])
    }

    #[test]
    fn signatures_of_the_closed_list_do_not_make_another_file() {
        for (a, b) in [
            (
                "https://h/f?X-Amz-Date=1&X-Amz-Signature=2",
                "https://h/f?X-Amz-Date=3&X-Amz-Signature=4",
            ),
            (
                "https://h/f?x-goog-signature=1",
                "https://h/f?x-goog-signature=2",
            ),
            (
                "https://h/f?Expires=1&Signature=2&Key-Pair-Id=3",
                "https://h/f?Expires=9&Signature=8&Key-Pair-Id=7",
            ),
            (
                "https://h/f?Policy=1&Key-Pair-Id=3",
                "https://h/f?Policy=2&Key-Pair-Id=3",
            ),
            (
                "https://h/f?sv=2024&sp=r&sig=a%2Bb",
                "https://h/f?sv=2025&sp=rl&sig=c",
            ),
            (
                "https://h/f?X%2DAmz-Signature=1",
                "https://h/f?X%2DAmz-Signature=2",
            ),
            ("https://h/f#a", "https://h/f#b"),
        ] {
            assert!(same(a, b), "{a} and {b}");
        }
    }

    #[test]
    fn a_query_without_parameters_makes_no_other_file() {
        assert!(same("https://h/f", "https://h/f?"));
        assert!(same("https://h/f", "https://h/f?#top"));
        assert!(!same("https://h/f", "https://h/f?x"));
    }

    #[test]
    fn any_other_parameter_makes_another_file() {
        for (a, b) in [
            ("https://h/f?rev=1", "https://h/f?rev=2"),
            ("https://h/f?sp=1", "https://h/f?sp=2"),
            ("https://h/f?Expires=1", "https://h/f?Expires=2"),
            ("https://h/f?Signature=1", "https://h/f?Signature=2"),
            ("https://h/f?token=1", "https://h/f?token=2"),
            (
                "https://h/f?sv=1&sig=2&rev=1",
                "https://h/f?sv=1&sig=2&rev=2",
            ),
        ] {
            assert!(!same(a, b), "{a} and {b}");
        }
    }

    #[test]
    fn secret_parameters_of_the_spec_are_blanked() {
        let secret = ["Token".to_owned()];
        assert_eq!(
            identity("https://h/f?token=s3&a=1", &secret),
            "https://h/f?token=&a=1"
        );
        assert_eq!(identity("https://h/f?token", &secret), "https://h/f?token=");
    }

    #[test]
    fn escaping_round_trips() {
        let text = "a/b c#%é\u{1F30D}";
        assert_eq!(unescape(&escape(text)).as_deref(), Some(text));
        assert_eq!(unescape("%4"), None);
        assert_eq!(unescape("%FF"), None);
    }
}
