//! Prints what a history tells, step by step, and what it comes to. `replay FILE` reads one entry a line: what `download`
//! keeps in `history.ndjson`, or what the demo's page exports.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::process::ExitCode;

use longhaul_core::{AbortedBy, Download, Entry, Event, EvictedBy, State, Transport, WaitReason};

fn main() -> ExitCode {
    let Some(path) = env::args_os().nth(1) else {
        eprintln!("usage: replay FILE");
        return ExitCode::from(2);
    };
    let bytes = match fs::read(&path) {
        Ok(bytes) => bytes,
        Err(error) => {
            eprintln!("{} cannot be read: {error}", path.display());
            return ExitCode::FAILURE;
        }
    };
    let text = String::from_utf8_lossy(&bytes);
    let mut downloads: BTreeMap<String, Download> = BTreeMap::new();
    // A last line without an end was cut short, and never counted.
    let whole = text.rfind('\n').map_or(0, |end| end + 1);
    for line in text[..whole].lines() {
        let entry = Entry::decode(line);
        let id = match &entry {
            Ok(entry) => Some(&entry.download),
            Err(error) => error.envelope().map(|envelope| &envelope.download),
        };
        let Some(id) = id else {
            println!("passed over: not an entry");
            continue;
        };
        let download = downloads
            .entry(id.clone())
            .or_insert_with(|| Download::new(id));
        download.apply(entry.as_ref());
        match &entry {
            Ok(entry) => println!("{id} {}: {}", entry.seq, step(&entry.event)),
            Err(error) => println!("{id}: {error}"),
        }
    }
    for (id, download) in &downloads {
        println!("{id} is {}", outcome(download));
        println!("{}", download.encode());
    }
    ExitCode::SUCCESS
}

/// What an event says.
fn step(event: &Event) -> String {
    match event {
        Event::Requested { attempt, spec, .. } => {
            let urls = spec.resources.iter().map(|resource| resource.url.as_str());
            let urls: Vec<_> = urls.collect();
            format!("attempt {attempt} is asked for {}", urls.join(" and "))
        }
        Event::CachedHit { stored, .. } => format!("all {stored} bytes were there"),
        Event::Started {
            transfer,
            transport,
            missing,
            stored,
            total,
            ..
        } => {
            let how = match transport {
                Transport::BackgroundFetch => "by a background job",
                Transport::Foreground => "by requests of its own",
            };
            let parts = missing.iter().map(|missing| missing.parts.as_str());
            let parts: Vec<_> = parts.collect();
            let parts = parts.join(" and ");
            format!(
                "transfer {transfer} begins {how}: {} stored, parts {parts} missing",
                of(*stored, *total)
            )
        }
        Event::Progress {
            downloaded,
            stored,
            total,
        } => format!("{downloaded} bytes came, {} stored", of(*stored, *total)),
        Event::Waiting {
            reason, message, ..
        } => {
            let because = message
                .as_ref()
                .map(|message| format!(" ({message})"))
                .unwrap_or_default();
            format!("waits {}{because}", until(*reason))
        }
        Event::Success { sizes, verified } => format!(
            "all {} bytes are stored, {} of {} files verified by their hash",
            sizes.iter().sum::<u64>(),
            verified.len(),
            sizes.len()
        ),
        Event::Failure(failure) => format!("failed: {}", failure.message),
        Event::Aborted { by } => format!("aborted {}", ender(*by)),
        Event::Evicted { by } => match by {
            EvictedBy::Removal => "its bytes were removed".to_owned(),
            EvictedBy::Eviction => "some of its bytes are gone".to_owned(),
        },
    }
}

fn of(part: u64, total: Option<u64>) -> String {
    total.map_or_else(
        || format!("{part} bytes"),
        |total| format!("{part} of {total} bytes"),
    )
}

fn ender(by: AbortedBy) -> &'static str {
    match by {
        AbortedBy::App => "on request",
        AbortedBy::Browser => "by somebody else",
        AbortedBy::Removal => "to be removed",
    }
}

fn until(reason: WaitReason) -> &'static str {
    match reason {
        WaitReason::Queued => "for its turn",
        WaitReason::Browser => "for its background job",
        WaitReason::Offline => "for a network",
        WaitReason::Unreachable => "for the server to answer",
        WaitReason::Backoff => "before it tries again",
        WaitReason::RetryAfter => "as long as the server said",
        WaitReason::Headers => "for headers",
        WaitReason::Room => "for room",
        WaitReason::Storing => "for what came to be stored",
        WaitReason::Verifying => "for its hash",
    }
}

/// What it comes to.
fn outcome(download: &Download) -> String {
    let stored = of(download.stored, download.total);
    let state = match &download.state {
        State::None => "unknown".to_owned(),
        State::Requested => "asked for".to_owned(),
        State::Transferring { .. } => format!("under way: {stored} stored"),
        State::Available => format!("there: {stored}"),
        State::Failed { failure } => format!("failed: {}", failure.message),
        State::Aborted { by } => format!("aborted {}", ender(*by)),
        State::Evicted { .. } => "gone".to_owned(),
    };
    if download.degraded {
        state + ", as far as its history can be read"
    } else {
        state
    }
}
