//! What each blow cost: the parts that were in flight when it fell, and those that were asked for again, from the server's log.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use longhaul_demo::{Entry, Generated};

use crate::support::model::{Model, now, range};
use crate::support::page::Page;
use crate::support::world::World;

/// For how long after its last byte has gone out a part may still be on its way into the store, in milliseconds.
const STORING_MS: u64 = 300;

/// One blow.
struct Blow {
    name: String,
    /// The last request that the server had had when it fell.
    n: u64,
    /// Bytes that the server had sent by then.
    sent: u64,
    /// Parts whose requests were under way.
    in_flight: BTreeSet<u64>,
    /// Parts of which the last byte had just gone out.
    being_stored: BTreeSet<u64>,
}

/// All blows to one download.
pub(crate) struct Ledger {
    file: Generated,
    part: u64,
    began: u64,
    blows: Vec<Blow>,
}

/// What some blows cost.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) blows: usize,
    pub(crate) in_flight: usize,
    pub(crate) being_stored: usize,
    /// Requests for parts that had been asked for before.
    pub(crate) again: usize,
    pub(crate) again_bytes: u64,
    pub(crate) ms: u64,
}

impl Cost {
    /// Parts that the blows found on their way.
    pub(crate) fn found(&self) -> usize {
        self.in_flight + self.being_stored
    }
}

impl std::ops::AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        self.blows += other.blows;
        self.in_flight += other.in_flight;
        self.being_stored += other.being_stored;
        self.again += other.again;
        self.again_bytes += other.again_bytes;
        self.ms += other.ms;
    }
}

impl std::fmt::Display for Cost {
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} blows; {} parts in flight, {} more being stored; {} asked for again ({:.1} MB); {:.1} s",
            self.blows,
            self.in_flight,
            self.being_stored,
            self.again,
            self.again_bytes as f64 / 1e6,
            self.ms as f64 / 1e3
        )
    }
}

impl Ledger {
    /// For a download that is about to begin, whose parts have `part` bytes. The server's log begins with it.
    pub(crate) fn new(world: &World, model: &Model, part: u64) -> Self {
        world.server.log().clear();
        Self {
            file: model.file.clone(),
            part,
            began: now(),
            blows: Vec::new(),
        }
    }

    /// Strikes, and writes down what was in flight then.
    pub(crate) async fn strike<T>(
        &mut self,
        world: &mut World,
        name: &str,
        blow: impl AsyncFnOnce(&mut World) -> Result<T>,
    ) -> Result<T> {
        let before = now();
        let done = blow(world).await?;
        let log = self.requests(world);
        let under_way = |request: &&Entry| request.ended_at.is_none_or(|at| at >= before);
        let parts = |requests: Vec<&Entry>| -> BTreeSet<u64> {
            let of = requests.into_iter().filter_map(|entry| self.part_of(entry));
            of.collect()
        };
        let in_flight = parts(log.iter().filter(under_way).collect());
        let late = |request: &&Entry| {
            let ended = request.ended_at.is_some_and(|at| at + STORING_MS >= before);
            ended && !under_way(request)
        };
        let mut being_stored = parts(log.iter().filter(late).collect());
        being_stored.retain(|part| !in_flight.contains(part));
        self.blows.push(Blow {
            name: name.to_owned(),
            n: log.last().map_or(0, |request| request.n),
            sent: Self::sent(world),
            in_flight,
            being_stored,
        });
        Ok(done)
    }

    /// Bytes of the file that the server has not sent yet. A part that broke off may be resumed where it did.
    pub(crate) fn left(&self, world: &World) -> u64 {
        let mut sent: BTreeMap<u64, u64> = BTreeMap::new();
        for request in self.requests(world) {
            let Some((first, _)) = range(&request) else {
                continue;
            };
            let come = sent.entry(first / self.part).or_default();
            *come = (*come).max(first % self.part + request.sent);
        }
        self.file.bytes.saturating_sub(sent.values().sum())
    }

    /// Bytes that the server has sent, those of the probe and those that it sent again among them.
    pub(crate) fn sent(world: &World) -> u64 {
        let log = world.server.log().entries();
        log.iter().map(|request| request.sent).sum()
    }

    /// Demands of a download that is over: available, the right bytes, a sound history, and no more parts asked for again than
    /// `most` allows. Tells what each blow cost.
    pub(crate) async fn settle(
        self,
        world: &World,
        page: &Page,
        most: impl Fn(&Cost) -> usize,
    ) -> Result<Cost> {
        let ms = now() - self.began;
        let id = &self.file.seed;
        let snapshot = page.snapshot(id).await?;
        ensure!(snapshot.phase == "available", "{snapshot:?}");
        let history = page.history(id).await?;
        history.check()?;
        let begun = history.count("requested") - history.count("cached-hit");
        ensure!(begun == 1, "not one attempt: {:?}", history.course());
        let started = history.0.iter().find(|entry| entry.kind() == "started");
        let started = &started.context("nothing was ever started")?.event;
        let part = started["files"][0]["partBytes"].as_u64();
        ensure!(part == Some(self.part), "parts of {part:?} bytes");
        let (size, hash) = page.hash_of(id).await?;
        ensure!(
            size == self.file.bytes && hash == self.file.sha256(),
            "{size} bytes with the hash {hash}"
        );

        let mut total = Cost::default();
        for cost in self.costs(world) {
            total += cost;
        }
        // What a blow interrupts may be asked for again only after the next one, so that the sum is what counts.
        let most = most(&total);
        ensure!(
            total.again <= most && total.again_bytes <= most as u64 * self.part,
            "more than {most} parts were asked for again: {total}\n{}",
            self.told(world)
        );
        total.ms = ms;
        println!("{id}: {total}; {:?}", history.course());
        Ok(total)
    }

    fn costs(&self, world: &World) -> Vec<Cost> {
        let log = self.requests(world);
        let mut asked = BTreeSet::new();
        let mut costs = vec![Cost::default()];
        costs.extend(self.blows.iter().map(|blow| Cost {
            blows: 1,
            in_flight: blow.in_flight.len(),
            being_stored: blow.being_stored.len(),
            ..Cost::default()
        }));
        for request in &log {
            let Some((first, last)) = range(request) else {
                continue;
            };
            if asked.insert(first / self.part) {
                continue;
            }
            let fallen = self.blows.iter().filter(|blow| blow.n < request.n).count();
            costs[fallen].again += 1;
            costs[fallen].again_bytes += last - first + 1;
        }
        let megabytes = |bytes: u64| bytes / 1_000_000;
        for (blow, cost) in self.blows.iter().zip(&costs[1..]) {
            println!(
                "  {} at {} MB: {} parts in flight, {} being stored; {} asked for again, {} MB",
                blow.name,
                megabytes(blow.sent),
                cost.in_flight,
                cost.being_stored,
                cost.again,
                megabytes(cost.again_bytes)
            );
        }
        costs
    }

    /// Every request for a part, with the blows between them.
    fn told(&self, world: &World) -> String {
        use std::fmt::Write as _;
        let mut text = String::new();
        let mut blows = self.blows.iter().peekable();
        let mut asked = BTreeSet::new();
        for request in self.requests(world) {
            while let Some(blow) = blows.next_if(|blow| blow.n < request.n) {
                let Blow {
                    name,
                    in_flight,
                    being_stored,
                    ..
                } = blow;
                let _ = writeln!(
                    text,
                    "-- {name}: {in_flight:?} in flight, {being_stored:?} being stored"
                );
            }
            let Some(part) = self.part_of(&request) else {
                continue;
            };
            let again = if asked.insert(part) { "" } else { " again" };
            let at = request.at.saturating_sub(self.began);
            let ended = request.ended_at.map(|at| at.saturating_sub(self.began));
            let _ = writeln!(
                text,
                "{at:>7} to {ended:?} ms: part {part}{again}, {} bytes, {:?}, connection {}",
                request.sent, request.outcome, request.connection
            );
        }
        text
    }

    /// Requests for parts of the file, probes (`bytes=0-0`) left out.
    fn requests(&self, world: &World) -> Vec<Entry> {
        let mut log = world.server.log().entries();
        let path = self.file.path();
        log.retain(|request| {
            request.path == path && range(request).is_some_and(|(_, last)| last > 0)
        });
        log
    }

    fn part_of(&self, request: &Entry) -> Option<u64> {
        let (first, _) = range(request)?;
        Some(first / self.part)
    }
}
