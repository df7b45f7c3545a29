//! Specs with secrets wherever a spec may have one.

use crate::scenario::ID;
use longhaul_core::{Icon, Resource, Spec};
use proptest::prelude::*;
use proptest::sample::select;

/// A spec, and the secrets that are planted in it.
#[derive(Debug, Clone)]
pub struct Secretive {
    /// The spec, not validated yet.
    pub spec: Spec,
    /// What must never be written down, said or logged.
    pub secrets: Vec<String>,
}

/// Signature schemes of the closed list: names whose values are secret when all of them are there.
const SCHEMES: &[&[&str]] = &[
    &["X-Amz-Signature"],
    &[
        "X-Amz-Credential",
        "X-Amz-Security-Token",
        "X-Amz-Signature",
    ],
    &["X-Goog-Signature", "X-Goog-Credential"],
    &["Signature", "Key-Pair-Id", "Expires"],
    &["Policy", "Signature", "Key-Pair-Id"],
    &["sv", "sig", "se", "skoid"],
];

/// Names that an app declares secret.
const OWN: &[&str] = &["token", "Api-Key", "schlüssel", "a b"];

fn any_secret() -> impl Strategy<Value = String> {
    "s3cret[A-Za-z0-9]{8,12}"
}

/// A name as somebody may write it: in another case, or with a letter escaped.
fn spelt(name: &'static str) -> impl Strategy<Value = String> {
    let encoded: String = name.replace(' ', "+");
    prop_oneof![
        Just(encoded.clone()),
        Just(encoded.to_ascii_uppercase()),
        Just(encoded.to_ascii_lowercase()),
        Just(escape_first(&encoded)),
    ]
}

/// Percent-encodes the first letter, which an escaper would leave alone.
fn escape_first(name: &str) -> String {
    let (first, others) = name.split_at(1);
    format!("%{:02X}{others}", first.as_bytes()[0])
}

/// `name=secret` pairs of one scheme or of the app's own, and their secrets.
fn any_pairs() -> impl Strategy<Value = Vec<(String, String, &'static str)>> {
    let names = prop_oneof![
        3 => select(SCHEMES).prop_map(<[&str]>::to_vec),
        1 => select(OWN).prop_map(|name| vec![name]),
    ];
    names.prop_flat_map(|names| {
        let pairs = names.into_iter().map(|name| {
            let tail = select(vec!["", "%2B", "==", "+x", "?y", "%zz"]);
            (spelt(name), any_secret(), tail)
        });
        pairs.collect::<Vec<_>>()
    })
}

fn any_url(n: usize) -> impl Strategy<Value = (String, Vec<String>)> {
    let plain = select(vec!["rev=2", "download", "expires=1", "x=%41", ""]);
    (
        any_pairs(),
        plain,
        any::<bool>(),
        prop::option::of(any_secret()),
    )
        .prop_map(move |(pairs, plain, last, fragment)| {
            let mut secrets: Vec<String> =
                pairs.iter().map(|(_, secret, _)| secret.clone()).collect();
            let mut query: Vec<String> = pairs
                .into_iter()
                .map(|(name, secret, tail)| format!("{name}={secret}{tail}"))
                .collect();
            query.insert(if last { query.len() } else { 0 }, plain.to_owned());
            let mut url = format!("https://host/{n}.gguf?{}", query.join("&"));
            if let Some(fragment) = fragment {
                url.push_str("#access_token=");
                url.push_str(&fragment);
                secrets.push(fragment);
            }
            (url, secrets)
        })
}

/// A spec of this many files, with secrets in their URLs and in an icon's.
pub fn any_secretive(resources: usize) -> impl Strategy<Value = Secretive> {
    let urls: Vec<_> = (0..resources).map(any_url).collect();
    (urls, any_secret()).prop_map(|(urls, of_icon)| {
        let mut secrets = vec![of_icon.clone()];
        let resources = urls.into_iter().map(|(url, planted)| {
            secrets.extend(planted);
            Resource {
                url,
                bytes: None,
                sha256: None,
            }
        });
        let resources = resources.collect();
        let icon = Icon {
            src: format!("https://host/icon.png?signed={of_icon}"),
            sizes: None,
            kind: None,
            label: None,
        };
        Secretive {
            spec: Spec {
                id: ID.into(),
                title: Some("A model".into()),
                icons: vec![icon],
                secret_params: OWN.iter().map(|name| (*name).to_owned()).collect(),
                resources,
                headers: false,
            },
            secrets,
        }
    })
}
