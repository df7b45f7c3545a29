//! What browsers show of answers that come from another origin. No Longhaul in here: these tests pin the ground that its
//! judgement of such answers stands on.

mod support;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::http::header;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use longhaul_demo::{Entry, Generated};
use serde_json::{Value, json};
use support::browser::Browser;
use support::engine::Engine;
use support::page::Page;
use support::server::Server;

/// Tells what the completion event shows of each record.
const WORKER: &str = "
addEventListener('backgroundfetchsuccess', (event) => event.waitUntil(tell(event.registration)));
async function tell(job) {
  const told = [];
  for (const record of await job.matchAll()) {
    const response = await record.responseReady;
    const { url } = record.request;
    const { type, status } = response;
    const names = [...response.headers.keys()].sort();
    told.push({ url, type, status, names, length: (await response.arrayBuffer()).byteLength });
  }
  new BroadcastChannel('told').postMessage(told);
}";

/// Starts a job of one part of each address; what the page and the completion event show of each, by address.
const RECORDS: &str = "
    const registration = await navigator.serviceWorker.register('/worker.js');
    await navigator.serviceWorker.ready;
    const told = once(new BroadcastChannel('told'), 'message');
    const requests = args.map((url) => new Request(url, { headers: { range: 'bytes=1000-1999' } }));
    const job = await registration.backgroundFetch.fetch('raw', requests);
    const seen = [];
    for (const record of await job.matchAll()) {
        const response = await record.responseReady;
        const { url, mode, credentials } = record.request;
        const { type, status } = response;
        const names = [...response.headers.keys()].sort();
        const length = (await response.arrayBuffer()).byteLength;
        seen.push({ url, mode, credentials, type, status, names, length });
    }
    return { seen, told: (await told).data };";

/// What a script may read of the answer to `fetch(...args)`.
const FETCHED: &str = "
    const response = await fetch(...args);
    const { type, status, redirected } = response;
    const headers = Object.fromEntries(response.headers);
    await response.arrayBuffer();
    return { type, status, redirected, headers };";

/// A page of one origin, and a server of three others.
struct Strangers {
    page: Page,
    files: longhaul_demo::Server,
    file: Generated,
    own: Server,
    _browser: Browser,
}

impl Strangers {
    async fn start(engine: Engine) -> Result<Self> {
        let files = longhaul_demo::Server::builder().spawn()?;
        let file = Generated::new(40_000, "far");
        let own = Server::start(router(format!("{}{}", files.origin(), file.path())))?;
        let browser = Browser::launch(engine, &own.origin()).await?;
        let page = browser.open("/").await?;
        Ok(Self {
            page,
            files,
            file,
            own,
            _browser: browser,
        })
    }

    /// The file's address at another origin, with these parameters of the server.
    fn far(&self, query: &str) -> String {
        format!("{}{}?{query}", self.files.origin(), self.file.path())
    }

    /// An address of the page's own origin that redirects to [`Strangers::far`].
    fn near(&self, query: &str) -> String {
        format!("{}/away?{query}", self.own.origin())
    }

    async fn fetched(&self, url: &str, init: Value) -> Result<Value> {
        self.page.eval(FETCHED, json!([url, init])).await
    }

    /// The requests for an address with this parameter.
    fn log(&self, query: &str) -> Vec<Entry> {
        let mut log = self.files.log().entries();
        log.retain(|entry| entry.query.split('&').any(|pair| pair == query));
        log
    }
}

/// A page, its worker, and a redirect to `far`.
fn router(far: String) -> Router {
    let script = [(header::CONTENT_TYPE, "text/javascript")];
    Router::new()
        .route(
            "/",
            get(|| async { Html("<!doctype html><title>near</title>") }),
        )
        .route("/worker.js", get(move || async move { (script, WORKER) }))
        .route("/away", get(away))
        .with_state(far)
}

async fn away(State(far): State<String>, RawQuery(query): RawQuery) -> Response {
    Redirect::to(&format!("{far}?{}", query.unwrap_or_default())).into_response()
}

/// What every script may read of the server's headers where nothing is exposed.
const SAFE: [&str; 4] = [
    "cache-control",
    "content-length",
    "content-type",
    "last-modified",
];

/// Each way in which a host may expose headers, by a parameter of its own.
const EXPOSURES: [&str; 4] = ["run=list", "expose=*", "cors=echo", "hideHeaders=1"];

#[tokio::test]
async fn records_of_another_origin_show_what_every_script_may_read_and_nothing_else_whatever_is_exposed()
-> Result<()> {
    let strangers = Strangers::start(Engine::Chromium).await?;
    let direct = EXPOSURES.map(|query| strangers.far(query));
    let hub = strangers.far("run=hub&redirect=third");
    let near = strangers.near("run=near");
    let urls: Vec<_> = direct.iter().chain([&hub, &near]).collect();
    let found: Value = strangers.page.eval(RECORDS, json!(urls)).await?;
    for by in ["seen", "told"] {
        let records = found[by].as_array().context("a list")?;
        ensure!(records.len() == urls.len(), "{by}: {records:?}");
        for url in &urls {
            let record = records.iter().find(|record| record["url"] == **url);
            let record = record.with_context(|| format!("{by}: no record of {url}"))?;
            ensure!(
                record["type"] == "cors"
                    && record["status"] == 206
                    && record["length"] == 1000
                    && record["names"] == json!(SAFE),
                "{by}: {record}"
            );
        }
    }
    for record in found["seen"].as_array().context("a list")? {
        ensure!(
            record["mode"] == "no-cors" && record["credentials"] == "omit",
            "{record}"
        );
    }
    // The browser asks as any script of the page does, so that a host which answers the page answers the job.
    let own = strangers.own.origin();
    for query in EXPOSURES {
        let log = strangers.log(query);
        ensure!(log.iter().all(|entry| entry.method == "GET"), "{log:?}");
        let origins: Vec<_> = log.iter().map(|entry| entry.origin.as_deref()).collect();
        ensure!(origins == [Some(own.as_str())], "{query}: {origins:?}");
    }
    for (query, expected) in [
        ("run=hub", vec![Some(own.as_str()), Some("null")]),
        // A script's `fetch` would say its own origin here.
        ("run=near", vec![Some("null")]),
    ] {
        let log = strangers.log(query);
        let origins: Vec<_> = log.iter().map(|entry| entry.origin.as_deref()).collect();
        ensure!(origins == expected, "{query}: {origins:?}");
    }
    Ok(())
}

fn names(answer: &Value) -> Vec<&str> {
    let headers = answer["headers"].as_object();
    headers.map_or(Vec::new(), |headers| {
        headers.keys().map(String::as_str).collect()
    })
}

/// Starts a job of one part of an address; how it ends.
const JOB: &str = "
    const registration = await navigator.serviceWorker.register('/worker.js');
    await navigator.serviceWorker.ready;
    const request = new Request(args, { headers: { range: 'bytes=1000-1999' } });
    const job = await registration.backgroundFetch.fetch('raw', [request]);
    await once(job, 'progress', () => job.result !== '');
    return [job.result, job.failureReason];";

#[tokio::test]
async fn a_job_is_not_content_with_the_origin_that_it_sends_behind_a_redirect() -> Result<()> {
    let strangers = Strangers::start(Engine::Chromium).await?;
    let url = strangers.far("run=echo&redirect=third&cors=echo");
    // A script is: `Access-Control-Allow-Origin: null` answers `Origin: null`.
    let range = json!({ "headers": { "range": "bytes=1000-1999" } });
    let part = strangers.fetched(&url, range).await?;
    ensure!(part["status"] == 206, "{part}");
    let limit = Duration::from_mins(2);
    let ended: (String, String) = strangers.page.eval_within(limit, JOB, json!(url)).await?;
    ensure!(
        ended == ("failure".to_owned(), "fetch-error".to_owned()),
        "{ended:?}"
    );
    let origins: Vec<_> = strangers
        .log("run=echo")
        .into_iter()
        .map(|entry| entry.origin)
        .collect();
    let (own, null) = (Some(strangers.own.origin()), Some("null".to_owned()));
    ensure!(
        origins[..4] == [own.clone(), null.clone(), own, null],
        "{origins:?}"
    );
    Ok(())
}

/// Runs in each engine that this run is about.
async fn in_each_engine(test: impl AsyncFn(&Strangers) -> Result<()>) -> Result<()> {
    for engine in Engine::ALL {
        if let Some(why) = engine.left_out()? {
            println!("left out: {engine} ({why})");
            continue;
        }
        let strangers = Strangers::start(engine).await?;
        test(&strangers)
            .await
            .with_context(|| format!("in {engine}"))?;
    }
    Ok(())
}

#[tokio::test]
async fn a_script_reads_what_is_exposed_and_the_date_always_and_the_length_of_a_head() -> Result<()>
{
    in_each_engine(async |strangers| {
        let range = json!({ "headers": { "range": "bytes=1000-1999" } });
        for url in [strangers.far("run=list"), strangers.near("run=near")] {
            let part = strangers.fetched(&url, range.clone()).await?;
            ensure!(part["type"] == "cors" && part["status"] == 206, "{part}");
            ensure!(
                part["headers"]["content-range"] == "bytes 1000-1999/40000",
                "{part}"
            );
            ensure!(part["headers"]["etag"].is_string(), "{part}");
        }
        let asked = [strangers.log("run=list"), strangers.log("run=near")].concat();
        let own = Some(strangers.own.origin());
        ensure!(
            asked.len() == 2 && asked.iter().all(|entry| entry.origin == own),
            "{asked:?}"
        );
        let hidden = strangers.far("hideHeaders=1");
        let part = strangers.fetched(&hidden, range).await?;
        ensure!(part["type"] == "cors" && part["status"] == 206, "{part}");
        ensure!(names(&part) == SAFE, "{part}");
        ensure!(part["headers"]["content-length"] == "1000", "{part}");
        let head = strangers
            .fetched(&hidden, json!({ "method": "HEAD" }))
            .await?;
        ensure!(
            names(&head) == SAFE && head["headers"]["content-length"] == "40000",
            "{head}"
        );
        ensure!(
            head["headers"]["last-modified"] == part["headers"]["last-modified"],
            "{head}"
        );
        // The end of a file shows in the status, which is always told.
        for (range, status) in [("bytes=39999-39999", 206), ("bytes=40000-40000", 416)] {
            let end = strangers
                .fetched(&hidden, json!({ "headers": { "range": range } }))
                .await?;
            ensure!(end["status"] == status, "{range}: {end}");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_head_that_cors_forbids_looks_like_a_dead_server_and_a_range_needs_no_preflight()
-> Result<()> {
    in_each_engine(async |strangers| {
        let url = strangers.far("noHead=cors&noPreflight=1");
        let thrown = strangers
            .page
            .throws(FETCHED, json!([url, { "method": "HEAD" }]))
            .await?;
        ensure!(thrown.name == "TypeError", "{thrown}");
        let range = |range: &str| json!({ "headers": { "range": range }, "cache": "no-store" });
        let part = strangers.fetched(&url, range("bytes=1000-1999")).await?;
        ensure!(part["status"] == 206, "{part}");
        let methods: Vec<_> = strangers
            .log("noPreflight=1")
            .into_iter()
            .map(|entry| entry.method)
            .collect();
        ensure!(methods == ["HEAD", "GET"], "{methods:?}");
        // Other headers do need one, and so do ranges from the end.
        for headers in [
            json!({ "range": "bytes=-1000" }),
            json!({ "range": "bytes=0-9", "if-range": "\"x\"" }),
        ] {
            let init = json!({ "headers": headers });
            let thrown = strangers.page.throws(FETCHED, json!([url, init])).await?;
            ensure!(thrown.name == "TypeError", "{thrown}");
        }
        let last = strangers.log("noPreflight=1").pop().context("a log")?;
        ensure!(
            last.method == "OPTIONS" && last.status == Some(403),
            "{last:?}"
        );
        Ok(())
    })
    .await
}
