//! What the browser itself does with ranged records of one Background Fetch job. No Longhaul in here: these tests pin the ground
//! that its parts stand on, and the trap beside it.

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Result, ensure};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use serde_json::json;
use support::browser::Browser;
use support::engine::Engine;
use support::page::Page;
use support::server::Server;
use tokio::sync::watch;

/// Bytes of one part; part `n` consists of the byte `n` alone, so that nobody can be mistaken about where bytes came from.
const PART: usize = 65_536;

/// Starts a raw job, takes its records while all of them are still on their way, lets the server answer, and reads all but the
/// last, which the server holds back: part, length and distinct byte values of each.
const READ_EARLY: &str = "
    const registration = await navigator.serviceWorker.register('/worker.js');
    await navigator.serviceWorker.ready;
    const requests = args.fragments.map((fragment, part) => new Request(`/file${fragment}`, {
        headers: { range: `bytes=${part * args.size}-${(part + 1) * args.size - 1}` },
    }));
    const job = await registration.backgroundFetch.fetch('raw', requests);
    // Listened for from the beginning: a registration that is asked for later may miss the event and never say how it ended.
    globalThis.outcome = once(job, 'progress', () => job.result !== '').then(() => job.result);
    const records = await job.matchAll();
    await fetch('/answer');
    const read = [];
    for (const record of records) {
        const range = record.request.headers.get('range');
        const part = Number(range.match(/=(\\d+)-/)[1]) / args.size;
        if (part === requests.length - 1) continue;
        const bytes = new Uint8Array(await (await record.responseReady).arrayBuffer());
        read.push([part, bytes.length, [...new Set(bytes)]]);
    }
    return read.sort(([left], [right]) => left - right);";

/// How far the server goes with its answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gate {
    /// No part is answered.
    Shut,
    /// Every part but the last is answered.
    Ajar,
    /// Every part is answered.
    Open,
}

/// A file of many parts, answered as far as the gate is open.
#[derive(Clone)]
struct File {
    parts: usize,
    asked: Arc<Mutex<Vec<usize>>>,
    gate: watch::Sender<Gate>,
}

/// A browser with an open page and a service worker that does nothing.
struct Raw {
    page: Page,
    file: File,
    _browser: Browser,
    _server: Server,
}

impl Raw {
    async fn start(parts: usize) -> Result<Self> {
        let file = File {
            parts,
            asked: Arc::default(),
            gate: watch::Sender::new(Gate::Shut),
        };
        let router = Router::new()
            .route(
                "/",
                get(|| async { Html("<!doctype html><title>raw</title>") }),
            )
            .route(
                "/worker.js",
                get(|| async {
                    (
                        [(header::CONTENT_TYPE, "text/javascript")],
                        "// listens to nothing",
                    )
                }),
            )
            .route("/file", get(part))
            .route("/answer", get(answer))
            .with_state(file.clone());
        let server = Server::start(router)?;
        let browser = Browser::launch(Engine::Chromium, &server.origin()).await?;
        let page = browser.open("/").await?;
        Ok(Self {
            page,
            file,
            _browser: browser,
            _server: server,
        })
    }

    /// Starts the job with these fragments and reads early: part, length, distinct bytes.
    async fn read_early(&self, fragments: &[String]) -> Result<Vec<(u8, usize, Vec<u8>)>> {
        self.page
            .eval(READ_EARLY, json!({ "fragments": fragments, "size": PART }))
            .await
    }

    /// The parts in the order in which the browser asked for them.
    fn asked(&self) -> Vec<usize> {
        self.file.asked.lock().expect("no handler panics").clone()
    }

    /// Lets the held record go and waits for the job's end.
    async fn finish(&self) -> Result<String> {
        self.file.gate.send_replace(Gate::Open);
        self.page
            .eval_within(Duration::from_secs(30), "return outcome", json!(null))
            .await
    }
}

/// Answers `Range: bytes=a-b` for whole parts.
async fn part(State(file): State<File>, headers: HeaderMap) -> Response {
    let range = headers
        .get(header::RANGE)
        .and_then(|value| value.to_str().ok());
    let Some(start) = range
        .and_then(|range| range.strip_prefix("bytes="))
        .and_then(|range| range.split('-').next())
        .and_then(|start| start.parse::<usize>().ok())
    else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    let part = start / PART;
    file.asked.lock().expect("no handler panics").push(part);
    let needed = if part + 1 == file.parts {
        Gate::Open
    } else {
        Gate::Ajar
    };
    // An error means that the test is over.
    let _ = file.gate.subscribe().wait_for(|gate| *gate >= needed).await;
    let range = format!("bytes {start}-{}/{}", start + PART - 1, file.parts * PART);
    let byte = u8::try_from(part).expect("fewer than 256 parts");
    (
        StatusCode::PARTIAL_CONTENT,
        [
            (header::CONTENT_RANGE, range.as_str()),
            (header::ACCEPT_RANGES, "bytes"),
            (header::ETAG, "\"one\""),
        ],
        vec![byte; PART],
    )
        .into_response()
}

async fn answer(State(file): State<File>) {
    file.gate.send_replace(Gate::Ajar);
}

#[tokio::test]
async fn ranged_records_that_share_one_url_are_read_wrong_while_the_job_runs() -> Result<()> {
    let raw = Raw::start(6).await?;
    let read = raw.read_early(&vec![String::new(); 6]).await?;
    println!("early reads with one URL for all: {read:?}");
    ensure!(read.len() == 5, "not every record could be read: {read:?}");
    // Whichever part comes first answers all records that wait: each has the right length, no error tells, four hold wrong bytes.
    let first = &read[0].2;
    for (part, length, bytes) in &read {
        ensure!(*length == PART, "part {part} has {length} bytes");
        ensure!(
            bytes == first,
            "the trap is gone: part {part} holds {bytes:?}, part 0 {first:?}"
        );
    }
    ensure!(raw.finish().await? == "success");
    Ok(())
}

#[tokio::test]
async fn ranged_records_with_a_padded_fragment_each_are_read_right_while_the_job_runs() -> Result<()>
{
    let raw = Raw::start(12).await?;
    let read = raw.read_early(&fragments(0..12)).await?;
    ensure!(read.len() == 11, "not every record could be read: {read:?}");
    for (part, length, bytes) in &read {
        ensure!(
            *length == PART && bytes == &[*part],
            "part {part} is wrong: {length} bytes of {bytes:?}"
        );
    }
    ensure!(raw.finish().await? == "success");
    Ok(())
}

#[tokio::test]
async fn requests_run_in_the_text_order_of_their_places_in_the_list_whatever_their_urls()
-> Result<()> {
    let raw = Raw::start(12).await?;
    raw.read_early(&fragments(0..12)).await?;
    let asked = raw.asked();
    // Two run side by side, so neighbours may change places.
    let place = |part| asked.iter().position(|&asked| asked == part);
    ensure!(
        place(10) < place(2) && place(11) < place(2),
        "the order has changed: {asked:?}"
    );
    ensure!(raw.finish().await? == "success");
    Ok(())
}

fn fragments(parts: std::ops::Range<usize>) -> Vec<String> {
    parts.map(|part| format!("#part={part:04}")).collect()
}
