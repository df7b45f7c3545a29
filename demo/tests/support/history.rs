//! Histories as the page gives them, looked at without the core's own types, so that a test does not believe what it should check.

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::Value;

/// The most entries that one attempt may have (law L12).
const MOST_ENTRIES: usize = 200;

/// One entry of a history.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Entry {
    /// The download's id.
    pub(crate) download: String,
    /// Its number, from 1.
    pub(crate) seq: u64,
    /// When it was appended, in milliseconds since 1970.
    pub(crate) at: u64,
    /// `page` or `service-worker`.
    pub(crate) origin: String,
    /// The format of the event.
    pub(crate) version: u32,
    /// The fact.
    pub(crate) event: Value,
}

impl Entry {
    /// The event's wire name.
    pub(crate) fn kind(&self) -> &str {
        self.event["type"].as_str().unwrap_or_default()
    }
}

/// The history of one download.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct History(pub(crate) Vec<Entry>);

impl History {
    /// The wire names, in order.
    pub(crate) fn kinds(&self) -> Vec<&str> {
        self.0.iter().map(Entry::kind).collect()
    }

    /// The wire names without those that tell figures and waits only.
    pub(crate) fn course(&self) -> Vec<&str> {
        self.kinds()
            .into_iter()
            .filter(|kind| !matches!(*kind, "progress" | "waiting"))
            .collect()
    }

    /// How many entries of a kind there are.
    pub(crate) fn count(&self, kind: &str) -> usize {
        self.0.iter().filter(|entry| entry.kind() == kind).count()
    }

    /// The only entry of a kind.
    pub(crate) fn only(&self, kind: &str) -> Result<&Entry> {
        let mut found = self.0.iter().filter(|entry| entry.kind() == kind);
        let entry = found
            .next()
            .with_context(|| format!("no `{kind}` in {:?}", self.kinds()))?;
        ensure!(
            found.next().is_none(),
            "more than one `{kind}` in {:?}",
            self.kinds()
        );
        Ok(entry)
    }

    /// Milliseconds from the only request to the only success.
    pub(crate) fn took(&self) -> Result<u64> {
        let (began, ended) = (self.only("requested")?.at, self.only("success")?.at);
        Ok(ended.saturating_sub(began))
    }

    /// Checks what must hold of every history: numbered without a gap, attempts that begin once and end once at most, figures that
    /// never fall inside an attempt and never pass the total, nothing after an ending but a removal, and not too many entries.
    pub(crate) fn check(&self) -> Result<()> {
        let mut attempt: Option<Attempt> = None;
        for (place, entry) in self.0.iter().enumerate() {
            let told = || format!("entry {} of {:?}", entry.seq, self.kinds());
            ensure!(
                entry.seq == place as u64 + 1,
                "a gap before {} in {:?}",
                told(),
                self.kinds()
            );
            match entry.kind() {
                "requested" => {
                    ensure!(
                        attempt.as_ref().is_none_or(|before| before.ended),
                        "{} begins an attempt inside another",
                        told()
                    );
                    let number = entry.event["attempt"].as_u64().unwrap_or_default();
                    let before = attempt.as_ref().map_or(0, |before| before.number);
                    ensure!(
                        number == before + 1,
                        "{} has the wrong number {number}",
                        told()
                    );
                    attempt = Some(Attempt {
                        number,
                        ..Attempt::default()
                    });
                }
                "evicted" => ensure!(
                    attempt.as_ref().is_some_and(|before| before.ended),
                    "{} in mid-attempt",
                    told()
                ),
                _ => attempt
                    .as_mut()
                    .with_context(|| format!("{} before any request", told()))?
                    .take(entry)
                    .with_context(told)?,
            }
        }
        Ok(())
    }
}

/// What has to be remembered of an attempt to judge its next entry.
#[derive(Debug, Default)]
struct Attempt {
    number: u64,
    ended: bool,
    downloaded: u64,
    stored: u64,
    entries: usize,
}

impl Attempt {
    fn take(&mut self, entry: &Entry) -> Result<()> {
        ensure!(!self.ended, "comes after the attempt's end");
        self.entries += 1;
        ensure!(
            self.entries < MOST_ENTRIES,
            "the attempt has too many entries"
        );
        match entry.kind() {
            "started" | "waiting" => {}
            "progress" => self.figures(&entry.event)?,
            "cached-hit" | "success" | "failure" | "aborted" => self.ended = true,
            other => bail!("`{other}` is no event of the contract"),
        }
        Ok(())
    }

    fn figures(&mut self, event: &Value) -> Result<()> {
        let figure = |name: &str| {
            event[name]
                .as_u64()
                .with_context(|| format!("progress without `{name}`"))
        };
        let (downloaded, stored) = (figure("downloaded")?, figure("stored")?);
        ensure!(
            downloaded >= self.downloaded && stored >= self.stored,
            "figures fell from {}/{} to {downloaded}/{stored}",
            self.downloaded,
            self.stored
        );
        ensure!(
            stored <= downloaded,
            "{stored} stored of {downloaded} downloaded"
        );
        if let Some(total) = event["total"].as_u64() {
            ensure!(downloaded <= total, "{downloaded} of {total}");
        }
        (self.downloaded, self.stored) = (downloaded, stored);
        Ok(())
    }
}
