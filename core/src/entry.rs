//! Entries: events in their envelope, as text, the way they are stored and exported.
//!
//! One entry is one JSON object on one line. Its text is what is stored, and the stored text is
//! what is exported: a field that this version does not know, and an event type that it does not
//! know, survive both.
//!
//! # Versions
//! `version` is the format of the event inside. A reader knows every version up to
//! [`ENTRY_VERSION`] and upcasts older ones when it decodes; the shapes of older versions stay
//! frozen beside their upcast. A newer version is an error for that entry, never a guess.

mod v1;

use alloc::borrow::ToOwned;
use alloc::string::String;
use serde::{Deserialize, Serialize};

use crate::event::Event;

/// The format in which events are written by this version of the crate.
pub const ENTRY_VERSION: u32 = 2;

/// Which side appended an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// A page.
    Page,
    /// The service worker.
    ServiceWorker,
}

/// An event in its envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Id of the download.
    pub download: String,
    /// Number within the download's history, from 1, without gaps.
    pub seq: u64,
    /// When it was appended, in milliseconds since 1970 by the writer's clock.
    pub at: u64,
    /// Who appended it.
    pub origin: Origin,
    /// Format of the event: [`ENTRY_VERSION`], of an upcast entry as well.
    pub version: u32,
    /// The fact.
    pub event: Event,
}

/// The envelope alone, readable even where the event is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// Id of the download.
    pub download: String,
    /// Number within the download's history.
    pub seq: u64,
    /// When it was appended, in milliseconds since 1970.
    pub at: u64,
    /// Format of the event.
    pub version: u32,
}

/// Why an entry's text cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DecodeError {
    /// Not an entry: no JSON object, or fields of the envelope are missing or of another type.
    Malformed,
    /// Written by a newer version of this crate.
    NewerVersion(Envelope),
    /// The envelope is whole, the event is of a type or shape that this version does not know.
    UnknownEvent(Envelope),
}

impl core::fmt::Display for DecodeError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Malformed => f.write_str("not an entry"),
            Self::NewerVersion(envelope) => write!(
                f,
                "entry {} is of version {}, this code reads versions up to {ENTRY_VERSION}",
                envelope.seq, envelope.version
            ),
            Self::UnknownEvent(envelope) => {
                write!(f, "entry {} holds an unknown event", envelope.seq)
            }
        }
    }
}

impl core::error::Error for DecodeError {}

impl DecodeError {
    /// The envelope, where that much could be read.
    #[must_use]
    pub const fn envelope(&self) -> Option<&Envelope> {
        match self {
            Self::Malformed => None,
            Self::NewerVersion(envelope) | Self::UnknownEvent(envelope) => Some(envelope),
        }
    }
}

impl Entry {
    /// Puts an event into an envelope of the present version.
    #[must_use]
    pub fn new(download: &str, seq: u64, at: u64, origin: Origin, event: Event) -> Self {
        Self {
            download: download.to_owned(),
            seq,
            at,
            origin,
            version: ENTRY_VERSION,
            event,
        }
    }

    /// The entry as one line of JSON, without the line's end.
    #[must_use]
    pub fn encode(&self) -> String {
        serde_json::to_string(self).expect("an entry has no map whose keys are no strings")
    }

    /// Reads an entry's text, upcasting older versions.
    ///
    /// # Errors
    /// [`DecodeError`], with the envelope where that could be read.
    pub fn decode(text: &str) -> Result<Self, DecodeError> {
        // Fields that a type does not name are passed over, whatever is in them: the envelope is readable where the event is
        // not. A list of its values in their order would be read, too, and is no entry.
        let envelope: Envelope = serde_json::from_str(text)
            .ok()
            .filter(|_| text.trim_start().starts_with('{'))
            .ok_or(DecodeError::Malformed)?;
        if envelope.version == 0 || envelope.version > ENTRY_VERSION {
            return Err(DecodeError::NewerVersion(envelope));
        }
        match envelope.version {
            1 => serde_json::from_str::<v1::Entry>(text).map(Self::from),
            _ => serde_json::from_str(text),
        }
        .map_err(|_| DecodeError::UnknownEvent(envelope))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{AbortedBy, WaitReason};

    #[test]
    fn an_entry_is_one_line_with_the_wire_names_of_the_contract() {
        let event = Event::Waiting {
            reason: WaitReason::RetryAfter,
            until: Some(9),
            retries: 2,
            message: Some("the server answered 503".into()),
        };
        let entry = Entry::new("a\nb", 3, 7, Origin::ServiceWorker, event);
        let text = entry.encode();
        assert_eq!(
            text,
            r#"{"download":"a\nb","seq":3,"at":7,"origin":"service-worker","version":2,"event":{"type":"waiting","reason":"retry-after","until":9,"retries":2,"message":"the server answered 503"}}"#
        );
        assert_eq!(Entry::decode(&text), Ok(entry));
    }

    #[test]
    fn unknown_fields_are_passed_over() {
        let text = r#"{"download":"a","seq":1,"at":1,"origin":"page","version":1,"more":[1],"event":{"type":"aborted","by":"app","x":null}}"#;
        let entry = Entry::decode(text).expect("decodes");
        assert_eq!(entry.event, Event::Aborted { by: AbortedBy::App });
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let of = |event: &str, version: u32| {
            format!(
                r#"{{"download":"a","seq":4,"at":1,"origin":"page","version":{version},"event":{event}}}"#
            )
        };
        let error = |text: &str| Entry::decode(text).expect_err("unreadable").to_string();
        assert_eq!(error("{"), "not an entry");
        assert_eq!(error("[]"), "not an entry");
        assert_eq!(
            error(&of(r#"{"type":"teleported"}"#, 1)),
            "entry 4 holds an unknown event"
        );
        assert_eq!(
            error(&of(r#"{"type":"aborted","by":"app"}"#, 9)),
            "entry 4 is of version 9, this code reads versions up to 2"
        );
    }

    /// An entry with this event and these further fields.
    fn with(event: &str, more: &str) -> String {
        of_version(ENTRY_VERSION, event, more)
    }

    fn of_version(version: u32, event: &str, more: &str) -> String {
        format!(
            r#"{{"download":"a","seq":4,"at":1,"origin":"page","version":{version}{more},"event":{event}}}"#
        )
    }

    /// Whether an event that is the same in all versions is read, in all of them.
    fn is_read(event: &str, more: &str) -> bool {
        let read = [1, ENTRY_VERSION].map(|version| {
            match Entry::decode(&of_version(version, event, more)) {
                Ok(_) => true,
                Err(DecodeError::UnknownEvent(envelope)) => {
                    assert_eq!((envelope.seq, envelope.at), (4, 1));
                    false
                }
                Err(error) => panic!("{error}: {event} {more}"),
            }
        });
        assert_eq!(read[0], read[1], "{event} {more}");
        read[0]
    }

    #[test]
    fn what_version_1_called_otherwise_is_read_in_entries_of_version_1_alone() {
        let started = |number: &str, why: &str| {
            format!(
                r#"{{"type":"started","{number}":3,"transport":"foreground","why":"{why}","files":[],"missing":[],"stored":0}}"#
            )
        };
        let waiting =
            |number: &str| format!(r#"{{"type":"waiting","reason":"backoff","{number}":3}}"#);
        for (old, new) in [
            (started("try", "at-rest"), started("transfer", "stored")),
            (waiting("try"), waiting("retries")),
        ] {
            let upcast = Entry::decode(&of_version(1, &old, "")).expect("of version 1");
            assert_eq!(Entry::decode(&of_version(2, &new, "")), Ok(upcast.clone()));
            assert_eq!(upcast.version, ENTRY_VERSION);
            assert_eq!(upcast.encode(), of_version(2, &new, ""));
            for (version, other) in [(1, &new), (2, &old)] {
                let error = Entry::decode(&of_version(version, other, ""));
                assert!(
                    matches!(error, Err(DecodeError::UnknownEvent(_))),
                    "{other}"
                );
            }
        }
    }

    #[test]
    fn strings_come_out_as_they_went_in() {
        let all: String = ('\0'..'\u{800}')
            .chain(['€', '\u{ffff}', '😀', '\u{10ffff}'])
            .collect();
        let event = Event::Aborted { by: AbortedBy::App };
        let entry = Entry::new(&all, 1, 1, Origin::Page, event);
        let text = entry.encode();
        assert!(text.contains(r#""\u0000\u0001"#) && text.contains(r"\b\t\n\u000b\f\r"));
        assert_eq!(Entry::decode(&text), Ok(entry));
    }

    #[test]
    fn escapes_are_read() {
        let text = r#"{"download":"\"\\\/\b\f\n\r\t\u0041\u00e9\u20AC\ud83d\ude00","seq":1,"at":1,"origin":"page","version":1,"event":{"type":"aborted","by":"\u0061pp"}}"#;
        let entry = Entry::decode(text).expect("an entry");
        assert_eq!(entry.download, "\"\\/\u{8}\u{c}\n\r\tAé€😀");
    }

    #[test]
    fn what_no_value_can_hold_is_passed_over_beside_the_event_and_not_within_it() {
        let aborted = |more: &str| format!(r#"{{"type":"aborted","by":"app"{more}}}"#);
        for odd in [
            r#","x":"\ud800""#,
            r#","x":"\udc00x""#,
            r#","x":"\ud800\u0041""#,
            r#","x":["\ud800\n"]"#,
            r#","x":1e999"#,
            r#","x":{"y":-1e999}"#,
        ] {
            assert!(is_read(&aborted(""), odd), "{odd}");
            assert!(!is_read(&aborted(odd), ""), "{odd}");
        }
        for even in [
            r#","x":18446744073709551616"#,
            r#","x":-1.5e300"#,
            r#","x":null,"x":1"#,
        ] {
            assert!(
                is_read(&aborted(""), even) && is_read(&aborted(even), ""),
                "{even}"
            );
        }
    }

    #[test]
    fn only_whole_numbers_are_ours() {
        let progress =
            |number: &str| format!(r#"{{"type":"progress","downloaded":{number},"stored":0}}"#);
        for whole in ["0", "18446744073709551615"] {
            assert!(is_read(&progress(whole), ""), "{whole}");
        }
        for other in [
            "18446744073709551616",
            "-0",
            "-1",
            "1.0",
            "1e2",
            "1E+2",
            "0.5e-3",
            "null",
            "\"1\"",
            "[1]",
        ] {
            assert!(!is_read(&progress(other), ""), "{other}");
        }
    }

    #[test]
    fn what_is_no_json_is_refused() {
        let deep = "[".repeat(129) + &"]".repeat(129);
        for bad in [
            "",
            " ",
            "nul",
            "tru",
            "01",
            "-",
            "1.",
            ".5",
            "1e",
            "+1",
            "0x1",
            "\"",
            "\"\n\"",
            r#""\x""#,
            r#""\u12""#,
            r#""\u+123""#,
            "[",
            "[1",
            "[1,",
            "[1,]",
            "[,1]",
            "[1 2]",
            "{",
            "{1:2}",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            r#"{"a":1 "b":2}"#,
            r"{a:1}",
            "1 2",
            "null,",
            &deep,
        ] {
            assert_eq!(Entry::decode(bad), Err(DecodeError::Malformed), "{bad}");
            if bad != deep {
                let text = with(r#"{"type":"aborted","by":"app"}"#, &format!(",\"x\":{bad}"));
                assert_eq!(Entry::decode(&text), Err(DecodeError::Malformed), "{text}");
            }
        }
        // The values of an envelope in their order are none.
        let list = r#"["a",4,1,"page",1,{"type":"aborted","by":"app"}]"#;
        assert_eq!(Entry::decode(list), Err(DecodeError::Malformed));
    }

    #[test]
    fn a_field_that_comes_twice_is_unreadable_unless_nobody_asks() {
        for twice in [
            r#"{"type":"aborted","by":"app","by":"app"}"#,
            r#"{"type":"aborted","type":"aborted","by":"app"}"#,
            r#"{"type":"progress","downloaded":1,"stored":1,"stored":1}"#,
            r#"{"type":"failure","reason":"cors","message":"","message":""}"#,
            r#"{"type":"cached-hit","stored":0,"files":[{"url":"","url":""}]}"#,
            r#"{"type":"requested","attempt":1,"spec":{"id":"a","id":"a","resources":[]}}"#,
        ] {
            assert!(!is_read(twice, ""), "{twice}");
        }
        assert!(is_read(r#"{"type":"aborted","by":"app","x":1,"x":2}"#, ""));
        assert!(!is_read(
            r#"{"type":"aborted","by":"app"}"#,
            r#","origin":"page""#
        ));
        let event = r#"{"type":"aborted","by":"app"}"#;
        let error = Entry::decode(&with(event, r#","seq":4"#));
        assert_eq!(error, Err(DecodeError::Malformed), "which number is it?");
    }
}
