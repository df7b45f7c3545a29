//! Bad servers: the right reason or the right bytes, and never a model that is not what it should be.

mod support;

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use longhaul_demo::Generated;
use serde_json::{Value, json};
use support::client::Snapshot;
use support::model::MIB;
use support::page::Page;
use support::world::{SOON, World, scenario};

/// The files of these tests have five parts and a bit.
const SIZE: u64 = 5 * MIB + 4321;

/// An offset in the middle of the file: `at=` confines a fault to the part that holds it, and spares the probe.
const MIDDLE: u64 = 2 * MIB + 5;

/// How a case may end.
#[derive(Debug, Clone, Copy)]
enum End {
    /// Available, with exactly the bytes of the file.
    Whole,
    /// Failed, for this reason.
    Failed(&'static str),
}

/// One way in which a server misbehaves.
struct Case {
    name: &'static str,
    query: String,
    hashed: bool,
    end: End,
}

fn case(name: &'static str, query: impl Into<String>, hashed: bool, end: End) -> Case {
    Case {
        name,
        query: query.into(),
        hashed,
        end,
    }
}

/// Short delays: the policy under test is the same, only faster.
fn options() -> Value {
    json!({ "retry": { "limit": 2, "baseMs": 50, "maxMs": 100, "unreachableMs": 2000 } })
}

async fn run(world: &World, page: &Page, case: &Case) -> Result<()> {
    let file = Generated::new(SIZE, case.name);
    let hash = file.sha256();
    let url = format!("{}{}?{}", world.server.origin(), file.path(), case.query);
    let mut resource = json!({ "url": url });
    if case.hashed {
        resource["sha256"] = json!(hash);
    }
    page.request(&json!({ "id": case.name, "resources": [resource] }))
        .await?;
    let snapshot = page.until_ended(case.name, SOON).await?;
    check(page, case, &url, &hash, &snapshot)
        .await
        .with_context(|| format!("{} ({}) ended as {snapshot:?}", case.name, case.query))?;
    let history = page.history(case.name).await?;
    history.check()?;
    // What is not refused before anything is transferred begins as a background job.
    let first = history.0.iter().find(|entry| entry.kind() == "started");
    ensure!(
        first.is_none_or(|entry| entry.event["transport"] == "background-fetch"),
        "{} began as {first:?}",
        case.name
    );
    Ok(())
}

async fn check(page: &Page, case: &Case, url: &str, hash: &str, snapshot: &Snapshot) -> Result<()> {
    match case.end {
        End::Whole => {
            ensure!(snapshot.phase == "available", "not available");
            let (size, found) = page.hash_of(case.name).await?;
            ensure!(size == SIZE && found == hash, "wrong bytes: {size} of them");
            let matched: Option<String> = page
                .eval(
                    "const response = await (await longhaul()).match(args);
                     return response && sha256(await response.arrayBuffer());",
                    json!(url),
                )
                .await?;
            ensure!(
                matched.as_deref() == Some(hash),
                "match() gives {matched:?}"
            );
        }
        End::Failed(reason) => {
            ensure!(snapshot.phase == "failed", "not failed");
            ensure!(
                snapshot.failure_reason() == reason,
                "the reason should be `{reason}`"
            );
            check_handed_out(page, case.name, url).await?;
        }
    }
    Ok(())
}

/// What failed must not be had by any of the ways in which bytes are handed out.
async fn check_handed_out(page: &Page, id: &str, url: &str) -> Result<()> {
    let matched: bool = page
        .eval(
            "return (await (await longhaul()).match(args)) !== undefined",
            json!(url),
        )
        .await?;
    ensure!(!matched, "match() hands out what failed");
    for way in ["blob", "response"] {
        let body = format!("await (await (await longhaul()).get(args)).{way}()");
        let thrown = page.throws(&body, json!(id)).await?;
        ensure!(thrown.code() == "not-available", "{way}() says {thrown}");
    }
    let thrown = page
        .throws("await e2e.downloads[args].finished", json!(id))
        .await?;
    ensure!(thrown.code() == "failed", "`finished` says {thrown}");
    Ok(())
}

async fn run_all(cases: &[Case]) -> Result<()> {
    scenario(async |world: &mut World| {
        let page = world.browser.open("/blank.html").await?;
        page.longhaul(options()).await?;
        let mut wrong = Vec::new();
        for case in cases {
            match run(world, &page, case).await {
                Ok(()) => println!("{}: as expected ({:?})", case.name, case.end),
                Err(error) => wrong.push(format!("{error:#}")),
            }
        }
        if !wrong.is_empty() {
            bail!(
                "{} of {} cases:\n{}",
                wrong.len(),
                cases.len(),
                wrong.join("\n")
            );
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_server_that_refuses_from_the_beginning_is_a_failure_with_its_reason() -> Result<()> {
    run_all(&[
        case("missing", "status=404", false, End::Failed("not-found")),
        case("gone", "status=410", false, End::Failed("not-found")),
        case(
            "forbidden",
            "status=403",
            false,
            End::Failed("unauthorized"),
        ),
        case("guarded", "auth=secret", false, End::Failed("unauthorized")),
        case("broken", "status=500", false, End::Failed("bad-status")),
        case(
            "unsatisfiable",
            "status=416",
            false,
            End::Failed("bad-status"),
        ),
        case("recovers", "status=503&times=1", true, End::Whole),
        case("portal", "html=1", false, End::Failed("unexpected-type")),
    ])
    .await
}

#[tokio::test]
async fn a_server_that_fails_in_mid_download_never_makes_a_wrong_model_available() -> Result<()> {
    run_all(&[
        case(
            "one-part-missing",
            format!("status=404&at={MIDDLE}"),
            true,
            End::Failed("not-found"),
        ),
        case(
            "one-part-forbidden",
            format!("status=403&at={MIDDLE}"),
            false,
            End::Failed("unauthorized"),
        ),
        case(
            "one-part-portal",
            format!("html=1&at={MIDDLE}"),
            false,
            End::Failed("unexpected-type"),
        ),
        case(
            "empty-for-ever",
            format!("empty=1&at={MIDDLE}"),
            true,
            End::Failed("truncated"),
        ),
        case(
            "empty-once",
            format!("empty=1&at={MIDDLE}&times=1"),
            true,
            End::Whole,
        ),
        // Chromium goes on asking for twenty seconds and more; the page does not wait for that.
        case(
            "one-part-broken-once",
            format!("status=500&at={MIDDLE}&times=1"),
            true,
            End::Whole,
        ),
        // Range is honoured by the probe and ignored for one part: the record claims success and is empty.
        case(
            "range-ignored-once",
            format!("status=200&at={MIDDLE}&times=1"),
            false,
            End::Whole,
        ),
        case(
            "other-range",
            format!("wrongRange=1&at={MIDDLE}"),
            false,
            End::Failed("bad-status"),
        ),
        case(
            "other-total",
            format!("wrongTotal=1&at={MIDDLE}"),
            false,
            End::Failed("changed"),
        ),
        case(
            "cut-once",
            format!("cut={MIDDLE}&cutTimes=1"),
            true,
            End::Whole,
        ),
    ])
    .await
}

#[tokio::test]
async fn a_wrong_hash_is_integrity_and_nothing_of_it_stays() -> Result<()> {
    scenario(async |world: &mut World| {
        let page = world.browser.open("/blank.html").await?;
        page.longhaul(options()).await?;
        let case = case(
            "corrupt",
            format!("corrupt={MIDDLE}"),
            true,
            End::Failed("integrity"),
        );
        run(world, &page, &case).await?;
        let rest = page.at_rest().await?;
        ensure!(
            rest.parts().is_empty(),
            "wrong bytes are kept: {:?}",
            rest.parts()
        );

        // The same bytes under no hash are what the server says they are.
        let file = Generated::new(SIZE, "corrupt");
        let right = file.sha256();
        let url = format!("{}{}?corrupt={MIDDLE}", world.server.origin(), file.path());
        page.request(&json!({ "id": "unhashed", "resources": [url] }))
            .await?;
        page.until_available("unhashed", SOON).await?;
        let (size, found) = page.hash_of("unhashed").await?;
        ensure!(
            size == SIZE && found != right,
            "the fault was not there to be found"
        );
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_server_without_ranges_is_downloaded_whole() -> Result<()> {
    run_all(&[
        case("whole-hashed", "noRange=1", true, End::Whole),
        case("whole-unhashed", "noRange=1", false, End::Whole),
        case("chunked", "noRange=1&noLength=1", true, End::Whole),
        case("no-head", "noRange=1&noHead=1", false, End::Whole),
        case("compressed", "gzip=1", true, End::Whole),
        case("no-validator", "noValidator=1", false, End::Whole),
        case("no-validator-hashed", "noValidator=1", true, End::Whole),
        case("weak", "weak=1&noLastModified=1", false, End::Whole),
        case("unknown-total", "wrongTotal=unknown", true, End::Whole),
        case("redirected", "redirect=same", true, End::Whole),
        case("redirected-across", "redirect=cross", true, End::Whole),
    ])
    .await
}

#[tokio::test]
async fn a_record_that_claims_success_with_an_empty_body_is_no_model() -> Result<()> {
    scenario(async |world: &mut World| {
        let page = world.browser.open("/blank.html").await?;
        page.longhaul(options()).await?;
        // The probe is answered with a range, everything after it with the whole file: Chromium then ends the job at once as a
        // success of status 200 with nothing in it.
        let file = Generated::new(SIZE, "deceived");
        let url = format!(
            "{}{}?status=200&at={MIDDLE}",
            world.server.origin(),
            file.path()
        );
        for (id, resource) in [
            ("deceived", json!({ "url": url, "sha256": file.sha256() })),
            ("deceived-unhashed", json!({ "url": format!("{url}&n=2") })),
        ] {
            page.request(&json!({ "id": id, "resources": [resource] }))
                .await?;
            let snapshot = page.until_ended(id, Duration::from_mins(2)).await?;
            ensure!(snapshot.failure_reason() == "bad-status", "{snapshot:?}");
            check_handed_out(&page, id, resource["url"].as_str().unwrap_or_default()).await?;
            let history = page.history(id).await?;
            history.check()?;
            let tries: Vec<_> = history
                .0
                .iter()
                .filter(|entry| entry.kind() == "started")
                .map(|entry| entry.event["transport"].as_str().unwrap_or_default())
                .collect();
            ensure!(tries.first() == Some(&"background-fetch"), "{tries:?}");
            ensure!(history.count("waiting") > 0, "{:?}", history.kinds());
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_file_that_changes_in_mid_download_is_never_mixed() -> Result<()> {
    scenario(async |world: &mut World| {
        let page = world.browser.open("/blank.html").await?;
        page.longhaul(options()).await?;
        let file = Generated::new(SIZE, "changing");
        let url = format!("{}{}?changeAfter=4", world.server.origin(), file.path());
        page.request(&json!({ "id": "changing", "resources": [url] })).await?;
        let snapshot = page.until_ended("changing", 2 * SOON).await?;
        page.history("changing").await?.check()?;
        if snapshot.phase == "available" {
            // The second version, whole: what the server gives from now on.
            let (size, found) = page.hash_of("changing").await?;
            let now: String = page
                .eval(
                    "return sha256(await (await fetch(`${args}#part=0`, { cache: 'no-store' })).arrayBuffer())",
                    json!(url),
                )
                .await?;
            ensure!(size == SIZE && found == now, "two versions are mixed");
        } else {
            ensure!(snapshot.failure_reason() == "changed", "{snapshot:?}");
            check_handed_out(&page, "changing", &url).await?;
        }
        Ok(())
    })
    .await
}

/// What is stored is handed out under its URL, but it never answers the questions of a download that is new.
#[tokio::test]
async fn another_download_of_a_file_that_changed_meanwhile_brings_the_new_one() -> Result<()> {
    scenario(async |world: &mut World| {
        let page = world.browser.open("/blank.html").await?;
        page.longhaul(options()).await?;
        let file = Generated::new(SIZE, "renewed");
        // The first byte, and six parts.
        let url = format!("{}{}?changeAfter=7", world.server.origin(), file.path());
        page.request(&json!({ "id": "first", "resources": [url] }))
            .await?;
        page.until_available("first", SOON).await?;
        ensure!(page.hash_of("first").await? == (SIZE, file.sha256()));
        page.request(&json!({ "id": "second", "resources": [url] }))
            .await?;
        page.until_available("second", SOON).await?;
        let history = page.history("second").await?;
        history.check()?;
        ensure!(history.count("success") == 1, "{:?}", history.course());
        let (size, found) = page.hash_of("second").await?;
        ensure!(size == SIZE && found != file.sha256(), "the old file again");
        // Of the two that are stored one is handed out, and nobody is asked.
        world.server.log().clear();
        let served: String = page
            .eval(
                "const stored = await (await longhaul()).match(args);
                 return sha256(await stored.arrayBuffer())",
                json!(url),
            )
            .await?;
        ensure!(served == found || served == file.sha256(), "{served}");
        let log = world.server.log().entries();
        ensure!(log.is_empty(), "{log:?}");
        Ok(())
    })
    .await
}
