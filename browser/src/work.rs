//! The work itself: asking servers, fetching and harvesting parts, hashing. Nothing here decides; every outcome is
//! plain data for the core.

use std::rc::Rc;

use futures_util::future::join_all;
use longhaul_core::json::{self, Fields, FromJson, Json, Object, ToJson, Unreadable};
use longhaul_core::{Download, Fault, File, PartRequest, measure};
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::JsFuture;
use web_sys::{AbortSignal, Blob, Headers, Response};

use crate::background_fetch::{BackgroundFetchRecord, BackgroundFetchRegistration, Icon};
use crate::hash::{HashError, sha256};
use crate::js::{ignore, property};
use crate::meter::{Meter, Metered};
use crate::net::{Ask, NetError, answer, fetch, now_ms, online, request};
use crate::parts::{PartError, PartStore, Range};
use crate::translate;

/// The full URLs of a download, as a request gave them. Kept apart from the history, which holds no credential.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FullUrls {
    /// One for each resource.
    pub urls: Vec<String>,
    /// For the browser's own display.
    pub icons: Vec<longhaul_core::Icon>,
}

impl FromJson for FullUrls {
    fn from_json(json: Json) -> Result<Self, Unreadable> {
        let mut fields = Fields::from_json(json)?;
        Ok(Self {
            urls: fields.take("urls")?,
            icons: fields.take_or_default("icons")?,
        })
    }
}

impl ToJson for FullUrls {
    fn write(&self, text: &mut String) {
        Object::new(text)
            .field("urls", &self.urls)
            .unless(self.icons.is_empty(), "icons", &self.icons)
            .end();
    }
}

impl FullUrls {
    /// What was kept; where nothing was, identities are all there is, and where nothing was blanked they are the URLs.
    #[must_use]
    pub fn read(kept: Option<&str>, download: &Download) -> Self {
        kept.and_then(|text| json::read::<Self>(text).ok())
            .filter(|full| {
                download
                    .spec
                    .as_ref()
                    .is_some_and(|spec| spec.resources.len() == full.urls.len())
            })
            .unwrap_or_else(|| Self {
                urls: download
                    .spec
                    .iter()
                    .flat_map(|spec| spec.resources.iter().map(|resource| resource.url.clone()))
                    .collect(),
                icons: Vec::new(),
            })
    }

    /// The URL of one resource.
    #[must_use]
    pub fn url(&self, resource: u32) -> &str {
        self.urls.get(resource as usize).map_or("", String::as_str)
    }

    /// The icons, as the binding wants them.
    #[must_use]
    pub fn icons(&self) -> Vec<Icon> {
        self.icons
            .iter()
            .map(|icon| Icon {
                src: icon.src.clone(),
                sizes: icon.sizes.clone(),
                kind: icon.kind.clone(),
                label: icon.label.clone(),
            })
            .collect()
    }
}

/// Asks every server for size, validator and Range support, all at once.
pub async fn probe(
    full: &FullUrls,
    headers: Option<&Headers>,
) -> Vec<Result<longhaul_core::Answer, Fault>> {
    join_all(full.urls.iter().map(|url| probe_one(url, headers))).await
}

/// `GET` of the first byte, because many servers that honour Range do not say so, and some refuse `HEAD`; then `HEAD`
/// where that did not tell the size.
async fn probe_one(url: &str, headers: Option<&Headers>) -> Result<longhaul_core::Answer, Fault> {
    let ask = Ask {
        range: Some((0, 0)),
        headers,
        no_store: true,
        ..Ask::default()
    };
    let Ok((first, response)) = fetch(url, &ask).await else {
        // Chromium refuses a compressed answer to a request with a range; without one it is welcome.
        return match head(url, headers).await {
            Some(head) if translate::is_compressed(&head) => Ok(head),
            _ => Err(diagnose(url, true).await),
        };
    };
    discard(&response);
    let mut first = translate::answer(&first, now_ms());
    let tells = match first.status {
        206 => first.content_range.is_some(),
        200 => first.content_length.is_some(),
        404 | 410 | 401 | 403 | 407 | 408 | 425 | 429 | 500..=599 => true,
        416 => first.content_range.as_deref() == Some("bytes */0"),
        _ => false,
    };
    if !tells && let Some(head) = head(url, headers).await {
        first = head;
    }
    // Across origins a content encoding may be hidden, and then the length is that of other bytes.
    if first.status == 200 && is_cross_origin(url) {
        first.content_length = None;
    }
    Ok(first)
}

/// What `HEAD` tells, where it is answered with 200.
async fn head(url: &str, headers: Option<&Headers>) -> Option<longhaul_core::Answer> {
    let ask = Ask {
        method: "HEAD",
        headers,
        no_store: true,
        ..Ask::default()
    };
    let (head, _) = fetch(url, &ask).await.ok()?;
    (head.status == 200).then(|| translate::head(translate::answer(&head, now_ms())))
}

/// Lets go of a body that nobody wants, which ends its transfer.
fn discard(response: &Response) {
    if let Some(body) = response.body() {
        ignore(body.cancel());
    }
}

/// Finds out what silence means.
async fn diagnose(url: &str, never_answered: bool) -> Fault {
    if !online() {
        return Fault::Offline;
    }
    let ask = Ask {
        method: "HEAD",
        no_store: true,
        opaque: true,
        ..Ask::default()
    };
    let answers = fetch(url, &ask).await.is_ok();
    translate::no_answer(online(), answers, never_answered && is_cross_origin(url))
}

fn is_cross_origin(url: &str) -> bool {
    let here = property(&crate::js::global("location"), "origin").as_string();
    here.is_none_or(|origin| {
        url.strip_prefix(origin.as_str())
            .is_none_or(|rest| !(rest.is_empty() || rest.starts_with(['/', '?', '#'])))
    })
}

/// What came of fetching a part.
pub type Fetched = Result<Range, FetchFault>;

/// Why a part is not at rest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FetchFault {
    /// Nobody wants it any more.
    Cancelled,
    /// The bytes did not come, or are not those that were asked for.
    Fault(Fault),
}

/// Fetches one part and stores it. The bytes pass by as a Blob: measured, it is twice as fast as storing the stream.
pub async fn fetch_part(
    parts: &PartStore,
    part: &PartRequest,
    url: &str,
    secret_params: &[String],
    headers: Option<&Headers>,
    signal: &AbortSignal,
    (meter, moved): (&Rc<Meter>, impl Fn() + 'static),
) -> Fetched {
    let url = part.url(url, secret_params);
    let range = part
        .file
        .part_bytes
        .and_then(|_| part.range())
        .filter(|range| range.len > 0)
        .map(|range| (range.start, range.end() - 1));
    let ask = Ask {
        range,
        headers,
        signal: Some(signal),
        no_store: true,
        ..Ask::default()
    };
    let (raw, response) = match fetch(&url, &ask).await {
        Ok(answered) => answered,
        Err(NetError::Aborted) => return Err(FetchFault::Cancelled),
        Err(NetError::Failed { .. }) => return Err(FetchFault::Fault(diagnose(&url, false).await)),
    };
    let answer = translate::answer(&raw, now_ms());
    // What can be told without the body is told without it. A body of the right length passes this test.
    let expected = part
        .range()
        .map_or(answer.content_length.unwrap_or(1), |range| range.len);
    if let Err(fault) = measure(part, &answer, expected) {
        discard(&response);
        return Err(FetchFault::Fault(fault));
    }
    let blob = match metered_blob(&response, meter, moved).await {
        Some(blob) => blob,
        None if signal.aborted() => return Err(FetchFault::Cancelled),
        None => return Err(FetchFault::Fault(diagnose(&url, false).await)),
    };
    store(parts, part, &answer, &blob)
        .await
        .map_err(FetchFault::Fault)
}

async fn metered_blob(
    response: &Response,
    meter: &Rc<Meter>,
    moved: impl Fn() + 'static,
) -> Option<Blob> {
    let Some(body) = response.body() else {
        return blob(response).await;
    };
    let metered = Metered::new(&body, Rc::clone(meter), moved).ok()?;
    blob(metered.response()).await
}

async fn blob(response: &Response) -> Option<Blob> {
    let blob = JsFuture::from(response.blob().ok()?).await.ok()?;
    Some(blob.unchecked_into())
}

/// Measures a body and stores it.
async fn store(
    parts: &PartStore,
    part: &PartRequest,
    answer: &longhaul_core::Answer,
    blob: &Blob,
) -> Result<Range, Fault> {
    let range = measure(part, answer, size(blob))?;
    match parts.put(&part.file.key(), range.start, blob).await {
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
pub async fn harvest(
    parts: &PartStore,
    registration: &BackgroundFetchRegistration,
    wait: bool,
) -> Harvest {
    let mut harvest = Harvest::default();
    let records = match registration.match_all().await {
        Ok(records) => records,
        Err(exception) => {
            tracing::warn!("the records of a job cannot be read: {}", exception.name);
            return harvest;
        }
    };
    let mut listed: Vec<(String, Vec<Range>)> = Vec::new();
    for record in records {
        let Some(part) = PartRequest::parse(&record.url()) else {
            tracing::warn!("ignored a record that is not of our making");
            continue;
        };
        let key = part.file.key();
        if !listed.iter().any(|(known, _)| *known == key) {
            listed.push((key.clone(), parts.list(&key).await.unwrap_or_default()));
        }
        let at_rest = listed
            .iter()
            .filter(|(known, _)| *known == key)
            .flat_map(|(_, ranges)| ranges);
        let layout = part.file.layout();
        let mut ranges = at_rest.map(|range| longhaul_core::Range::new(range.start, range.len));
        if ranges.any(|range| layout.index_of(range) == Some(part.index)) {
            continue;
        }
        match harvest_one(parts, &part, &record, wait).await {
            Some(Ok(range)) => harvest.stored.push((key, range)),
            Some(Err(fault)) => harvest.faults.push(fault),
            None => {}
        }
    }
    harvest
}

async fn harvest_one(
    parts: &PartStore,
    part: &PartRequest,
    record: &BackgroundFetchRecord,
    wait: bool,
) -> Option<Result<Range, Fault>> {
    let response = if wait {
        record.response().await
    } else {
        record.response_now().await?
    };
    let Ok(response) = response else {
        return Some(Err(Fault::Network));
    };
    let answer = translate::answer(&answer(&response), now_ms());
    // An answer that cannot be right needs no reading.
    let plausible = part.range().map_or(1, |range| range.len);
    if let Err(fault @ Fault::Status { .. }) = measure(part, &answer, plausible) {
        return Some(Err(fault));
    }
    let Some(blob) = blob(&response).await else {
        return Some(Err(Fault::Truncated));
    };
    Some(store(parts, part, &answer, &blob).await)
}

/// The requests of a job, one for each part, in the order in which the browser is to ask for them.
pub fn requests(
    parts: &[(u32, PartRequest)],
    full: &FullUrls,
    secret_params: &[String],
) -> Result<Vec<web_sys::Request>, wasm_bindgen::JsValue> {
    placed(parts)
        .map(|(resource, part)| {
            let url = part.url(full.url(*resource), secret_params);
            let range = part
                .file
                .part_bytes
                .and_then(|_| part.range())
                .map(|range| (range.start, range.end() - 1));
            request(
                &url,
                &Ask {
                    range,
                    ..Ask::default()
                },
            )
        })
        .collect()
}

/// Items in the places of a list that make Chromium take them in their order: it takes requests in the text order of
/// their numbers in the list (0, 1, 10, 11, 2), whatever their URLs (measured).
fn placed<T>(items: &[T]) -> impl Iterator<Item = &T> {
    let mut held_at = vec![0; items.len()];
    for (item, place) in text_order(items.len()).into_iter().enumerate() {
        held_at[place] = item;
    }
    held_at.into_iter().map(|item| &items[item])
}

/// The numbers below `count`, sorted as texts.
fn text_order(count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count.min(1)).collect();
    let mut next = 1;
    while order.len() < count {
        order.push(next);
        if next * 10 < count {
            next *= 10;
            continue;
        }
        while next % 10 == 9 || next + 1 >= count.max(2) {
            next /= 10;
        }
        next += 1;
    }
    order
}

/// The SHA-256 over what is at rest of a file.
pub async fn digest(
    parts: &PartStore,
    file: &File,
    going_on: impl Fn() -> bool,
) -> Result<String, DigestError> {
    let key = file.key();
    let end = parts
        .list(&key)
        .await?
        .iter()
        .map(Range::end)
        .max()
        .unwrap_or(0);
    let stream = parts.compose_stream(&key, 0, end).await?;
    Ok(sha256(&stream, |_| going_on()).await?)
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

// Sizes of Blobs are whole and below 2^53.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn size(blob: &Blob) -> u64 {
    blob.size() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taken_in_the_text_order_of_their_places_requests_are_in_order() {
        for count in [0, 1, 2, 9, 10, 11, 12, 99, 100, 101, 500, 1234] {
            let items: Vec<usize> = (0..count).collect();
            let list: Vec<usize> = placed(&items).copied().collect();
            let mut places: Vec<usize> = (0..count).collect();
            places.sort_by_key(usize::to_string);
            let taken: Vec<usize> = places.iter().map(|place| list[*place]).collect();
            assert_eq!(taken, items, "{count}");
        }
    }
}
