//! Events: the facts of a download's life, in the past tense, persisted.

mod words;

use crate::file::File;
use crate::json::{Fields, FromJson, Json, Object, ToJson, Unreadable};
use crate::spec::Spec;

pub use words::{AbortedBy, EvictedBy, FailReason, Transport, WaitReason, Why};

/// A failure with what to tell people.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Failure {
    /// The reason, for programs.
    pub reason: FailReason,
    /// One sentence, for people. Holds no URL beyond its identity.
    pub message: String,
    /// Index of the resource that is to blame, where one is.
    pub resource: Option<u32>,
    /// By how many bytes the browser has too little room, where it tells.
    pub missing_bytes: Option<u64>,
}

impl Failure {
    /// Its fields, which stand in the object around them where it is an event.
    fn read(fields: &mut Fields) -> Result<Self, Unreadable> {
        Ok(Self {
            reason: fields.take("reason")?,
            message: fields.take("message")?,
            resource: fields.take("resource")?,
            missing_bytes: fields.take("missingBytes")?,
        })
    }

    fn write_fields(&self, object: &mut Object<'_>) {
        object
            .field("reason", &self.reason)
            .field("message", &self.message)
            .some("resource", self.resource.as_ref())
            .some("missingBytes", self.missing_bytes.as_ref());
    }
}

impl FromJson for Failure {
    fn from_json(json: Json) -> Result<Self, Unreadable> {
        Self::read(&mut Fields::from_json(json)?)
    }
}

impl ToJson for Failure {
    fn write(&self, text: &mut String) {
        let mut object = Object::new(text);
        self.write_fields(&mut object);
        object.end();
    }
}

/// The parts of one resource that a try is to bring.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Missing {
    /// Index of the resource.
    pub resource: u32,
    /// Part numbers as runs, `0-3,7`.
    pub parts: String,
}

impl FromJson for Missing {
    fn from_json(json: Json) -> Result<Self, Unreadable> {
        let mut fields = Fields::from_json(json)?;
        Ok(Self {
            resource: fields.take("resource")?,
            parts: fields.take("parts")?,
        })
    }
}

impl ToJson for Missing {
    fn write(&self, text: &mut String) {
        Object::new(text)
            .field("resource", &self.resource)
            .field("parts", &self.parts)
            .end();
    }
}

/// A fact of a download's life. The wire name is in `type`, in kebab case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Event {
    /// An attempt began: the app asked, or the machine goes on by itself after a change.
    Requested {
        /// Number of the attempt, from 1.
        attempt: u32,
        /// What is asked for, without anything secret.
        spec: Spec,
        /// How many attempts in a row the machine began by itself, this one included.
        restarts: u32,
    },
    /// What was asked for is stored already; the attempt is over without a transfer.
    CachedHit {
        /// Bytes at rest.
        stored: u64,
        /// The files they belong to, where this attempt found them itself.
        files: Vec<File>,
    },
    /// A try began. Licenses the transfer and the storing of every part it names.
    Started {
        /// Number of the try within the attempt, from 1.
        try_: u32,
        /// How the bytes come.
        transport: Transport,
        /// Why this way.
        why: Why,
        /// The Background Fetch registration, where there is one.
        registration: Option<String>,
        /// The generation of each resource and how it is split.
        files: Vec<File>,
        /// The parts that were not at rest.
        missing: Vec<Missing>,
        /// Bytes at rest that count.
        stored: u64,
        /// Size of the whole download, where it is known.
        total: Option<u64>,
    },
    /// More bytes came.
    Progress {
        /// Bytes received, those at rest included.
        downloaded: u64,
        /// Bytes safe at rest.
        stored: u64,
        /// Size of the whole download, where it is known.
        total: Option<u64>,
    },
    /// Nothing moves, for this reason.
    Waiting {
        /// The reason.
        reason: WaitReason,
        /// When it goes on by itself, in milliseconds since 1970, where that is known.
        until: Option<u64>,
        /// Failed rounds since the last progress; waits that cost none repeat the number.
        try_: u32,
        /// One sentence, for people: what went wrong before. Holds no URL.
        message: Option<String>,
    },
    /// Every part is stored, measured and, where a hash was given, verified.
    Success {
        /// Size of each resource in bytes.
        sizes: Vec<u64>,
        /// Indices of the resources whose hash was verified over what is at rest.
        verified: Vec<u32>,
    },
    /// The attempt failed for good.
    Failure(Failure),
    /// The attempt was aborted.
    Aborted {
        /// By whom.
        by: AbortedBy,
    },
    /// What was stored is gone.
    Evicted {
        /// By whom.
        by: EvictedBy,
    },
}

impl FromJson for Event {
    fn from_json(json: Json) -> Result<Self, Unreadable> {
        let mut fields = Fields::from_json(json)?;
        let kind: String = fields.take("type")?;
        Ok(match kind.as_str() {
            "requested" => Self::Requested {
                attempt: fields.take("attempt")?,
                spec: fields.take("spec")?,
                restarts: fields.take_or_default("restarts")?,
            },
            "cached-hit" => Self::CachedHit {
                stored: fields.take("stored")?,
                files: fields.take_or_default("files")?,
            },
            "started" => Self::Started {
                try_: fields.take("try")?,
                transport: fields.take("transport")?,
                why: fields.take("why")?,
                registration: fields.take("registration")?,
                files: fields.take("files")?,
                missing: fields.take("missing")?,
                stored: fields.take("stored")?,
                total: fields.take("total")?,
            },
            "progress" => Self::Progress {
                downloaded: fields.take("downloaded")?,
                stored: fields.take("stored")?,
                total: fields.take("total")?,
            },
            "waiting" => Self::Waiting {
                reason: fields.take("reason")?,
                until: fields.take("until")?,
                try_: fields.take("try")?,
                message: fields.take("message")?,
            },
            "success" => Self::Success {
                sizes: fields.take("sizes")?,
                verified: fields.take("verified")?,
            },
            "failure" => Self::Failure(Failure::read(&mut fields)?),
            "aborted" => Self::Aborted {
                by: fields.take("by")?,
            },
            "evicted" => Self::Evicted {
                by: fields.take("by")?,
            },
            _ => return Err(Unreadable),
        })
    }
}

impl ToJson for Event {
    fn write(&self, text: &mut String) {
        let mut object = Object::new(text);
        object.field("type", &self.name());
        match self {
            Self::Requested {
                attempt,
                spec,
                restarts,
            } => object.field("attempt", attempt).field("spec", spec).unless(
                *restarts == 0,
                "restarts",
                restarts,
            ),
            Self::CachedHit { stored, files } => {
                object
                    .field("stored", stored)
                    .unless(files.is_empty(), "files", files)
            }
            Self::Started {
                try_,
                transport,
                why,
                registration,
                files,
                missing,
                stored,
                total,
            } => object
                .field("try", try_)
                .field("transport", transport)
                .field("why", why)
                .some("registration", registration.as_ref())
                .field("files", files)
                .field("missing", missing)
                .field("stored", stored)
                .some("total", total.as_ref()),
            Self::Progress {
                downloaded,
                stored,
                total,
            } => object
                .field("downloaded", downloaded)
                .field("stored", stored)
                .some("total", total.as_ref()),
            Self::Waiting {
                reason,
                until,
                try_,
                message,
            } => object
                .field("reason", reason)
                .some("until", until.as_ref())
                .field("try", try_)
                .some("message", message.as_ref()),
            Self::Success { sizes, verified } => {
                object.field("sizes", sizes).field("verified", verified)
            }
            Self::Failure(failure) => {
                failure.write_fields(&mut object);
                &mut object
            }
            Self::Aborted { by } => object.field("by", by),
            Self::Evicted { by } => object.field("by", by),
        };
        object.end();
    }
}

impl Event {
    /// The wire name.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Requested { .. } => "requested",
            Self::CachedHit { .. } => "cached-hit",
            Self::Started { .. } => "started",
            Self::Progress { .. } => "progress",
            Self::Waiting { .. } => "waiting",
            Self::Success { .. } => "success",
            Self::Failure(_) => "failure",
            Self::Aborted { .. } => "aborted",
            Self::Evicted { .. } => "evicted",
        }
    }

    /// Whether this ends an attempt.
    #[must_use]
    pub const fn is_ending(&self) -> bool {
        matches!(
            self,
            Self::CachedHit { .. } | Self::Success { .. } | Self::Failure(_) | Self::Aborted { .. }
        )
    }
}
