//! The demo's page as a person uses it: one click, a real model, an answer; and all of it again without a server.

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use longhaul_demo::{DEFAULT_MODEL, Ending, Server};
use serde_json::{Value, json};
use support::model::{range, settled};
use support::page::Page;
use support::world::{SOON, World, scenario, scenario_on, target};

/// The id under which the demo offers its default model.
const MODEL: &str = "smollm2-135m";

/// A part of a download's card.
fn on_card(id: &str, part: &str) -> String {
    format!("[data-testid='card-{id}'] [data-testid='{part}']")
}

/// Opens the demo's page and waits until it has read its history.
async fn open_demo(world: &World) -> Result<Page> {
    let page = world.browser.open("/").await?;
    page.shown("html", SOON, "'ready' in element.dataset")
        .await?;
    Ok(page)
}

/// One click on a card's button, then everything else happens by itself.
async fn download(page: &Page, id: &str) -> Result<()> {
    page.find(&on_card(id, "btn-download"))
        .await?
        .click()
        .await?;
    page.shown(
        &on_card(id, "phase"),
        Duration::from_mins(3),
        "['available', 'failed', 'aborted'].includes(element.dataset.phase)",
    )
    .await?;
    available(page, id).await
}

async fn available(page: &Page, id: &str) -> Result<()> {
    page.shown(
        &on_card(id, "phase"),
        SOON,
        "element.dataset.phase === 'available'",
    )
    .await?;
    Ok(())
}

#[tokio::test]
async fn one_click_brings_the_real_model_by_background_fetch_and_it_knows_the_capital_of_france()
-> Result<()> {
    let file = target().join("models").join(DEFAULT_MODEL.file);
    ensure!(
        file.metadata()
            .is_ok_and(|metadata| metadata.len() == DEFAULT_MODEL.bytes),
        "{} is not there: run `cargo xtask setup`, which fetches it",
        file.display()
    );
    scenario(async |world: &mut World| {
        settled(world).await?.close().await?;
        let page = open_demo(world).await?;
        download(&page, MODEL).await?;

        // How it came: by a background job of many parts, each asked for by its range.
        let history = page.history(MODEL).await?;
        history.check()?;
        let started = &history.only("started")?.event;
        ensure!(started["transport"] == "background-fetch", "{started}");
        let parts = usize::try_from(
            DEFAULT_MODEL.bytes.div_ceil(
                started["files"][0]["partBytes"]
                    .as_u64()
                    .unwrap_or(u64::MAX),
            ),
        )?;
        ensure!(parts >= 10, "only {parts} parts: {started}");
        ensure!(
            started["missing"][0]["parts"] == format!("0-{}", parts - 1),
            "{started}"
        );
        let log = world.server.log().entries();
        let ranged: Vec<(u64, u64)> = log
            .iter()
            .filter(|request| request.status == Some(206))
            .filter_map(|request| Some((request.connection, range(request)?)))
            .filter(|(_, (_, last))| *last > 0)
            .map(|(connection, (first, _))| (connection, first))
            .collect();
        ensure!(
            ranged.len() == parts,
            "the server saw other requests: {log:?}"
        );
        // In the order of the file; two run side by side, each on a connection of its own.
        let mut last = BTreeMap::new();
        for (connection, first) in &ranged {
            let before = last.insert(connection, first);
            ensure!(before < Some(first), "not in order: {ranged:?}");
        }

        // What came: Longhaul verified it, and the browser's own hash over what is at rest agrees.
        let success = &history.only("success")?.event;
        ensure!(success["verified"] == json!([0]), "{success}");
        ensure!(
            page.hash_of(MODEL).await? == (DEFAULT_MODEL.bytes, DEFAULT_MODEL.sha256.to_owned())
        );

        // And it runs.
        let input = page.find("[data-testid='chat-input']").await?;
        input.clear().await?;
        input.send_keys("The capital of France is").await?;
        page.find("[data-testid='chat-send']")
            .await?
            .click()
            .await?;
        let said = page
            .shown(
                ".chat, body",
                Duration::from_mins(3),
                "/Paris/.test(element.querySelector('[data-testid=chat-output]').textContent)
                 || !element.querySelector('[data-testid=chat-error]').hidden",
            )
            .await?;
        let answer = page
            .find("[data-testid='chat-output']")
            .await?
            .text()
            .await?;
        ensure!(
            answer.contains("Paris"),
            "it answered {answer:?}; the page says {said:?}"
        );
        println!("The capital of France is{answer}");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_page_and_a_stored_model_load_without_the_server() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let model = folder.path().join("small.bin");
    let file = longhaul_demo::Generated::new(3_000_000, "small");
    std::fs::write(&model, file.slice(0..file.bytes))?;
    let server = Server::builder().model(Some(model)).spawn()?;
    scenario_on(server, async |world: &mut World| {
        let page = open_demo(world).await?;
        page.eval::<()>("await navigator.serviceWorker.ready", json!(null)).await?;
        download(&page, "small.bin").await?;

        world.server.close(Ending::Rst);
        page.reload().await?;
        page.shown("html", SOON, "'ready' in element.dataset").await?;
        available(&page, "small.bin").await?;
        let hash = file.sha256();
        ensure!(page.hash_of("small.bin").await? == (file.bytes, hash.clone()));

        // The worker answers the model's own address too, whole and by range.
        let given: (String, u16, Value, usize) = page
            .eval(
                "const whole = await fetch('/models/small.bin');
                 const part = await fetch('/models/small.bin', { headers: { range: 'bytes=1000-1999' } });
                 return [await sha256(await whole.arrayBuffer()), part.status,
                     part.headers.get('content-range'), (await part.arrayBuffer()).byteLength];",
                json!(null),
            )
            .await?;
        ensure!(
            given == (hash, 206, json!("bytes 1000-1999/3000000"), 1000),
            "{given:?}"
        );
        world.server.open()?;
        Ok(())
    })
    .await
}

#[tokio::test]
async fn a_person_sees_progress_and_every_entry_and_can_abort_retry_and_remove() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let model = folder.path().join("throttled.bin");
    let file = longhaul_demo::Generated::new(6_000_000, "throttled");
    std::fs::write(&model, file.slice(0..file.bytes))?;
    let server = Server::builder().model(Some(model)).spawn()?;
    scenario_on(server, async |world: &mut World| {
        let id = "throttled.bin";
        let page = world.browser.open("/?rateTotal=2000000").await?;
        page.shown("html", SOON, "'ready' in element.dataset")
            .await?;
        page.find(&on_card(id, "btn-download"))
            .await?
            .click()
            .await?;
        page.shown(
            &on_card(id, "downloaded"),
            SOON,
            "Number(element.dataset.bytes) > 0",
        )
        .await?;
        page.find(&on_card(id, "btn-abort")).await?.click().await?;
        page.shown(
            &on_card(id, "phase"),
            SOON,
            "element.dataset.phase === 'aborted'",
        )
        .await?;
        page.find(&on_card(id, "btn-retry")).await?.click().await?;
        available(&page, id).await?;

        // The log shows what the history holds, newest first.
        let history = page.history(id).await?;
        history.check()?;
        ensure!(
            history.count("aborted") == 1 && history.count("success") == 1,
            "{:?}",
            history.kinds()
        );
        let drawn = "element.dataset.type === 'success'";
        page.shown("[data-testid='log-row']", SOON, drawn).await?;
        let newest = page.find("[data-testid='log-row']").await?;
        ensure!(newest.attr("data-seq").await? == Some(history.0.len().to_string()));
        ensure!(newest.attr("data-type").await?.as_deref() == Some("success"));
        newest.click().await?;
        let entry = page
            .shown(
                "[data-testid='details-entry']",
                SOON,
                "element.textContent.includes('success')",
            )
            .await?;
        ensure!(entry.contains(id), "{entry}");
        page.find("#details-close").await?.click().await?;

        page.find(&on_card(id, "btn-remove")).await?.click().await?;
        page.shown(
            &on_card(id, "phase"),
            SOON,
            "element.dataset.phase === 'evicted'",
        )
        .await?;
        // Removal is told before it is done; it is done under this lock.
        page.eval::<()>(
            "await navigator.locks.request(`longhaul/longhaul/${args}`, () => {})",
            json!(id),
        )
        .await?;
        ensure!(
            page.at_rest().await?.parts().is_empty(),
            "removed bytes are still there"
        );
        Ok(())
    })
    .await
}
