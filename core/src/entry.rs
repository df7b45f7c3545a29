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

use crate::event::Event;
use crate::json::{Fields, FromJson, Json, Object, ToJson, Unreadable, Word, write};

/// The format in which events are written by this version of the crate.
pub const ENTRY_VERSION: u32 = 1;

/// Which side appended an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// A page.
    Page,
    /// The service worker.
    ServiceWorker,
}

impl Word for Origin {
    const ALL: &[Self] = &[Self::Page, Self::ServiceWorker];

    fn word(self) -> &'static str {
        match self {
            Self::Page => "page",
            Self::ServiceWorker => "service-worker",
        }
    }
}

/// An event in its envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Id of the download.
    pub download: String,
    /// Number within the download's history, from 1, without gaps.
    pub seq: u64,
    /// When it was appended, in milliseconds since 1970 by the writer's clock.
    pub at: u64,
    /// Who appended it.
    pub origin: Origin,
    /// Format of the event.
    pub version: u32,
    /// The fact.
    pub event: Event,
}

impl ToJson for Entry {
    fn write(&self, text: &mut String) {
        Object::new(text)
            .field("download", &self.download)
            .field("seq", &self.seq)
            .field("at", &self.at)
            .field("origin", &self.origin)
            .field("version", &self.version)
            .field("event", &self.event)
            .end();
    }
}

/// The envelope alone, readable even where the event is not.
#[derive(Debug, Clone, PartialEq, Eq)]
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

impl Envelope {
    fn read(fields: &mut Fields) -> Result<Self, Unreadable> {
        Ok(Self {
            download: fields.take("download")?,
            seq: fields.take("seq")?,
            at: fields.take("at")?,
            version: fields.take("version")?,
        })
    }
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
        write(self)
    }

    /// Reads an entry's text, upcasting older versions.
    ///
    /// # Errors
    /// [`DecodeError`], with the envelope where that could be read.
    pub fn decode(text: &str) -> Result<Self, DecodeError> {
        let fields = Json::parse(text).and_then(Fields::from_json);
        let mut fields = fields.map_err(|_| DecodeError::Malformed)?;
        let envelope = Envelope::read(&mut fields).map_err(|_| DecodeError::Malformed)?;
        if envelope.version == 0 || envelope.version > ENTRY_VERSION {
            return Err(DecodeError::NewerVersion(envelope));
        }
        match (fields.take("origin"), fields.take("event")) {
            (Ok(origin), Ok(event)) => Ok(Self {
                download: envelope.download,
                seq: envelope.seq,
                at: envelope.at,
                origin,
                version: envelope.version,
                event,
            }),
            _ => Err(DecodeError::UnknownEvent(envelope)),
        }
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
            try_: 2,
            message: Some("the server answered 503".into()),
        };
        let entry = Entry::new("a\nb", 3, 7, Origin::ServiceWorker, event);
        let text = entry.encode();
        assert_eq!(
            text,
            r#"{"download":"a\nb","seq":3,"at":7,"origin":"service-worker","version":1,"event":{"type":"waiting","reason":"retry-after","until":9,"try":2,"message":"the server answered 503"}}"#
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
            "entry 4 is of version 9, this code reads versions up to 1"
        );
    }
}
