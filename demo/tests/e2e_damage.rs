//! Bytes and stores that vanish behind Longhaul's back: what the next look says, and what a request brings back.

mod support;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use support::client::Snapshot;
use support::history::History;
use support::model::{Asked, BLANK, IN_FLIGHT, MIB, Model, PART, settled, until_sent};
use support::page::Page;
use support::world::{SOON, World, scenario};

const PARTS: usize = 6;
const BYTES: u64 = PARTS as u64 * MIB;

/// Bytes per second of what must not end before a test has looked at it.
const SLOW: u64 = 2 * MIB;

/// Two downloads that are available; what happens to the first must not touch the second.
struct Stored {
    page: Page,
    hurt: Model,
    other: Model,
}

impl Stored {
    async fn of(world: &World) -> Result<Self> {
        let page = world.browser.open(BLANK).await?;
        page.longhaul(json!({ "transport": "foreground" })).await?;
        let hurt = Model::unthrottled(world, "hurt", BYTES);
        let other = Model::unthrottled(world, "other", 2 * MIB);
        for model in [&hurt, &other] {
            page.request(&model.spec).await?;
            page.until_available(model.id(), SOON).await?;
        }
        world.server.log().clear();
        Ok(Self { page, hurt, other })
    }

    async fn delete_parts(&self, count: usize) -> Result<()> {
        self.page.delete_parts(PARTS, count).await
    }

    /// Demands that the last look wrote down an eviction, and nothing else did anything.
    async fn check_evicted(&self, world: &World) -> Result<()> {
        let history = self.page.history(self.hurt.id()).await?;
        history.check()?;
        let last = history.0.last().context("a history")?;
        ensure!(
            last.kind() == "evicted" && last.event["by"] == "eviction",
            "{:?}",
            history.kinds()
        );
        let asked = world.server.log().entries().len();
        ensure!(asked == 0, "{asked} requests, and nobody asked for it");
        Ok(())
    }

    /// Asks for it again and demands that so many parts came, each once, and that all bytes are right.
    async fn mend(&self, world: &World, parts: usize) -> Result<()> {
        world.server.log().clear();
        self.page.request(&self.hurt.spec).await?;
        self.page.until_available(self.hurt.id(), SOON).await?;
        let asked = Asked::of(world, PART);
        asked.check(parts, 0)?;
        self.hurt.check_bytes(&self.page).await?;
        self.page.history(self.hurt.id()).await?.check()?;
        world.server.log().clear();
        Ok(())
    }

    /// Demands that the other download is as it was.
    async fn check_other(&self) -> Result<()> {
        let history = self.page.history(self.other.id()).await?;
        ensure!(history.course() == ["requested", "started", "success"]);
        self.other.check_bytes(&self.page).await
    }

    /// Loads the page anew, without opening Longhaul in it.
    async fn leave(&self) -> Result<()> {
        self.page.goto(BLANK).await
    }

    async fn open(&self) -> Result<()> {
        self.page
            .longhaul(json!({ "transport": "foreground" }))
            .await
    }

    async fn listed(&self) -> Result<Snapshot> {
        let all = self.page.list().await?;
        all.into_iter()
            .find(|snapshot| snapshot.id == self.hurt.id())
            .context("it is not listed")
    }
}

#[tokio::test]
async fn parts_that_were_deleted_are_noticed_by_whoever_looks_next_and_come_back_on_request()
-> Result<()> {
    scenario(async |world: &mut World| {
        let stored = Stored::of(world).await?;
        let page = &stored.page;
        for look in ["get", "list", "blob", "match", "page"] {
            stored.delete_parts(PARTS).await?;
            match look {
                "get" => {
                    let seen = page.snapshot(stored.hurt.id()).await?;
                    ensure!(seen.phase == "evicted" && seen.by == "eviction", "{seen:?}");
                }
                "list" => {
                    let seen = stored.listed().await?;
                    ensure!(seen.phase == "evicted" && seen.stored == 0, "{seen:?}");
                }
                "blob" => {
                    let refused = page.throws("await e2e.downloads.hurt.blob()", json!(null)).await?;
                    ensure!(refused.code() == "not-available", "{refused}");
                }
                "match" => {
                    let body = "return (await (await longhaul()).match(args)) === undefined";
                    ensure!(page.eval::<bool>(body, json!(stored.hurt.url)).await?, "matched");
                }
                _ => {
                    // Nobody calls anything: a page that opens Longhaul is enough.
                    stored.leave().await?;
                    page.eval::<()>(
                        "const lh = await longhaul({ transport: 'foreground' });
                         await eventually(async () => (await lh.history({ id: args })).at(-1).event.type === 'evicted')",
                        json!(stored.hurt.id()),
                    )
                    .await?;
                }
            }
            stored.check_evicted(world).await.context(look)?;
            stored.mend(world, PARTS).await.context(look)?;
        }
        // A request is a look, too.
        stored.delete_parts(PARTS).await?;
        stored.mend(world, PARTS).await?;
        let history = page.history(stored.hurt.id()).await?;
        ensure!(history.count("evicted") == 6 && history.count("cached-hit") == 0, "{:?}", history.course());
        stored.check_other().await
    })
    .await
}

#[tokio::test]
async fn of_a_download_with_one_part_deleted_only_that_part_is_asked_for_again() -> Result<()> {
    scenario(async |world: &mut World| {
        let stored = Stored::of(world).await?;
        stored.delete_parts(1).await?;
        stored.leave().await?;
        stored.open().await?;
        let seen = stored.listed().await?;
        ensure!(seen.phase == "evicted" && seen.by == "eviction", "{seen:?}");
        stored.check_evicted(world).await?;
        stored.mend(world, 1).await?;
        stored.check_other().await?;

        // What nobody wants back can be removed, the rest of it too.
        stored.delete_parts(2).await?;
        ensure!(stored.listed().await?.phase == "evicted");
        let remove = "await (await (await longhaul()).get(args)).remove()";
        stored
            .page
            .eval::<()>(remove, json!(stored.hurt.id()))
            .await?;
        let seen = stored.listed().await?;
        ensure!(seen.by == "removal", "{seen:?}");
        let left = stored.page.at_rest().await?;
        ensure!(left.parts().len() == 2, "{left:?}");
        stored.check_other().await
    })
    .await
}

/// Demands that one attempt ended because bytes vanished, and that the next one began with it.
fn check_began_anew(history: &History) -> Result<()> {
    let failure = history.only("failure")?;
    ensure!(failure.event["reason"] == "evicted", "{failure:?}");
    let next = history
        .0
        .get(usize::try_from(failure.seq)?)
        .context("nothing after it")?;
    ensure!(
        next.kind() == "requested" && next.event["attempt"] == 2 && next.at == failure.at,
        "{next:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_part_deleted_in_mid_attempt_ends_it_and_begins_the_next_in_one_breath() -> Result<()> {
    scenario(async |world: &mut World| {
        settled(world).await?.close().await?;
        for transport in ["foreground", "background-fetch"] {
            let page = world.browser.open(BLANK).await?;
            page.longhaul(json!({ "transport": transport })).await?;
            let model = Model::throttled(world, transport, 2 * BYTES, SLOW);
            page.request(&model.spec).await?;
            // Written down, so that what is gone is known to be gone.
            page.until(model.id(), SOON, "snapshot.stored > 2 * 1024 * 1024 && !snapshot.live")
                .await?;
            let gone: usize = page
                .eval(
                    "const names = await caches.keys();
                     const cache = await caches.open(names.filter((name) => name.startsWith('longhaul/')).at(-1));
                     const [first] = await cache.keys();
                     return Number(await cache.delete(first));",
                    json!(null),
                )
                .await?;
            ensure!(gone == 1, "nothing was deleted");
            page.until_available(model.id(), SOON).await?;
            model.check_bytes(&page).await?;

            let history = page.history(model.id()).await?;
            history.check()?;
            if history.count("failure") == 0 {
                // Another look at its job's records had put the part back before anybody missed it.
                ensure!(transport != "foreground", "nobody noticed: {:?}", history.kinds());
                Asked::of(world, PART).check(2 * PARTS, 0)?;
            } else {
                check_began_anew(&history)?;
            }
            let asked = Asked::of(world, PART);
            // The deleted one, and what the page had in flight; the browser has two more for a job that a page helps.
            let of_job = if transport == "foreground" { 0 } else { 2 };
            asked.check(2 * PARTS, 1 + IN_FLIGHT + of_job)?;
            println!("{transport}: {} parts asked for again", asked.again());
            page.forget(model.id()).await?;
            page.close().await?;
            world.server.log().clear();
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn of_a_database_that_was_deleted_no_byte_and_no_job_is_left_behind() -> Result<()> {
    scenario(async |world: &mut World| {
        let stored = Stored::of(world).await?;
        let page = &stored.page;
        let delete = "e2e.longhaul?.close(); await result(indexedDB.deleteDatabase('longhaul'))";
        page.eval::<()>(delete, json!(null)).await?;
        stored.leave().await?;
        let parts = page.at_rest().await?.parts().len();
        ensure!(parts == PARTS + 2, "{parts} parts are left to be orphans");
        stored.open().await?;
        ensure!(page.list().await?.is_empty(), "a download without history");
        let nothing_left =
            "await eventually(async () => (await caches.keys()).every((name) => !name.startsWith('longhaul/')))";
        page.eval::<()>(nothing_left, json!(null)).await?;
        let console = world.browser.console().await?;
        let traced = console.iter().filter(|line| line.contains("bytes that belong to no download"));
        ensure!(traced.count() == 2, "{console:?}");
        stored.mend(world, PARTS).await?;

        // The same under way, with the page open: its job is let go of, and a request begins anew.
        let page = world.browser.open(BLANK).await?;
        page.longhaul(json!({ "transport": "background-fetch" })).await?;
        let slow = Model::throttled(world, "slow", 4 * BYTES, SLOW);
        page.request(&slow.spec).await?;
        until_sent(world, MIB).await?;
        page.eval::<()>(
            "await result(indexedDB.deleteDatabase('longhaul'));
             const { backgroundFetch } = (await longhaul()).serviceWorker.registration;
             await eventually(async () => (await backgroundFetch.getIds()).length === 0)",
            json!(null),
        )
        .await?;
        ensure!(page.list().await?.is_empty(), "a download without history");
        let fast = Model { url: slow.url.clone(), ..Model::unthrottled(world, "slow", 4 * BYTES) };
        page.request(&fast.spec).await?;
        page.until_available("slow", SOON).await?;
        page.history("slow").await?.check()?;
        fast.check_bytes(&page).await
    })
    .await
}

#[tokio::test]
async fn heads_that_were_deleted_cost_nothing() -> Result<()> {
    scenario(async |world: &mut World| {
        let stored = Stored::of(world).await?;
        stored.leave().await?;
        let clear = "await tamper(({ heads }) => heads.clear())";
        stored.page.eval::<()>(clear, json!(null)).await?;
        stored.open().await?;
        let seen = stored.listed().await?;
        ensure!(seen.phase == "available" && !seen.degraded, "{seen:?}");
        stored.mend(world, 0).await?;
        let history = stored.page.history(stored.hurt.id()).await?;
        ensure!(
            history.course()[3..] == ["requested", "cached-hit"],
            "{:?}",
            history.course()
        );
        stored.check_other().await?;

        // Heads that say less than there is, as if an old copy of them had come back.
        stored.leave().await?;
        let older = "await tamper(({ heads }) => heads.put({ seq: 1, state: '' }, args))";
        stored
            .page
            .eval::<()>(older, json!(stored.hurt.id()))
            .await?;
        stored.open().await?;
        stored.mend(world, 0).await?;
        let history = stored.page.history(stored.hurt.id()).await?;
        ensure!(history.count("cached-hit") == 2, "{:?}", history.course());
        stored.check_other().await
    })
    .await
}

#[tokio::test]
async fn entries_that_were_deleted_leave_downloads_that_say_so_and_no_byte_is_asked_for_again()
-> Result<()> {
    scenario(async |world: &mut World| {
        let stored = Stored::of(world).await?;
        stored.leave().await?;
        let clear = "await tamper(({ entries }) => entries.clear())";
        stored.page.eval::<()>(clear, json!(null)).await?;
        stored.open().await?;
        let listed = stored.page.list().await?;
        ensure!(
            listed.len() == 2 && listed.iter().all(|seen| seen.degraded),
            "{listed:?}"
        );
        stored.page.request(&stored.hurt.spec).await?;
        stored.page.until_available(stored.hurt.id(), SOON).await?;
        Asked::of(world, PART).check(0, 0)?;
        stored.hurt.check_bytes(&stored.page).await?;
        let seen = stored.listed().await?;
        ensure!(seen.phase == "available" && !seen.degraded, "{seen:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn links_that_were_deleted_in_mid_download_cost_nothing_where_nothing_in_them_is_secret()
-> Result<()> {
    scenario(async |world: &mut World| {
        let page = world.browser.open(BLANK).await?;
        page.longhaul(json!({ "transport": "foreground" })).await?;
        let model = Model::throttled(world, "linked", 2 * BYTES, SLOW);
        page.request(&model.spec).await?;
        until_sent(world, 2 * MIB).await?;
        page.goto(BLANK).await?;
        let links = page.at_rest().await?.databases["longhaul"]["links"];
        ensure!(links == 1, "{links} links");
        page.eval::<()>("await tamper(({ links }) => links.clear())", json!(null))
            .await?;
        page.longhaul(json!({ "transport": "foreground" })).await?;
        page.until_available(model.id(), SOON).await?;
        model.check_bytes(&page).await?;
        page.history(model.id()).await?.check()
    })
    .await
}

#[tokio::test]
async fn leases_that_were_deleted_are_taken_anew() -> Result<()> {
    scenario(async |world: &mut World| {
        let page = world
            .browser
            .open(&format!("{BLANK}?without=locks"))
            .await?;
        page.longhaul(json!({ "transport": "foreground" })).await?;
        let model = Model::throttled(world, "leased", 2 * BYTES, SLOW);
        page.request(&model.spec).await?;
        until_sent(world, MIB).await?;
        let clear = "await inDatabase('longhaul-leases', (db) => {
            const transaction = db.transaction('leases', 'readwrite');
            transaction.objectStore('leases').clear();
            return once(transaction, 'complete');
          })";
        page.eval::<()>(clear, json!(null)).await?;
        page.until_available(model.id(), SOON).await?;
        model.check_bytes(&page).await?;
        page.history(model.id()).await?.check()?;
        Asked::of(world, PART).check(2 * PARTS, IN_FLIGHT)
    })
    .await
}

#[tokio::test]
async fn code_that_was_deleted_is_fetched_again_by_the_worker_that_needs_it() -> Result<()> {
    scenario(async |world: &mut World| {
        let page = world.browser.open(BLANK).await?;
        page.longhaul(json!({ "transport": "background-fetch" }))
            .await?;
        let model = Model::throttled(world, "coded", BYTES, SLOW / 2);
        page.request(&model.spec).await?;
        until_sent(world, MIB).await?;
        page.goto(BLANK).await?;
        let delete = "const names = await caches.keys();
            const code = names.filter((name) => name.startsWith('longhaul-code/'));
            return (await Promise.all(code.map((name) => caches.delete(name)))).length";
        let deleted: usize = page.eval(delete, json!(null)).await?;
        ensure!(deleted == 1, "{deleted} caches of code");
        world.browser.stop_workers().await?;
        page.eval::<()>(
            r#"await written("longhaul", '\\"type\\":\\"success\\"')"#,
            json!(null),
        )
        .await?;
        page.longhaul(json!({})).await?;
        let history = page.history(model.id()).await?;
        history.check()?;
        let success = history.only("success")?;
        ensure!(success.origin == "service-worker", "{success:?}");
        model.check_bytes(&page).await
    })
    .await
}
