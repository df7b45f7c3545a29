//! Header values are kept nowhere: not on the origin, not in messages, errors and consoles, not on disk.

use std::path::Path;
use std::{fs, io};

use anyhow::{Result, ensure};
use longhaul_demo::Generated;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::suite::{Cell, Suite};
use crate::support::model::{Asked, BLANK, IN_FLIGHT, MIB, Model, sha256, until_sent};
use crate::support::page::Page;
use crate::support::world::{SOON, World};

const BYTES: u64 = 6 * MIB;

/// Where there must be time to go away in the middle: bytes, and bytes per second.
const LONG: u64 = 16 * MIB;
const RATE: u64 = 6 * MIB;

/// What the page writes to its console, so that it is seen that consoles are heard.
const MARK: &str = "this is heard";

/// What must be found nowhere.
const TOKEN: &str = "hf_b7e1f00d5ec4e7c0ffee0ddba11";

pub(crate) fn announce(suite: &mut Suite) {
    suite.for_each_engine("a token is kept nowhere", a_token_is_kept_nowhere);
    suite.for_each_engine("a successor without the token", a_successor_without);
}

async fn a_token_is_kept_nowhere(world: &mut World, cell: &Cell) -> Result<()> {
    // The server knows the token by its hash alone, so that no address holds it.
    let gate = format!("authSha256={}", sha256(TOKEN.as_bytes()));
    let model = Model::with_query(world, "guarded", BYTES, &gate);
    let listener = world.browser.open(BLANK).await?;
    let listens = "e2e.heard = [];
        e2e.channel = new BroadcastChannel('longhaul/longhaul');
        e2e.channel.addEventListener('message', ({ data }) => e2e.heard.push(data));
        navigator.serviceWorker.addEventListener('message', ({ data }) => e2e.heard.push(data));";
    listener.eval::<()>(listens, json!(null)).await?;

    let page = world.browser.open(BLANK).await?;
    request_with_token(&page, &model.spec).await?;
    page.until_available(model.id(), SOON).await?;
    let history = page.history(model.id()).await?;
    history.check()?;
    let started = &history.only("started")?.event;
    ensure!(
        started["transport"] == "foreground" && started["why"] == "headers",
        "{started}"
    );
    model.check_bytes(&page).await?;
    let log = world.server.log().entries();
    ensure!(
        !log.is_empty() && log.iter().all(|request| request.authorized),
        "{log:?}"
    );

    let mut said = errors(world, &page).await?;
    page.eval::<()>("console.warn(args)", json!(MARK)).await?;
    let lines = world.browser.console().await?;
    ensure!(
        lines.iter().any(|line| line.contains(MARK)),
        "consoles are not heard: {lines:?}"
    );
    said.extend(lines);
    let heard: Vec<Value> = listener.eval("return e2e.heard", json!(null)).await?;
    ensure!(
        !heard.is_empty(),
        "no message was heard, so none was looked at"
    );
    said.extend(heard.iter().map(Value::to_string));
    let told = said.iter().find(|text| text.contains(TOKEN));
    ensure!(told.is_none(), "the token is told: {told:?}");

    // What must be there is looked for as well: else a search that sees nothing would pass.
    let known: Found = page.eval(SEARCH, json!(model.id())).await?;
    ensure!(known.places.len() > 2, "the search is blind: {known:?}");
    let found: Found = page.eval(SEARCH, json!(TOKEN)).await?;
    ensure!(found.places.is_empty(), "the token is kept: {found:?}");
    world.browser.quit().await?;
    let profile = world.browser.profile();
    let known = search_files(profile, model.id())?;
    ensure!(!known.places.is_empty(), "the search is blind: {known:?}");
    let on_disk = search_files(profile, TOKEN)?;
    ensure!(on_disk.places.is_empty(), "the token is kept: {on_disk:?}");
    cell.note(format_args!(
        "searched {} records, {} messages and lines, {} files of the profile",
        found.searched,
        said.len(),
        on_disk.searched
    ));
    Ok(())
}

/// The tab that has the token goes in the middle. The next one has what is stored, says what it lacks, and makes way for one that
/// has it.
async fn a_successor_without(world: &mut World, cell: &Cell) -> Result<()> {
    let gate = format!("authSha256={}&rateTotal={RATE}", sha256(TOKEN.as_bytes()));
    let model = Model::with_query(world, "inherited", LONG, &gate);
    let [first, second] = [
        world.browser.open(BLANK).await?,
        world.browser.open(BLANK).await?,
    ];
    request_with_token(&first, &model.spec).await?;
    second.request(&model.spec).await?;
    until_sent(world, LONG / 2).await?;
    first.close().await?;
    let waits = "snapshot.waiting?.reason === 'headers'";
    let waiting = second.until(model.id(), SOON, waits).await?;
    ensure!(
        waiting.phase == "transferring" && waiting.attempt == 1 && waiting.stored > 0,
        "{waiting:?}"
    );

    let third = world.browser.open(BLANK).await?;
    request_with_token(&third, &model.spec).await?;
    third.until_available(model.id(), SOON).await?;
    second.until_available(model.id(), SOON).await?;
    let history = second.history(model.id()).await?;
    history.check()?;
    let course = history.course();
    ensure!(course == ["requested", "started", "success"], "{course:?}");
    model.check_bytes(&second).await?;
    let log = world.server.log().entries();
    ensure!(
        log.iter().all(|request| request.authorized),
        "asked without the token: {log:?}"
    );
    let asked = Asked::of(world, MIB);
    cell.note(format_args!(
        "{} bytes were there, {} parts asked for again",
        waiting.stored,
        asked.again()
    ));
    ensure!(asked.again() <= IN_FLIGHT, "{asked:?}");

    // The token was given for those addresses: another server is not told, although the id is the same.
    world.server.log().clear();
    let elsewhere = Generated::new(BYTES, "elsewhere");
    let url = format!("{}{}", world.server.second_origin(), elsewhere.path());
    let spec = json!({ "id": model.id(), "resources": [url] });
    third.request(&spec).await?;
    let again = "snapshot.attempt === 2 && ended(snapshot)";
    let snapshot = third.until(model.id(), SOON, again).await?;
    ensure!(snapshot.phase == "available", "{snapshot:?}");
    let log = world.server.log().entries();
    ensure!(
        !log.is_empty() && log.iter().all(|request| !request.authorized),
        "the token was told to another server: {log:?}"
    );
    Ok(())
}

/// What came of a search.
#[derive(Debug, Default, Deserialize)]
struct Found {
    searched: usize,
    places: Vec<String>,
}

async fn request_with_token(page: &Page, spec: &Value) -> Result<()> {
    page.eval(
        "const { spec, token } = args;
         const headers = { Authorization: `Bearer ${token}` };
         const download = await (await longhaul()).request(spec, { headers });
         (e2e.downloads ??= {})[spec.id] = download;",
        json!({ "spec": spec, "token": TOKEN }),
    )
    .await
}

/// What downloads with the token say that fail, each in its own way.
async fn errors(world: &World, page: &Page) -> Result<Vec<String>> {
    let second = world.server.second_origin();
    let ways = [
        (
            "no-file",
            format!("{}/models/nothing", world.server.origin()),
        ),
        (
            "no-cors",
            format!("{second}/models/generated/{BYTES}/x.bin?cors=off"),
        ),
        (
            "no-entry",
            format!("{second}/models/generated/{BYTES}/x.bin?status=403"),
        ),
    ];
    let mut said = Vec::new();
    for (id, url) in ways {
        let spec = json!({ "id": id, "resources": [url] });
        request_with_token(page, &spec).await?;
        page.until_ended(id, SOON).await?;
        let finished = format!("await e2e.downloads['{id}'].finished");
        let thrown = page.throws(&finished, json!(null)).await?;
        ensure!(thrown.code() == "failed", "{thrown}");
        said.push(thrown.to_string());
    }
    Ok(said)
}

/// Looks for a text in every record, every key and every byte that scripts can find on the origin.
const SEARCH: &str = "
    const lh = await longhaul();
    const places = [];
    let searched = 0;
    const look = (place, text) => {
      searched += 1;
      if (text.includes(args)) places.push(place);
    };
    look('the export', await (await lh.exportHistory()).text());
    look('the list', JSON.stringify(await lh.list()));
    for (const { name } of await indexedDB.databases()) {
      const opening = indexedDB.open(name);
      await once(opening, 'success');
      const db = opening.result;
      for (const store of db.objectStoreNames) {
        const reads = db.transaction(store).objectStore(store);
        const [values, keys] = [reads.getAll(), reads.getAllKeys()];
        await Promise.all([once(values, 'success'), once(keys, 'success')]);
        for (const record of [...values.result, ...keys.result]) look(`${name}/${store}`, JSON.stringify(record));
      }
      db.close();
    }
    for (const name of await caches.keys()) {
      const cache = await caches.open(name);
      for (const request of await cache.keys()) {
        const response = await cache.match(request);
        look(name, [request.url, ...request.headers, ...response.headers].join('\\n'));
        look(name, new TextDecoder('latin1').decode(await response.arrayBuffer()));
      }
    }
    look('localStorage', JSON.stringify({ ...localStorage, ...sessionStorage }));
    return { searched, places };";

/// Looks for a text in every byte of every file in a folder.
fn search_files(folder: &Path, text: &str) -> Result<Found> {
    let mut found = Found::default();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let (kind, path) = (entry.file_type()?, entry.path());
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                let bytes = match fs::read(&path) {
                    Ok(bytes) => bytes,
                    // Whoever tidies up may be faster.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                    Err(error) => return Err(error.into()),
                };
                found.searched += 1;
                if bytes.windows(text.len()).any(|at| at == text.as_bytes()) {
                    found.places.push(path.display().to_string());
                }
            }
        }
    }
    Ok(found)
}
