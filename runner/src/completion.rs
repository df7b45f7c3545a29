//! Completions: what the worker does when the browser tells it, once, that a job has ended.

use std::rc::Rc;

use futures_util::future::{Either, select};
use longhaul_core::{Download, Input, JobEnd, JobId, Signal, TransferError};

use crate::driver::Driver;
use crate::job::JobState;
use crate::node::{CommitError, Node};
use crate::ports::{Platform, RecordOf, Runtime};
use crate::translate;
use crate::work::harvest;

/// Browsers stop a handler after five minutes. What is not done by then is left for the next page in good order.
const BUDGET_MS: u64 = 4 * 60_000;

/// Handles the end of a job: stores what it brought, then writes down what happened, then calls `accounted`, then does
/// what is left (hashes, deletions) as the download's owner. The download's id, and what became of it; `None` where the
/// job is not ours.
///
/// Bytes first: the event comes once, and what is not harvested when it ends is gone. So nothing is read before, but
/// where the app has aborted the download.
pub async fn complete<P: Platform>(
    node: &Rc<Node<P>>,
    state: &JobState,
    records: Option<Vec<RecordOf<P>>>,
    accounted: impl FnOnce(),
) -> Option<(String, Option<Download>)> {
    let began = node.platform.runtime().now_ms();
    let id = node.own_job(&state.id)?;
    let end = translate::job_end(state);
    let faults = if end == JobEnd::Abort && !is_wanted(node, &id.download).await {
        Vec::new()
    } else {
        harvest(&node.platform, records.unwrap_or_default(), true)
            .await
            .faults
    };
    let accounting = account(node, &id, &state.id, end, &faults).await;
    // Whoever waited for this completion finds it in the history from here on.
    accounted();
    match accounting {
        Ok(download) => {
            finish(node, &download.id, began).await;
            let download = node.load(&download.id).await.ok();
            Some((id.download, download))
        }
        Err(error) => {
            tracing::warn!("what became of a job could not be written down: {}", error);
            Some((id.download, None))
        }
    }
}

/// Whether bytes of an aborted job are still wanted; also where the history cannot be read.
async fn is_wanted<P: Platform>(node: &Node<P>, download: &str) -> bool {
    node.load(download).await.map_or(true, |download| {
        download.state.is_running() && download.mixed.is_empty()
    })
}

async fn account<P: Platform>(
    node: &Node<P>,
    id: &JobId,
    registration: &str,
    end: JobEnd,
    faults: &[TransferError],
) -> Result<Download, CommitError> {
    loop {
        let download = node.load(&id.download).await?;
        let observation = Box::new(node.observation(&download).await?);
        let ended = Input::Signal(Signal::JobEnded {
            registration: registration.to_owned(),
            end,
            faults: faults.to_vec(),
            observation,
        });
        if let Some(committed) = node.commit(download, Some(ended), None).await? {
            return Ok(committed.download);
        }
    }
}

/// Does what is left, as the download's owner: where a page is, it may be faster, and then nothing is left.
async fn finish<P: Platform>(node: &Rc<Node<P>>, download: &str, began: u64) {
    let driver = Driver::new(Rc::clone(node), download);
    let spent = node.platform.runtime().now_ms().saturating_sub(began);
    let left = u32::try_from(BUDGET_MS.saturating_sub(spent)).unwrap_or(u32::MAX);
    let work = Box::pin(Rc::clone(&driver).run());
    if let Either::Right(((), work)) = select(work, node.platform.runtime().sleep(left)).await {
        driver.close();
        work.await;
    }
}
