//! Many tabs that ask for the same at once.

mod support;

use anyhow::{Result, ensure};
use longhaul_demo::Server;
use serde_json::{Value, json};
use support::engine::Engine;
use support::model::{Asked, BLANK, MIB, Model, PART, check_course, settled};
use support::page::Page;
use support::world::{SOON, World, scenario_in};

const TABS: usize = 10;
const PARTS: usize = 6;

/// A page helps a job that has brought nothing for about so many milliseconds.
const HELPED_MS: u64 = 5_000;

/// What a tab shows of all downloads without asking anybody: what it was told, and the entries that it heard of.
const VIEW: &str = "
    const views = [];
    for (const id of args) {
      const { snapshot } = e2e.downloads[id];
      views.push([snapshot, e2e.heard.filter(({ download }) => download === id)]);
    }
    return JSON.stringify(views)";

#[tokio::test]
async fn ten_tabs_that_ask_for_the_same_three_downloads_share_three_jobs() -> Result<()> {
    ten_tabs("ten_tabs_share_three_jobs", Engine::Chromium).await
}

#[tokio::test]
async fn ten_tabs_without_background_fetch_share_three_transfers() -> Result<()> {
    ten_tabs("ten_tabs_share_three_transfers", Engine::ChromiumForeground).await
}

async fn ten_tabs(name: &str, engine: Engine) -> Result<()> {
    let server = Server::builder().spawn()?;
    scenario_in(engine, server, name, async |world: &mut World| {
        let mut tabs = vec![settled(world).await?];
        while tabs.len() < TABS {
            tabs.push(world.browser.open(BLANK).await?);
        }
        let models: Vec<Model> = (1..=3)
            .map(|n| Model::unthrottled(world, &format!("shared-{n}"), PARTS as u64 * MIB))
            .collect();
        let specs: Vec<&Value> = models.iter().map(|model| &model.spec).collect();
        for tab in &tabs {
            tab.longhaul(json!({})).await?;
            let hear = "e2e.heard = [];
                e2e.longhaul.addEventListener('entry', ({ detail }) => e2e.heard.push(detail))";
            tab.eval::<()>(hear, json!(null)).await?;
            tab.arm(&specs).await?;
        }
        let apart = Page::start_together(&tabs).await?;
        println!("{engine}: {TABS} tabs asked within {apart:.1} ms");

        let ids: Vec<&str> = models.iter().map(Model::id).collect();
        let mut views = Vec::with_capacity(TABS);
        for tab in &tabs {
            let finished = "await Promise.all(args.map((id) => e2e.downloads[id].finished));
                // The last entry may be heard of after the state that it leads to.
                await eventually(() => args.every((id) => e2e.heard.some(({ download, seq }) =>
                  download === id && seq === e2e.downloads[id].snapshot.seq)))";
            tab.eval_within::<()>(SOON, finished, json!(ids)).await?;
            views.push(tab.eval::<String>(VIEW, json!(ids)).await?);
        }
        for view in &views {
            ensure!(*view == views[0], "two views:\n{}\n{view}", views[0]);
        }
        for model in &models {
            let history = tabs[0].history(model.id()).await?;
            check_course(engine, &history)?;
            for tab in &tabs {
                ensure!(tab.history(model.id()).await? == history, "two histories");
                ensure!(tab.snapshot(model.id()).await?.phase == "available");
            }
            model.check_bytes(&tabs[TABS - 1]).await?;
            // A job that waits for its turn so long that a page helps it may begin while the page does.
            let began = history.only("started")?.at;
            let log = world.server.log().entries().into_iter();
            let of_file = log.filter(|asked| asked.path == model.file.path() && asked.at >= began);
            let first = of_file.filter_map(|asked| asked.ended_at).min();
            let late = first.is_none_or(|ended| ended - began >= HELPED_MS);
            let again = if late { PARTS } else { 0 };
            Asked::for_file(world, &model.file, PART).check(PARTS, again)?;
        }
        Ok(())
    })
    .await
}
