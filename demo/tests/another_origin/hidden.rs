//! Hosts that expose no header: interrupted at one half, by either transport.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use crate::far::{Bounds, Far, parts_of};
use crate::support::model::{BLANK, BYTES, PART, settled};
use crate::support::page::Page;
use crate::support::world::{SOON, World, scenario};

/// Bytes per second for all answers together: four seconds for the whole.
const RATE: u64 = 6_000_000;

const BOUNDS: Bounds = Bounds {
    wire: 115,
    took: Duration::from_secs(45),
};

/// Where the sizes come from: a `HEAD`, or the head of a plain answer where there is none.
const HEADS: [&str; 2] = ["", "&noHead=403"];

async fn open(page: &Page, transport: &str) -> Result<()> {
    page.longhaul(json!({ "transport": transport, "partBytes": PART }))
        .await
}

/// Asks for it in a page and waits for one half of it to be at rest.
async fn half(world: &World, far: &mut Far, transport: &str) -> Result<Page> {
    let page = world.browser.open(BLANK).await?;
    open(&page, transport).await?;
    far.request(&page).await?;
    let stored = format!("snapshot.stored >= {}", BYTES / 2);
    page.until(far.id(), SOON, &stored).await?;
    Ok(page)
}

/// Demands that one attempt brought it in parts by this transport.
async fn check(world: &World, page: &Page, far: &Far, transport: &str) -> Result<()> {
    let snapshot = page.until_available(far.id(), SOON).await?;
    ensure!(snapshot.attempt == 1, "{snapshot:?}");
    let history = page.history(far.id()).await?;
    for started in history.0.iter().filter(|entry| entry.kind() == "started") {
        let event = &started.event;
        ensure!(event["transport"] == transport, "{event}");
        ensure!(
            parts_of(event) as u64 == BYTES / PART,
            "not in parts: {event}"
        );
    }
    far.check(world, page, &BOUNDS).await
}

#[tokio::test]
async fn a_reload_at_one_half_costs_no_more_than_what_was_in_flight() -> Result<()> {
    scenario(async |world: &mut World| {
        settled(world).await?.close().await?;
        for transport in ["foreground", "background-fetch"] {
            for (n, head) in HEADS.into_iter().enumerate() {
                let query = format!("hideHeaders=1&rateTotal={RATE}{head}");
                let mut far =
                    Far::unknown(world, &format!("reloaded-{transport}-{n}"), BYTES, &query);
                let page = half(world, &mut far, transport).await?;
                page.reload().await?;
                open(&page, transport).await?;
                let told = || format!("by {transport}, {query}");
                check(world, &page, &far, transport)
                    .await
                    .with_context(told)?;
                page.forget(far.id()).await?;
                page.close().await?;
            }
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_killed_browser_at_one_half_costs_no_more_than_what_was_in_flight() -> Result<()> {
    scenario(async |world: &mut World| {
        settled(world).await?.close().await?;
        for transport in ["foreground", "background-fetch"] {
            let query = format!("hideHeaders=1&rateTotal={RATE}");
            let mut far = Far::unknown(world, &format!("killed-{transport}"), BYTES, &query);
            half(world, &mut far, transport).await?;
            world.browser.kill().await?;
            world.browser.relaunch().await?;
            let page = world.browser.open(BLANK).await?;
            open(&page, transport).await?;
            let checked = check(world, &page, &far, transport).await;
            checked.with_context(|| format!("by {transport}"))?;
            page.forget(far.id()).await?;
            page.close().await?;
        }
        Ok(())
    })
    .await
}
