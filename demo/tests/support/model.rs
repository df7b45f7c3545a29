//! The file that a scenario downloads, and what the server says about how it went out.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use longhaul_demo::{Entry, Generated};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::engine::Engine;
use super::history::History;
use super::page::Page;
use super::world::{SOON, World};

pub(crate) const MIB: u64 = 1024 * 1024;

/// A page with nothing on it but the same origin, worker and package as the demo's.
pub(crate) const BLANK: &str = "/blank.html";

/// Size of the files that most scenarios download, and of the parts that they are split into.
pub(crate) const BYTES: u64 = 24 * MIB;
pub(crate) const PART: u64 = MIB;
pub(crate) const PARTS: usize = 24;

/// Parts in flight at once; as many may be asked for a second time when their page goes.
pub(crate) const IN_FLIGHT: usize = 4;

/// A generated file under an id.
pub(crate) struct Model {
    pub(crate) file: Generated,
    pub(crate) url: String,
    pub(crate) spec: Value,
}

impl Model {
    /// A file of `bytes`, all whose answers together are sent at `rate` bytes per second.
    pub(crate) fn throttled(world: &World, id: &str, bytes: u64, rate: u64) -> Self {
        Self::with_query(world, id, bytes, &format!("rateTotal={rate}"))
    }

    /// A file of `bytes`, sent as fast as it goes.
    pub(crate) fn unthrottled(world: &World, id: &str, bytes: u64) -> Self {
        Self::with_query(world, id, bytes, "")
    }

    /// A file of `bytes`, with these faults of the server.
    pub(crate) fn with_query(world: &World, id: &str, bytes: u64, query: &str) -> Self {
        let file = Generated::new(bytes, id);
        let mark = if query.is_empty() { "" } else { "?" };
        let url = format!("{}{}{mark}{query}", world.server.origin(), file.path());
        let resource = json!({ "url": url, "bytes": bytes, "sha256": file.sha256() });
        let spec = json!({ "id": id, "resources": [resource] });
        Self { file, url, spec }
    }

    /// The download's id.
    pub(crate) fn id(&self) -> &str {
        &self.file.seed
    }

    /// Demands that `blob()` gives exactly the file.
    pub(crate) async fn check_bytes(&self, page: &Page) -> Result<()> {
        let (size, hash) = page.hash_of(self.id()).await?;
        let Generated { bytes, .. } = self.file;
        ensure!(size == bytes, "{size} bytes instead of {bytes}");
        ensure!(hash == self.file.sha256(), "the bytes are wrong");
        Ok(())
    }
}

/// A tab that knows nothing of Longhaul and watches the worker write the success of a download.
pub(crate) async fn watch_worker_finish(world: &World) -> Result<Page> {
    let watcher = world.browser.open("/api/models").await?;
    watcher
        .eval::<()>(
            r#"await written("longhaul", '\\"type\\":\\"success\\"')"#,
            json!(null),
        )
        .await
        .context("the worker did not finish it")?;
    Ok(watcher)
}

/// Opens a page in a browser that has had its first background job, where it knows any: that one begins seconds late, and a page
/// would help it meanwhile, which is not what most scenarios are about. Nothing is left of it, in the server's log neither.
pub(crate) async fn settled(world: &World) -> Result<Page> {
    let page = world.browser.open(BLANK).await?;
    if world.browser.engine().has_background_fetch() {
        let first = Model::unthrottled(world, "first", MIB);
        page.request(&first.spec).await?;
        page.until_available(first.id(), SOON).await?;
        page.forget(first.id()).await?;
        world.server.log().clear();
    }
    Ok(page)
}

/// Waits until the server has sent so many bytes of models.
pub(crate) async fn until_sent(world: &World, bytes: u64) -> Result<()> {
    let enough = |log: &[Entry]| log.iter().map(|request| request.sent).sum::<u64>() >= bytes;
    timeout(SOON, world.server.log().until(enough))
        .await
        .with_context(|| format!("the server never came to send {bytes} bytes"))?;
    Ok(())
}

/// Waits until so many bytes are at rest, as the page that brings them is shown. The server sends bytes before they are.
pub(crate) async fn until_stored(page: &Page, model: &Model, bytes: u64) -> Result<()> {
    let stored = format!("snapshot.stored >= {bytes}");
    page.until(model.id(), SOON, &stored).await?;
    Ok(())
}

/// Demands that one attempt of one try brought it, by the transport that the engine has and for the right reason.
pub(crate) fn check_course(engine: Engine, history: &History) -> Result<()> {
    history.check()?;
    let course = history.course();
    ensure!(course == ["requested", "started", "success"], "{course:?}");
    check_transport(engine, &history.only("started")?.event)
}

/// Demands that a try goes the way that the engine has, and says why.
pub(crate) fn check_transport(engine: Engine, started: &Value) -> Result<()> {
    let (transport, why) = if engine.has_background_fetch() {
        ("background-fetch", "preferred")
    } else {
        ("foreground", "missing")
    };
    ensure!(
        started["transport"] == transport && started["why"] == why,
        "{started}"
    );
    Ok(())
}

/// How often the server was asked for each part.
#[derive(Debug)]
pub(crate) struct Asked {
    parts: BTreeMap<u64, usize>,
}

impl Asked {
    /// From the server's log, probes (`bytes=0-0`) left out. `part` is the size of a part.
    pub(crate) fn of(world: &World, part: u64) -> Self {
        Self::among(&world.server.log().entries(), part)
    }

    /// From the requests for one file.
    pub(crate) fn for_file(world: &World, file: &Generated, part: u64) -> Self {
        let mut log = world.server.log().entries();
        log.retain(|request| request.path == file.path());
        Self::among(&log, part)
    }

    /// The same from some of the log's entries.
    pub(crate) fn among(log: &[Entry], part: u64) -> Self {
        let mut parts = BTreeMap::new();
        for request in log {
            if let Some((first, last)) = range(request)
                && last > 0
            {
                *parts.entry(first / part).or_default() += 1;
            }
        }
        Self { parts }
    }

    /// How many requests there were beyond one for each part.
    pub(crate) fn again(&self) -> usize {
        self.parts.values().map(|asked| asked - 1).sum()
    }

    /// Demands that no part was asked for twice.
    pub(crate) fn check_none_again(&self) -> Result<()> {
        ensure!(self.again() == 0, "asked for again: {:?}", self.parts);
        Ok(())
    }

    /// Demands that every part was asked for, and no more than `again` a second time.
    pub(crate) fn check(&self, parts: usize, again: usize) -> Result<()> {
        let distinct = self.parts.len();
        ensure!(distinct == parts, "{distinct} parts asked for, not {parts}");
        ensure!(
            self.again() <= again,
            "{} parts asked for again, more than {again}: {:?}",
            self.again(),
            self.parts
        );
        Ok(())
    }
}

/// What is at rest at one moment, and the last request that the server had had by then.
#[derive(Debug)]
pub(crate) struct Moment {
    /// Numbers of parts.
    parts: BTreeSet<u64>,
    last: u64,
    part: u64,
}

impl Moment {
    /// Taken by a page that need not have opened Longhaul. `part` is the size of a part.
    pub(crate) async fn of(world: &World, page: &Page, part: u64) -> Result<Self> {
        let log = world.server.log().entries();
        let last = log.last().map_or(0, |entry| entry.n);
        let rest = page.at_rest().await?;
        let number = |address: &&String| -> Option<u64> {
            let (first, _) = address.rsplit('/').next()?.split_once('+')?;
            Some(first.parse::<u64>().ok()? / part)
        };
        let parts: BTreeSet<u64> = rest.parts().iter().filter_map(number).collect();
        ensure!(parts.len() > 4, "too little is at rest: {parts:?}");
        Ok(Self { parts, last, part })
    }

    /// Demands that since then nothing was asked for that was at rest; what was.
    pub(crate) fn check(&self, world: &World) -> Result<Asked> {
        let mut log = world.server.log().entries();
        log.retain(|entry| entry.n > self.last);
        let asked = Asked::among(&log, self.part);
        let again = asked.parts.keys().find(|part| self.parts.contains(part));
        ensure!(again.is_none(), "stored, and asked for again: {again:?}");
        Ok(asked)
    }

    /// The same, and nothing may have been asked for twice since; how many parts were.
    pub(crate) fn check_once(&self, world: &World) -> Result<usize> {
        let asked = self.check(world)?;
        ensure!(asked.again() == 0, "asked for twice: {asked:?}");
        Ok(asked.parts.len())
    }
}

/// The range that a request asks for, both ends included.
pub(crate) fn range(request: &Entry) -> Option<(u64, u64)> {
    let (first, last) = request
        .range
        .as_deref()?
        .strip_prefix("bytes=")?
        .split_once('-')?;
    Some((first.parse().ok()?, last.parse().ok()?))
}

/// The longest time for which the server got no request, from the last one before `moment` on; milliseconds.
pub(crate) fn longest_silence(world: &World, moment: u64) -> u64 {
    let log = world.server.log().entries();
    // Those that came together may be written down in another order.
    let mut at: Vec<u64> = log.iter().map(|request| request.at).collect();
    at.sort_unstable();
    let from = at.iter().rposition(|at| *at <= moment).unwrap_or_default();
    let pairs = at[from..].windows(2);
    pairs
        .map(|pair| pair[1] - pair[0])
        .max()
        .unwrap_or_default()
}

/// The SHA-256 of some bytes, in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    use std::fmt::Write as _;
    let digest = Sha256::digest(bytes);
    digest.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all");
        text
    })
}

/// Now, in milliseconds since 1970.
pub(crate) fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| {
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    })
}
