//! The work itself: asking servers, fetching and harvesting parts. Nothing here decides; every outcome is plain data
//! for the core.

use std::rc::Rc;

use futures_util::future::{Either, join_all, select};
use longhaul_core::{
    Download, HttpResponse, PartRequest, Range, Ranges, StoredParts, TransferError, measure,
    probe_url,
};

use crate::cancel::Cancel;
use crate::errors::PartError;
use crate::links::FullUrls;
use crate::meter::Meter;
use crate::ports::{
    BlobOf, Came, Http, HttpRequest, Jobs, Parts, Platform, RecordOf, Runtime, StoreStreamError,
};
use crate::translate;

/// Asks the servers of some resources for size, validator and Range support, all at once. One that says nothing for
/// `stall_ms` milliseconds is not waited for any longer.
pub async fn probe<P: Platform>(
    platform: &P,
    download: &Download,
    full: &FullUrls,
    resources: &[u32],
    stall_ms: u64,
) -> Vec<Result<HttpResponse, TransferError>> {
    let spec = download.spec.as_ref();
    let asked = resources.iter().map(async |resource| {
        let url = probe_url(full.url(*resource));
        let size = spec
            .and_then(|spec| spec.resources.get(*resource as usize))
            .and_then(|resource| resource.bytes);
        let answered = probe_one(platform, download, &url, size);
        let answered = unless_silent(platform, stall_ms, answered).await;
        answered.unwrap_or(Err(TransferError::Network))
    });
    join_all(asked).await
}

/// Waits for an answer, but not for ever: a silent connection is reported by no browser.
async fn unless_silent<P: Platform, T>(
    platform: &P,
    stall_ms: u64,
    answered: impl Future<Output = T>,
) -> Option<T> {
    let stall_ms = u32::try_from(stall_ms).unwrap_or(u32::MAX);
    match select(Box::pin(answered), platform.runtime().sleep(stall_ms)).await {
        Either::Left((answered, _)) => Some(answered),
        Either::Right(_) => None,
    }
}

/// `GET` of the first byte, because many servers that honour Range do not say so, and some refuse `HEAD`; then `HEAD`
/// where that did not tell the size. `size` is what the app says of it, in bytes.
async fn probe_one<P: Platform>(
    platform: &P,
    download: &Download,
    url: &str,
    size: Option<u64>,
) -> Result<HttpResponse, TransferError> {
    let request = HttpRequest {
        url,
        range: Some(longhaul_core::Range::new(0, 1)),
        headers_of: Some(download),
        ..HttpRequest::default()
    };
    let Ok((first, body)) = platform.http().send(&request).await else {
        return match head(platform, download, url).await {
            // Chromium refuses a compressed answer to a request with a range; without one it is welcome.
            Some(head) if head.status == 200 && translate::is_compressed(&head) => Ok(head),
            // What can be read is not refused by CORS: that connection broke.
            Some(_) => Err(diagnose(platform, url, false).await),
            None => Err(match diagnose(platform, url, true).await {
                // Final, and so not to be believed because of two broken connections.
                TransferError::Cors if platform.http().send(&request).await.is_ok() => {
                    TransferError::Network
                }
                fault => fault,
            }),
        };
    };
    // Nobody wants it, and its transfer ends with it.
    drop(body);
    let mut first = told(platform, url, &first);
    if hides_its_range(&first) {
        // Of the byte itself.
        first.content_length = None;
        if let Some(size) = hidden_size(platform, download, url, size).await? {
            first.content_range = Some(format!("bytes 0-0/{size}"));
            return Ok(first);
        }
    }
    let tells = match first.status {
        206 => first.content_range.is_some(),
        200 => first.content_length.is_some(),
        404 | 410 | 401 | 403 | 407 | 408 | 425 | 429 | 500..=599 => true,
        416 => first.content_range.as_deref() == Some("bytes */0"),
        _ => false,
    };
    if !tells
        && let Some(head) = head(platform, download, url).await
        && head.status == 200
    {
        first = head;
    }
    // Across origins a content encoding may be hidden, and then the length is that of other bytes.
    if first.status == 200 && first.cross_origin {
        first.content_length = None;
    }
    Ok(first)
}

/// What an answer says. What was asked of another origin is of another origin, also where a worker of the app has made the
/// answer anew and it no longer shows.
fn told<P: Platform>(
    platform: &P,
    url: &str,
    answer: &crate::answer::HttpResponse,
) -> HttpResponse {
    let mut answer = translate::answer(answer, platform.runtime().now_ms());
    answer.cross_origin |= platform.http().is_cross_origin(url);
    answer
}

/// Whether an answer may say which range it is, of how many bytes, where this origin cannot read it.
fn hides_its_range(answer: &HttpResponse) -> bool {
    answer.status == 206 && answer.cross_origin && answer.content_range.is_none()
}

/// The size of a file whose host lets nobody read `Content-Range`, but honours it: what the app says, or `HEAD`, or where
/// that is refused or tells the length of a compressed body, an answer to an open range, which no browser asks to be
/// compressed. Each is only believed where the file ends there.
async fn hidden_size<P: Platform>(
    platform: &P,
    download: &Download,
    url: &str,
    said: Option<u64>,
) -> Result<Option<u64>, TransferError> {
    if let Some(said) = said
        && ends_at(platform, download, url, said).await?
    {
        return Ok(Some(said));
    }
    // One that is refused for now is asked again later; one that is refused for good tells nothing.
    let head = head(platform, download, url).await;
    let head = head.map(|head| not_now(&head).map(|()| head)).transpose()?;
    let length = head.filter(|head| head.status == 200);
    let length = length.and_then(|head| head.content_length);
    if let Some(length) = length.filter(|length| Some(*length) != said)
        && ends_at(platform, download, url, length).await?
    {
        return Ok(Some(length));
    }
    let request = HttpRequest {
        url,
        range: Some(longhaul_core::Range::from(0)),
        headers_of: Some(download),
        ..HttpRequest::default()
    };
    let Ok((answer, _)) = platform.http().send(&request).await else {
        return Ok(None);
    };
    let answer = told(platform, url, &answer);
    not_now(&answer)?;
    let tried = [said, length];
    let open = answer.content_length.filter(|_| answer.status == 206);
    let Some(open) = open.filter(|open| !tried.contains(&Some(*open))) else {
        return Ok(None);
    };
    let ends = ends_at(platform, download, url, open).await?;
    Ok(ends.then_some(open))
}

/// The fault of an answer that says to come back later. Other errors may be for this way of asking alone.
fn not_now(answer: &HttpResponse) -> Result<(), TransferError> {
    match answer.status {
        status @ (429 | 503) => Err(TransferError::Status {
            status,
            retry_after_ms: answer.retry_after_ms,
        }),
        _ => Ok(()),
    }
}

/// Whether a file ends after so many bytes: asked for the last one and one more, its server has one to give.
async fn ends_at<P: Platform>(
    platform: &P,
    download: &Download,
    url: &str,
    size: u64,
) -> Result<bool, TransferError> {
    let Some(last) = size.checked_sub(1) else {
        return Ok(false);
    };
    let request = HttpRequest {
        url,
        range: Some(longhaul_core::Range::new(last, 2)),
        headers_of: Some(download),
        ..HttpRequest::default()
    };
    let Ok((answer, _)) = platform.http().send(&request).await else {
        return Ok(false);
    };
    let answer = told(platform, url, &answer);
    not_now(&answer)?;
    Ok(answer.status == 206 && answer.content_length == Some(1))
}

/// What `HEAD` tells, where its answer can be read.
async fn head<P: Platform>(platform: &P, download: &Download, url: &str) -> Option<HttpResponse> {
    let request = HttpRequest {
        url,
        head: true,
        headers_of: Some(download),
        ..HttpRequest::default()
    };
    let (head, _) = platform.http().send(&request).await.ok()?;
    Some(translate::head(told(platform, url, &head)))
}

/// Finds out what silence means.
async fn diagnose<P: Platform>(platform: &P, url: &str, never_answered: bool) -> TransferError {
    if !platform.http().online() {
        return TransferError::Offline;
    }
    let request = HttpRequest {
        url,
        head: true,
        opaque: true,
        ..HttpRequest::default()
    };
    let answers = platform.http().send(&request).await.is_ok();
    let may_be_cors = never_answered && platform.http().is_cross_origin(url);
    translate::no_answer(platform.http().online(), answers, may_be_cors)
}

/// Why a part is not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchFault {
    /// Nobody wants it any more.
    Cancelled,
    /// The bytes did not come, or are not those that were asked for.
    TransferError(TransferError),
}

impl From<TransferError> for FetchFault {
    fn from(fault: TransferError) -> Self {
        Self::TransferError(fault)
    }
}

/// A part to be fetched.
pub struct Fetch<'a> {
    /// The download whose headers are sent.
    pub download: &'a Download,
    /// The part.
    pub part: &'a PartRequest,
    /// The full URL of its resource.
    pub url: &'a str,
    /// Parameters of that URL that are secret.
    pub secret_params: &'a [String],
    /// Counts what comes; `came` is to see to that.
    pub meter: &'a Rc<Meter>,
    /// For how long nothing may come, in milliseconds.
    pub stall_ms: u64,
}

/// Fetches one part and stores it. Where its length is known it goes into the store as it comes.
///
/// Cancelled, the transfer ends at once, and the part is stored whole or not at all when this returns.
pub async fn fetch_part<P: Platform>(
    platform: &P,
    fetch: &Fetch<'_>,
    cancel: &Cancel,
    came: impl Fn(u64) + 'static,
) -> Result<Range, FetchFault> {
    let url = fetch.part.url(fetch.url, fetch.secret_params);
    match transfer(platform, fetch, &url, cancel, Box::new(came)).await {
        Ok(range) => Ok(range),
        Err(_) if cancel.is_cancelled() => Err(FetchFault::Cancelled),
        Err(Broken::Silent) => {
            let diagnosis = diagnose(platform, &url, false);
            let diagnosis = unless_silent(platform, fetch.stall_ms, diagnosis);
            Err(match cancel.race(diagnosis).await {
                Some(fault) => fault.unwrap_or(TransferError::Network).into(),
                None => FetchFault::Cancelled,
            })
        }
        Err(Broken::Wrong(fault)) => Err(fault.into()),
    }
}

/// Why a transfer brought nothing.
enum Broken {
    /// There was no answer, or it ended early: the browser does not say why.
    Silent,
    /// This was wrong with it.
    Wrong(TransferError),
}

impl From<TransferError> for Broken {
    fn from(fault: TransferError) -> Self {
        Self::Wrong(fault)
    }
}

async fn transfer<P: Platform>(
    platform: &P,
    fetch: &Fetch<'_>,
    url: &str,
    cancel: &Cancel,
    came: Came,
) -> Result<Range, Broken> {
    let part = fetch.part;
    let request = HttpRequest {
        url,
        range: part.range_asked(),
        headers_of: Some(fetch.download),
        ..HttpRequest::default()
    };
    let (raw, body) = while_it_moves(platform, fetch, cancel, platform.http().send(&request))
        .await?
        .map_err(|_| Broken::Silent)?;
    let answer = told(platform, url, &raw);
    // What can be told without the body is told without it. A body of the right length passes this test.
    let expected = part
        .range()
        .map_or(answer.content_length.unwrap_or(1), |range| range.len);
    let measured = measure(part, &answer, expected)?;
    if part.range().is_none() {
        let read = platform.parts().read(body, Some(came));
        let blob = while_it_moves(platform, fetch, cancel, read).await?;
        let blob = blob.ok_or(Broken::Silent)?;
        return Ok(store(platform, part, &answer, &blob).await?);
    }
    let range = Range {
        start: measured.start,
        len: measured.len,
    };
    let cancelled = Box::pin(async {
        // Not wanted any more, or silent for too long.
        cancel.race(stalled(platform, fetch)).await;
    });
    let key = part.file.key();
    let stored = platform
        .parts()
        .store_stream(body, &key, range, came, cancelled);
    match stored.await {
        Ok(()) => Ok(range),
        Err(StoreStreamError::Cancelled) => Err(TransferError::Network.into()),
        Err(StoreStreamError::Cut) => Err(Broken::Silent),
        Err(StoreStreamError::Length(len)) => Err(measure(part, &answer, len)
            .err()
            .unwrap_or(TransferError::Truncated)
            .into()),
        Err(StoreStreamError::Refused(error)) => Err(refused(&error).into()),
    }
}

/// Works until it is done, no longer wanted, or has brought nothing for too long; then it is dropped.
async fn while_it_moves<P: Platform, T>(
    platform: &P,
    fetch: &Fetch<'_>,
    cancel: &Cancel,
    work: impl Future<Output = T>,
) -> Result<T, Broken> {
    let watched = select(Box::pin(work), Box::pin(stalled(platform, fetch)));
    match cancel.race(watched).await {
        Some(Either::Left((done, _))) => Ok(done),
        Some(Either::Right(_)) | None => Err(TransferError::Network.into()),
    }
}

/// Waits until nothing has come for too long. A silent connection is reported by no browser.
async fn stalled<P: Platform>(platform: &P, fetch: &Fetch<'_>) {
    loop {
        let idle = fetch.meter.idle_ms(platform.runtime().monotonic_ms());
        if idle >= fetch.stall_ms {
            return;
        }
        let ms = u32::try_from(fetch.stall_ms - idle).unwrap_or(u32::MAX);
        platform.runtime().sleep(ms).await;
    }
}

fn refused(error: &PartError) -> TransferError {
    match error {
        PartError::Quota => TransferError::Quota,
        error => {
            tracing::warn!("a part could not be stored: {}", error);
            TransferError::Storage
        }
    }
}

/// Measures a body and stores it.
async fn store<P: Platform>(
    platform: &P,
    part: &PartRequest,
    answer: &HttpResponse,
    blob: &BlobOf<P>,
) -> Result<Range, TransferError> {
    let range = measure(part, answer, platform.parts().size(blob))?;
    let key = part.file.key();
    let mut stored = platform.parts().put(&key, range.start, blob).await;
    if let Err(PartError::StorageUnavailable { .. }) = stored {
        // Stores may fail for a moment, and the bytes are here.
        stored = platform.parts().put(&key, range.start, blob).await;
    }
    match stored {
        Ok(len) => Ok(Range {
            start: range.start,
            len,
        }),
        Err(error) => Err(refused(&error)),
    }
}

/// What came of a harvest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Harvest {
    /// Parts that were stored, by file key.
    pub stored: Vec<(String, Range)>,
    /// What was wrong with those that could not be.
    pub faults: Vec<TransferError>,
    /// How many records were complete, and their parts stored already.
    pub repeated: usize,
}

/// Stores every completed record of a job that is not stored yet, one after the other, from the records' URLs alone.
/// Doing it twice, or in two contexts at once, stores the same bytes under the same keys.
///
/// With `wait` unfinished records are waited for: only where the job has ended, and their end is certain. What it repeated
/// matters to nobody then, and is not counted.
pub async fn harvest<P: Platform>(platform: &P, records: Vec<RecordOf<P>>, wait: bool) -> Harvest {
    let mut harvest = Harvest::default();
    let mut listed = StoredParts::new();
    for record in records {
        let Some(part) = PartRequest::parse(&platform.jobs().record_url(&record)) else {
            tracing::warn!("ignored a record that is not of our making");
            continue;
        };
        let key = part.file.key();
        if !listed.contains_key(&key) {
            let stored_now = platform.parts().list(&key).await.unwrap_or_default();
            listed.insert(key.clone(), stored_now.into());
        }
        let layout = part.file.layout();
        let is_missing = |stored: &Ranges| layout.missing(stored).contains(part.index);
        if !listed.get(&key).is_some_and(is_missing) {
            if !wait && let Some(Ok(_)) = platform.jobs().record_answer(&record, false).await {
                harvest.repeated += 1;
            }
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
    record: &RecordOf<P>,
    wait: bool,
) -> Option<Result<Range, TransferError>> {
    let Ok((raw, body)) = platform.jobs().record_answer(record, wait).await? else {
        return Some(Err(TransferError::Network));
    };
    let answer = translate::answer(&raw, platform.runtime().now_ms());
    // An answer that cannot be right needs no reading.
    let plausible = part.range().map_or(1, |range| range.len);
    if let Err(fault @ TransferError::Status { .. }) = measure(part, &answer, plausible) {
        return Some(Err(fault));
    }
    let Some(blob) = platform.parts().read(body, None).await else {
        return Some(Err(TransferError::Truncated));
    };
    Some(store(platform, part, &answer, &blob).await)
}
