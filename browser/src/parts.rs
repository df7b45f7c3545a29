//! The part store: downloaded parts stored, in Cache Storage.
//!
//! One cache per file. Within it one response per part, under an address that says which bytes it holds:
//!
//! ```text
//! cache     longhaul/<name>/<file key>
//! request   https://longhaul.invalid/<start, 15 digits>+<length, 15 digits>
//! response  200, no Content-Type, body: the bytes
//! ```
//!
//! Blobs go in and come out by handle; no byte of them passes through wasm memory.

mod stream;

use js_sys::Array;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{Blob, Cache, CacheQueryOptions, CacheStorage, ReadableStream, Response};

use crate::hash::Hash;
use crate::js::{Exception, global, property, settle, text};
use longhaul_core::Range;
use longhaul_runner::delivery::cover;
use longhaul_runner::errors::{DigestError, HashError, PartError};

impl From<Exception> for PartError {
    #[inline(never)]
    fn from(exception: Exception) -> Self {
        if exception.is_quota() {
            return Self::Quota;
        }
        Self::StorageUnavailable {
            name: exception.name,
            message: exception.message,
        }
    }
}

/// The parts of all files under one name. Cheap to clone; holds nothing open.
#[derive(Debug, Clone)]
pub struct PartStore {
    /// `longhaul/<name>/`, what follows is the file key.
    prefix: String,
}

impl PartStore {
    /// The part store of this name.
    #[must_use]
    pub fn new(name: &str) -> Self {
        // Escaped, so that no name is the beginning of another one's caches.
        let mut prefix = String::from("longhaul/");
        for character in name.chars() {
            match character {
                '%' => prefix.push_str("%25"),
                '/' => prefix.push_str("%2F"),
                _ => prefix.push(character),
            }
        }
        prefix.push('/');
        Self { prefix }
    }

    /// The keys of all files that have a cache, sorted. One whose cache was opened and deleted at the same moment can
    /// be left with no part in it.
    pub async fn files(&self) -> Result<Vec<String>, PartError> {
        let names: Array = settle(caches()?.keys()).await?.unchecked_into();
        let mut files = Vec::new();
        for name in names.iter().filter_map(|name| name.as_string()) {
            if let Some(file) = name.strip_prefix(&self.prefix) {
                insert(&mut files, String::from(file));
            }
        }
        Ok(files)
    }

    /// The parts stored of a file, sorted. Reads no body, and creates nothing where the file is unknown.
    pub async fn list(&self, file: &str) -> Result<Vec<Range>, PartError> {
        let Some(cache) = self.existing(file).await? else {
            return Ok(Vec::new());
        };
        let requests: Array = settle(cache.keys()).await?.unchecked_into();
        let mut ranges = Vec::new();
        for request in requests.iter() {
            if let Some(range) = text(&request, "url").and_then(|url| parse(&url)) {
                insert(&mut ranges, range);
            }
        }
        Ok(ranges)
    }

    /// Stores a part and says how long it is, as measured. A part stored a second time replaces the first.
    pub async fn put(&self, file: &str, start: u64, part: &Blob) -> Result<u64, PartError> {
        let len = size(part);
        // A Blob's type would become a Content-Type header, and what is stored has none.
        let body = if part.type_().is_empty() {
            part.clone()
        } else {
            part.slice_with_f64_and_f64_and_content_type(0.0, part.size(), "")
                .map_err(thrown)?
        };
        let response = Response::new_with_opt_blob(Some(&body)).map_err(thrown)?;
        self.store(file, Range { start, len }, &response).await?;
        Ok(len)
    }

    /// Stores a part from a stream, which must bring exactly this range; nothing where it fails. As a stream where the
    /// browser stores all of one or nothing, whatever becomes of this page, and as a Blob elsewhere.
    pub(crate) async fn pour(
        &self,
        file: &str,
        range: Range,
        stream: &ReadableStream,
    ) -> Result<(), PartError> {
        let response = Response::new_with_opt_readable_stream(Some(stream)).map_err(thrown)?;
        if stores_streams_whole() {
            return self.store(file, range, &response).await;
        }
        let blob = blob(&response).await?;
        self.put(file, range.start, &blob).await.map(|_| ())
    }

    async fn store(&self, file: &str, range: Range, response: &Response) -> Result<(), PartError> {
        let cache: Cache = settle(caches()?.open(&self.cache_name(file)))
            .await?
            .unchecked_into();
        settle(cache.put_with_str(&address(range), response)).await?;
        Ok(())
    }

    /// The SHA-256 of the bytes from the beginning to the end of the last part, as long as it is `wanted`.
    pub(crate) async fn digest(
        &self,
        file: &str,
        wanted: &dyn Fn() -> bool,
    ) -> Result<String, DigestError> {
        let listed = self.list(file).await?;
        let end = listed.iter().map(Range::end).max().unwrap_or(0);
        let mut hash = Hash::new();
        let mut position = 0;
        for part in cover(&listed, 0, end)? {
            let body = self.body(file, part, position, part.end()).await?;
            match hash.read(&body, &mut |_| wanted()).await {
                Ok(read) if read == part.end() - position => {}
                Err(HashError::Cancelled) => return Err(HashError::Cancelled.into()),
                Ok(_) | Err(HashError::Read(_)) => {
                    self.drop_broken(file, part).await;
                    return Err(PartError::Missing { start: position }.into());
                }
            }
            position = part.end();
        }
        Ok(hash.digest())
    }

    /// A stored part, `None` where it is not there whole.
    pub async fn get(&self, file: &str, range: Range) -> Result<Option<Blob>, PartError> {
        let Some(response) = self.response(file, range).await? else {
            return Ok(None);
        };
        let blob = blob(&response).await?;
        if size(&blob) == range.len {
            return Ok(Some(blob));
        }
        self.drop_broken(file, range).await;
        Ok(None)
    }

    /// Deletes a part that is not what it says: it would be counted, and handed out, for ever.
    async fn drop_broken(&self, file: &str, range: Range) {
        tracing::warn!("deleted a stored part that could not be read whole");
        // Where that fails, too, the next reader finds it again.
        let _ = self.delete_part(file, range).await;
    }

    /// Deletes a file with all its parts; whether there was one.
    ///
    /// Part by part first: Chromium keeps the bytes of a deleted cache, and counts them, as long as some page has not let go
    /// of it, which it does when a garbage collector looks. The room is wanted now.
    pub async fn delete(&self, file: &str) -> Result<bool, PartError> {
        if let Some(cache) = self.existing(file).await? {
            for part in self.list(file).await? {
                settle(cache.delete_with_str(&address(part))).await?;
            }
        }
        Ok(settle(caches()?.delete(&self.cache_name(file)))
            .await?
            .is_truthy())
    }

    /// Deletes one part; whether there was one.
    pub async fn delete_part(&self, file: &str, range: Range) -> Result<bool, PartError> {
        match self.existing(file).await? {
            None => Ok(false),
            Some(cache) => Ok(settle(cache.delete_with_str(&address(range)))
                .await?
                .is_truthy()),
        }
    }

    /// The bytes `0..total` as one Blob made of the parts' Blobs.
    pub async fn compose_blob(&self, file: &str, total: u64) -> Result<Blob, PartError> {
        let pieces = Array::new();
        let mut position = 0;
        for part in cover(&self.list(file).await?, 0, total)? {
            let missing = PartError::Missing { start: position };
            let blob = self.get(file, part).await?.ok_or(missing)?;
            let end = part.end().min(total);
            let piece = cut(&blob, part, position, end)?;
            pieces.push(piece.as_ref());
            position = end;
        }
        Blob::new_with_blob_sequence(&pieces).map_err(thrown)
    }

    /// The bytes `start..end` as a stream that reads part after part, each only when it is asked for. A part that
    /// vanishes meanwhile makes the stream fail.
    pub async fn compose_stream(
        &self,
        file: &str,
        start: u64,
        end: u64,
    ) -> Result<ReadableStream, PartError> {
        let parts = cover(&self.list(file).await?, start, end)?;
        stream::compose(self.clone(), file.into(), parts, start, end).map_err(thrown)
    }

    /// The part's body as a stream from `position` on.
    async fn body(
        &self,
        file: &str,
        part: Range,
        position: u64,
        end: u64,
    ) -> Result<ReadableStream, PartError> {
        let missing = PartError::Missing { start: position };
        if position == part.start && part.end() <= end {
            let response = self.response(file, part).await?;
            return response.and_then(|response| response.body()).ok_or(missing);
        }
        let blob = self.get(file, part).await?.ok_or(missing)?;
        Ok(cut(&blob, part, position, part.end().min(end))?.stream())
    }

    async fn response(&self, file: &str, range: Range) -> Result<Option<Response>, PartError> {
        let options = CacheQueryOptions::new();
        options.set_cache_name(&self.cache_name(file));
        let found = caches()?.match_with_str_and_options(&address(range), &options);
        Ok(settle(found).await?.dyn_into().ok())
    }

    /// The file's cache, without creating it.
    async fn existing(&self, file: &str) -> Result<Option<Cache>, PartError> {
        let caches = caches()?;
        let name = self.cache_name(file);
        if !settle(caches.has(&name)).await?.is_truthy() {
            return Ok(None);
        }
        Ok(Some(settle(caches.open(&name)).await?.unchecked_into()))
    }

    fn cache_name(&self, file: &str) -> String {
        [&self.prefix, file].concat()
    }
}

/// The piece `from..to` of a file, taken from the Blob of the part that holds it.
fn cut(blob: &Blob, part: Range, from: u64, to: u64) -> Result<Blob, PartError> {
    if (from, to) == (part.start, part.end()) {
        return Ok(blob.clone());
    }
    blob.slice_with_f64_and_f64(float(from - part.start), float(to - part.start))
        .map_err(thrown)
}

/// The body of a response as a Blob.
pub(crate) async fn blob(response: &Response) -> Result<Blob, PartError> {
    let blob = settle(response.blob().map_err(thrown)?).await?;
    Ok(blob.unchecked_into())
}

/// Whether a stream whose page dies leaves nothing in the cache. Measured: Chromium gathers it first; Firefox 153 keeps
/// what had come as if that were all. Blobs cost Chromium memory, as it lets go of one only when a garbage collector
/// looks, but not the others. The property is Chromium's alone.
pub(crate) fn stores_streams_whole() -> bool {
    !property(&global("navigator"), "userAgentData").is_undefined()
}

fn caches() -> Result<CacheStorage, PartError> {
    global("caches").dyn_into().map_err(|_| {
        // Missing in insecure contexts, and where storage is blocked.
        Exception::new("NotSupportedError", "there is no Cache Storage here").into()
    })
}

// By value, as `map_err` wants it.
#[allow(clippy::needless_pass_by_value)]
fn thrown(value: JsValue) -> PartError {
    Exception::from_js(&value).into()
}

// Sizes of Blobs are whole and below 2^53.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn size(blob: &Blob) -> u64 {
    blob.size() as u64
}

#[allow(clippy::cast_precision_loss)]
fn float(bytes: u64) -> f64 {
    bytes as f64
}

const ORIGIN: &str = "https://longhaul.invalid/";
const DIGITS: usize = 15;

fn address(range: Range) -> String {
    let mut address = String::from(ORIGIN);
    push_padded(&mut address, range.start);
    address.push('+');
    push_padded(&mut address, range.len);
    address
}

// By hand, here and below: the general ways to print, to parse and to sort weigh more than all of this module.
fn push_padded(text: &mut String, mut number: u64) {
    let mut digits = [b'0'; DIGITS];
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (number % 10).to_le_bytes()[0];
        number /= 10;
    }
    text.extend(digits.map(char::from));
}

fn parse(url: &str) -> Option<Range> {
    let name = url.strip_prefix(ORIGIN)?.as_bytes();
    if name.len() != 2 * DIGITS + 1 || name[DIGITS] != b'+' {
        return None;
    }
    Some(Range {
        start: number(&name[..DIGITS])?,
        len: number(&name[DIGITS + 1..])?,
    })
}

fn number(digits: &[u8]) -> Option<u64> {
    let mut number = 0;
    for digit in digits {
        if !digit.is_ascii_digit() {
            return None;
        }
        number = number * 10 + u64::from(digit - b'0');
    }
    Some(number)
}

/// Puts an item where it belongs in a sorted list. Browsers answer in the order of storing, which is nearly sorted.
fn insert<T: Ord>(sorted: &mut Vec<T>, item: T) {
    let mut place = sorted.len();
    while place > 0 && sorted[place - 1] > item {
        place -= 1;
    }
    sorted.insert(place, item);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: u64, len: u64) -> Range {
        Range { start, len }
    }

    #[test]
    fn an_address_says_which_bytes_it_holds() {
        let part = range(1_048_576, 262_144);
        assert_eq!(
            address(part),
            "https://longhaul.invalid/000000001048576+000000000262144"
        );
        assert_eq!(parse(&address(part)), Some(part));
        assert_eq!(parse("https://longhaul.invalid/x+1"), None);
        assert_eq!(
            parse("https://longhaul.invalid/00000000000000x+000000000262144"),
            None
        );
        assert_eq!(
            parse("https://longhaul.invalid/000000001048576+000000000262144?"),
            None
        );
        assert_eq!(parse("https://example.org/1+1"), None);
    }

    #[test]
    fn addresses_sort_like_their_numbers() {
        assert!(address(range(9, 1)) < address(range(10, 1)));
        assert!(address(range(99_999, 1)) < address(range(1_000_000, 1)));
    }

    #[test]
    fn a_cover_is_gapless_or_names_the_hole() {
        let parts = [range(0, 10), range(10, 10), range(30, 5)];
        assert_eq!(cover(&parts, 0, 20), Ok(vec![range(0, 10), range(10, 10)]));
        assert_eq!(cover(&parts, 3, 9), Ok(vec![range(0, 10)]));
        assert_eq!(cover(&parts, 32, 35), Ok(vec![range(30, 5)]));
        assert_eq!(cover(&parts, 0, 35), Err(PartError::Missing { start: 20 }));
        assert_eq!(cover(&parts, 0, 0), Ok(vec![]));
    }

    #[test]
    fn a_cover_prefers_the_part_that_reaches_farthest() {
        let parts = [range(0, 4), range(0, 10), range(4, 4), range(8, 4)];
        assert_eq!(cover(&parts, 0, 12), Ok(vec![range(0, 10), range(8, 4)]));
    }

    #[test]
    fn no_name_is_the_beginning_of_another() {
        let inner = PartStore::new("a/b").cache_name("c");
        assert!(!inner.starts_with(&PartStore::new("a").prefix));
        assert_ne!(PartStore::new("a%2Fb").prefix, PartStore::new("a/b").prefix);
    }
}
