//! How Chromium transfers a record: rounds 20 s apart, resumed after a reset, and successes that are none.

use std::rc::Rc;

use longhaul_runner::answer::HttpResponse;
use longhaul_runner::job::JobFailure;

use super::bytes::{Bytes, Piece};
use super::jobs::{self, Job, Record};
use super::manager::thawed;
use super::network::{chunk, is_out_of_reach, short};
use super::servers::{Asked, Break, Flow, Reply, Server, Tag};
use super::world::{MS, SECOND, World};

/// How far apart rounds are.
const ROUND: u64 = 20 * SECOND;
/// Rounds after which a record is given up.
const ROUNDS: u32 = 5;
/// Resumptions after which a record is called a success, without a body.
const RESUMPTIONS: u32 = 15;
/// How long after its last byte a record shows its answer.
const LATE: (u64, u64) = (200 * MS, 300 * MS);
/// For how long a silent connection is borne.
const SILENCE: u64 = 280 * SECOND;

impl Record {
    /// Forgets what came, unless all of it did.
    pub fn begin_anew(&mut self) {
        self.taken = false;
        if self.done.is_none() {
            self.downloaded = 0;
        }
    }
}

impl Job {
    /// Takes a record that nobody transfers yet; whether there was one to take.
    pub fn take_record(&mut self, index: usize) -> bool {
        let Some(record) = self.records.get_mut(index) else {
            return false;
        };
        !std::mem::replace(&mut record.taken, true) && record.done.is_none()
    }
}

/// What a record has, between two connections.
#[derive(Default)]
struct Coming {
    pieces: Vec<Piece>,
    /// Status and headers that the record will show: those of its first answer.
    first: Option<HttpResponse>,
    /// The version that a resumption names.
    version: Option<u32>,
    rounds: u32,
    resumptions: u32,
}

impl Coming {
    fn len(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.len).sum()
    }
}

/// What to do after a connection.
enum Then {
    Done(Box<HttpResponse>, Bytes),
    Again(u64),
    Failed(JobFailure),
}

/// Transfers one record to its end.
pub async fn record(world: &Rc<World>, job: &str, index: usize) -> Result<(), JobFailure> {
    let (url, range) = {
        let jobs = world.jobs.borrow();
        let Some(record) = jobs.known.get(job).and_then(|job| job.records.get(index)) else {
            return Err(JobFailure::Unknown);
        };
        (record.url.clone(), record.range)
    };
    let mut coming = Coming::default();
    loop {
        match connect(world, job, index, (&url, range), &mut coming).await {
            Then::Done(answer, bytes) => {
                world.trace(|| {
                    format!(
                        "record {}: {} {:?}",
                        short(&url),
                        answer.status,
                        bytes.pieces()
                    )
                });
                came(world, job, index, (*answer, bytes));
                return Ok(());
            }
            Then::Again(us) => world.sleep(us).await,
            Then::Failed(failure) => {
                if let Some(answer) = coming.first.filter(|first| first.status >= 300) {
                    finish(world, job, index, (answer, Bytes::default()));
                }
                return Err(failure);
            }
        }
    }
}

/// All bytes of a record came. Its job shows them at once, and the record itself only a while later; the next one is
/// asked for meanwhile.
fn came(world: &Rc<World>, job: &str, index: usize, done: (HttpResponse, Bytes)) {
    jobs::show(world, job);
    let (own, job) = (Rc::clone(world), job.to_owned());
    world.spawn(world.browser(), async move {
        own.while_between(LATE.0, LATE.1).await;
        finish(&own, &job, index, done);
        own.jobs_moved.wake();
    });
}

fn finish(world: &Rc<World>, job: &str, index: usize, done: (HttpResponse, Bytes)) {
    if let Some(job) = world.jobs.borrow_mut().known.get_mut(job)
        && let Some(record) = job.records.get_mut(index)
    {
        record.downloaded = done.1.len();
        record.done = Some(done);
    }
    jobs::show(world, job);
}

async fn connect(
    world: &Rc<World>,
    job: &str,
    index: usize,
    (url, range): (&str, Option<(u64, u64)>),
    coming: &mut Coming,
) -> Then {
    let server = |world: &World| {
        let mut network = world.network.borrow_mut();
        let server = network.server(url)?;
        Some((server.is_resumable(), server.rate, server.tag))
    };
    let Some((resumable, rate, tag)) = server(world) else {
        return Then::Failed(JobFailure::FetchError);
    };
    thawed(world, resumable).await;
    world.while_between(2 * MS, 60 * MS).await;
    if !world.online() {
        world.coverage.reached("a job waits for the network");
        world.came_online().await;
        return Then::Again(10 * SECOND);
    }
    if is_out_of_reach(world, url) {
        // A record whose first request finds no server has no status, whatever comes of later ones.
        coming.first.get_or_insert_default();
        return round(world, coming, JobFailure::FetchError);
    }
    let begun = coming.len();
    let asked = match range {
        // Once an answer's headers have come, whether any byte of its body has or not.
        Some((first, last)) => Asked {
            range: Some((first + begun, last)),
            if_match: coming.version,
            ..Asked::default()
        },
        None => Asked {
            range: (begun > 0).then_some((begun, u64::MAX)),
            if_range: coming.version.filter(|_| begun > 0),
            ..Asked::default()
        },
    };
    let (reply, claimed) = {
        let mut network = world.network.borrow_mut();
        let Some(server) = network.server(url) else {
            return Then::Failed(JobFailure::FetchError);
        };
        if let Some((trouble, _)) = server.trouble {
            world.coverage.reached(trouble.met());
        }
        (server.reply(&asked), server.claimed)
    };
    world.trace(|| format!("job asked {} {:?}", short(url), asked.range));
    let (answer, flow) = match reply {
        Reply::HttpResponse(answer, flow) => (Server::as_record(*answer), flow),
        Reply::Hidden => {
            world.coverage.reached("a job met CORS");
            return Then::Failed(JobFailure::FetchError);
        }
        Reply::Refused if begun == 0 => return round(world, coming, JobFailure::BadStatus),
        Reply::Refused => return Then::Again(ROUND),
        Reply::Silence => {
            world.coverage.reached("a job's server says nothing");
            world.sleep(SILENCE).await;
            return round(world, coming, JobFailure::FetchError);
        }
    };
    match answer.status {
        401 | 403 | 404 => {
            world.coverage.reached("a record was refused for good");
            coming.first = Some(answer);
            return Then::Failed(JobFailure::BadStatus);
        }
        412 if asked.if_match.is_some() => {
            world
                .coverage
                .reached("a resumption found another version, and asks again");
            return resumption(world, coming, ROUND);
        }
        304.. => {
            coming.first.get_or_insert(answer);
            return round(world, coming, JobFailure::BadStatus);
        }
        200 if range.is_some() => {
            world.coverage.reached("an empty success");
            return Then::Done(Box::new(answer), Bytes::default());
        }
        200 if begun > 0 => {
            world
                .coverage
                .reached("a resumption was answered with everything");
            coming.pieces.clear();
        }
        _ => {}
    }
    if coming.first.as_ref().is_some_and(is_bad) {
        world
            .coverage
            .reached("a record shows the status of a round that failed");
    }
    coming.first.get_or_insert(answer);
    coming.version = Some(claimed).filter(|_| tag != Tag::None);
    flowing(world, (job, index), url, (flow, rate, resumable), coming).await
}

/// Whether an answer is one of a round that failed.
fn is_bad(answer: &HttpResponse) -> bool {
    answer.status == 0 || answer.status >= 300
}

/// A round that brought nothing.
fn round(world: &World, coming: &mut Coming, failure: JobFailure) -> Then {
    coming.rounds += 1;
    if coming.rounds >= ROUNDS {
        world.coverage.reached("a job gave up after five rounds");
        return Then::Failed(failure);
    }
    Then::Again(ROUND)
}

/// The body comes.
async fn flowing(
    world: &Rc<World>,
    (job, index): (&str, usize),
    url: &str,
    (flow, rate, resumable): (Flow, u64, bool),
    coming: &mut Coming,
) -> Then {
    let Flow { bytes, breaks } = flow;
    let mut came = 0;
    while came < bytes.len {
        thawed(world, resumable).await;
        let next = chunk(bytes.len).min(bytes.len - came);
        world.sleep(next * SECOND / rate.max(1)).await;
        let broken = breaks.filter(|(after, _)| came + next > *after);
        let gone = is_out_of_reach(world, url).then_some((0, Break::Reset));
        if let Some((_, how)) = broken.or(gone) {
            return interrupted(world, (job, index), how, resumable, coming).await;
        }
        coming.pieces.push(Piece {
            start: bytes.start + came,
            len: next,
            ..bytes
        });
        came += next;
        if let Some(job) = world.jobs.borrow_mut().known.get_mut(job)
            && let Some(record) = job.records.get_mut(index)
        {
            record.downloaded = coming.len();
        }
        let over = world
            .jobs
            .borrow()
            .known
            .get(job)
            .is_some_and(|job| job.total > 0 && job.downloaded() > job.total);
        if over {
            world.coverage.reached("a job brought more than announced");
            return Then::Failed(JobFailure::TotalExceeded);
        }
        jobs::show(world, job);
    }
    let answer = coming.first.take().unwrap_or_default();
    let bytes = Bytes::new(std::mem::take(&mut coming.pieces));
    world.coverage.sometimes(
        bytes.pieces().len() > 1,
        "a record was spliced of two versions",
    );
    Then::Done(Box::new(answer), bytes)
}

/// The body ended before its end.
async fn interrupted(
    world: &Rc<World>,
    (job, index): (&str, usize),
    how: Break,
    resumable: bool,
    coming: &mut Coming,
) -> Then {
    let pause = match how {
        Break::Closed => MS,
        Break::Reset | Break::Silence => ROUND,
    };
    let then = resumption(world, coming, pause);
    if matches!(then, Then::Done(..)) {
        return then;
    }
    if how == Break::Silence {
        world.sleep(SILENCE).await;
    }
    if resumable {
        world.coverage.reached("a job resumed inside a part");
    } else {
        world.coverage.reached("a job began a record anew");
        let first = coming.first.take().filter(is_bad);
        *coming = Coming {
            first,
            rounds: coming.rounds,
            resumptions: coming.resumptions,
            ..Coming::default()
        };
        if let Some(job) = world.jobs.borrow_mut().known.get_mut(job)
            && let Some(record) = job.records.get_mut(index)
        {
            record.downloaded = 0;
        }
    }
    then
}

/// A connection that ended before its end is followed by another one, but not for ever.
fn resumption(world: &World, coming: &mut Coming, pause: u64) -> Then {
    coming.resumptions += 1;
    if coming.resumptions > RESUMPTIONS {
        world.coverage.reached("an empty success after many resets");
        let answer = coming.first.take().unwrap_or_default();
        return Then::Done(Box::new(answer), Bytes::default());
    }
    Then::Again(pause)
}
