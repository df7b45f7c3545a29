//! Others on the origin: messages of any shape, and a script with background jobs of its own.

mod support;

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, Result, ensure};
use fastrand::Rng;
use longhaul_demo::{Folders, Generated, Server};
use serde_json::{Value, json};
use support::chance::chance_for;
use support::engine::Engine;
use support::model::{BLANK, MIB, Model};
use support::page::Page;
use support::world::{SOON, World, scenario_in, workspace};

const MESSAGES: usize = 200;

const IDS: usize = 200;

/// The worker of an app that does more than Longhaul.
const WORKER: &str = include_str!("strangers/sw.js");

/// The worker of an app that has nothing to do with Longhaul.
const NOT_OURS: &str =
    "addEventListener('message', (event) => event.source.postMessage(event.data));";

/// What defines `malformed`.
const GENERATOR: &str = include_str!("strangers/messages.js");

/// Keeps what is written to the page's console and what the worker tells.
const LISTEN: &str = "
    e2e.traces = [];
    for (const level of ['debug', 'log', 'info', 'warn', 'error']) {
      const write = console[level].bind(console);
      console[level] = (...words) => {
        e2e.traces.push(words.map(String).join(' '));
        write(...words);
      };
    }
    e2e.told = [];
    e2e.channel = new BroadcastChannel('told');
    e2e.channel.onmessage = ({ data }) => e2e.told.push(data);";

/// Runs a test in a world whose worker is the app's.
async fn app<F>(name: &str, worker: &str, test: F) -> Result<()>
where
    F: AsyncFnOnce(&mut World) -> Result<()>,
{
    let pages = tempfile::tempdir()?;
    fs::write(pages.path().join("sw.js"), worker)?;
    let folders = Folders {
        page: pages.path().to_owned(),
        ..Folders::of_checkout(&workspace())
    };
    let server = Server::builder().folders(folders).spawn()?;
    scenario_in(Engine::Chromium, server, name, test).await
}

/// A page that listens, and has a download of which nothing may change.
async fn with_a_download(world: &World) -> Result<Page> {
    let page = world.browser.open(BLANK).await?;
    page.eval::<()>(LISTEN, json!(null)).await?;
    page.longhaul(json!({ "serviceWorker": "/sw.js" })).await?;
    let known = Model::unthrottled(world, "known", 2 * MIB);
    page.request(&known.spec).await?;
    page.until_available("known", SOON).await?;
    Ok(page)
}

async fn everything(page: &Page) -> Result<String> {
    page.eval("return everything()", json!(null)).await
}

#[tokio::test]
async fn messages_of_any_shape_are_traced_and_nothing_else() -> Result<()> {
    let seed = chance_for("messages")?.u32(..);
    app("messages_of_any_shape", WORKER, async |world: &mut World| {
        let page = with_a_download(world).await?;
        let before = everything(&page).await?;
        let listed: Value = page.eval("return (await longhaul()).list()", json!(null)).await?;

        // To the worker, and, sent back by it, from the worker to the page.
        let by_worker = format!(
            "{GENERATOR}
             const {{ active }} = await navigator.serviceWorker.ready;
             let back = 0;
             navigator.serviceWorker.addEventListener('message', () => back += 1);
             for (const message of malformed(args.seed, 'longhaul', args.count)) {{
               // Some bring a port to answer to, as a question does.
               if (message?.longhaul === 'longhaul') active.postMessage(message);
               else active.postMessage(message, [new MessageChannel().port1]);
             }}
             await eventually(() => back >= args.count);
             return back"
        );
        let args = json!({ "seed": seed, "count": MESSAGES });
        let back: usize = page.eval(&by_worker, args).await?;
        ensure!(back == MESSAGES, "{back} messages came back");

        // On Longhaul's own channel, from a page that has nothing to do with it.
        let stranger = world.browser.open(BLANK).await?;
        page.eval::<()>(
            "e2e.heard = 0;
             new BroadcastChannel('longhaul/longhaul').onmessage = () => e2e.heard += 1",
            json!(null),
        )
        .await?;
        let by_channel = format!(
            "{GENERATOR}
             const channel = new BroadcastChannel('longhaul/longhaul');
             for (const message of malformed(args.seed, 'longhaul', args.count)) channel.postMessage(message)"
        );
        let args = json!({ "seed": seed ^ 1, "count": MESSAGES });
        stranger.eval::<()>(&by_channel, args).await?;
        page.eval::<()>("await eventually(() => e2e.heard >= args)", json!(MESSAGES)).await?;

        let traced: [usize; 2] = page
            .eval(
                "const ignored = (line) => line.includes('ignored a message');
                 const by = [
                   () => e2e.told.filter(({ trace }) => trace && ignored(trace)).length,
                   () => e2e.traces.filter(ignored).length,
                 ];
                 await eventually(() => by[0]() >= args && by[1]() >= 2 * args);
                 return by.map((count) => count())",
                json!(MESSAGES),
            )
            .await?;
        ensure!(traced == [MESSAGES, 2 * MESSAGES], "{traced:?} traces");
        ensure!(everything(&page).await? == before, "something was written");
        let now: Value = page.eval("return (await longhaul()).list()", json!(null)).await?;
        ensure!(now == listed, "{now}");

        // All goes on as before: the worker answers, and its jobs work.
        let next = Model::unthrottled(world, "next", 2 * MIB);
        page.request(&next.spec).await?;
        page.until_available("next", SOON).await?;
        let history = page.history("next").await?;
        history.check()?;
        let transport = &history.only("started")?.event["transport"];
        ensure!(*transport == "background-fetch", "{transport}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_background_jobs_of_other_scripts_are_left_to_them() -> Result<()> {
    app("the_jobs_of_others", WORKER, async |world: &mut World| {
        let page = world.browser.open(BLANK).await?;
        page.eval::<()>(LISTEN, json!(null)).await?;
        page.eval::<()>(
            "await navigator.serviceWorker.register('/sw.js', { type: 'module' });
             await navigator.serviceWorker.ready",
            json!(null),
        )
        .await?;
        // Another name's, one that is nearly ours, markup; and one of ours that belongs to no download.
        let strangers = [
            "stranger",
            "longhaul/1/elsewhere/model/1/1",
            "longhaul/1/longhaul/model/01/1",
            "<img src=x onerror=alert(1)>",
        ];
        let orphan = "longhaul/1/longhaul/orphan/1/1";
        let file = Generated::new(MIB, "strange");
        for id in strangers.iter().chain([&orphan]) {
            page.gesture().await?;
            page.eval::<()>(
                "const { backgroundFetch } = await navigator.serviceWorker.ready;
                 await backgroundFetch.fetch(args.id, [args.url], { title: args.id })",
                json!({ "id": id, "url": format!("{}?rate=400000&of={}", file.path(), id.len()) }),
            )
            .await?;
        }

        page.longhaul(json!({ "serviceWorker": "/sw.js" })).await?;
        let model = Model::unthrottled(world, "ours", 3 * MIB);
        page.request(&model.spec).await?;
        page.until_available("ours", SOON).await?;
        model.check_bytes(&page).await?;
        page.history("ours").await?.check()?;
        // Every stranger's job comes to its end, and its own script gets the event with all bytes.
        let told: Vec<Value> = page
            .eval(
                "await eventually(() => args.every((id) => e2e.told.some((told) => told.id === id)));
                 return e2e.told.filter(({ id }) => id !== undefined)",
                json!(strangers),
            )
            .await?;
        for id in strangers {
            let all: Vec<&Value> = told.iter().filter(|told| told["id"] == id).collect();
            let [one] = all[..] else {
                anyhow::bail!("{} events for {id}: {told:?}", all.len());
            };
            ensure!(
                one["type"] == "backgroundfetchsuccess" && one["sizes"] == json!([MIB]),
                "{one}"
            );
        }
        let mut told = told.iter();
        let lost = told
            .find(|told| told["id"] == orphan)
            .context("the orphan goes on")?;
        ensure!(lost["type"] == "backgroundfetchabort", "{lost}");
        let traced: [usize; 2] = page
            .eval(
                "const count = (lines, words) => lines.filter((line) => line.includes(words)).length;
                 return [
                   count(e2e.told.map(({ trace }) => trace ?? ''), 'ignored a background job that is not ours'),
                   count(e2e.traces, 'aborted a background job that belongs to no download'),
                 ]",
                json!(null),
            )
            .await?;
        ensure!(traced == [strangers.len(), 1], "{traced:?} traces");

        let rest = page.at_rest().await?;
        ensure!(rest.parts().len() == 3, "{rest:?}");
        ensure!(page.list().await?.len() == 1, "a stranger's job is listed");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn registration_ids_that_are_nearly_ours_are_traced_and_nothing_else() -> Result<()> {
    let mut chance = chance_for("registration-ids")?;
    let ids = malformed_ids(&mut chance, IDS);
    app("malformed_ids", WORKER, async |world: &mut World| {
        let page = with_a_download(world).await?;
        let before = everything(&page).await?;
        let file = Generated::new(1_000, "tiny");
        for id in &ids {
            // A person's click for each: a page starts no second job without one.
            page.gesture().await?;
            let told: Value = page
                .eval(
                    "const { backgroundFetch } = await navigator.serviceWorker.ready;
                     const told = once(e2e.channel, 'message', ({ data }) => data.id === args.id);
                     await backgroundFetch.fetch(args.id, [args.url], { title: args.id });
                     return (await told).data",
                    json!({ "id": id, "url": file.path() }),
                )
                .await
                .with_context(|| format!("{id:?}"))?;
            ensure!(
                told["type"] == "backgroundfetchsuccess" && told["sizes"] == json!([file.bytes]),
                "{told}"
            );
        }
        let traced: usize = page
            .eval(
                "const lines = e2e.told.map(({ trace }) => trace ?? '');
                 return lines.filter((line) => line.includes('ignored a background job that is not ours')).length",
                json!(null),
            )
            .await?;
        ensure!(traced == IDS, "{traced} traces");
        ensure!(everything(&page).await? == before, "something was written");
        ensure!(page.list().await?.len() == 1, "a stranger's job is listed");
        Ok(())
    })
    .await
}

/// Registration ids that are none of ours, each for a reason of its own; no two are the same.
fn malformed_ids(chance: &mut Rng, count: usize) -> BTreeSet<String> {
    // What each of the fields may be in an id of ours, then what it may not.
    const FIELDS: [(&str, &[&str]); 6] = [
        (
            "longhaul",
            &["", "Longhaul", "longhaul ", "other", "longhaul\0", "<b>"],
        ),
        (
            "1",
            &["", "0", "2", "01", "+1", "1e0", "one", "99999999999"],
        ),
        (
            "longhaul",
            &[
                "",
                "elsewhere",
                "Longhaul",
                "%6conghaul",
                "longhaul%",
                "%2F",
            ],
        ),
        (
            "model",
            &["%41", "%", "%zz", "%e9", "mo del", "\u{202e}ledom", "%00%"],
        ),
        ("1", &["", "01", "-1", "1.5", "4294967296", "x", "１"]),
        (
            "1",
            &[
                "",
                "01",
                "-1",
                "1 ",
                "18446744073709551616",
                "?",
                "1#part=0000",
            ],
        ),
    ];
    let mut ids = BTreeSet::new();
    while ids.len() < count {
        let mut fields = FIELDS.map(|(right, _)| right.to_owned());
        // What comes after it is nobody's business, but keeps ids apart.
        fields[4] = chance.u32(1..).to_string();
        let wrong = chance.usize(..FIELDS.len() + 3);
        let id = match FIELDS.get(wrong) {
            Some((_, all)) => {
                all[chance.usize(..all.len())].clone_into(&mut fields[wrong]);
                fields.join("/")
            }
            None if wrong == FIELDS.len() => format!("{}/{}", fields.join("/"), chance.u8(..)),
            None if wrong == FIELDS.len() + 1 => fields[..chance.usize(1..6)].join("/"),
            None => (0..chance.usize(1..200)).map(|_| chance.char(..)).collect(),
        };
        ids.insert(id);
    }
    ids
}

#[tokio::test]
async fn a_worker_of_another_make_is_not_asked_again_and_pages_bring_everything() -> Result<()> {
    tokio::try_join!(
        not_asked_again(
            "a_worker_that_is_not_ours",
            NOT_OURS,
            "longhaul",
            "does not answer"
        ),
        not_asked_again(
            "a_worker_of_another_name",
            WORKER,
            "elsewhere",
            "works for another name"
        ),
    )?;
    Ok(())
}

/// What the page asks the worker comes back to it, and is counted.
async fn not_asked_again(scenario: &str, worker: &str, name: &str, problem: &str) -> Result<()> {
    app(scenario, worker, async |world: &mut World| {
        let page = world.browser.open(BLANK).await?;
        page.eval::<()>(LISTEN, json!(null)).await?;
        page.eval::<()>(
            "e2e.asked = 0;
             navigator.serviceWorker.addEventListener('message', ({ data }) => {
               if (data.ask === 'state') e2e.asked += 1;
             });
             navigator.serviceWorker.startMessages()",
            json!(null),
        )
        .await?;
        page.longhaul(json!({ "name": name, "serviceWorker": "/sw.js" })).await?;
        let mut asked = Vec::new();
        for id in ["first", "second"] {
            let model = Model::unthrottled(world, id, 2 * MIB);
            page.request(&model.spec).await?;
            page.until_available(id, SOON).await?;
            model.check_bytes(&page).await?;
            let history = page.history(id).await?;
            history.check()?;
            let started = &history.only("started")?.event;
            ensure!(
                started["transport"] == "foreground" && started["why"] == "no-worker",
                "{started}"
            );
            let times: usize = page.eval("return e2e.asked", json!(null)).await?;
            asked.push(times);
        }
        ensure!(
            asked[0] > 0 && asked[1] == asked[0],
            "asked {asked:?} times by the end of each download"
        );
        let warned: bool = page
            .eval(
                "const { problem } = (await longhaul()).serviceWorker;
                 return problem.includes(args) && e2e.traces.some((line) => line.endsWith(problem))",
                json!(problem),
            )
            .await?;
        ensure!(warned, "no warning");
        Ok(())
    })
    .await
}
