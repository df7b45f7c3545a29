//! Servers that answer ranged requests wrongly: the right phase, the right reason, and the right bytes or none.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use longhaul_demo::{Generated, changed};
use serde_json::json;

use crate::suite::{Cell, Suite};
use crate::support::model::{BLANK, MIB, check_transport};
use crate::support::page::Page;
use crate::support::world::World;

/// Five parts and a bit.
const SIZE: u64 = 5 * MIB + 4321;

/// An offset in the middle of the file: `at=` confines a fault to the part that holds it, and spares the probe.
const MIDDLE: u64 = 2 * MIB + 5;

/// The size of the file that another one becomes.
const OTHER_SIZE: u64 = 4 * MIB + 99;

/// How long one case may take, and several of them that run side by side.
const LIMIT: Duration = Duration::from_secs(45);
const LIMIT_OF_ALL: Duration = Duration::from_secs(150);

/// How soon it must be known that a server does not allow the page's origin.
const CORS: Duration = Duration::from_secs(15);

/// How a case ends.
#[derive(Debug, Clone, Copy)]
enum End {
    /// Available, with exactly the bytes of the file.
    Whole,
    /// Available, with exactly the bytes of the file that it became, of this size.
    Other(u64),
    /// Failed for this reason, and nothing can be read.
    Failed(&'static str),
}

/// One way in which a server misbehaves.
struct Case {
    name: &'static str,
    query: String,
    /// On the server's second origin.
    cross: bool,
    hashed: bool,
    /// Whether a background job hides what is wrong, so that the right bytes count with it.
    hidden_by_jobs: bool,
    end: End,
}

fn case(name: &'static str, query: impl Into<String>, end: End) -> Case {
    Case {
        name,
        query: query.into(),
        cross: false,
        hashed: false,
        hidden_by_jobs: false,
        end,
    }
}

impl Case {
    fn hashed(mut self) -> Self {
        self.hashed = true;
        self
    }

    fn across(mut self) -> Self {
        self.cross = true;
        self
    }

    fn hidden_by_jobs(mut self) -> Self {
        self.hidden_by_jobs = true;
        self
    }
}

/// A fault in the answers for one part.
fn wrong(name: &'static str, fault: &str, end: End) -> Case {
    case(name, format!("{fault}&at={MIDDLE}"), end)
}

fn wrong_answers() -> Vec<Case> {
    vec![
        wrong(
            "206 with another range",
            "wrongRange=1",
            End::Failed("bad-status"),
        ),
        wrong(
            "206 with another range, once",
            "wrongRange=1&times=1",
            End::Whole,
        ),
        wrong(
            "206 without Content-Range",
            "wrongRange=missing",
            End::Failed("bad-status"),
        ),
        wrong(
            "206 with another range across",
            "wrongRange=1",
            End::Failed("bad-status"),
        )
        .across()
        .hidden_by_jobs(),
        wrong(
            "206 with another total across",
            "wrongTotal=1",
            End::Failed("changed"),
        )
        .across()
        .hidden_by_jobs(),
        wrong(
            "206 with another total",
            "wrongTotal=1",
            End::Failed("changed"),
        ),
        wrong(
            "200 to a ranged request",
            "status=200",
            End::Failed("bad-status"),
        ),
        wrong(
            "200 to a ranged request, once",
            "status=200&times=1",
            End::Whole,
        )
        .hashed(),
        wrong(
            "a shorter body",
            "wrongLength=shorter",
            End::Failed("truncated"),
        ),
        wrong("no body", "empty=1", End::Failed("truncated")),
        wrong(
            "a shorter body, once",
            "wrongLength=shorter&times=1",
            End::Whole,
        ),
        wrong("a longer body", "extra=5", End::Failed("truncated")),
        wrong("a longer body, once", "extra=5&times=1", End::Whole).hashed(),
    ]
}

fn refusals() -> Vec<Case> {
    vec![
        wrong("412", "status=412", End::Failed("changed")),
        wrong("416", "status=416", End::Failed("changed")),
        wrong("416, once", "status=416&times=1", End::Whole).hashed(),
    ]
}

fn changing_files() -> Vec<Case> {
    vec![
        case("another version", "changeAfter=4", End::Other(SIZE)),
        case(
            "another version, hashed",
            "changeAfter=4",
            End::Failed("integrity"),
        )
        .hashed(),
        case(
            "another size",
            "changeAfter=4&changeSize=4194403",
            End::Other(OTHER_SIZE),
        ),
        case(
            "another version without ETag",
            "changeAfter=4&noEtag=1",
            End::Other(SIZE),
        ),
        case("another version across", "changeAfter=4", End::Other(SIZE)).across(),
    ]
}

fn encodings_and_headers() -> Vec<Case> {
    vec![
        case("no ranges", "noRange=1", End::Whole),
        case("gzip", "gzip=1", End::Whole),
        case("gzip across", "gzip=1", End::Whole).across(),
        case("gzip of each range", "gzip=part", End::Whole).hashed(),
        case("hidden headers", "hideHeaders=1", End::Whole).across(),
        case("hidden headers, hashed", "hideHeaders=1", End::Whole)
            .across()
            .hashed(),
        case("readable headers across", "", End::Whole).across(),
        case("no CORS", "cors=off", End::Failed("cors")).across(),
        // To a page these look like no CORS, and that would be final.
        case(
            "a first connection that breaks",
            "drop=rst&times=1",
            End::Whole,
        )
        .across(),
        case(
            "first connections that break",
            "drop=rst&times=2",
            End::Whole,
        )
        .across(),
    ]
}

pub(crate) fn announce(suite: &mut Suite) {
    suite.for_each_engine("wrong answers", async |world: &mut World, cell: &Cell| {
        run_all(world, cell, &wrong_answers()).await
    });
    // A job repeats such requests for 100 s before it fails, unless the page helps it.
    suite
        .for_each_engine("412 and 416", async |world: &mut World, cell: &Cell| {
            run_together(world, cell, &refusals()).await
        })
        .patient();
    suite.for_each_engine("no CORS", no_cors);
    suite.for_each_engine(
        "files that change",
        async |world: &mut World, cell: &Cell| run_all(world, cell, &changing_files()).await,
    );
    suite.for_each_engine(
        "encodings and headers",
        async |world: &mut World, cell: &Cell| run_all(world, cell, &encodings_and_headers()).await,
    );
}

/// A page whose delays are short: the policy under test is the same, only faster.
async fn page_of(world: &World) -> Result<Page> {
    let page = world.browser.open(BLANK).await?;
    let retry = json!({ "limit": 2, "baseMs": 50, "maxMs": 100, "unreachableMs": 2000 });
    page.longhaul(json!({ "retry": retry })).await?;
    Ok(page)
}

/// Runs the cases one after the other.
async fn run_all(world: &World, cell: &Cell, cases: &[Case]) -> Result<()> {
    let page = page_of(world).await?;
    let mut outcomes = Vec::new();
    for case in cases {
        let began = Instant::now();
        let outcome = match case.ask(world, &page).await {
            Ok(()) => case.judge(world, &page, LIMIT).await,
            Err(error) => Err(error),
        };
        outcomes.push((case, began.elapsed(), outcome));
    }
    tell(cell, &outcomes)
}

/// Runs the cases side by side, so that they take as long as the longest of them.
async fn run_together(world: &World, cell: &Cell, cases: &[Case]) -> Result<()> {
    let page = page_of(world).await?;
    for case in cases {
        case.ask(world, &page).await?;
    }
    let began = Instant::now();
    let mut outcomes = Vec::new();
    for case in cases {
        let left = LIMIT_OF_ALL.saturating_sub(began.elapsed());
        let outcome = case.judge(world, &page, left).await;
        outcomes.push((case, began.elapsed(), outcome));
    }
    tell(cell, &outcomes)
}

fn tell(cell: &Cell, outcomes: &[(&Case, Duration, Result<()>)]) -> Result<()> {
    let mut failed = Vec::new();
    for (case, took, outcome) in outcomes {
        cell.case(case.name, *took, outcome);
        if outcome.is_err() {
            failed.push(case.name);
        }
    }
    ensure!(
        failed.is_empty(),
        "{} of {} cases: {}",
        failed.len(),
        outcomes.len(),
        failed.join("; ")
    );
    Ok(())
}

impl Case {
    fn file(&self) -> Generated {
        Generated::new(SIZE, &self.name.replace([' ', ','], "-"))
    }

    fn url(&self, world: &World) -> String {
        let origin = if self.cross {
            world.server.second_origin()
        } else {
            world.server.origin()
        };
        format!("{origin}{}?{}", self.file().path(), self.query)
    }

    async fn ask(&self, world: &World, page: &Page) -> Result<()> {
        let mut resource = json!({ "url": self.url(world) });
        if self.hashed {
            resource["sha256"] = json!(self.file().sha256());
        }
        page.request(&json!({ "id": self.name, "resources": [resource] }))
            .await?;
        Ok(())
    }

    async fn judge(&self, world: &World, page: &Page, limit: Duration) -> Result<()> {
        let (id, url, file) = (self.name, self.url(world), self.file());
        let snapshot = page.until_ended(id, limit).await?;
        // Where the page has helped the job it has seen what is wrong.
        let hidden = self.hidden_by_jobs && world.browser.engine().has_background_fetch();
        let end = if hidden && snapshot.phase == "available" {
            End::Whole
        } else {
            self.end
        };
        let checked = match end {
            End::Whole => check_available(page, id, &url, &file).await,
            End::Other(bytes) => {
                let path = file.path();
                let path = path.trim_start_matches("/models/");
                check_available(page, id, &url, &changed(path, bytes)).await
            }
            End::Failed(reason) => {
                let found = snapshot.failure_reason();
                if snapshot.phase == "failed" && found == reason {
                    check_handed_out(page, id, &url).await
                } else {
                    Err(anyhow::anyhow!("not failed for `{reason}`"))
                }
            }
        };
        checked.with_context(|| format!("ended as {snapshot:?}"))?;
        let history = page.history(id).await?;
        history.check()?;
        let mut tries = history.0.iter().filter(|entry| entry.kind() == "started");
        if let Some(first) = tries.next() {
            check_transport(world.browser.engine(), &first.event)?;
        }
        let refused = tries.find(|entry| entry.event["why"] == "refused");
        ensure!(refused.is_none(), "the browser refused a job: {refused:?}");
        Ok(())
    }
}

/// With the delays that apps have by default.
async fn no_cors(world: &mut World, cell: &Cell) -> Result<()> {
    let page = world.browser.open(BLANK).await?;
    page.longhaul(json!({})).await?;
    let case = case("forbidden", "cors=off", End::Failed("cors")).across();
    let began = Instant::now();
    case.ask(world, &page).await?;
    case.judge(world, &page, CORS).await?;
    cell.note(format_args!(
        "failed after {} ms",
        began.elapsed().as_millis()
    ));
    Ok(())
}

async fn check_available(page: &Page, id: &str, url: &str, file: &Generated) -> Result<()> {
    let expected = (file.bytes, file.sha256());
    let read: Vec<(u64, String)> = page
        .eval(
            "const lh = await longhaul();
             const download = await lh.get(args.id);
             if (download.snapshot.phase !== 'available') return [];
             const told = async (bytes) => [bytes.byteLength, await sha256(bytes)];
             return [
               await told(await (await download.blob()).arrayBuffer()),
               await told(await (await download.response()).arrayBuffer()),
               await told(await (await lh.match(args.url)).arrayBuffer()),
             ];",
            json!({ "id": id, "url": url }),
        )
        .await?;
    ensure!(!read.is_empty(), "not available");
    ensure!(
        read.iter().all(|bytes| *bytes == expected),
        "wrong bytes by blob(), response() or match(): {read:?}, not {expected:?}"
    );
    Ok(())
}

/// What failed must not be had by any of the ways in which bytes are handed out.
async fn check_handed_out(page: &Page, id: &str, url: &str) -> Result<()> {
    let matched: bool = page
        .eval(
            "return (await (await longhaul()).match(args)) !== undefined",
            json!(url),
        )
        .await?;
    ensure!(!matched, "match() hands out what failed");
    for way in ["blob", "response"] {
        let body = format!("await (await (await longhaul()).get(args)).{way}()");
        let thrown = page.throws(&body, json!(id)).await?;
        ensure!(thrown.code() == "not-available", "{way}() says {thrown}");
    }
    Ok(())
}
