//! Histories and databases that cannot be read: shown, counted, exported as they are; everything else works, and a new request mends.

mod support;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use support::client::Snapshot;
use support::model::{Asked, BLANK, MIB, Model, PART, settled, until_sent};
use support::page::Page;
use support::world::{SOON, World, scenario};

const PARTS: usize = 4;
const BYTES: u64 = PARTS as u64 * MIB;

/// Bytes per second of what must not end before a test has looked at it.
const SLOW: u64 = 2 * MIB;

/// A download whose history is damaged, and one beside it.
struct Kept {
    page: Page,
    hurt: Model,
    other: Model,
    /// The export before the damage.
    exported: Vec<String>,
}

impl Kept {
    /// Makes both available, then leaves the page.
    async fn of(world: &World) -> Result<Self> {
        let page = world.browser.open(BLANK).await?;
        page.longhaul(json!({ "transport": "foreground" })).await?;
        let hurt = Model::unthrottled(world, "hurt", BYTES);
        let other = Model::unthrottled(world, "other", MIB);
        for model in [&hurt, &other] {
            page.request(&model.spec).await?;
            page.until_available(model.id(), SOON).await?;
        }
        let exported = exported(&page).await?;
        page.goto(BLANK).await?;
        world.server.log().clear();
        Ok(Self {
            page,
            hurt,
            other,
            exported,
        })
    }

    async fn tamper(&self, change: &str) -> Result<()> {
        let body = format!("await tamper(({{ entries, heads }}) => {{ {change} }})");
        self.page.eval(&body, json!(self.hurt.id())).await
    }

    /// Opens Longhaul and demands that the damage is shown everywhere, that the stored texts are handed out, that nothing is
    /// done by itself, and that the other download works; then that a request mends it without a byte from the server.
    async fn check(&self, world: &World, stored: &[String]) -> Result<()> {
        let page = &self.page;
        page.longhaul(json!({ "transport": "foreground" })).await?;
        let listed = self.listed().await?;
        let gotten = page.snapshot(self.hurt.id()).await?;
        ensure!(listed == gotten && listed.degraded, "{listed:?} {gotten:?}");
        let refused = page
            .throws(
                "await (await (await longhaul()).get(args)).blob()",
                json!(self.hurt.id()),
            )
            .await?;
        ensure!(refused.code() == "not-available", "{refused}");
        let console = world.browser.console().await?;
        let trace = format!("a part of the history of {} cannot be read", self.hurt.id());
        ensure!(
            console.iter().any(|line| line.contains(&trace)),
            "no trace: {console:?}"
        );
        ensure!(
            exported(page).await? == stored,
            "the export is not what is stored"
        );

        let other = page.snapshot(self.other.id()).await?;
        ensure!(other.phase == "available" && !other.degraded, "{other:?}");
        self.other.check_bytes(page).await?;
        ensure!(
            world.server.log().entries().is_empty(),
            "something was asked for"
        );

        let mended = page.request(&self.hurt.spec).await?;
        ensure!(!mended.degraded && mended.seq > gotten.seq, "{mended:?}");
        page.until_available(self.hurt.id(), SOON).await?;
        Asked::of(world, PART).check(0, 0)?;
        self.hurt.check_bytes(page).await?;
        // What was damaged stays in the history, before what mended it.
        let all = exported(page).await?;
        let own = |text: &&String| !text.contains("\"download\":\"other\"");
        let kept = all.iter().filter(own).zip(stored.iter().filter(own));
        ensure!(kept.clone().count() > 1, "{all:?}");
        ensure!(kept.clone().all(|(now, then)| now == then), "{all:?}");
        page.goto(BLANK).await?;
        page.longhaul(json!({})).await?;
        let found = self.listed().await?;
        ensure!(found.phase == "available" && !found.degraded, "{found:?}");
        Ok(())
    }

    async fn listed(&self) -> Result<Snapshot> {
        let all = self.page.list().await?;
        ensure!(all.len() == 2, "{all:?}");
        all.into_iter()
            .find(|snapshot| snapshot.id == self.hurt.id())
            .context("it is not listed")
    }

    /// The types of the damaged history's entries as they are handed out.
    async fn types(&self) -> Result<Vec<String>> {
        let history = self.page.history(self.hurt.id()).await?;
        Ok(history.kinds().into_iter().map(str::to_owned).collect())
    }
}

async fn exported(page: &Page) -> Result<Vec<String>> {
    let export = "return (await (await longhaul()).exportHistory()).text()";
    let text: String = page.eval(export, json!(null)).await?;
    Ok(text.lines().map(str::to_owned).collect())
}

#[tokio::test]
async fn an_entry_that_was_overwritten_with_rubbish_is_shown_where_it_stands() -> Result<()> {
    scenario(async |world: &mut World| {
        let kept = Kept::of(world).await?;
        kept.tamper("entries.put({ text: 'rubbish <b>}' }, [args, 2])")
            .await?;
        let mut stored = kept.exported.clone();
        "rubbish <b>}".clone_into(&mut stored[1]);
        kept.check(world, &stored).await?;
        let history = kept.page.history(kept.hurt.id()).await?;
        let second = &history.0[1];
        ensure!(
            (second.seq, second.version, second.kind()) == (2, 0, "unreadable")
                && second.event["text"] == "rubbish <b>}",
            "{second:?}"
        );
        let folded: Value = kept
            .page
            .eval(
                "const { stateAt } = await import('/longhaul/index.js');
                 const entries = await (await longhaul()).history({ id: args });
                 return [await stateAt(entries, 2), await stateAt(entries)].map(({ degraded }) => degraded ?? false)",
                json!(kept.hurt.id()),
            )
            .await?;
        ensure!(folded == json!([true, false]), "{folded}");

        // The demo's page shows it as well, and the viewer has a row for it.
        let page = world.browser.open("/").await?;
        let row = "[data-testid=log-row][data-download=hurt][data-type=unreadable]";
        let text = page.shown(row, SOON, "true").await?;
        ensure!(text.contains("rubbish <b>}"), "{text}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_record_that_is_no_text_and_a_head_that_is_rubbish_stop_nothing() -> Result<()> {
    scenario(async |world: &mut World| {
        let kept = Kept::of(world).await?;
        kept.tamper("entries.put(5, [args, 1]); heads.put('rubbish', args)")
            .await?;
        let mut stored = kept.exported.clone();
        stored[0].clear();
        kept.check(world, &stored).await?;
        ensure!(kept.types().await?[0] == "unreadable");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn an_entry_that_was_removed_leaves_a_gap_that_is_seen() -> Result<()> {
    scenario(async |world: &mut World| {
        let kept = Kept::of(world).await?;
        kept.tamper("entries.delete([args, 2])").await?;
        let mut stored = kept.exported.clone();
        stored.remove(1);
        kept.check(world, &stored).await?;
        ensure!(!kept.types().await?.contains(&"unreadable".to_owned()));
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_last_entry_that_was_removed_is_missed_and_its_number_is_not_given_again() -> Result<()> {
    scenario(async |world: &mut World| {
        let kept = Kept::of(world).await?;
        let numbers =
            "return (await (await longhaul()).history({ id: args })).map(({ seq }) => seq)";
        kept.page.longhaul(json!({})).await?;
        let before: Vec<u64> = kept.page.eval(numbers, json!(kept.hurt.id())).await?;
        kept.page.goto(BLANK).await?;
        let last = before.len();
        kept.tamper(&format!("entries.delete([args, {last}])"))
            .await?;
        let mut stored = kept.exported.clone();
        stored.remove(last - 1);
        kept.check(world, &stored).await?;
        let after: Vec<u64> = kept.page.eval(numbers, json!(kept.hurt.id())).await?;
        ensure!(!after.contains(&(last as u64)), "{after:?}");
        ensure!(after[last - 1] == last as u64 + 1, "{after:?}");
        Ok(())
    })
    .await
}

/// Appends an entry as another version of this software would, head included, and checks what becomes of the download; gives the
/// types of its entries as they are handed out then.
async fn of_another_version(world: &World, version: u32, event: Value) -> Result<Vec<String>> {
    let kept = Kept::of(world).await?;
    let mut stored = kept.exported.clone();
    let own = |text: &&String| text.contains("\"download\":\"hurt\"");
    let last = stored.iter().filter(own).count();
    let next = last + 1;
    let entry = json!({
        "download": "hurt", "seq": next, "at": 1_900_000_000_000_u64, "origin": "page",
        "version": version, "event": event, "later": ["kept as it is"],
    });
    let text = entry.to_string();
    let quoted = json!(text);
    kept.tamper(&format!(
        "entries.put({{ text: {quoted} }}, [args, {next}]); heads.put({{ seq: {next}, state: '{{\"later\":1}}' }}, args)"
    ))
    .await?;
    stored.insert(last, text);
    kept.check(world, &stored).await?;
    kept.types().await
}

#[tokio::test]
async fn an_entry_of_a_newer_version_is_kept_and_not_guessed_at() -> Result<()> {
    scenario(async |world: &mut World| {
        let event = json!({ "type": "success", "sizes": [1], "verified": [] });
        let types = of_another_version(world, 3, event).await?;
        ensure!(!types.contains(&"unreadable".to_owned()), "{types:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn an_event_of_an_unknown_type_is_kept_and_handed_out_as_it_is() -> Result<()> {
    scenario(async |world: &mut World| {
        let event = json!({ "type": "teleported", "to": "elsewhere" });
        let types = of_another_version(world, 2, event).await?;
        ensure!(types.contains(&"teleported".to_owned()), "{types:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn what_arrives_for_a_download_whose_history_is_damaged_is_stored_and_counts() -> Result<()> {
    scenario(async |world: &mut World| {
        let first = settled(world).await?;
        // Open already: a navigation would freeze the job for half a minute.
        let page = world.browser.open(BLANK).await?;
        let model = Model::throttled(world, "running", 2 * BYTES, SLOW);
        first.request(&model.spec).await?;
        until_sent(world, 2 * MIB).await?;
        first.close().await?;
        page.eval::<()>("await tamper(({ entries }) => entries.put({ text: '{' }, [args, 1]))", json!(model.id()))
            .await?;
        page.longhaul(json!({ "transport": "foreground" })).await?;
        let seen = page.snapshot(model.id()).await?;
        ensure!(seen.degraded && seen.phase == "transferring", "{seen:?}");
        // The job goes on, and its worker stores what it brings.
        let all = format!(
            "await eventually(async () => Object.values((await atRest()).caches).some((parts) => parts.length === {}))",
            2 * PARTS
        );
        page.eval_within::<()>(SOON, &all, json!(null)).await?;
        page.request(&model.spec).await?;
        page.until_available(model.id(), SOON).await?;
        Asked::of(world, PART).check(2 * PARTS, 0)?;
        model.check_bytes(&page).await
    })
    .await
}

#[tokio::test]
async fn a_database_of_a_newer_schema_is_a_typed_error_and_nothing_is_written() -> Result<()> {
    scenario(async |world: &mut World| {
        let kept = Kept::of(world).await?;
        let page = &kept.page;
        let open = world.browser.open(BLANK).await?;
        open.longhaul(json!({ "transport": "foreground" })).await?;
        let upgrade = "(await result(indexedDB.open('longhaul', 2))).close()";
        page.eval::<()>(upgrade, json!(null)).await?;
        let before: String = page.eval("return everything()", json!(null)).await?;
        let versions =
            "return (await indexedDB.databases()).map(({ name, version }) => `${name} ${version}`)";
        let versions: Vec<String> = page.eval(versions, json!(null)).await?;
        ensure!(versions.contains(&"longhaul 2".to_owned()), "{versions:?}");

        let refused = page.throws("await longhaul()", json!(null)).await?;
        ensure!(
            refused.code() == "newer-database" && refused.message.contains("version 2"),
            "{refused}"
        );
        // A page that was open meanwhile says the same of every call, and goes on.
        for call in [
            "list()",
            "get('hurt')",
            "history()",
            "exportHistory()",
            "match('/x')",
        ] {
            let refused = open
                .throws(&format!("await (await longhaul()).{call}"), json!(null))
                .await?;
            ensure!(refused.code() == "newer-database", "{call}: {refused}");
        }
        let refused = open.refused(&kept.other.spec).await?;
        ensure!(refused.code() == "newer-database", "{refused}");
        let after: String = page.eval("return everything()", json!(null)).await?;
        ensure!(after == before, "something was written:\n{before}\n{after}");

        // Everything else of the page is alive: another name works beside it.
        let elsewhere = "const { open } = await load('/longhaul/index.js');
             const beside = await open({ name: 'beside', serviceWorker: false });
             const download = await beside.request(args);
             return (await download.finished).phase";
        let phase: String = page
            .eval_within(SOON, elsewhere, kept.other.spec.clone())
            .await?;
        ensure!(phase == "available", "{phase}");
        Ok(())
    })
    .await
}
