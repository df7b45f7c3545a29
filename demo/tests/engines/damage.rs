//! Stores that are damaged behind Longhaul's back, in the engines beside Chromium: there `e2e_damage` and `e2e_corrupt` look closer.

use anyhow::{Result, ensure};
use serde_json::json;

use crate::suite::{Cell, Suite};
use crate::support::engine::Engine;
use crate::support::model::{Asked, BLANK, MIB, Model, PART};
use crate::support::world::{SOON, World};

const PARTS: usize = 6;

pub(crate) fn announce(suite: &mut Suite) {
    let closer = "`e2e_damage` and `e2e_corrupt` look closer";
    suite
        .for_each_engine("damaged stores", damaged_stores)
        .except(Engine::Chromium, closer)
        .except(Engine::ChromiumForeground, closer);
}

async fn damaged_stores(world: &mut World, _: &Cell) -> Result<()> {
    let page = world.browser.open(BLANK).await?;
    let model = Model::unthrottled(world, "hurt", PARTS as u64 * MIB);
    let id = model.id();
    page.request(&model.spec).await?;
    page.until_available(id, SOON).await?;

    // Parts that are gone are noticed, and they alone come again.
    page.delete_parts(PARTS, 2).await?;
    let seen = page.snapshot(id).await?;
    ensure!(seen.phase == "evicted" && seen.by == "eviction", "{seen:?}");
    world.server.log().clear();
    page.request(&model.spec).await?;
    page.until_available(id, SOON).await?;
    Asked::of(world, PART).check(2, 0)?;

    // Whatever became of the history, what is at rest counts.
    world.server.log().clear();
    for (damage, degraded) in [
        ("heads.clear()", false),
        ("heads.put({ seq: 1, state: '' }, args.id)", false),
        (
            "entries.put({ text: 'rubbish' }, [args.id, args.last])",
            true,
        ),
        ("entries.delete([args.id, args.last])", true),
        ("entries.clear()", true),
    ] {
        let last = page.snapshot(id).await?.seq;
        page.goto(BLANK).await?;
        let body = format!("await tamper(({{ entries, heads }}) => {damage})");
        page.eval::<()>(&body, json!({ "id": id, "last": last }))
            .await?;
        page.longhaul(json!({})).await?;
        let listed = page.list().await?;
        ensure!(
            listed.len() == 1 && listed[0].degraded == degraded,
            "{damage}: {listed:?}"
        );
        page.request(&model.spec).await?;
        let seen = page.until_available(id, SOON).await?;
        ensure!(!seen.degraded, "{damage}: {seen:?}");
        Asked::of(world, PART).check(0, 0)?;
    }
    model.check_bytes(&page).await
}
