//! A file of which no hash is known changes while it is fetched, after as many parts as a seed draws.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fastrand::Rng;
use longhaul_demo::{Entry, changed};
use serde_json::json;
use tokio::time::timeout;

use crate::far::{Bounds, DOZEN, Far, is_for_a_part};
use crate::support::chance::chance_for;
use crate::support::model::{BLANK, settled};
use crate::support::page::Page;
use crate::support::world::{SOON, World, scenario};

/// Bytes per second for all answers together: two seconds for one version.
const RATE: u64 = 6_000_000;
/// Parts of one MiB.
const PARTS: u64 = 12;

const ROUNDS: u32 = 10;

/// Both versions once, with what an overlap of page and job costs in each.
const BOUNDS: Bounds = Bounds {
    wire: 220,
    took: Duration::from_secs(50),
};

#[tokio::test]
async fn a_file_that_changes_between_two_parts_is_never_a_mixture() -> Result<()> {
    let mut chance = chance_for("changes between two parts")?;
    scenario(async |world: &mut World| {
        settled(world).await?.close().await?;
        for round in 0..ROUNDS {
            let (after, query, closed) = draw(&mut chance, round);
            let id = format!("changes-{round}");
            let mut far = Far::unknown(world, &id, DOZEN, &query);
            let outcome = change(world, &mut far, closed).await;
            let page = if closed { "closed" } else { "open" };
            outcome
                .with_context(|| format!("round {round}, page {page}, {query}, after {after}"))?;
        }
        Ok(())
    })
    .await
}

/// After how many parts it changes, with which parameters of the server, and whether the page is closed meanwhile.
fn draw(chance: &mut Rng, round: u32) -> (u64, String, bool) {
    let after = chance.u64(1..PARTS);
    let mut query = format!("rateTotal={RATE}&changeAfterParts={after}");
    if chance.bool() {
        query.push_str("&hideHeaders=1");
    }
    if chance.bool() {
        query.push_str("&redirect=third");
    }
    (after, query, round % 2 == 1)
}

async fn change(world: &World, far: &mut Far, closed: bool) -> Result<()> {
    let page = world.browser.open(BLANK).await?;
    open(&page).await?;
    far.request(&page).await?;
    let page = if closed {
        until_begun(world, far).await?;
        page.close().await?;
        until_asked_for(world, far).await?;
        let page = world.browser.open(BLANK).await?;
        open(&page).await?;
        page
    } else {
        page
    };
    let snapshot = page.until_available(far.id(), SOON).await?;
    ensure!(snapshot.total == Some(DOZEN), "{snapshot:?}");
    let path = far.file.path();
    let new = changed(path.trim_start_matches("/models/"), DOZEN);
    let (_, hash) = page.hash_of(far.id()).await?;
    let file = if hash == far.file.sha256() {
        &far.file
    } else {
        &new
    };
    far.check_is(file, world, &page, &BOUNDS).await?;
    page.forget(far.id()).await?;
    page.close().await
}

async fn open(page: &Page) -> Result<()> {
    let options = json!({ "transport": "background-fetch", "partBytes": DOZEN / PARTS,
        "retry": { "baseMs": 200, "maxMs": 1000 } });
    page.longhaul(options).await
}

/// Waits until the browser has the job, and not only the page: it has asked for a part.
async fn until_begun(world: &World, far: &Far) -> Result<()> {
    let path = far.file.path();
    let begun = |log: &[Entry]| {
        log.iter()
            .any(|request| request.path == path && is_for_a_part(request))
    };
    timeout(SOON, world.server.log().until(begun))
        .await
        .context("no job was begun")?;
    Ok(())
}

/// Waits until the browser has had an answer for every part, of whatever version.
async fn until_asked_for(world: &World, far: &Far) -> Result<()> {
    let path = far.file.path();
    let whole = |log: &[Entry]| {
        let parts = log.iter().filter(|request| {
            request.path == path && is_for_a_part(request) && request.ended_at.is_some()
        });
        parts.map(|request| request.sent).sum::<u64>() >= DOZEN
    };
    timeout(SOON, world.server.log().until(whole))
        .await
        .context("the browser did not go on without the page")?;
    Ok(())
}
