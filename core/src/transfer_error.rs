//! What goes wrong with a transfer, and the failure that it becomes.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;
use serde::{Deserialize, Serialize};

use crate::event::{FailReason, Failure};

/// Why an answer, or the lack of one, is not the bytes that were asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TransferError {
    /// The device is offline.
    Offline,
    /// No answer, or the connection broke.
    Network,
    /// The server does not answer anybody.
    Unreachable,
    /// The server answers, but not to this origin.
    Cors,
    /// An error status.
    Status {
        /// Its code.
        status: u16,
        /// `Retry-After` in milliseconds from now.
        retry_after_ms: Option<u64>,
    },
    /// The file is not the one that was begun with.
    Changed,
    /// Another range than the one that was asked for.
    WrongRange,
    /// The body is shorter or longer than it must be.
    Truncated,
    /// An HTML page where a file was expected.
    UnexpectedType,
    /// There is no room to store the bytes.
    Quota,
    /// The browser's storage cannot be read or written.
    Storage,
    /// The server asks for headers, or the spec does, and this context has none.
    HeadersNeeded,
}

impl TransferError {
    /// Whether asking again later may help.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Status { status, .. } => matches!(status, 408 | 425 | 429 | 500..=599),
            Self::Offline
            | Self::Network
            | Self::Unreachable
            | Self::WrongRange
            | Self::Truncated => true,
            Self::Cors
            | Self::Changed
            | Self::UnexpectedType
            | Self::Quota
            | Self::Storage
            | Self::HeadersNeeded => false,
        }
    }

    /// What went wrong, in a sentence for people.
    #[must_use]
    pub fn sentence(&self) -> String {
        self.failure(None).message
    }

    /// The failure it becomes where asking again does not help, or no longer.
    #[must_use]
    pub fn failure(&self, resource: Option<u32>) -> Failure {
        let (reason, message) = match self {
            Self::Status {
                status: status @ (404 | 410),
                ..
            } => (
                FailReason::NotFound,
                format!("the server answered {status}: there is no such file"),
            ),
            Self::Status {
                status: status @ (401 | 403 | 407),
                ..
            } => (
                FailReason::Unauthorized,
                format!("the server answered {status}: it wants other credentials"),
            ),
            Self::Status { status, .. } => (
                FailReason::BadStatus,
                format!("the server answered {status}"),
            ),
            Self::Offline | Self::Network => (
                FailReason::Network,
                "the transfer broke again and again".to_owned(),
            ),
            Self::Unreachable => (
                FailReason::Unreachable,
                "the server does not answer".to_owned(),
            ),
            Self::Cors => (
                FailReason::Cors,
                "the server answers, but does not let this origin read it (CORS)".to_owned(),
            ),
            Self::Changed => (
                FailReason::Changed,
                "the file is not of the size or version that was asked for".to_owned(),
            ),
            Self::WrongRange => (
                FailReason::BadStatus,
                "the server answers with other ranges than those it is asked for".to_owned(),
            ),
            Self::Truncated => (
                FailReason::Truncated,
                "the body is not as long as it must be, again and again".to_owned(),
            ),
            Self::UnexpectedType => (
                FailReason::UnexpectedType,
                "the server answered with an HTML page; give a sha256 if that is the file"
                    .to_owned(),
            ),
            Self::Quota => (
                FailReason::Quota,
                "there is no room for it: remove something, then try again".to_owned(),
            ),
            Self::Storage => (
                FailReason::Storage,
                "what is stored cannot be read or written: the storage may be blocked, or its disk broken"
                    .to_owned(),
            ),
            Self::HeadersNeeded => (
                FailReason::Unauthorized,
                "the server wants headers that no open page has: request it again with them"
                    .to_owned(),
            ),
        };
        Failure {
            reason,
            message,
            resource,
            missing_bytes: None,
        }
    }
}
