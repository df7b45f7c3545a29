//! Browsers without Web Locks: a lease in `IndexedDB` says who transfers.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::suite::{Cell, Suite};
use crate::support::model::{Asked, BLANK, BYTES, MIB, Model, PART, now, until_sent};
use crate::support::page::Page;
use crate::support::world::{SOON, World};
use crate::tabs::check_takeover;

const RATE: u64 = 4 * MIB;

/// How soon another tab must go on: a term of 3 s, half a second until it looks, and its first request.
const TAKEOVER_MS: u64 = 5_000;

pub(crate) fn announce(suite: &mut Suite) {
    suite.for_each_engine("a tab closed without Web Locks", a_tab_is_closed);
}

/// Opens a tab as a browser without Web Locks would.
async fn tab_without_locks(world: &World) -> Result<Page> {
    let tab = world
        .browser
        .open(&format!("{BLANK}?without=locks"))
        .await?;
    tab.longhaul(json!({ "transport": "foreground" })).await?;
    Ok(tab)
}

async fn a_tab_is_closed(world: &mut World, cell: &Cell) -> Result<()> {
    let (first, second) = (
        tab_without_locks(world).await?,
        tab_without_locks(world).await?,
    );
    let model = Model::throttled(world, "leased", BYTES, RATE);
    first.request(&model.spec).await?;
    until_sent(world, 1).await?;
    second.request(&model.spec).await?;
    until_sent(world, BYTES / 2).await?;
    Asked::of(world, PART).check_none_again()?;
    let databases: Value = second
        .eval(
            "return (await indexedDB.databases()).map(({ name }) => name)",
            json!(null),
        )
        .await?;
    ensure!(
        databases.to_string().contains("longhaul-leases"),
        "no lease: {databases}"
    );

    let gone = now();
    first.close().await?;
    second.until_available(model.id(), SOON).await?;
    second.history(model.id()).await?.check()?;
    model.check_bytes(&second).await?;
    check_takeover(world, cell, gone, TAKEOVER_MS)
}
