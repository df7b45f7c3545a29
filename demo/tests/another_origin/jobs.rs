//! 60 MB by Background Fetch: with the page open, and with nobody there but the browser and the worker.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use longhaul_demo::{Entry, Outcome};
use serde_json::json;
use tokio::time::timeout;

use crate::far::{Bounds, Far, MODEL, PROBES, check_one_job, is_for_a_part};
use crate::support::model::{BLANK, settled};
use crate::support::page::Page;
use crate::support::world::{SOON, World, scenario};

/// Bytes per second for all answers together: five seconds, of which a page is closed for four and a half.
const RATE: u64 = 12_000_000;

const BOUNDS: Bounds = Bounds {
    wire: 110,
    took: Duration::from_secs(25),
};

/// The file itself, or a hub that redirects to it; whether its hash is known.
const CASES: [(&str, &str, bool); 4] = [
    ("direct-hashed", "", true),
    ("direct", "", false),
    ("hub-hashed", "&redirect=third", true),
    ("hub", "&redirect=third", false),
];

fn far(world: &World, id: &str, query: &str, hashed: bool) -> Far {
    let query = format!("rateTotal={RATE}{query}");
    if hashed {
        Far::hashed(world, id, MODEL, &query)
    } else {
        Far::unknown(world, id, MODEL, &query)
    }
}

/// Runs all cases in one browser and fails with all that fail.
async fn each_case(
    world: &World,
    prefix: &str,
    run: impl AsyncFn(&World, &mut Far) -> Result<()>,
) -> Result<()> {
    let mut failed = Vec::new();
    for (name, query, hashed) in CASES {
        let mut far = far(world, &format!("{prefix}-{name}"), query, hashed);
        if let Err(error) = run(world, &mut far).await {
            failed.push(format!("{name}: {error:#}"));
        }
    }
    ensure!(failed.is_empty(), "{}", failed.join("\n"));
    Ok(())
}

#[tokio::test]
async fn with_the_page_open_one_background_job_brings_sixty_megabytes_once() -> Result<()> {
    scenario(async |world: &mut World| {
        let page = settled(world).await?;
        each_case(world, "open", async |world, far| {
            far.request(&page).await?;
            page.until_available(far.id(), SOON).await?;
            check_one_job(&page.history(far.id()).await?)?;
            far.check(world, &page, &BOUNDS).await?;
            let probes = far.probes(world);
            ensure!(
                probes.len() <= PROBES,
                "{} probes: {probes:?}",
                probes.len()
            );
            page.forget(far.id()).await
        })
        .await
    })
    .await
}

#[tokio::test]
async fn with_the_page_closed_the_worker_finishes_it_alone() -> Result<()> {
    scenario(async |world: &mut World| {
        settled(world).await?.close().await?;
        each_case(world, "closed", async |world, far| closed(world, far).await).await
    })
    .await
}

async fn closed(world: &World, far: &mut Far) -> Result<()> {
    let page = world.browser.open(BLANK).await?;
    page.longhaul(json!({ "transport": "background-fetch" }))
        .await?;
    far.request(&page).await?;
    let tenth = format!("snapshot.stored >= {}", MODEL / 10);
    page.until(far.id(), SOON, &tenth).await?;
    page.close().await?;
    let left = far.sent(world);
    ensure!(
        left < MODEL / 2,
        "{left} bytes had been sent when the page went"
    );

    until_brought(world, far).await?;
    // A tab that knows nothing of Longhaul watches the worker finish it.
    let watcher = world.browser.open("/api/models").await?;
    let success = r#"await written("longhaul", args, '\\"type\\":\\"success\\"')"#;
    watcher
        .eval_within::<()>(Duration::from_secs(20), success, json!(far.id()))
        .await
        .context("the worker did not finish it")?;
    let last = world
        .server
        .log()
        .entries()
        .last()
        .map_or(0, |entry| entry.n);
    watcher.close().await?;

    let page = world.browser.open(BLANK).await?;
    page.longhaul(json!({ "transport": "background-fetch" }))
        .await?;
    check_finished_alone(&page, far).await?;
    far.check(world, &page, &BOUNDS).await?;
    far.check_probes_since(world, last, 2)?;
    let probes = far.probes(world);
    ensure!(
        probes.len() <= PROBES,
        "{} probes: {probes:?}",
        probes.len()
    );
    page.forget(far.id()).await?;
    page.close().await
}

/// Waits until every byte of it has been sent in some part.
async fn until_brought(world: &World, far: &Far) -> Result<()> {
    let path = far.file.path();
    let whole = |log: &[Entry]| {
        let parts = log.iter().filter(|request| {
            request.path == path && is_for_a_part(request) && request.outcome == Outcome::Done
        });
        parts.map(|request| request.sent).sum::<u64>() >= MODEL
    };
    timeout(SOON, world.server.log().until(whole))
        .await
        .context("the browser did not go on without the page")?;
    Ok(())
}

async fn check_finished_alone(page: &Page, far: &Far) -> Result<()> {
    let found = page.snapshot(far.id()).await?;
    ensure!(found.phase == "available", "at reopening {found:?}");
    let history = page.history(far.id()).await?;
    check_one_job(&history)?;
    let success = history.only("success")?;
    ensure!(
        success.origin == "service-worker",
        "finished by {success:?}"
    );
    Ok(())
}
