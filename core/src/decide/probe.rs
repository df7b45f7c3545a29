//! From the servers' answers to the first transfer.

use super::{is_waited_for, room, wait_or_fail};
use crate::download::{Download, State};
use crate::event::{Event, FailReason, Failure, Missing, Transport, TransportReason, WaitReason};
use crate::file::FileVersion;
use crate::input::{Background, Context, Observation, Preference};
use crate::measure::HttpResponse;
use crate::parts::Layout;
use crate::ranges::PartNumbers;
use crate::transfer_error::TransferError;
use alloc::borrow::ToOwned;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

pub(super) fn probed(
    download: &Download,
    now: u64,
    attempt: u32,
    answers: &[Result<HttpResponse, TransferError>],
    observation: &Observation,
) -> Vec<Event> {
    let Some(spec) = &download.spec else {
        return Vec::new();
    };
    if download.state != State::Requested
        || attempt != download.attempt
        || answers.len() != spec.resources.len()
    {
        return Vec::new();
    }
    let is_stored = |key: &String| !observation.stored_under(key).is_empty();
    if download.mixed.iter().any(is_stored) {
        // None of it may count: the plan deletes it first.
        return Vec::new();
    }
    let mut files = Vec::with_capacity(answers.len());
    let mut faults = Vec::new();
    for (n, (answer, resource)) in (0_u32..).zip(answers.iter().zip(&spec.resources)) {
        let file = answer.clone().and_then(|answer| {
            FileVersion::from_probe(
                resource,
                &resource.url,
                &answer,
                &observation.context.policy,
            )
        });
        match file {
            Ok(file) => files.push(adopt_layout(file, observation)),
            Err(fault) => faults.push((n, fault)),
        }
    }
    // What cannot heal comes first: waiting for the rest would be in vain.
    let worst = faults
        .iter()
        .find(|(_, fault)| !fault.is_transient())
        .or(faults.first());
    if let Some((resource, fault)) = worst {
        return faulty(download, now, *resource, fault, observation);
    }
    let without_transfer = files
        .iter()
        .all(|file| missing(file, observation).is_empty());
    let hashes = spec
        .resources
        .iter()
        .any(|resource| resource.sha256.is_some());
    if without_transfer && !hashes {
        let stored = stored(&files, observation);
        return vec![Event::CachedHit { stored, files }];
    }
    let previous = without_transfer.then_some(TransportReason::Stored);
    started(download, files, previous, observation)
}

fn faulty(
    download: &Download,
    now: u64,
    resource: u32,
    fault: &TransferError,
    observation: &Observation,
) -> Vec<Event> {
    let unauthorized = matches!(
        fault,
        TransferError::Status {
            status: 401 | 403,
            ..
        } | TransferError::HeadersNeeded
    );
    let needs = download.spec.as_ref().is_some_and(|spec| spec.headers);
    if unauthorized && needs && !observation.context.headers {
        let said = download
            .waiting
            .as_ref()
            .is_some_and(|w| w.reason == WaitReason::Headers);
        let wait = Event::Waiting {
            reason: WaitReason::Headers,
            until: None,
            retries: download.retries,
            message: None,
        };
        return if said { Vec::new() } else { vec![wait] };
    }
    if fault.is_transient() && is_waited_for(download, now, observation) {
        return Vec::new();
    }
    let retries = download.retries.saturating_add(1);
    let fault = (fault, fault.sentence());
    wait_or_fail(download, now, fault, Some(resource), retries, observation)
}

/// Parts stored that were cut to another size are worth more than the size the policy would
/// choose today.
fn adopt_layout(mut file: FileVersion, observation: &Observation) -> FileVersion {
    let (Some(size), Some(_)) = (file.size, file.part_bytes) else {
        return file;
    };
    let rest = observation.stored_under(&file.key());
    let part = rest.iter().map(|range| range.len).max().unwrap_or(0);
    let other = Layout::Ranged {
        size,
        part: part.max(1),
    };
    if part > 0 && rest.iter().all(|range| other.index_of(range).is_some()) {
        // A single part at the very end does not tell the size of the others.
        let only_the_last = rest
            .iter()
            .all(|range| range.end() == size && range.start > 0);
        if !only_the_last {
            file.part_bytes = Some(part);
        }
    }
    file
}

fn missing(file: &FileVersion, observation: &Observation) -> PartNumbers {
    observation.missing(&file.key(), file.layout())
}

/// Bytes stored that belong to these files.
pub(super) fn stored(files: &[FileVersion], observation: &Observation) -> u64 {
    files.iter().fold(0, |sum, file| {
        sum.saturating_add(file.layout().stored(observation.stored_under(&file.key())))
    })
}

/// The next transfer: which transport, and for which parts. `previous` says what became of the transfer
/// before, where that bears on the choice.
pub(super) fn started(
    download: &Download,
    files: Vec<FileVersion>,
    previous: Option<TransportReason>,
    observation: &Observation,
) -> Vec<Event> {
    let headers = download.spec.as_ref().is_some_and(|spec| spec.headers);
    let (transport, why) = match choose(&observation.context, headers, previous) {
        Ok(choice) => choice,
        Err(failure) => return vec![Event::Failure(failure)],
    };
    if room::lacking(&files, observation).is_some() {
        return vec![Event::Failure(room::failure(&files, None, observation))];
    }
    let transfer = download
        .state
        .transfer()
        .map_or(0, |transfer| transfer.number)
        .saturating_add(1);
    let missing = (0_u32..)
        .zip(&files)
        .map(|(resource, file)| Missing {
            resource,
            parts: missing(file, observation).to_text(),
        })
        .filter(|missing| !missing.parts.is_empty())
        .collect();
    let registration = (transport == Transport::BackgroundFetch).then(|| {
        let id = crate::job::JobId {
            name: observation.context.name.clone(),
            download: download.id.clone(),
            attempt: download.attempt,
            transfer,
        };
        id.to_string()
    });
    vec![Event::Started {
        transfer,
        transport,
        why,
        registration,
        stored: stored(&files, observation),
        total: Download::size_of(&files),
        missing,
        files,
    }]
}

/// Which transport, and why.
fn choose(
    context: &Context,
    headers: bool,
    previous: Option<TransportReason>,
) -> Result<(Transport, TransportReason), Failure> {
    use Transport::{BackgroundFetch, Foreground};
    if previous == Some(TransportReason::Stored) {
        return Ok((Foreground, TransportReason::Stored));
    }
    let unusable = match context.background {
        _ if headers => Some(TransportReason::Headers),
        Background::Missing => Some(TransportReason::Missing),
        Background::NoWorker => Some(TransportReason::NoWorker),
        Background::Usable => None,
    };
    match (context.preference, unusable, previous) {
        (Preference::Foreground, ..) => Ok((Foreground, TransportReason::Asked)),
        (Preference::BackgroundFetch, None, _) => Ok((BackgroundFetch, TransportReason::Asked)),
        (Preference::BackgroundFetch, Some(_), _) => Err(refused()),
        (Preference::Auto, Some(why), _) | (Preference::Auto, None, Some(why)) => {
            Ok((Foreground, why))
        }
        (Preference::Auto, None, None) => Ok((BackgroundFetch, TransportReason::Preferred)),
    }
}

/// Background Fetch was asked for and cannot be had.
pub(super) fn refused() -> Failure {
    Failure {
        reason: FailReason::Refused,
        message: "Background Fetch cannot be used here, and the app asked for nothing else"
            .to_owned(),
        resource: None,
        missing_bytes: None,
    }
}
