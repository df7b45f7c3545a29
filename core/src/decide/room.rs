//! Room: whether the browser can keep what is missing.

use crate::event::Failure;
use crate::file::FileVersion;
use crate::input::Observation;
use crate::transfer_error::TransferError;

/// The failure for want of room, with how much is wanting where the browser tells.
pub(super) fn failure(
    files: &[FileVersion],
    resource: Option<u32>,
    observation: &Observation,
) -> Failure {
    let mut failure = TransferError::Quota.failure(resource);
    failure.missing_bytes = lacking(files, observation);
    failure
}

/// By how much the room that the browser tells is too little for what is missing; `None` where it suffices or is not told. A
/// file of unknown size counts for nothing.
pub(super) fn lacking(files: &[FileVersion], observation: &Observation) -> Option<u64> {
    let needed = files.iter().fold(0, |sum: u64, file| {
        let stored_now = file.layout().stored(observation.stored_under(&file.key()));
        sum.saturating_add(file.size.unwrap_or(0).saturating_sub(stored_now))
    });
    needed
        .checked_sub(observation.room?)
        .filter(|bytes| *bytes > 0)
}
