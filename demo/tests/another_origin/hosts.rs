//! Hosts that refuse, compress, or lie: what they say is never taken for the file.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use longhaul_demo::{Entry, Outcome};
use serde_json::json;
use tokio::time::timeout;

use crate::far::{Bounds, DOZEN, Far, PROBES, check_told_why, parts_of};
use crate::support::model::{BLANK, MIB, range, settled};
use crate::support::page::Page;
use crate::support::world::{SOON, World, scenario};

const PARTS: usize = 12;

/// Bytes per second for all answers together, so that little of what is broken off for its head alone is on its way by then.
const RATE: u64 = 12_000_000;

const BOUNDS: Bounds = Bounds {
    wire: 115,
    took: Duration::from_secs(30),
};

/// Where a job ends over a part, those under way with it are lost.
const JOB_LOST: Bounds = Bounds {
    wire: 150,
    took: Duration::from_secs(30),
};

/// The browser tells a job that it may not read it only when it has all of it.
const JOB_REFUSED: Bounds = Bounds {
    wire: 205,
    took: Duration::from_secs(30),
};

/// What an attempt may end as whose server never sends the right bytes.
const LIES: [&str; 6] = [
    "truncated",
    "bad-status",
    "changed",
    "network",
    "integrity",
    "retries-exhausted",
];

async fn open(page: &Page, transport: &str) -> Result<()> {
    page.longhaul(json!({ "transport": transport, "partBytes": MIB,
        "retry": { "limit": 3, "baseMs": 100, "maxMs": 400 } }))
        .await
}

/// Opens Longhaul anew with this transport.
async fn anew(world: &World, transport: &str) -> Result<Page> {
    let page = world.browser.open(BLANK).await?;
    open(&page, transport).await?;
    Ok(page)
}

/// Tries every case, its name and query first, by either transport in a page of its own; names all that failed.
async fn by_both<T>(
    world: &World,
    cases: &[(&str, String, T)],
    check: impl AsyncFn(&Page, &mut Far, &str, &T) -> Result<()>,
) -> Result<()> {
    settled(world).await?.close().await?;
    let mut failed = Vec::new();
    for transport in ["foreground", "background-fetch"] {
        for (name, query, more) in cases {
            let page = anew(world, transport).await?;
            let mut far = Far::unknown(world, &format!("{name}-{transport}"), DOZEN, query);
            if let Err(error) = check(&page, &mut far, transport, more).await {
                failed.push(format!("{name} by {transport}: {error:#}"));
            }
            page.forget(far.id()).await?;
            page.close().await?;
        }
    }
    ensure!(failed.is_empty(), "{}", failed.join("\n"));
    Ok(())
}

#[tokio::test]
async fn a_host_without_cors_is_cors_whoever_redirects_to_it() -> Result<()> {
    scenario(async |world: &mut World| {
        settled(world).await?.close().await?;
        for transport in ["auto", "foreground"] {
            let page = anew(world, transport).await?;
            for (n, query) in ["cors=off", "cors=off&redirect=third"]
                .into_iter()
                .enumerate()
            {
                let mut far =
                    Far::unknown(world, &format!("forbidden-{transport}-{n}"), DOZEN, query);
                far.request(&page).await?;
                let checked = far
                    .check_failed(&page, Duration::from_secs(15), &["cors"])
                    .await;
                checked.with_context(|| format!("{transport}, {query}"))?;
                let log = far.log(world);
                ensure!(log.len() <= PROBES, "{} requests: {log:?}", log.len());
                let rest = page.at_rest().await?;
                ensure!(rest.parts().is_empty() && rest.jobs.is_empty(), "{rest:?}");
            }
            page.close().await?;
        }
        Ok(())
    })
    .await
}

/// Ways in which hosts hide how long a file is, and whether it can come in parts all the same.
const LENGTHS: [(&str, &str, bool); 7] = [
    ("compressed", "hideHeaders=1&gzipHead=1", true),
    ("compressed-chunked", "hideHeaders=1&gzipHead=chunked", true),
    ("refused", "hideHeaders=1&noHead=1", true),
    ("forbidden", "hideHeaders=1&noHead=cors&noPreflight=1", true),
    ("tag-alone", "expose=ETag&noLastModified=1", true),
    ("range-alone", "expose=Content-Range&noPreflight=1", true),
    ("no-version", "noValidator=1", false),
];

#[tokio::test]
async fn a_length_that_cannot_be_believed_yields_no_truncated_file() -> Result<()> {
    scenario(async |world: &mut World| {
        let cases = LENGTHS
            .map(|(name, query, in_parts)| (name, format!("{query}&rateTotal={RATE}"), in_parts));
        by_both(world, &cases, async |page, far, _, in_parts| {
            length(world, page, far, *in_parts).await
        })
        .await
    })
    .await
}

async fn length(world: &World, page: &Page, far: &mut Far, in_parts: bool) -> Result<()> {
    far.request(page).await?;
    page.until_available(far.id(), SOON).await?;
    let history = page.history(far.id()).await?;
    let started = &history.only("started")?.event;
    let parts = parts_of(started);
    let expected = if in_parts { PARTS } else { 1 };
    ensure!(parts == expected, "{parts} parts: {started}");
    far.check(world, page, &BOUNDS).await
}

/// Parts of the wrong length: as often as the name says, or always.
const WRONG: [(&str, &str); 4] = [
    ("short-twice", "wrongLength=shorter&times=2"),
    ("long-twice", "extra=10&times=2"),
    ("short", "wrongLength=shorter"),
    ("long", "extra=10"),
];

/// The last byte but one of the third part: no probe comes by it.
const AT: u64 = 3 * MIB - 2;

#[tokio::test]
async fn a_part_of_the_wrong_length_is_never_taken_and_the_history_says_so_in_words() -> Result<()>
{
    scenario(async |world: &mut World| {
        let cases = WRONG.map(|(name, query)| (name, format!("{query}&at={AT}"), ()));
        by_both(world, &cases, async |page, far, transport, ()| {
            wrong(world, page, far, transport).await
        })
        .await
    })
    .await
}

async fn wrong(world: &World, page: &Page, far: &mut Far, transport: &str) -> Result<()> {
    far.request(page).await?;
    if far.url.contains("times") {
        page.until_available(far.id(), SOON).await?;
        far.check(world, page, &JOB_LOST).await?;
    } else if transport == "foreground" {
        far.check_failed(page, SOON, &LIES).await?;
    } else {
        // The worker's rounds keep the delays that apps have by default: four of them are as good as the last.
        until_asked(world, far, 4).await?;
        let snapshot = page.snapshot(far.id()).await?;
        ensure!(
            snapshot.phase == "transferring" && snapshot.stored <= DOZEN - MIB,
            "{snapshot:?}"
        );
        let abort = "await (await (await longhaul()).get(args)).abort()";
        page.eval::<()>(abort, json!(far.id())).await?;
        far.check_not_handed_out(page).await?;
    }
    let sent = far.sent(world);
    ensure!(sent <= 2 * DOZEN, "{sent} bytes sent");
    check_told_why(&page.history(far.id()).await?)
}

/// Waits until the part that is always wrong was answered so many times.
async fn until_asked(world: &World, far: &Far, times: usize) -> Result<()> {
    let path = far.file.path();
    let asked = |log: &[Entry]| {
        let wrong = log.iter().filter(|request| {
            request.path == path
                && request.outcome == Outcome::Done
                && range(request).is_some_and(|(first, last)| (first..=last).contains(&AT))
        });
        wrong.count() >= times
    };
    timeout(SOON, world.server.log().until(asked))
        .await
        .context("it was not asked for again")?;
    Ok(())
}

#[tokio::test]
async fn what_a_host_gives_a_page_and_refuses_a_job_is_brought_by_the_page() -> Result<()> {
    scenario(async |world: &mut World| {
        settled(world).await?.close().await?;
        let page = anew(world, "auto").await?;
        let mut far = Far::unknown(world, "echo", DOZEN, "redirect=third&cors=echo");
        far.request(&page).await?;
        page.until_available(far.id(), SOON).await?;
        let history = page.history(far.id()).await?;
        let started = history.0.iter().filter(|entry| entry.kind() == "started");
        let ways: Vec<_> = started.map(|entry| &entry.event["transport"]).collect();
        ensure!(ways == ["background-fetch", "foreground"], "{ways:?}");
        check_told_why(&history)?;
        far.check(world, &page, &JOB_REFUSED).await
    })
    .await
}
