//! The package's public contract as a test drives it from outside, through a page.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use super::history::{Entry, History};
use super::page::{Page, Thrown};

/// What the page is shown of a download.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Snapshot {
    /// The download's id.
    pub(crate) id: String,
    /// Where it stands.
    pub(crate) phase: String,
    /// The latest attempt.
    pub(crate) attempt: u64,
    /// `background-fetch` or `foreground`, while one runs.
    pub(crate) transport: Option<String>,
    /// Bytes received.
    pub(crate) downloaded: u64,
    /// Bytes at rest.
    pub(crate) stored: u64,
    /// Bytes of the whole.
    pub(crate) total: Option<u64>,
    /// What it waits for.
    pub(crate) waiting: Option<Value>,
    /// Why it failed.
    pub(crate) failure: Option<Value>,
    /// Whether a part of its history cannot be read.
    #[serde(default)]
    pub(crate) degraded: bool,
    /// Who aborted or evicted it.
    #[serde(default)]
    pub(crate) by: String,
    /// Number of the last entry.
    pub(crate) seq: u64,
}

impl Snapshot {
    /// The reason of its failure; empty where there is none.
    pub(crate) fn failure_reason(&self) -> &str {
        self.failure
            .as_ref()
            .and_then(|failure| failure["reason"].as_str())
            .unwrap_or_default()
    }
}

/// What is left on the origin, as `atRest` of the prelude tells it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct AtRest {
    /// URLs in each cache.
    pub(crate) caches: std::collections::BTreeMap<String, Vec<String>>,
    /// Records in each store of each database.
    pub(crate) databases:
        std::collections::BTreeMap<String, std::collections::BTreeMap<String, u64>>,
    /// Background jobs.
    pub(crate) jobs: Vec<String>,
}

impl AtRest {
    /// Everything in caches that belongs to Longhaul.
    pub(crate) fn parts(&self) -> Vec<&String> {
        self.caches
            .iter()
            .filter(|(name, _)| name.starts_with("longhaul/") || *name == "longhaul")
            .flat_map(|(_, urls)| urls)
            .collect()
    }
}

impl Page {
    /// Opens Longhaul in the page with these options; later calls use the one that is open.
    pub(crate) async fn longhaul(&self, options: Value) -> Result<()> {
        self.eval("await longhaul(args)", options).await
    }

    /// Asks for a download, as a person does by a click, and keeps it in the page for the other calls.
    pub(crate) async fn request(&self, spec: &Value) -> Result<Snapshot> {
        // Chromium lets a page start one background job by itself; every further one is refused without a person's gesture.
        self.gesture().await?;
        self.eval(
            "const download = await (await longhaul()).request(args);
             (e2e.downloads ??= {})[args.id] = download;
             return download.snapshot;",
            spec.clone(),
        )
        .await
    }

    /// Has the page ask for downloads as soon as a tab gives the starting signal; see [`Page::start_together`].
    pub(crate) async fn arm(&self, specs: &[&Value]) -> Result<()> {
        self.eval(
            "const lh = await longhaul();
             const starter = new BroadcastChannel('together');
             e2e.together = once(starter, 'message').then(async () => {
               const at = performance.timeOrigin + performance.now();
               const requested = args.map((spec) => lh.request(spec));
               starter.close();
               for (const download of await Promise.all(requested)) (e2e.downloads ??= {})[download.id] = download;
               return at;
             });",
            json!(specs),
        )
        .await
    }

    /// Gives the starting signal to these tabs; the milliseconds from the first one's requests to the last one's.
    pub(crate) async fn start_together(tabs: &[Self]) -> Result<f64> {
        let signal = "new BroadcastChannel('together').postMessage('go')";
        tabs[0].eval::<()>(signal, json!(null)).await?;
        let (mut first, mut last) = (f64::MAX, f64::MIN);
        for tab in tabs {
            let at: f64 = tab.eval("return e2e.together", json!(null)).await?;
            (first, last) = (first.min(at), last.max(at));
        }
        Ok(last - first)
    }

    /// Asks for a download that must be refused.
    pub(crate) async fn refused(&self, spec: &Value) -> Result<Thrown> {
        self.throws(
            "return (await (await longhaul()).request(args)).snapshot",
            spec.clone(),
        )
        .await
    }

    /// Waits until a download satisfies a JavaScript condition over its `snapshot`.
    pub(crate) async fn until(
        &self,
        id: &str,
        limit: Duration,
        condition: &str,
    ) -> Result<Snapshot> {
        let body = format!("return until(await longhaul(), args, (snapshot) => {condition})");
        self.eval_within(limit, &body, json!(id))
            .await
            .with_context(|| format!("`{id}` never came to: {condition}"))
    }

    /// Waits until a download's attempt has ended, however it did.
    pub(crate) async fn until_ended(&self, id: &str, limit: Duration) -> Result<Snapshot> {
        self.until(id, limit, "ended(snapshot)").await
    }

    /// Waits until a download is available, and fails at once where it ends otherwise.
    pub(crate) async fn until_available(&self, id: &str, limit: Duration) -> Result<Snapshot> {
        let snapshot = self.until_ended(id, limit).await?;
        ensure!(
            snapshot.phase == "available",
            "`{id}` ended as {snapshot:?}"
        );
        Ok(snapshot)
    }

    /// The snapshot of a download.
    pub(crate) async fn snapshot(&self, id: &str) -> Result<Snapshot> {
        self.eval(
            "return (await (await longhaul()).get(args)).snapshot",
            json!(id),
        )
        .await
    }

    /// The snapshots of all downloads.
    pub(crate) async fn list(&self) -> Result<Vec<Snapshot>> {
        self.eval("return (await longhaul()).list()", json!(null))
            .await
    }

    /// Forgets a download, bytes and history.
    pub(crate) async fn forget(&self, id: &str) -> Result<()> {
        let forget = "await (await (await longhaul()).get(args)).forget()";
        self.eval(forget, json!(id)).await
    }

    /// The history of a download.
    pub(crate) async fn history(&self, id: &str) -> Result<History> {
        let entries: Vec<Entry> = self
            .eval("return (await longhaul()).history({ id: args })", json!(id))
            .await?;
        Ok(History(entries))
    }

    /// The SHA-256 of what `blob()` gives, hashed by the browser and not by Longhaul, with its length.
    pub(crate) async fn hash_of(&self, id: &str) -> Result<(u64, String)> {
        self.eval(
            "const blob = await (await (await longhaul()).get(args)).blob();
             return [blob.size, await sha256(blob)];",
            json!(id),
        )
        .await
    }

    /// Deletes parts behind Longhaul's back: so many of the file that has `of` parts.
    pub(crate) async fn delete_parts(&self, of: usize, count: usize) -> Result<()> {
        let gone: usize = self
            .eval(
                "let gone = 0;
                 for (const name of await caches.keys()) {
                   if (!name.startsWith('longhaul/')) continue;
                   const cache = await caches.open(name);
                   const keys = await cache.keys();
                   if (keys.length !== args.of) continue;
                   for (const key of keys.slice(0, args.count)) gone += await cache.delete(key);
                   if (args.count === args.of) await caches.delete(name);
                 }
                 return gone;",
                json!({ "of": of, "count": count }),
            )
            .await?;
        ensure!(gone == count, "{gone} parts deleted");
        Ok(())
    }

    /// What the origin keeps.
    pub(crate) async fn at_rest(&self) -> Result<AtRest> {
        self.eval("return atRest()", json!(null)).await
    }
}
