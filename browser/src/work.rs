//! The work itself: asking servers, fetching and harvesting parts. Nothing here decides; every outcome is plain data
//! for the core.

use std::rc::Rc;

use futures_util::future::{Either, join_all, select};
use longhaul_core::{Answer, Fault, PartRequest, Rest, measure};

use crate::cancel::Cancel;
use crate::hash::HashError;
use crate::links::FullUrls;
use crate::meter::Meter;
use crate::net::NetError;
use crate::parts::{PartError, Range};
use crate::platform::{Platform, Question};
use crate::translate;

/// Asks every server for size, validator and Range support, all at once. One that says nothing for `stall_ms`
/// milliseconds is not waited for any longer.
pub async fn probe<P: Platform>(
    platform: &P,
    download: &str,
    full: &FullUrls,
    stall_ms: u64,
) -> Vec<Result<Answer, Fault>> {
    let stall_ms = u32::try_from(stall_ms).unwrap_or(u32::MAX);
    let asked = full.urls.iter().map(async |url| {
        let answered = Box::pin(probe_one(platform, download, url));
        match select(answered, platform.sleep(stall_ms)).await {
            Either::Left((answered, _)) => answered,
            Either::Right(_) => Err(Fault::Network),
        }
    });
    join_all(asked).await
}

/// `GET` of the first byte, because many servers that honour Range do not say so, and some refuse `HEAD`; then `HEAD`
/// where that did not tell the size.
async fn probe_one<P: Platform>(platform: &P, download: &str, url: &str) -> Result<Answer, Fault> {
    let question = Question {
        url,
        range: Some((0, 0)),
        headers_of: Some(download),
        ..Question::default()
    };
    let Ok((first, body)) = platform.ask(&question).await else {
        // Chromium refuses a compressed answer to a request with a range; without one it is welcome.
        return match head(platform, download, url).await {
            Some(head) if translate::is_compressed(&head) => Ok(head),
            _ => Err(diagnose(platform, url, true).await),
        };
    };
    // Nobody wants it, and its transfer ends with it.
    drop(body);
    let mut first = translate::answer(&first, platform.now_ms());
    let tells = match first.status {
        206 => first.content_range.is_some(),
        200 => first.content_length.is_some(),
        404 | 410 | 401 | 403 | 407 | 408 | 425 | 429 | 500..=599 => true,
        416 => first.content_range.as_deref() == Some("bytes */0"),
        _ => false,
    };
    if !tells && let Some(head) = head(platform, download, url).await {
        first = head;
    }
    // Across origins a content encoding may be hidden, and then the length is that of other bytes.
    if first.status == 200 && platform.is_cross_origin(url) {
        first.content_length = None;
    }
    Ok(first)
}

/// What `HEAD` tells, where it is answered with 200.
async fn head<P: Platform>(platform: &P, download: &str, url: &str) -> Option<Answer> {
    let question = Question {
        url,
        head: true,
        headers_of: Some(download),
        ..Question::default()
    };
    let (head, _) = platform.ask(&question).await.ok()?;
    (head.status == 200).then(|| translate::head(translate::answer(&head, platform.now_ms())))
}

/// Finds out what silence means.
async fn diagnose<P: Platform>(platform: &P, url: &str, never_answered: bool) -> Fault {
    if !platform.online() {
        return Fault::Offline;
    }
    let question = Question {
        url,
        head: true,
        opaque: true,
        ..Question::default()
    };
    let answers = platform.ask(&question).await.is_ok();
    let may_be_cors = never_answered && platform.is_cross_origin(url);
    translate::no_answer(platform.online(), answers, may_be_cors)
}

/// Why a part is not at rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchFault {
    /// Nobody wants it any more.
    Cancelled,
    /// The bytes did not come, or are not those that were asked for.
    Fault(Fault),
}

impl From<Fault> for FetchFault {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// A part to be fetched.
pub struct Fetch<'a> {
    /// The download whose headers are sent.
    pub download: &'a str,
    /// The part.
    pub part: &'a PartRequest,
    /// The full URL of its resource.
    pub url: &'a str,
    /// Parameters of that URL that are secret.
    pub secret_params: &'a [String],
    /// Counts what comes.
    pub meter: &'a Rc<Meter>,
    /// For how long nothing may come, in milliseconds.
    pub stall_ms: u64,
}

/// Fetches one part and stores it. The bytes pass by as a Blob: measured, it is twice as fast as storing the stream.
///
/// Cancelled, the transfer ends at once; what came whole is stored all the same, so that nobody deletes or counts what
/// is at rest while it is being written.
pub async fn fetch_part<P: Platform>(
    platform: &P,
    fetch: &Fetch<'_>,
    cancel: &Cancel,
    moved: impl Fn() + 'static,
) -> Result<Range, FetchFault> {
    let url = fetch.part.url(fetch.url, fetch.secret_params);
    let transfer = transfer(platform, fetch, &url, Box::new(moved));
    let came = cancel.race(transfer).await.ok_or(FetchFault::Cancelled)?;
    let (answer, blob) = match came {
        Ok(came) => came,
        Err(Broken::Silent) => {
            let diagnosis = cancel.race(diagnose(platform, &url, false)).await;
            return Err(diagnosis.map_or(FetchFault::Cancelled, FetchFault::Fault));
        }
        Err(Broken::Wrong(fault)) => return Err(fault.into()),
    };
    Ok(store(platform, fetch.part, &answer, &blob).await?)
}

/// Why a transfer brought nothing.
enum Broken {
    /// There was no answer, or it ended early: the browser does not say why.
    Silent,
    /// This was wrong with it.
    Wrong(Fault),
}

/// One transfer, watched: one that brings nothing for too long is broken.
async fn transfer<P: Platform>(
    platform: &P,
    fetch: &Fetch<'_>,
    url: &str,
    moved: Box<dyn Fn()>,
) -> Result<(Answer, P::Blob), Broken> {
    let brought = Box::pin(bring(platform, fetch, url, moved));
    let silence = Box::pin(stalled(platform, fetch.meter, fetch.stall_ms));
    match select(brought, silence).await {
        Either::Left((brought, _)) => brought,
        Either::Right(_) => Err(Broken::Wrong(Fault::Network)),
    }
}

/// Waits until nothing has come for `after_ms` milliseconds. A silent connection is reported by no browser.
async fn stalled<P: Platform>(platform: &P, meter: &Meter, after_ms: u64) {
    loop {
        let idle = meter.idle_ms(platform.now_ms());
        if idle >= after_ms {
            return;
        }
        let ms = u32::try_from(after_ms - idle).unwrap_or(u32::MAX);
        platform.sleep(ms).await;
    }
}

async fn bring<P: Platform>(
    platform: &P,
    fetch: &Fetch<'_>,
    url: &str,
    moved: Box<dyn Fn()>,
) -> Result<(Answer, P::Blob), Broken> {
    let part = fetch.part;
    let range = part
        .file
        .part_bytes
        .and_then(|_| part.range())
        .filter(|range| range.len > 0)
        .map(|range| (range.start, range.end() - 1));
    let question = Question {
        url,
        range,
        headers_of: Some(fetch.download),
        ..Question::default()
    };
    let (raw, body) = match platform.ask(&question).await {
        Ok(answered) => answered,
        Err(NetError::Aborted | NetError::Failed { .. }) => return Err(Broken::Silent),
    };
    let answer = translate::answer(&raw, platform.now_ms());
    // What can be told without the body is told without it. A body of the right length passes this test.
    let expected = part
        .range()
        .map_or(answer.content_length.unwrap_or(1), |range| range.len);
    measure(part, &answer, expected).map_err(Broken::Wrong)?;
    let blob = platform.read(body, Some((fetch.meter, moved))).await;
    Ok((answer, blob.ok_or(Broken::Silent)?))
}

/// Measures a body and stores it.
async fn store<P: Platform>(
    platform: &P,
    part: &PartRequest,
    answer: &Answer,
    blob: &P::Blob,
) -> Result<Range, Fault> {
    let range = measure(part, answer, P::size(blob))?;
    match platform.put(&part.file.key(), range.start, blob).await {
        Ok(len) => Ok(Range {
            start: range.start,
            len,
        }),
        Err(PartError::Quota) => Err(Fault::Quota),
        Err(error) => {
            tracing::warn!("a part could not be stored: {}", error);
            Err(Fault::Network)
        }
    }
}

/// What came of a harvest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Harvest {
    /// Parts that were stored, by file key.
    pub stored: Vec<(String, Range)>,
    /// What was wrong with those that could not be.
    pub faults: Vec<Fault>,
}

/// Stores every completed record of a job that is not at rest yet, one after the other, from the records' URLs alone.
/// Doing it twice, or in two contexts at once, stores the same bytes under the same keys.
///
/// With `wait` unfinished records are waited for: only where the job has ended, and their end is certain.
pub async fn harvest<P: Platform>(platform: &P, records: Vec<P::Record>, wait: bool) -> Harvest {
    let mut harvest = Harvest::default();
    let mut listed = Rest::new();
    for record in records {
        let Some(part) = PartRequest::parse(&P::record_url(&record)) else {
            tracing::warn!("ignored a record that is not of our making");
            continue;
        };
        let key = part.file.key();
        if !listed.contains_key(&key) {
            let at_rest = platform.list(&key).await.unwrap_or_default();
            listed.insert(key.clone(), at_rest.iter().map(Range::to_core).collect());
        }
        let layout = part.file.layout();
        let mut ranges = listed.get(&key).into_iter().flatten().copied();
        if ranges.any(|range| layout.index_of(range) == Some(part.index)) {
            continue;
        }
        match harvest_one(platform, &part, &record, wait).await {
            Some(Ok(range)) => harvest.stored.push((key, range)),
            Some(Err(fault)) => harvest.faults.push(fault),
            None => {}
        }
    }
    harvest
}

async fn harvest_one<P: Platform>(
    platform: &P,
    part: &PartRequest,
    record: &P::Record,
    wait: bool,
) -> Option<Result<Range, Fault>> {
    let Ok((raw, body)) = platform.record_answer(record, wait).await? else {
        return Some(Err(Fault::Network));
    };
    let answer = translate::answer(&raw, platform.now_ms());
    // An answer that cannot be right needs no reading.
    let plausible = part.range().map_or(1, |range| range.len);
    if let Err(fault @ Fault::Status { .. }) = measure(part, &answer, plausible) {
        return Some(Err(fault));
    }
    let Some(blob) = platform.read(body, None).await else {
        return Some(Err(Fault::Truncated));
    };
    Some(store(platform, part, &answer, &blob).await)
}

/// Why there is no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// The parts cannot be composed.
    #[error(transparent)]
    Parts(#[from] PartError),
    /// Reading or hashing them ended early.
    #[error(transparent)]
    Hash(#[from] HashError),
}
