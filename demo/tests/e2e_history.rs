//! The history outlives pages and browsers, and folds to the same state natively and in the page.

mod support;

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use longhaul_core::{Download, Snapshot};
use longhaul_demo::Generated;
use serde_json::{Value, json};
use support::model::{BLANK, MIB};
use support::page::Page;
use support::world::{SOON, World, scenario};

/// Makes a history with every kind of ending: a success and a hit, a failure, an abort, a removal.
async fn live_through_everything(world: &World, page: &Page) -> Result<()> {
    let file = Generated::new(3 * MIB, "kept");
    let url = format!("{}{}", world.server.origin(), file.path());
    let kept = json!({ "id": "kept", "title": "Kept \u{1F30D}", "resources": [{ "url": url, "sha256": file.sha256() }] });
    page.request(&kept).await?;
    page.until_available("kept", SOON).await?;
    page.request(&kept).await?;
    page.until("kept", SOON, "snapshot.attempt === 2 && ended(snapshot)")
        .await?;

    let missing = json!({ "id": "missing", "resources": [format!("{url}?status=404")] });
    page.request(&missing).await?;
    page.until("missing", SOON, "snapshot.phase === 'failed'")
        .await?;

    let slow = json!({ "id": "slow", "resources": [format!("{url}?rateTotal=500000")] });
    page.request(&slow).await?;
    page.until("slow", SOON, "snapshot.phase === 'transferring'")
        .await?;
    page.eval::<()>("await e2e.downloads.slow.abort()", json!(null))
        .await?;
    page.until("slow", SOON, "snapshot.phase === 'aborted'")
        .await?;

    let removed = json!({ "id": "removed", "resources": [format!("{url}?other=1")] });
    page.request(&removed).await?;
    page.until_available("removed", SOON).await?;
    page.eval::<()>("await e2e.downloads.removed.remove()", json!(null))
        .await?;
    page.until("removed", SOON, "snapshot.phase === 'evicted'")
        .await?;
    Ok(())
}

async fn export(page: &Page) -> Result<String> {
    page.eval(
        "return (await (await longhaul()).exportHistory()).text()",
        json!(null),
    )
    .await
}

#[tokio::test]
async fn the_history_survives_a_reload_and_a_restart_of_the_browser() -> Result<()> {
    scenario(async |world: &mut World| {
        let page = world.browser.open(BLANK).await?;
        live_through_everything(world, &page).await?;
        let before = export(&page).await?;
        let listed: Value = page
            .eval("return (await longhaul()).list()", json!(null))
            .await?;
        let hash = page.hash_of("kept").await?;

        page.reload().await?;
        ensure!(
            export(&page).await? == before,
            "the reload changed the history"
        );

        world.browser.quit().await?;
        world.browser.relaunch().await?;
        let page = world.browser.open(BLANK).await?;
        ensure!(
            export(&page).await? == before,
            "closing the browser changed the history"
        );

        world.browser.kill().await?;
        world.browser.relaunch().await?;
        let page = world.browser.open(BLANK).await?;
        ensure!(
            export(&page).await? == before,
            "killing the browser changed the history"
        );
        ensure!(
            page.eval::<Value>("return (await longhaul()).list()", json!(null))
                .await?
                == listed
        );
        ensure!(page.hash_of("kept").await? == hash);
        Ok(())
    })
    .await
}

#[tokio::test]
async fn an_exported_history_folds_natively_to_the_states_that_the_page_gives() -> Result<()> {
    scenario(async |world: &mut World| {
        let page = world.browser.open(BLANK).await?;
        live_through_everything(world, &page).await?;
        let ndjson = export(&page).await?;
        let mut histories: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for line in ndjson.lines() {
            let entry: Value = serde_json::from_str(line).with_context(|| format!("no JSON: {line}"))?;
            let id = entry["download"].as_str().context("an entry without a download")?;
            histories.entry(id.to_owned()).or_default().push(line);
        }
        ensure!(
            histories.keys().eq(["kept", "missing", "removed", "slow"]),
            "{:?}",
            histories.keys()
        );

        let mut states = 0;
        for (id, lines) in &histories {
            let shown: Vec<String> = page
                .eval(
                    // After every entry, not only after the last.
                    "const entries = await (await longhaul()).history({ id: args });
                     const { stateAt } = await import('/longhaul/index.js');
                     return Promise.all(entries.map(async ({ seq }) => JSON.stringify(await stateAt(entries, seq))));",
                    json!(id),
                )
                .await?;
            ensure!(shown.len() == lines.len(), "{id}: {} entries, {} exported", shown.len(), lines.len());
            for (n, in_page) in shown.iter().enumerate() {
                let state = Download::fold(id, lines[..=n].iter().copied());
                let natively = Snapshot::of(&state)
                    .context("a history with entries has a state")?
                    .canonical_json();
                ensure!(natively == *in_page, "{id}, entry {}:\nnatively {natively}\nin page  {in_page}", n + 1);
                states += 1;
            }
            let now: String = page
                .eval("return JSON.stringify((await (await longhaul()).get(args)).snapshot)", json!(id))
                .await?;
            ensure!(shown.last() == Some(&now), "{id} is shown as {now}, its history says {:?}", shown.last());
        }
        println!("{states} states agree");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn an_imported_history_is_only_looked_at() -> Result<()> {
    scenario(async |world: &mut World| {
        let page = world.browser.open(BLANK).await?;
        live_through_everything(world, &page).await?;
        let ndjson = export(&page).await?;
        let lines = ndjson.lines().count();

        // Another name is another database: nothing of the history is there.
        let page = world.browser.open(BLANK).await?;
        page.longhaul(json!({ "name": "viewer" })).await?;
        let before = page.at_rest().await?.databases;
        let text = format!("{ndjson}\nnot an entry\n{{\"version\":1}}\n");
        let (imported, skipped, entries, phase): (usize, usize, usize, String) = page
            .eval(
                "const { imported, skipped, entries } = await (await longhaul()).importHistory(new Blob([args]));
                 const { stateAt } = await import('/longhaul/index.js');
                 const state = await stateAt(entries.filter(({ download }) => download === 'kept'));
                 return [imported, skipped, entries.length, state.phase];",
                json!(text),
            )
            .await?;
        ensure!((imported, skipped, entries) == (lines, 2, lines), "{imported}, {skipped}, {entries} of {lines}");
        ensure!(phase == "available", "{phase}");
        let list: Vec<Value> = page.eval("return (await longhaul()).list()", json!(null)).await?;
        ensure!(list.is_empty(), "{list:?}");
        ensure!(page.at_rest().await?.databases == before, "something was written");
        Ok(())
    })
    .await
}
