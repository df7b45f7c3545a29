//! A file of another origin, and what is demanded of every download of it.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use longhaul_demo::{Entry, Generated};
use serde_json::{Value, json};

use crate::support::history::History;
use crate::support::model::{MIB, range};
use crate::support::page::Page;
use crate::support::world::World;

/// Bytes of an answer that is no part of a file: a probe, or an error's line of text.
const TINY: u64 = 1024;

/// Size requests of one attempt: ranges, `HEAD`, and those that confirm what these said.
pub(crate) const PROBES: usize = 8;

/// A generated file at the server's second origin.
pub(crate) struct Far {
    pub(crate) file: Generated,
    pub(crate) url: String,
    pub(crate) spec: Value,
    began: Instant,
}

/// What a download may have cost.
pub(crate) struct Bounds {
    /// Hundredths of the file's size that may have been sent of it.
    pub(crate) wire: u64,
    /// From the request to the moment of checking.
    pub(crate) took: Duration,
}

impl Far {
    /// A file of `bytes` with these parameters of the server, of which nothing is known beforehand.
    pub(crate) fn unknown(world: &World, id: &str, bytes: u64, query: &str) -> Self {
        let file = Generated::new(bytes, id);
        let url = format!("{}{}?{query}", world.server.second_origin(), file.path());
        let spec = json!({ "id": id, "resources": [url] });
        Self {
            file,
            url,
            spec,
            began: Instant::now(),
        }
    }

    /// The same, of which the app knows the hash.
    pub(crate) fn hashed(world: &World, id: &str, bytes: u64, query: &str) -> Self {
        let mut far = Self::unknown(world, id, bytes, query);
        let sha256 = far.file.sha256();
        far.spec["resources"] = json!([{ "url": far.url, "sha256": sha256 }]);
        far
    }

    pub(crate) fn id(&self) -> &str {
        &self.file.seed
    }

    /// Asks for it.
    pub(crate) async fn request(&mut self, page: &Page) -> Result<()> {
        self.began = Instant::now();
        page.request(&self.spec).await?;
        Ok(())
    }

    /// Demands that what is handed out is this file whole, and that it cost no more than `bounds`.
    pub(crate) async fn check(&self, world: &World, page: &Page, bounds: &Bounds) -> Result<()> {
        self.check_is(&self.file, world, page, bounds).await
    }

    /// The same for what the file has become.
    pub(crate) async fn check_is(
        &self,
        file: &Generated,
        world: &World,
        page: &Page,
        bounds: &Bounds,
    ) -> Result<()> {
        let took = self.began.elapsed();
        let read = page.hash_of(self.id()).await?;
        ensure!(read == (file.bytes, file.sha256()), "wrong bytes: {read:?}");
        let sent = self.sent(world);
        let most = file.bytes * bounds.wire / 100;
        let log = || self.summary(world);
        ensure!(
            sent <= most,
            "{sent} bytes sent, more than {most}:\n{}",
            log()
        );
        ensure!(took <= bounds.took, "took {took:?}:\n{}", log());
        page.history(self.id()).await?.check()?;
        self.check_left(page).await?;
        println!(
            "{}: {sent} bytes sent of {} in {took:.1?}, {} requests",
            self.id(),
            file.bytes,
            self.log(world).len()
        );
        Ok(())
    }

    /// Demands that the stores hold the parts of one version and nothing else of this download's.
    async fn check_left(&self, page: &Page) -> Result<()> {
        let history = page.history(self.id()).await?;
        let started = history.0.iter().rfind(|entry| entry.kind() == "started");
        let parts = parts_of(&started.context("it was never started")?.event);
        // Told before it is done; it is done under this lock.
        let settled =
            "await navigator.locks.request(`longhaul/longhaul/${args}`, () => {}); return atRest()";
        let rest: crate::support::client::AtRest = page.eval(settled, json!(self.id())).await?;
        let stored = rest.parts().len();
        ensure!(
            stored == parts,
            "{stored} parts at rest, not {parts}: {rest:?}"
        );
        ensure!(rest.jobs.is_empty(), "jobs are left: {:?}", rest.jobs);
        let links = rest.databases["longhaul"]["links"];
        ensure!(links == 0, "{links} full URLs are left");
        Ok(())
    }

    /// Demands that it failed for one of `reasons` and that nothing is handed out.
    pub(crate) async fn check_failed(
        &self,
        page: &Page,
        limit: Duration,
        reasons: &[&str],
    ) -> Result<()> {
        let snapshot = page.until_ended(self.id(), limit).await?;
        let reason = snapshot.failure_reason();
        ensure!(
            snapshot.phase == "failed" && reasons.contains(&reason),
            "ended as {snapshot:?}"
        );
        self.check_not_handed_out(page).await
    }

    /// Demands that none of its bytes can be had.
    pub(crate) async fn check_not_handed_out(&self, page: &Page) -> Result<()> {
        let matched: bool = page
            .eval(
                "return (await (await longhaul()).match(args)) !== undefined",
                json!(self.url),
            )
            .await?;
        ensure!(!matched, "match() hands out what is not whole");
        let blob = "await (await (await longhaul()).get(args)).blob()";
        let thrown = page.throws(blob, json!(self.id())).await?;
        ensure!(thrown.code() == "not-available", "{thrown}");
        page.history(self.id()).await?.check()
    }

    /// The requests for it so far.
    pub(crate) fn log(&self, world: &World) -> Vec<Entry> {
        let mut log = world.server.log().entries();
        log.retain(|request| request.path == self.file.path());
        log
    }

    /// How many bytes of it were sent.
    pub(crate) fn sent(&self, world: &World) -> u64 {
        self.log(world).iter().map(|request| request.sent).sum()
    }

    /// The requests that are for no part of it, nor redirects on the way to one.
    pub(crate) fn probes(&self, world: &World) -> Vec<Entry> {
        let mut log = self.log(world);
        log.retain(|request| !is_for_a_part(request) && request.status != Some(302));
        log
    }

    /// Demands that no more than `most` requests came since the one numbered `last`, none of which brought more than a probe does.
    pub(crate) fn check_probes_since(&self, world: &World, last: u64, most: usize) -> Result<()> {
        let mut log = self.log(world);
        log.retain(|request| request.n > last && request.status != Some(302));
        let tiny = log.iter().all(|request| request.sent <= TINY);
        ensure!(log.len() <= most && tiny, "asked again: {log:?}");
        Ok(())
    }

    fn summary(&self, world: &World) -> String {
        let line = |request: &Entry| {
            format!(
                "{} {} {:?} {:?} {} {:?}",
                request.n,
                request.method,
                request.range,
                request.status,
                request.sent,
                request.outcome
            )
        };
        let lines: Vec<_> = self.log(world).iter().map(line).collect();
        lines.join("\n")
    }
}

/// Whether a request is for more than those ask for who want to know what there is: a byte, or the last one and one more.
pub(crate) fn is_for_a_part(request: &Entry) -> bool {
    range(request).is_some_and(|(first, last)| last > first + 1)
}

/// How many parts the only file of a `started` has.
pub(crate) fn parts_of(started: &Value) -> usize {
    let file = &started["files"][0];
    match (file["size"].as_u64(), file["partBytes"].as_u64()) {
        (Some(size), Some(part)) => usize::try_from(size.div_ceil(part)).unwrap_or(usize::MAX),
        _ => 1,
    }
}

/// Demands that one job brought it all.
pub(crate) fn check_one_job(history: &History) -> Result<()> {
    let course = history.course();
    ensure!(course == ["requested", "started", "success"], "{course:?}");
    let started = &history.only("started")?.event;
    let chosen = ["preferred", "asked"].contains(&started["why"].as_str().unwrap_or_default());
    ensure!(
        started["transport"] == "background-fetch" && chosen,
        "{started}"
    );
    ensure!(parts_of(started) > 4, "not in parts: {started}");
    Ok(())
}

/// Demands that a wait says in a sentence why a job was not taken.
pub(crate) fn check_told_why(history: &History) -> Result<()> {
    let told = |event: &Value| {
        event["message"]
            .as_str()
            .is_some_and(|text| text.len() > 20 && text.contains(' '))
    };
    let waits: Vec<_> = history
        .0
        .iter()
        .filter(|entry| entry.kind() == "waiting")
        .collect();
    ensure!(
        waits.iter().any(|entry| told(&entry.event)),
        "no wait says why: {waits:?}"
    );
    Ok(())
}

/// 60 MB as people count.
pub(crate) const MODEL: u64 = 60_000_000;
/// What is large enough for a dozen parts.
pub(crate) const DOZEN: u64 = 12 * MIB;
