//! Several tabs and one download.

use anyhow::{Result, ensure};
use serde_json::json;

use crate::suite::{Cell, Suite};
use crate::support::engine::Engine;
use crate::support::model::{
    Asked, BLANK, BYTES, IN_FLIGHT, MIB, Model, PART, PARTS, check_course, longest_silence, now,
    settled, until_sent,
};
use crate::support::page::Page;
use crate::support::world::{SOON, World};

const RATE: u64 = 6 * MIB;

/// How soon another tab must go on when the one that transfers is closed.
const TAKEOVER_MS: u64 = 2_000;

/// Two requests are as good as simultaneous when so few milliseconds lie between them.
const TOGETHER_MS: f64 = 10.0;

/// What becomes of a tab.
#[derive(Debug, Clone, Copy)]
enum End {
    Closed,
    Crashed,
}

pub(crate) fn announce(suite: &mut Suite) {
    suite.for_each_engine("two tabs at once", two_tabs_at_once);
    suite.for_each_engine(
        "the leading tab is closed",
        async |world: &mut World, cell: &Cell| {
            the_leader_goes(world, cell, End::Closed, true).await
        },
    );
    // What the closed tab was writing must not count where no hash would tell.
    suite.for_each_engine(
        "the leading tab is closed, no hash",
        async |world: &mut World, cell: &Cell| {
            the_leader_goes(world, cell, End::Closed, false).await
        },
    );
    suite
        .for_each_engine(
            "the leading tab crashes",
            async |world: &mut World, cell: &Cell| {
                the_leader_goes(world, cell, End::Crashed, true).await
            },
        )
        .only_where(Engine::has_devtools, "its driver cannot crash a tab");
}

/// Opens two tabs with Longhaul in them.
async fn two_tabs(world: &World) -> Result<[Page; 2]> {
    let tabs = [settled(world).await?, world.browser.open(BLANK).await?];
    for tab in &tabs {
        tab.longhaul(json!({})).await?;
    }
    Ok(tabs)
}

async fn two_tabs_at_once(world: &mut World, cell: &Cell) -> Result<()> {
    let tabs = two_tabs(world).await?;
    let mut apart = f64::MAX;
    let mut round = 0;
    // A machine that is busy elsewhere may keep one tab waiting; then the round shows nothing.
    while apart > TOGETHER_MS && round < 5 {
        round += 1;
        world.server.log().clear();
        let model = Model::throttled(world, &format!("together-{round}"), BYTES, 2 * RATE);
        for tab in &tabs {
            tab.arm(&[&model.spec]).await?;
        }
        apart = Page::start_together(&tabs).await?;
        for tab in &tabs {
            let finished = format!(
                "return (await e2e.downloads['{}'].finished).phase",
                model.id()
            );
            let phase: String = tab.eval_within(SOON, &finished, json!(null)).await?;
            ensure!(phase == "available", "{phase}");
            model.check_bytes(tab).await?;
            let history = tab.history(model.id()).await?;
            check_course(world.browser.engine(), &history)?;
        }
        Asked::of(world, PART).check(PARTS, 0)?;
    }
    ensure!(apart <= TOGETHER_MS, "never closer than {apart} ms");
    cell.note(format_args!("started {apart:.1} ms apart"));
    Ok(())
}

/// Whether a tab holds the Web Lock of a download. A tab learns its own client id from a lock that it alone has.
async fn leads(tab: &Page, id: &str) -> Result<bool> {
    tab.eval(
        "const own = `own/${crypto.randomUUID()}`;
         return navigator.locks.request(own, async () => {
           const { held } = await navigator.locks.query();
           const client = (name) => held.find((lock) => lock.name === name)?.clientId;
           return client(`longhaul/longhaul/${args}`) === client(own);
         });",
        json!(id),
    )
    .await
}

async fn the_leader_goes(world: &mut World, cell: &Cell, end: End, hashed: bool) -> Result<()> {
    let [first, second] = two_tabs(world).await?;
    let mut model = Model::throttled(world, "orphaned", BYTES, RATE);
    if !hashed {
        model.spec["resources"] = json!([model.url]);
    }
    first.request(&model.spec).await?;
    second.request(&model.spec).await?;
    until_sent(world, BYTES / 2).await?;
    let (leader, other) = match (
        leads(&first, model.id()).await?,
        leads(&second, model.id()).await?,
    ) {
        (true, false) => (first, second),
        (false, true) => (second, first),
        both => anyhow::bail!("one tab should lead: {both:?}"),
    };
    let gone = now();
    match end {
        End::Closed => leader.close().await?,
        End::Crashed => leader.crash().await?,
    }
    other.until_available(model.id(), SOON).await?;

    let history = other.history(model.id()).await?;
    check_course(world.browser.engine(), &history)?;
    model.check_bytes(&other).await?;
    check_takeover(world, cell, gone, TAKEOVER_MS)
}

/// Demands that another tab went on within so many milliseconds after the first was `gone`, and what that cost.
pub(crate) fn check_takeover(world: &World, cell: &Cell, gone: u64, within_ms: u64) -> Result<()> {
    let asked = Asked::of(world, PART);
    asked.check(PARTS, IN_FLIGHT)?;
    let log = world.server.log().entries();
    ensure!(
        log.iter().any(|request| request.at > gone),
        "nothing was left to be brought when the tab went"
    );
    let silence = longest_silence(world, gone);
    ensure!(silence <= within_ms, "nothing went on for {silence} ms");
    cell.note(format_args!(
        "no request for {silence} ms at most, {} parts asked for again",
        asked.again()
    ));
    Ok(())
}
