//! The browser's manager of background jobs: one at a time, two records in parallel, and one event for each job's end.

use std::rc::Rc;

use futures_util::future::{Either, select, try_join};
use longhaul_runner::job::{JobFailure, JobResult};

use super::jobs::{Phase, SHOWN_EVERY};
use super::transfer;
use super::worker;
use super::world::{MS, SECOND, World};

/// Runs jobs for as long as the browser lives, beginning after so many microseconds.
pub async fn manage(world: Rc<World>, delay: u64) {
    end_closed(&world).await;
    world.sleep(delay).await;
    loop {
        let next = world.jobs.borrow().next_queued();
        match next {
            Some(id) => run(&world, &id).await,
            None => world.jobs_moved.wait().await,
        }
    }
}

/// Jobs over which the browser was closed in good order fail a few seconds after the next launch.
async fn end_closed(world: &Rc<World>) {
    let closed: Vec<String> = {
        let jobs = world.jobs.borrow();
        let closed = jobs.known.values().filter(|job| job.closed);
        closed.map(|job| job.id.clone()).collect()
    };
    if closed.is_empty() {
        return;
    }
    world.while_between(3 * SECOND, 4 * SECOND).await;
    for id in closed {
        world.coverage.reached("a closed browser's job failed");
        deliver(world, &id, JobResult::Failure, JobFailure::FetchError);
    }
}

async fn run(world: &Rc<World>, id: &str) {
    let (aborted, records) = {
        let mut jobs = world.jobs.borrow_mut();
        let Some(job) = jobs.known.get_mut(id) else {
            return;
        };
        job.phase = Phase::Running;
        // The first progress comes at any of its moments.
        let ago = world.between(0, SHOWN_EVERY);
        job.shown_at = world.now().saturating_sub(ago);
        (job.aborted.clone(), job.records.len())
    };
    // The first byte is asked for soon, but for the first seconds of a browser's life.
    world.while_between(10 * MS, 20 * MS).await;
    let lanes = async {
        try_join(lane(world, id, records), lane(world, id, records)).await?;
        while is_late(world, id) {
            world.jobs_moved.wait().await;
        }
        Ok(())
    };
    let Some(ended) = aborted.race(lanes).await else {
        return deliver(world, id, JobResult::Failure, JobFailure::Aborted);
    };
    let (result, failure) = match ended {
        Ok(()) => judge(world, id),
        Err(failure) => (JobResult::Failure, failure),
    };
    if let Some(job) = world.jobs.borrow_mut().known.get_mut(id) {
        job.phase = Phase::Ending(result, failure);
    }
    world.trace(|| format!("job {id} has ended: {result:?} {failure:?}"));
    let (own, id) = (Rc::clone(world), id.to_owned());
    // The next job begins when the bytes of this one are in.
    world.spawn(world.browser(), async move {
        own.while_between(20 * MS, 3 * SECOND).await;
        deliver(&own, &id, result, failure);
    });
}

/// One of two connections: takes record after record.
async fn lane(world: &Rc<World>, id: &str, records: usize) -> Result<(), JobFailure> {
    for index in 0..records {
        let taken = {
            let mut jobs = world.jobs.borrow_mut();
            let job = jobs.known.get_mut(id);
            job.is_some_and(|job| job.take_record(index))
        };
        if taken {
            transfer::record(world, id, index).await?;
        }
    }
    Ok(())
}

/// Whether a record has its bytes, and does not show its answer yet.
fn is_late(world: &World, id: &str) -> bool {
    let jobs = world.jobs.borrow();
    let job = jobs.known.get(id);
    job.is_some_and(|job| job.records.iter().any(|record| record.done.is_none()))
}

fn judge(world: &World, id: &str) -> (JobResult, JobFailure) {
    let jobs = world.jobs.borrow();
    let Some(job) = jobs.known.get(id) else {
        return (JobResult::Failure, JobFailure::Unknown);
    };
    let done = job
        .records
        .iter()
        .filter_map(|record| record.done.as_ref())
        .map(|(answer, _)| answer.status);
    if done.into_iter().any(|status| status == 0 || status >= 300) {
        return (JobResult::Failure, JobFailure::BadStatus);
    }
    let usage = world.caches.borrow().usage() + jobs.usage();
    let quota = world.weather.borrow().quota;
    if job.total == 0 && quota.is_some_and(|quota| usage > quota) {
        world
            .coverage
            .reached("a job of unknown size found no room at its end");
        return (JobResult::Failure, JobFailure::QuotaExceeded);
    }
    (JobResult::Success, JobFailure::None)
}

/// Hands a job's end to the worker. From here on nobody else knows the job.
fn deliver(world: &Rc<World>, id: &str, result: JobResult, failure: JobFailure) {
    let Some(mut job) = world.jobs.borrow_mut().known.remove(id) else {
        return;
    };
    job.phase = Phase::Ending(result, failure);
    world.trace(|| format!("job {id} is over: {result:?} {failure:?}"));
    let state = job.state();
    world.jobs.borrow_mut().handled.insert(id.to_owned(), job);
    worker::dispatch(world, worker::Arrival::Completion(state));
}

/// Somebody aborts a job.
pub fn abort(world: &Rc<World>, id: &str) {
    let phase = {
        let jobs = world.jobs.borrow();
        let Some(job) = jobs.known.get(id).filter(|job| !job.closed) else {
            return;
        };
        job.aborted.cancel();
        job.phase
    };
    world.trace(|| format!("job {id} is aborted in phase {phase:?}"));
    match phase {
        Phase::Queued => {
            world.coverage.reached("a queued job was aborted");
            deliver(world, id, JobResult::Failure, JobFailure::Aborted);
        }
        Phase::Running => {
            world.coverage.reached("a running job was aborted");
        }
        Phase::Ending(..) => {
            world.coverage.reached("an abort came after the end");
        }
    }
}

/// The browser dies, or is closed in good order, over its jobs.
pub fn die(world: &World, in_good_order: bool) {
    let mut jobs = world.jobs.borrow_mut();
    jobs.forget_watchers();
    // Whatever a handler had not stored is gone, and no event comes again.
    let lost = !std::mem::take(&mut jobs.handled).is_empty();
    world
        .coverage
        .sometimes(lost, "a browser died over a completion");
    for job in jobs.known.values_mut() {
        match job.phase {
            Phase::Queued => {}
            Phase::Running if in_good_order => job.closed = true,
            Phase::Running => {
                job.phase = Phase::Queued;
                job.revived = true;
                let some = job.records.iter().any(|record| record.done.is_some());
                world
                    .coverage
                    .sometimes(some, "a killed job kept its finished records");
            }
            // Between the last byte and the event: a failure without a record.
            Phase::Ending(..) => {
                world
                    .coverage
                    .reached("a browser died between the last byte and the event");
                job.closed = true;
                for record in &mut job.records {
                    record.done = None;
                }
            }
        }
        job.aborted = longhaul_runner::cancel::Cancel::default();
        for record in &mut job.records {
            record.begin_anew();
        }
    }
}

/// Waits until no navigation holds a job up any more.
pub async fn thawed(world: &World, resumable: bool) {
    while resumable && world.jobs.borrow().frozen_until > world.now() {
        world.coverage.reached("a navigation froze a job");
        let until = world.jobs.borrow().frozen_until;
        world.executor.sleep_until(until).await;
    }
}

/// Waits, but no longer than for the end of `work`.
pub async fn within<T>(world: &World, us: u64, work: impl Future<Output = T>) -> Option<T> {
    match select(Box::pin(work), world.sleep(us)).await {
        Either::Left((done, _)) => Some(done),
        Either::Right(_) => None,
    }
}
