//! Why a port could not do what it was asked to.

/// Why the part store could not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PartError {
    /// No room. What was stored before is untouched.
    #[error("there is no room left for this part: free some space, then try again")]
    Quota,
    /// A part that the composition needs is not there, or is not as long as it should be.
    #[error("the bytes from {start} on are not stored")]
    Missing {
        /// Where the hole begins.
        start: u64,
    },
    /// The browser gives no Cache Storage here, or refused the operation.
    #[error("the storage for parts cannot be used: {name}: {message}")]
    StorageUnavailable {
        /// The exception's name.
        name: String,
        /// The exception's text.
        message: String,
    },
}

/// Why there is no hash.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// The callback said stop.
    #[error("hashing was cancelled")]
    Cancelled,
    /// The stream failed: the exception's name.
    #[error("reading what is stored failed: {0}")]
    Read(String),
}

/// Why there is no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// The parts cannot be composed.
    #[error(transparent)]
    Parts(#[from] PartError),
    /// Reading or hashing them ended early.
    #[error(transparent)]
    Hash(#[from] HashError),
}

/// Why there was no answer. Only the exception's name: its text may hold the address with its credentials.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetError {
    /// The signal was aborted.
    #[error("the request was aborted")]
    Aborted,
    /// No answer: unreachable, refused by CORS, or cut off. The browser does not say which.
    #[error("the request failed: {name}")]
    Failed {
        /// The exception's name.
        name: String,
    },
}

impl NetError {
    /// No answer. `name` is what the client calls it, and holds no address.
    #[must_use]
    pub fn failed(name: &str) -> Self {
        Self::Failed {
            name: name.to_owned(),
        }
    }
}

/// Why the browser did not start a job. Its texts are dropped: they may name addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// The id or the list of requests is empty; the browser is not even asked, because an empty id crashes the page.
    #[error("a job needs an id and at least one request")]
    Empty,
    /// The browser has less room than `download_total`.
    #[error("there is no room for a job of this size")]
    Quota,
    /// The user or the context does not allow it (also: called in a service worker).
    #[error("background downloads are not allowed here")]
    NotAllowed,
    /// The browser refused: the id is taken, five jobs exist, or the server cannot be reached.
    #[error("the browser refused the job: {name}")]
    Refused {
        /// The exception's name.
        name: String,
    },
}

/// Why a lock was not had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LockError {
    /// This browser has no Web Locks.
    #[error("this browser has no Web Locks")]
    Unsupported,
    /// The signal was aborted while waiting.
    #[error("waiting for the lock was aborted")]
    Aborted,
    /// The browser refused.
    #[error("the browser refused the lock: {name}: {message}")]
    Refused {
        /// The exception's name.
        name: String,
        /// The exception's text.
        message: String,
    },
}
