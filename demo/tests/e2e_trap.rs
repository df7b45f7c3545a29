//! What the browser itself does with the records of one Background Fetch job. No Longhaul in here: these tests pin the ground
//! that its parts stand on, and the trap beside it.

mod support;

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use futures_util::{Stream, StreamExt, stream};
use serde_json::{Value, json};
use support::browser::Browser;
use support::engine::Engine;
use support::page::Page;
use support::server::Server;
use tokio::sync::watch;
use tokio::time::timeout;

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
        let files = Router::new()
            .route("/file", get(part))
            .route("/answer", get(answer))
            .with_state(file.clone());
        let server = Server::start(router().merge(files))?;
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

/// A page, and a service worker that does nothing.
fn router() -> Router {
    Router::new()
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
    let [Some(third), Some(eleventh), Some(twelfth)] = [2, 10, 11].map(place) else {
        bail!("not every part was asked for: {asked:?}");
    };
    ensure!(
        eleventh < third && twelfth < third,
        "the order has changed: {asked:?}"
    );
    ensure!(raw.finish().await? == "success");
    Ok(())
}

/// Starts a raw job of one plain request and reads its record: status, `ETag`, and each run of equal bytes with its length.
const READ_PLAIN: &str = "
    const registration = await navigator.serviceWorker.register('/worker.js');
    await navigator.serviceWorker.ready;
    const job = await registration.backgroundFetch.fetch('plain', [args]);
    const ended = once(job, 'progress', () => job.result !== '');
    const [record] = await job.matchAll();
    await ended;
    const answer = await record.responseReady;
    const bytes = new Uint8Array(await answer.arrayBuffer());
    const runs = [];
    for (let at = 0, from = 0; at < bytes.length; from = at) {
        while (at < bytes.length && bytes[at] === bytes[from]) at += 1;
        runs.push([bytes[from], at - from]);
    }
    return { result: job.result, status: answer.status, etag: answer.headers.get('etag'), runs };";

/// What a server does that is asked for the rest of a plain body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Resumed {
    /// It sends everything again.
    Whole,
    /// It has another file by now, and so sends all of that.
    Another,
}

/// The first version's `ETag`.
const ONE: &str = "\"one\"";
/// The other version's.
const TWO: &str = "\"two\"";

/// The byte that the first third of a version consists of.
const fn first_byte(another: bool) -> u8 {
    if another { 101 } else { 1 }
}

#[derive(Debug, Clone)]
struct Plain {
    resumed: Resumed,
    asked: Arc<Mutex<Vec<HeaderMap>>>,
}

/// The first answer breaks off in the middle.
async fn plain(State(file): State<Plain>, headers: HeaderMap) -> Response {
    let resumption = {
        let mut asked = file.asked.lock().expect("no handler panics");
        asked.push(headers);
        asked.len() > 1
    };
    let another = resumption && file.resumed == Resumed::Another;
    let etag = if another { TWO } else { ONE };
    let first = first_byte(another);
    let piece = |n: u8| Ok(Bytes::from(vec![first + n; PART]));
    let pieces = if resumption {
        vec![piece(0), piece(1), piece(2)]
    } else {
        vec![piece(0), piece(1), Err(io::Error::other("broken off"))]
    };
    let headers = [
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        (header::ETAG, etag.to_owned()),
        (header::CONTENT_LENGTH, (3 * PART).to_string()),
    ];
    (headers, Body::from_stream(slowly(pieces))).into_response()
}

/// A body in pieces so far apart that what has been sent has arrived before the connection breaks.
fn slowly(pieces: Vec<io::Result<Bytes>>) -> impl Stream<Item = io::Result<Bytes>> {
    stream::iter(pieces).then(|piece| async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        piece
    })
}

#[tokio::test]
async fn a_plain_record_whose_rest_is_answered_with_everything_begins_anew() -> Result<()> {
    for resumed in [Resumed::Whole, Resumed::Another] {
        let file = Plain {
            resumed,
            asked: Arc::default(),
        };
        let raw = router().merge(
            Router::new()
                .route("/plain", get(plain))
                .with_state(file.clone()),
        );
        let server = Server::start(raw)?;
        let browser = Browser::launch(Engine::Chromium, &server.origin()).await?;
        let page = browser.open("/").await?;
        let read: Value = page
            .eval_within(Duration::from_mins(3), READ_PLAIN, json!("/plain"))
            .await?;
        let [_, resumption] = &file.asked.lock().expect("no handler panics")[..] else {
            bail!("{resumed:?}: not one resumption: {file:?}");
        };
        ensure!(
            resumption.contains_key("range") && resumption["if-range"] == ONE,
            "{resumed:?}: {resumption:?}"
        );
        // Nothing is spliced, but the headers are still those of the first answer.
        let first = first_byte(resumed == Resumed::Another);
        let runs: Vec<Value> = (0..3).map(|n| json!([first + n, PART])).collect();
        let whole = json!({ "result": "success", "status": 200, "etag": ONE, "runs": runs });
        ensure!(read == whole, "{resumed:?}: {read}");
    }
    Ok(())
}

/// The first answer breaks off before its first byte, and afterwards the file is another one.
async fn broken(
    State(asked): State<watch::Sender<Vec<Option<String>>>>,
    headers: HeaderMap,
) -> Response {
    let condition = headers.get(header::IF_MATCH);
    let condition = condition.and_then(|etag| Some(etag.to_str().ok()?.to_owned()));
    let stale = condition.as_deref() == Some(ONE);
    asked.send_modify(|asked| asked.push(condition));
    if stale {
        return StatusCode::PRECONDITION_FAILED.into_response();
    }
    let (etag, body) = if asked.borrow().len() == 1 {
        let nothing = slowly(vec![Err(io::Error::other("broken off"))]);
        (ONE, Body::from_stream(nothing))
    } else {
        (TWO, Body::from(vec![first_byte(true); PART]))
    };
    let headers = [
        (header::ACCEPT_RANGES, "bytes".to_owned()),
        (header::ETAG, etag.to_owned()),
        (
            header::CONTENT_RANGE,
            format!("bytes 0-{}/{}", PART - 1, 3 * PART),
        ),
        (header::CONTENT_LENGTH, PART.to_string()),
    ];
    (StatusCode::PARTIAL_CONTENT, headers, body).into_response()
}

#[tokio::test]
async fn a_ranged_record_that_broke_before_its_first_byte_asks_for_its_version_again_and_again()
-> Result<()> {
    let (asked, mut log) = watch::channel(Vec::new());
    let files = Router::new()
        .route("/broken", get(broken))
        .with_state(asked);
    let server = Server::start(router().merge(files))?;
    let browser = Browser::launch(Engine::Chromium, &server.origin()).await?;
    let page = browser.open("/").await?;
    let range = format!("bytes=0-{}", PART - 1);
    let start = "
        const registration = await navigator.serviceWorker.register('/worker.js');
        await navigator.serviceWorker.ready;
        const request = new Request('/broken', { headers: { range: args } });
        await registration.backgroundFetch.fetch('one', [request]);";
    page.eval::<()>(start, json!(range)).await?;
    // 20 s apart.
    let three = log.wait_for(|asked| asked.len() >= 3);
    let asked = timeout(Duration::from_mins(2), three).await??.clone();
    let same = Some(ONE.to_owned());
    ensure!(asked == [None, same.clone(), same], "{asked:?}");
    Ok(())
}

fn fragments(parts: std::ops::Range<usize>) -> Vec<String> {
    parts.map(|part| format!("#part={part:04}")).collect()
}
