//! Every rule of the machine, as a sentence: what is decided in which state, and what is then planned.

mod another_origin;
mod commands;
mod faults;
mod handover;
mod jobs;
mod phases;
mod planning;
mod probing;
mod room;
mod transferring;
mod waiting;

use longhaul_core::{Event, TransferError, WaitReason};
use longhaul_state_tests::scenario::SIZE;

/// The registration of the first try of a scenario's first attempt.
pub(crate) const REGISTRATION: &str = "longhaul/1/longhaul/model/1/1";

pub(crate) const NOT_FOUND: TransferError = TransferError::Status {
    status: 404,
    retry_after_ms: None,
};

pub(crate) fn progress(downloaded: u64, stored: u64) -> Event {
    Event::Progress {
        downloaded,
        stored,
        total: Some(SIZE),
    }
}

pub(crate) fn backoff_from(events: &[Event]) -> (WaitReason, u32, Option<u64>) {
    match events.last() {
        Some(Event::Waiting {
            reason,
            retries,
            until,
            ..
        }) => (*reason, *retries, *until),
        other => panic!("no wait: {other:?}"),
    }
}
