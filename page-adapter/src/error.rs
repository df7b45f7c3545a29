//! Errors for JavaScript: plain objects `{code, message, data?}` that `js/index.js` turns into a `LonghaulError`.

use longhaul_core::{Download, InvalidSpec, State};
use longhaul_runner::errors::PartError;
use longhaul_runner::node::CommitError;
use longhaul_runner::ports::histories::StoreError;
use serde::Serialize;
use wasm_bindgen::JsValue;

/// Why a call failed, by the codes of the contract.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PageError {
    /// The spec is wrong.
    #[error(transparent)]
    InvalidSpec(#[from] InvalidSpec),
    /// A command or the stores failed.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// There are no bytes to hand out.
    #[error("{0}")]
    Withheld(String),
    /// The download has several resources and no URL was given.
    #[error("this download has {0} resources: say which by its URL")]
    Ambiguous(usize),
    /// What came in is not what `js/index.js` hands over.
    #[error("index.js and longhaul_bg.wasm do not fit: serve both from the same build")]
    Misfit,
}

impl From<StoreError> for PageError {
    fn from(error: StoreError) -> Self {
        Self::Commit(error.into())
    }
}

impl From<PartError> for PageError {
    fn from(error: PartError) -> Self {
        Self::Commit(error.into())
    }
}

impl PageError {
    /// The code of the contract.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::InvalidSpec(_) => "invalid-spec",
            Self::Commit(CommitError::Rejected(rejection)) => rejection.code(),
            Self::Commit(CommitError::Store(error)) => match error {
                StoreError::NewerDatabase { .. } => "newer-database",
                StoreError::StorageUnavailable { .. } => "storage-unavailable",
                StoreError::Quota => "quota",
            },
            Self::Commit(CommitError::Parts(error)) => match error {
                PartError::Quota => "quota",
                PartError::Missing { .. } => "not-available",
                PartError::StorageUnavailable { .. } => "storage-unavailable",
            },
            Self::Withheld(_) => "not-available",
            Self::Ambiguous(_) => "ambiguous-resource",
            Self::Misfit => "bug",
        }
    }

    /// Why a download hands out nothing in the state it is in.
    pub(crate) fn withheld(download: &Download) -> Self {
        let why = match &download.state {
            State::Failed { failure } => ["the download failed: ", &failure.message].concat(),
            State::Aborted { .. } => "the download was aborted: request it again".to_owned(),
            State::Evicted { .. } => "the bytes are gone: request it again".to_owned(),
            _ => "the download is not complete yet: await `finished`".to_owned(),
        };
        Self::Withheld(why)
    }
}

/// What `js/index.js` turns into a `LonghaulError`.
#[derive(Serialize)]
struct Thrown<'a> {
    code: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Data<'a>>,
}

#[derive(Serialize)]
struct Data<'a> {
    field: &'a str,
}

impl From<PageError> for JsValue {
    fn from(error: PageError) -> Self {
        let data = match &error {
            PageError::InvalidSpec(invalid) => Some(Data {
                field: &invalid.field,
            }),
            _ => None,
        };
        let thrown = Thrown {
            code: error.code(),
            message: &error.to_string(),
            data,
        };
        // What cannot be told is `bug` to `js/index.js`; strings always can.
        thrown
            .serialize(&serde_wasm_bindgen::Serializer::json_compatible())
            .unwrap_or(Self::UNDEFINED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use longhaul_core::{AbortedBy, EvictedBy, FailReason, Failure, Rejection};

    #[test]
    fn every_error_has_the_code_of_the_contract_and_says_what_to_do() {
        let unavailable = || ("E".to_owned(), "m".to_owned());
        let (name, message) = unavailable();
        let store = StoreError::StorageUnavailable { name, message };
        let (name, message) = unavailable();
        let parts = PartError::StorageUnavailable { name, message };
        let invalid = InvalidSpec {
            field: "id".into(),
            expected: "a string",
        };
        let state = |state| {
            PageError::withheld(&Download {
                state,
                ..Download::new("a")
            })
        };
        let failure = Failure {
            reason: FailReason::NotFound,
            message: "gone".into(),
            resource: None,
            missing_bytes: None,
        };
        let cases: [(PageError, &str, &str); 15] = [
            (PageError::Misfit, "bug", "same build"),
            (invalid.into(), "invalid-spec", "`id`"),
            (
                CommitError::from(Rejection::SpecConflict).into(),
                "spec-conflict",
                "another id",
            ),
            (
                CommitError::from(Rejection::NotAvailable).into(),
                "not-available",
                "requested",
            ),
            (store.into(), "storage-unavailable", "storage"),
            (
                StoreError::NewerDatabase { found: 2, known: 1 }.into(),
                "newer-database",
                "version 2",
            ),
            (StoreError::Quota.into(), "quota", "free"),
            (parts.into(), "storage-unavailable", "storage for parts"),
            (PartError::Quota.into(), "quota", "free"),
            (PartError::Missing { start: 3 }.into(), "not-available", "3"),
            (PageError::Ambiguous(3), "ambiguous-resource", "URL"),
            (state(State::Failed { failure }), "not-available", "gone"),
            (
                state(State::Evicted {
                    by: EvictedBy::Eviction,
                }),
                "not-available",
                "again",
            ),
            (
                state(State::Aborted { by: AbortedBy::App }),
                "not-available",
                "again",
            ),
            (state(State::Requested), "not-available", "finished"),
        ];
        for (error, code, says) in cases {
            assert_eq!(error.code(), code, "{error}");
            assert!(error.to_string().contains(says), "{error}");
        }
    }
}
