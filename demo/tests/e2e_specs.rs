//! What may be asked for, and which files are the same file.

mod support;

use anyhow::{Result, bail, ensure};
use longhaul_demo::Generated;
use serde_json::{Value, json};
use support::model::{BLANK, MIB};
use support::page::Page;
use support::world::{SOON, World, scenario};

/// Wrong specs as an app might write them, and the field that is to blame.
const WRONG: &[(&str, &str)] = &[
    ("{ id: '', resources: ['http://h/f'] }", "id"),
    ("{ resources: ['http://h/f'] }", "id"),
    ("{ id: 7, resources: ['http://h/f'] }", "id"),
    ("{ id: 'x'.repeat(513), resources: ['http://h/f'] }", "id"),
    ("{ id: 'a' }", "resources"),
    ("{ id: 'a', resources: [] }", "resources"),
    ("{ id: 'a', resources: 'http://h/f' }", "resources"),
    (
        "{ id: 'a', resources: Array.from({ length: 1001 }, (_, n) => `http://h/${n}`) }",
        "resources",
    ),
    ("{ id: 'a', resources: [7] }", "resources[0]"),
    ("{ id: 'a', resources: [{}] }", "resources[0].url"),
    ("{ id: 'a', resources: ['data:,x'] }", "resources[0].url"),
    (
        "{ id: 'a', resources: ['blob:http://h/1'] }",
        "resources[0].url",
    ),
    ("{ id: 'a', resources: ['ftp://h/f'] }", "resources[0].url"),
    (
        "{ id: 'a', resources: ['javascript:alert(1)'] }",
        "resources[0].url",
    ),
    ("{ id: 'a', resources: ['http://'] }", "resources[0].url"),
    (
        "{ id: 'a', resources: ['http://user:word@h/f'] }",
        "resources[0].url",
    ),
    (
        "{ id: 'a', resources: ['http://h/' + 'x'.repeat(3_000_000)] }",
        "resources[0].url",
    ),
    (
        "{ id: 'a', resources: ['http://h/f', 'http://h/f#other'] }",
        "resources[1].url",
    ),
    (
        "{ id: 'a', resources: ['http://h/f?X-Amz-Signature=1', 'http://h/f?X-Amz-Signature=2'] }",
        "resources[1].url",
    ),
    (
        "{ id: 'a', secretParams: ['key'], resources: ['http://h/f?key=1', 'http://h/f?key=2'] }",
        "resources[1].url",
    ),
    (
        "{ id: 'a', resources: [{ url: 'http://h/f', sha256: '12' }] }",
        "resources[0].sha256",
    ),
    (
        "{ id: 'a', resources: [{ url: 'http://h/f', sha256: 'g'.repeat(64) }] }",
        "resources[0].sha256",
    ),
    (
        "{ id: 'a', resources: [{ url: 'http://h/f', bytes: -1 }] }",
        "resources[0].bytes",
    ),
    (
        "{ id: 'a', resources: [{ url: 'http://h/f', bytes: 1.5 }] }",
        "resources[0].bytes",
    ),
    (
        "{ id: 'a', resources: [{ url: 'http://h/f', bytes: NaN }] }",
        "resources[0].bytes",
    ),
    (
        "{ id: 'a', resources: [{ url: 'http://h/f', bytes: 2 ** 53 }] }",
        "resources[0].bytes",
    ),
    (
        "{ id: 'a', resources: [{ url: 'http://h/f', bytes: '5' }] }",
        "resources[0].bytes",
    ),
    (
        "{ id: 'a', secretParams: 'key', resources: ['http://h/f'] }",
        "secretParams",
    ),
    (
        "{ id: 'a', secretParams: [''], resources: ['http://h/f'] }",
        "secretParams[0]",
    ),
    (
        "{ id: 'a', title: 'x'.repeat(20_000), resources: ['http://h/f'] }",
        "title",
    ),
    ("{ id: 'a', title: 7, resources: ['http://h/f'] }", "title"),
    (
        "{ id: 'a', icons: [{ src: 'javascript:x' }], resources: ['http://h/f'] }",
        "icons[0].src",
    ),
];

#[tokio::test]
async fn a_wrong_spec_is_refused_with_its_field_before_anything_is_written() -> Result<()> {
    scenario(async |world: &mut World| {
        let page = world.browser.open(BLANK).await?;
        page.longhaul(json!({})).await?;
        let before = page.at_rest().await?;
        let mut wrong = Vec::new();
        for (spec, field) in WRONG {
            let body = format!("return (await (await longhaul()).request({spec})).snapshot");
            match page.throws(&body, json!(null)).await {
                Ok(thrown) if thrown.code() == "invalid-spec" && thrown.data["field"] == *field => {
                }
                Ok(thrown) => wrong.push(format!("{spec}: {thrown}")),
                Err(error) => wrong.push(format!("{spec}: {error:#}")),
            }
        }
        for spec in ["undefined", "null", "'a'", "7"] {
            let body = format!("return (await (await longhaul()).request({spec})).snapshot");
            match page.throws(&body, json!(null)).await {
                Ok(thrown) if thrown.code() == "invalid-spec" => {}
                Ok(thrown) => wrong.push(format!("{spec}: {thrown}")),
                Err(error) => wrong.push(format!("{spec}: {error:#}")),
            }
        }
        if !wrong.is_empty() {
            bail!("{} specs:\n{}", wrong.len(), wrong.join("\n"));
        }
        let after = page.at_rest().await?;
        ensure!(
            after.databases == before.databases
                && after.parts() == before.parts()
                && after.jobs.is_empty(),
            "something was written: {before:?} became {after:?}"
        );
        let list: Vec<Value> = page
            .eval("return (await longhaul()).list()", json!(null))
            .await?;
        ensure!(list.is_empty(), "{list:?}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn another_spec_under_a_running_id_is_a_conflict_and_under_a_finished_one_a_new_attempt()
-> Result<()> {
    scenario(async |world: &mut World| {
        let page = world.browser.open(BLANK).await?;
        let file = Generated::new(3 * MIB, "first");
        let other = Generated::new(2 * MIB, "second");
        let origin = world.server.origin();
        let first = json!({ "id": "one", "resources": [format!("{origin}{}?rateTotal=1000000", file.path())] });
        let second = json!({ "id": "one", "resources": [format!("{origin}{}", other.path())] });
        page.request(&first).await?;
        let thrown = page.refused(&second).await?;
        ensure!(thrown.code() == "spec-conflict", "{thrown}");
        // A hash that was not there before is another spec too.
        let mut hashed = first.clone();
        hashed["resources"] = json!([{ "url": first["resources"][0], "sha256": file.sha256() }]);
        let thrown = page.refused(&hashed).await?;
        ensure!(thrown.code() == "spec-conflict", "{thrown}");

        page.until_available("one", SOON).await?;
        ensure!(page.hash_of("one").await?.1 == file.sha256());
        ensure!(page.history("one").await?.count("requested") == 1);

        page.request(&second).await?;
        page.until("one", SOON, "snapshot.attempt === 2 && ended(snapshot)").await?;
        page.history("one").await?.check()?;
        ensure!(page.hash_of("one").await? == (other.bytes, other.sha256()));
        Ok(())
    })
    .await
}

async fn stored_under(page: &Page, url: &str) -> Result<Option<String>> {
    page.eval(
        "const response = await (await longhaul()).match(args);
         return response && sha256(await response.arrayBuffer());",
        json!(url),
    )
    .await
}

#[tokio::test]
async fn any_parameter_outside_the_closed_list_makes_another_file() -> Result<()> {
    scenario(async |world: &mut World| {
        let page = world.browser.open(BLANK).await?;
        let file = Generated::new(2 * MIB, "revisions");
        let url = format!("{}{}", world.server.origin(), file.path());
        page.request(&json!({ "id": "plain", "resources": [format!("{url}?rev=1")] }))
            .await?;
        page.until_available("plain", SOON).await?;
        ensure!(stored_under(&page, &format!("{url}?rev=1")).await? == Some(file.sha256()));
        ensure!(stored_under(&page, &format!("{url}?rev=1#part")).await? == Some(file.sha256()));

        // `Signature` alone is nobody's signature: only with its companions does it belong to a scheme.
        let others = [
            "?rev=2",
            "",
            "?rev=1&x=1",
            "?REV=1",
            "?token=1",
            "?Signature=1",
            "?rev=1&Expires=9",
        ];
        for (n, other) in others.iter().enumerate() {
            let other = format!("{url}{other}");
            ensure!(
                stored_under(&page, &other).await?.is_none(),
                "{other} is taken for {url}?rev=1"
            );
            world.server.log().clear();
            let id = format!("other-{n}");
            page.request(&json!({ "id": id, "resources": [other] }))
                .await?;
            page.until_available(&id, SOON).await?;
            let sent: u64 = world
                .server
                .log()
                .entries()
                .iter()
                .map(|request| request.sent)
                .sum();
            ensure!(
                sent >= file.bytes,
                "{other} was not downloaded: {sent} bytes sent"
            );
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn signatures_and_secret_parameters_make_no_other_file_and_are_kept_nowhere() -> Result<()> {
    const SIGNED: &[(&str, &str)] = &[
        (
            "?X-Amz-Signature=s3cret1&X-Amz-Date=1",
            "?X-Amz-Signature=s3cret2&X-Amz-Date=2",
        ),
        ("?X-Goog-Signature=s3cret1", "?X-Goog-Signature=s3cret2"),
        (
            "?Expires=1&Signature=s3cret1&Key-Pair-Id=K",
            "?Expires=2&Signature=s3cret2&Key-Pair-Id=K",
        ),
        ("?sv=1&sp=r&sig=s3cret1", "?sv=1&sp=r&sig=s3cret2"),
        ("?rev=1&token=s3cret1", "?rev=1&token=s3cret2"),
    ];
    scenario(async |world: &mut World| {
        let page = world.browser.open(BLANK).await?;
        for (n, (first, second)) in SIGNED.iter().enumerate() {
            let file = Generated::new(2 * MIB, &format!("signed-{n}"));
            let url = format!("{}{}", world.server.origin(), file.path());
            let spec = |id: &str, query: &str| json!({ "id": format!("{id}-{n}"), "secretParams": ["token"], "resources": [format!("{url}{query}")] });
            page.request(&spec("first", first)).await?;
            page.until_available(&format!("first-{n}"), SOON).await?;

            world.server.log().clear();
            page.request(&spec("second", second)).await?;
            page.until_available(&format!("second-{n}"), SOON).await?;
            // A late request of the first one's job, which the page overtook, is not the second one's.
            let log = world.server.log().entries();
            let of_second = log.iter().filter(|request| request.query.contains("s3cret2"));
            let sent: u64 = of_second.map(|request| request.sent).sum();
            ensure!(sent <= 1, "{second} was downloaded again: {sent} bytes");
            ensure!(page.hash_of(&format!("second-{n}")).await?.1 == file.sha256());

            // Shared bytes stay until the last download that refers to them goes.
            page.eval::<()>("await (await (await longhaul()).get(args)).remove()", json!(format!("first-{n}"))).await?;
            ensure!(page.hash_of(&format!("second-{n}")).await?.1 == file.sha256());
        }
        let kept: String = page
            .eval(
                "let text = await (await (await longhaul()).exportHistory()).text();
                 text += JSON.stringify(await (await longhaul()).list()) + JSON.stringify(await atRest());
                 for (const { name } of await indexedDB.databases()) {
                     const db = await new Promise((resolve) => {
                         indexedDB.open(name).onsuccess = ({ target }) => resolve(target.result);
                     });
                     for (const store of db.objectStoreNames) {
                         const objects = db.transaction(store).objectStore(store);
                         for (const all of [objects.getAll(), objects.getAllKeys()]) {
                             await once(all, 'success');
                             text += JSON.stringify(all.result);
                         }
                     }
                     db.close();
                 }
                 return text;",
                json!(null),
            )
            .await?;
        ensure!(!kept.contains("s3cret"), "a secret is kept: {kept}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn shards_are_one_download_and_each_is_had_by_its_address() -> Result<()> {
    scenario(async |world: &mut World| {
        let page = world.browser.open(BLANK).await?;
        let shards = [Generated::new(2 * MIB + 1, "shard-a"), Generated::new(1, "shard-b"), Generated::new(0, "shard-c")];
        let urls: Vec<_> = shards.iter().map(|shard| format!("{}{}", world.server.origin(), shard.path())).collect();
        page.request(&json!({ "id": "shards", "resources": urls })).await?;
        let snapshot = page.until_available("shards", SOON).await?;
        ensure!(snapshot.total == Some(2 * MIB + 2) && snapshot.stored == 2 * MIB + 2, "{snapshot:?}");
        page.history("shards").await?.check()?;
        let thrown = page.throws("await e2e.downloads.shards.blob()", json!(null)).await?;
        ensure!(thrown.code() == "ambiguous-resource", "{thrown}");
        for (shard, url) in shards.iter().zip(&urls) {
            let (size, hash): (u64, String) = page
                .eval(
                    "const blob = await e2e.downloads.shards.blob(args);
                     const streamed = await sha256(await (await e2e.downloads.shards.response(args)).arrayBuffer());
                     if (streamed !== await sha256(blob)) throw new Error('blob() and response() differ');
                     return [blob.size, streamed];",
                    json!(url),
                )
                .await?;
            ensure!((size, hash) == (shard.bytes, shard.sha256()), "{url} is wrong: {size} bytes");
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn removing_forgetting_and_closing_have_their_own_codes() -> Result<()> {
    scenario(async |world: &mut World| {
        let page = world.browser.open(BLANK).await?;
        let file = Generated::new(4 * MIB, "leaving");
        let url = format!("{}{}?rateTotal=1000000", world.server.origin(), file.path());
        let spec = json!({ "id": "leaving", "resources": [url] });
        page.request(&spec).await?;
        let thrown = page
            .throws(
                "const { leaving } = e2e.downloads;
                 await leaving.remove();
                 await leaving.finished;",
                json!(null),
            )
            .await?;
        ensure!(thrown.code() == "removed", "{thrown}");
        let history = page.history("leaving").await?;
        history.check()?;
        ensure!(history.only("aborted")?.event["by"] == "removal", "{:?}", history.kinds());
        let rest = page.at_rest().await?;
        ensure!(rest.parts().is_empty() && rest.jobs.is_empty(), "{rest:?}");

        let gone: bool = page
            .eval(
                "const lh = await longhaul();
                 await e2e.downloads.leaving.forget();
                 return await lh.get('leaving') === undefined && (await lh.history({ id: 'leaving' })).length === 0;",
                json!(null),
            )
            .await?;
        ensure!(gone, "what was forgotten is still known");

        let updates = "const lh = await longhaul();
            const download = await lh.request(args);
            lh.close();
            e2e.longhaul = undefined;
            let updates = 0;
            for await (const _ of download.updates()) updates += 1;
            return updates";
        let updates: usize = page.eval(updates, spec.clone()).await?;
        ensure!(updates == 1, "{updates} updates of what was closed");
        for body in [
            "const lh = await longhaul(); const asked = lh.request(args); lh.close(); await asked",
            "await e2e.longhaul.request(args)",
        ] {
            let thrown = page.throws(body, spec.clone()).await?;
            ensure!(thrown.code() == "closed", "{thrown}");
        }
        Ok(())
    })
    .await
}
