//! Writes the golden histories that are not there yet, each with the snapshot it folds to.
//!
//! Run with `cargo run -p longhaul-state-tests --example golden` in the folder of this crate, when the format has a new
//! version or a story is added; then pin the digest in `tests/golden.rs`. A file that is there is never written again:
//! what was released once is read for ever.

use longhaul_core::{
    AbortedBy, Command, Download, ENTRY_VERSION, Entry, Event, EvictedBy, FailReason, Failure,
    HttpResponse, Input, JobEnd, JobFailure, Missing, Origin, Snapshot, TransferError, Transport,
    TransportReason, WaitReason,
};
use longhaul_state_tests::scenario::{
    ID, START, Scenario, digest, file, page, ranged_answer, worker,
};
use std::fs;
use std::io;
use std::path::PathBuf;

fn main() -> io::Result<()> {
    let folder = PathBuf::from(format!("golden/v{ENTRY_VERSION}"));
    fs::create_dir_all(&folder)?;
    for (name, lines) in [
        ("a-whole-life", a_whole_life()),
        ("in-the-background", in_the_background()),
        ("trouble", trouble()),
        ("changed-and-evicted", changed_and_evicted()),
        ("signed-and-cancelled", signed_and_cancelled()),
        ("every-word", every_word()),
        ("from-elsewhere", from_elsewhere()),
    ] {
        let history = folder.join(format!("{name}.ndjson"));
        if history.exists() {
            println!("{} is there", history.display());
            continue;
        }
        let download = Download::fold(ID, lines.iter().map(String::as_str));
        let shown = Snapshot::of(&download).expect("every story begins with a request");
        fs::write(&history, lines.join("\n") + "\n")?;
        fs::write(
            folder.join(format!("{name}.json")),
            shown.canonical_json() + "\n",
        )?;
        println!("{} is written", history.display());
    }
    Ok(())
}

fn later(s: &mut Scenario, input: Input) {
    s.now += 1_500;
    s.takes(input);
}

fn look(s: &mut Scenario, parts: &[u32]) {
    *s = s.clone().with_stored(parts);
    let input = s.observed();
    later(s, input);
}

/// Fetched by the page, asked for again, removed.
fn a_whole_life() -> Vec<String> {
    let mut s = Scenario::foreground().transferring();
    look(&mut s, &[0]);
    look(&mut s, &[0, 2]);
    look(&mut s, &[0, 1, 2, 3]);
    let request = s.request();
    later(&mut s, request);
    later(&mut s, Input::Command(Command::Remove));
    s.log
}

/// A job in two tries, harvested by page and worker, verified.
fn in_the_background() -> Vec<String> {
    let mut s = Scenario::new().hashed().transferring();
    look(&mut s, &[0]);
    s.observation.context = worker();
    s = s.with_stored(&[0, 1]);
    s.observation.jobs.clear();
    let first = s.registration().expect("in the background");
    let failed = JobEnd::Failure(JobFailure::FetchError);
    let ended = s.job_ended(&first, failed, &[]);
    later(&mut s, ended);
    s.observation.context = page();
    s.now += 60_000;
    look(&mut s, &[0, 1]);
    s.observation.context = worker();
    s = s.with_stored(&[0, 1, 2, 3]);
    let second = s.registration().expect("in the background again");
    let ended = s.job_ended(&second, JobEnd::Success, &[]);
    later(&mut s, ended);
    let verified = s.verified(&digest('a'));
    later(&mut s, verified);
    s.log
}

/// A server away, busy, throttling; a job refused; a network away; and then too much of it.
fn trouble() -> Vec<String> {
    let mut s = Scenario::new().requested();
    let busy = |after| HttpResponse {
        status: 503,
        retry_after_ms: after,
        ..HttpResponse::default()
    };
    for answer in [
        Err(TransferError::Unreachable),
        Err(TransferError::Unreachable),
        Ok(busy(None)),
        Ok(busy(Some(30_000))),
        Ok(ranged_answer()),
    ] {
        s.now += 90_000;
        let probed = s.probed_as(vec![answer]);
        later(&mut s, probed);
    }
    let registration = s.registration().expect("in the background");
    let refused = s.job_refused(&registration, false);
    later(&mut s, refused);
    s.observation.context.offline = true;
    let failed = s.part_failed(TransferError::Offline);
    later(&mut s, failed);
    s.observation.context.offline = false;
    look(&mut s, &[3]);
    while s.download.state.is_running() {
        s.now += 120_000;
        let failed = s.part_failed(TransferError::Network);
        later(&mut s, failed);
    }
    later(&mut s, Input::Command(Command::Retry));
    s.log
}

/// Parts vanish, the file changes, all is there, all is gone, all is found.
fn changed_and_evicted() -> Vec<String> {
    let mut s = Scenario::foreground().halfway();
    look(&mut s, &[1]);
    let probed = s.probed(&ranged_answer());
    later(&mut s, probed);
    let changed = s.part_failed(TransferError::Changed);
    later(&mut s, changed);
    let probed = s.probed(&HttpResponse {
        etag: None,
        last_modified: Some("Sun, 22 Nov 2026 16:48:00 GMT".into()),
        ..ranged_answer()
    });
    later(&mut s, probed);
    look(&mut s, &[0, 1, 2, 3]);
    look(&mut s, &[0, 1]);
    let request = s.request();
    later(&mut s, request);
    s = s.with_stored(&[0, 1, 2, 3]);
    let probed = s.probed(&HttpResponse {
        etag: None,
        last_modified: Some("Sun, 22 Nov 2026 16:48:00 GMT".into()),
        ..ranged_answer()
    });
    later(&mut s, probed);
    s.log
}

/// Signed URLs, a secret parameter, letters of all kinds, headers, an unknown size, and a person who cancels.
fn signed_and_cancelled() -> Vec<String> {
    let mut s = Scenario::new().with(|s| {
        s.spec.title = Some("Ein \"Modell\"\n模型 \u{1F30D} </b>".into());
        s.spec.secret_params = vec!["token".into()];
        s.spec.resources[0].url = "https://host/a.gguf?rev=2&token=x&X-Amz-Signature=y".into();
        let mut second = s.spec.resources[0].clone();
        second.url = "https://host/b?sv=1&sig=2&q=%41".into();
        second.bytes = Some(4_096);
        second.sha256 = Some(digest('c'));
        s.spec.resources.push(second);
    });
    s = s.requested();
    let unknown = HttpResponse {
        status: 200,
        content_type: Some("application/octet-stream".into()),
        ..HttpResponse::default()
    };
    let probed = s.probed_as(vec![Ok(ranged_answer()), Ok(unknown)]);
    later(&mut s, probed);
    let registration = s.registration().expect("in the background");
    s.observation.context = worker();
    let cancelled = s.job_ended(&registration, JobEnd::Abort, &[]);
    later(&mut s, cancelled);
    s.observation.context = page();
    s.spec.headers = true;
    s.observation.context.headers = false;
    let request = s.request();
    later(&mut s, request);
    let seen = s.observed();
    later(&mut s, seen);
    s.log
}

/// Every word of the format at least once, whether or not a download would say it.
fn every_word() -> Vec<String> {
    let requested = Event::Requested {
        attempt: 1,
        spec: Scenario::new().hashed().spec.recorded(),
        restarts: 2,
    };
    let mut events = vec![requested];
    for why in TransportReason::ALL {
        for transport in [Transport::BackgroundFetch, Transport::Foreground] {
            events.push(Event::Started {
                transfer: 1,
                transport,
                why: *why,
                registration: (transport == Transport::BackgroundFetch)
                    .then(|| "longhaul/1/longhaul/model/1/1".to_owned()),
                files: vec![file()],
                missing: vec![Missing {
                    resource: 0,
                    parts: "0-1,3".into(),
                }],
                stored: 30,
                total: Some(100),
            });
        }
    }
    for reason in WaitReason::ALL {
        events.push(Event::Waiting {
            reason: *reason,
            until: Some(START + 1),
            retries: 1,
            message: None,
        });
    }
    for reason in FailReason::ALL {
        events.push(Event::Failure(Failure {
            reason: *reason,
            message: "for one reason or another".into(),
            resource: Some(0),
            missing_bytes: None,
        }));
    }
    events.extend(AbortedBy::ALL.iter().map(|by| Event::Aborted { by: *by }));
    events.extend(EvictedBy::ALL.iter().map(|by| Event::Evicted { by: *by }));
    events.extend([
        Event::Progress {
            downloaded: (1 << 53) - 1,
            stored: 0,
            total: None,
        },
        Event::CachedHit {
            stored: 100,
            files: vec![file()],
        },
        Event::Success {
            sizes: vec![100],
            verified: vec![0],
        },
    ]);
    let entries = (1..).zip(events).map(|(seq, event)| {
        let origin = if seq % 2 == 0 {
            Origin::ServiceWorker
        } else {
            Origin::Page
        };
        Entry::new(ID, seq, START + seq, origin, event).encode()
    });
    entries.collect()
}

/// Fields and events of a later version, among what this one knows.
fn from_elsewhere() -> Vec<String> {
    let mut lines = Scenario::foreground().halfway().log;
    lines[1] = lines[1].replacen("{\"type\"", "{\"later\":[1,{\"a\":null}],\"type\"", 1);
    lines[1] = lines[1].replacen("{\"download\"", "{\"also\":1e9,\"download\"", 1);
    let line = |seq: u64, version: u32, event: &str| {
        format!(
            r#"{{"download":"{ID}","seq":{seq},"at":{START},"origin":"page","version":{version},"event":{event}}}"#
        )
    };
    lines.push(line(
        4,
        ENTRY_VERSION,
        r#"{"type":"teleported","to":"moon"}"#,
    ));
    lines.push(line(
        5,
        ENTRY_VERSION + 1,
        r#"{"type":"progress","downloaded":90,"stored":90}"#,
    ));
    lines.push("not an entry".into());
    lines.push(line(
        8,
        ENTRY_VERSION,
        r#"{"type":"progress","downloaded":70,"stored":60,"total":100}"#,
    ));
    lines
}
