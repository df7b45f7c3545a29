//! The demo's page as a person uses it: one click, a real model, an answer; and all of it again without a server.

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use longhaul_demo::{DEFAULT_MODEL, Ending, Entry, Server};
use serde_json::{Value, json};
use support::model::{IN_FLIGHT, now, range, settled, watch_worker_finish};
use support::page::Page;
use support::world::{SOON, World, scenario, scenario_on, target};
use tokio::time::timeout;

/// The id under which the demo offers its default model.
const MODEL: &str = "smollm2-135m";

/// Size requests of one attempt.
const PROBES: usize = 8;

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

/// Demands that the real model lies where the server looks for it.
fn check_model_is_here() -> Result<()> {
    let file = target().join("models").join(DEFAULT_MODEL.file);
    ensure!(
        file.metadata()
            .is_ok_and(|metadata| metadata.len() == DEFAULT_MODEL.bytes),
        "{} is not there: run `cargo xtask setup`, which fetches it",
        file.display()
    );
    Ok(())
}

/// Demands that one background job of many parts brought the model, and that Longhaul verified it; how many parts it had.
async fn check_came_by_background_fetch(page: &Page) -> Result<usize> {
    let history = page.history(MODEL).await?;
    history.check()?;
    let started = &history.only("started")?.event;
    ensure!(started["transport"] == "background-fetch", "{started}");
    let part = started["files"][0]["partBytes"].as_u64();
    let parts = usize::try_from(DEFAULT_MODEL.bytes.div_ceil(part.unwrap_or(u64::MAX)))?;
    ensure!(parts >= 10, "only {parts} parts: {started}");
    ensure!(
        started["missing"][0]["parts"] == format!("0-{}", parts - 1),
        "{started}"
    );
    let success = &history.only("success")?.event;
    ensure!(success["verified"] == json!([0]), "{success}");
    // The browser's own hash over what is at rest agrees.
    let read = page.hash_of(MODEL).await?;
    ensure!(
        read == (DEFAULT_MODEL.bytes, DEFAULT_MODEL.sha256.to_owned()),
        "{read:?}"
    );
    Ok(parts)
}

/// The requests for parts that brought bytes.
fn parts_among(log: &[Entry]) -> Vec<&Entry> {
    let for_a_part = |request: &&Entry| range(request).is_some_and(|(first, last)| first < last);
    log.iter()
        .filter(|request| request.status == Some(206))
        .filter(for_a_part)
        .collect()
}

/// Demands that every request came to the second origin, a hub, and was sent on to the third.
fn check_came_from_a_hub(log: &[Entry]) -> Result<()> {
    let at = |socket| log.iter().filter(move |request| request.socket == socket);
    let (hub, host) = (at(2).count(), at(3).count());
    // A page that goes may leave requests behind that were on their way from the one to the other.
    ensure!(
        (host..=host + IN_FLIGHT).contains(&hub) && hub + host == log.len(),
        "{hub} requests at the hub, {host} where it redirects to: {log:?}"
    );
    ensure!(at(2).all(|request| request.status == Some(302)), "{log:?}");
    // That is what makes the browser hide the page's origin.
    let anonymous = at(3).all(|request| request.origin.as_deref() == Some("null"));
    ensure!(anonymous, "{log:?}");
    let probes = at(3).filter(|request| range(request).is_none_or(|(first, last)| first == last));
    ensure!(
        probes.clone().count() <= PROBES,
        "{:?}",
        probes.collect::<Vec<_>>()
    );
    Ok(())
}

/// Asks the model that is stored, and demands that it knows.
async fn check_knows_the_capital_of_france(page: &Page) -> Result<()> {
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
}

#[tokio::test]
async fn one_click_brings_the_real_model_by_background_fetch_and_it_knows_the_capital_of_france()
-> Result<()> {
    check_model_is_here()?;
    scenario(async |world: &mut World| {
        settled(world).await?.close().await?;
        let page = open_demo(world).await?;
        download(&page, MODEL).await?;

        // How it came: by a background job of many parts, each asked for by its range, once.
        let parts = check_came_by_background_fetch(&page).await?;
        let log = world.server.log().entries();
        let ranged: Vec<(u64, u64)> = parts_among(&log)
            .into_iter()
            .filter_map(|request| Some((request.connection, range(request)?.0)))
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
        check_came_from_a_hub(&log)?;

        // And it runs.
        check_knows_the_capital_of_france(&page).await
    })
    .await
}

#[tokio::test]
async fn the_real_model_comes_without_its_page_and_knows_the_capital_of_france_when_it_opens_again()
-> Result<()> {
    check_model_is_here()?;
    scenario(async |world: &mut World| {
        settled(world).await?.close().await?;
        // Five seconds for the whole.
        let page = world.browser.open("/?rateTotal=20000000").await?;
        page.shown("html", SOON, "'ready' in element.dataset")
            .await?;
        page.find(&on_card(MODEL, "btn-download"))
            .await?
            .click()
            .await?;
        let tenth = format!(
            "Number(element.dataset.bytes) > {}",
            DEFAULT_MODEL.bytes / 10
        );
        page.shown(&on_card(MODEL, "stored"), SOON, &tenth).await?;
        page.close().await?;
        let closed = now();

        // Nobody but the browser and the worker is left. A tab that knows nothing of Longhaul watches the worker finish it.
        let whole = |log: &[Entry]| {
            let sent = parts_among(log).into_iter().map(|request| request.sent);
            sent.sum::<u64>() >= DEFAULT_MODEL.bytes
        };
        timeout(SOON, world.server.log().until(whole))
            .await
            .context("the browser did not go on without the page")?;
        watch_worker_finish(world).await?.close().await?;
        let asked = world.server.log().entries().len();

        let page = open_demo(world).await?;
        available(&page, MODEL).await?;
        check_came_by_background_fetch(&page).await?;
        let history = page.history(MODEL).await?;
        let success = history.only("success")?;
        ensure!(
            success.origin == "service-worker" && success.at > closed,
            "finished by {success:?}"
        );
        let log = world.server.log().entries();
        check_came_from_a_hub(&log)?;
        let sent: u64 = log.iter().map(|request| request.sent).sum();
        ensure!(
            sent <= DEFAULT_MODEL.bytes * 11 / 10,
            "{sent} bytes sent: {log:?}"
        );
        ensure!(
            parts_among(&log[asked..]).is_empty(),
            "asked again: {:?}",
            &log[asked..]
        );
        check_knows_the_capital_of_france(&page).await
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
        page.eval::<()>("await navigator.serviceWorker.ready", json!(null))
            .await?;
        download(&page, "small.bin").await?;

        world.server.close(Ending::Rst);
        page.reload().await?;
        page.shown("html", SOON, "'ready' in element.dataset")
            .await?;
        available(&page, "small.bin").await?;
        let hash = file.sha256();
        ensure!(page.hash_of("small.bin").await? == (file.bytes, hash.clone()));

        // The worker answers the model's own address too, which is one of another origin, whole and by range.
        let hub = world.server.second_origin();
        let address = format!("{hub}/models/small.bin?redirect=third");
        let given: (String, u16, Value, usize) = page
            .eval(
                "const whole = await fetch(args);
                 const part = await fetch(args, { headers: { range: 'bytes=1000-1999' } });
                 return [await sha256(await whole.arrayBuffer()), part.status,
                     part.headers.get('content-range'), (await part.arrayBuffer()).byteLength];",
                json!(address),
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
