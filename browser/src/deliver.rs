//! Handing out what is stored: as a Blob of Blobs, or as a streaming Response.

use longhaul_core::{Download, File, Validator, identity};
use wasm_bindgen::JsValue;
use web_sys::{Blob, Headers, Response, ResponseInit};

use crate::js::Exception;
use crate::node::{CommitError, Node};
use crate::parts::{PartError, Range};
use crate::platform::Platform;
use crate::web::{Host, Web};

/// A stored file, with where it ends.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The file.
    pub file: File,
    /// Its size in bytes, as it is at rest.
    pub size: u64,
}

impl<P: Platform> Node<P> {
    /// The first available download's file that a URL means, if its bytes are all there.
    pub async fn find(&self, url: &str) -> Result<Option<Stored>, CommitError> {
        for download in self.list().await? {
            let Some(resource) = resource_of(&download, url).filter(|_| download.is_available())
            else {
                continue;
            };
            // What was evicted behind our back is noticed here.
            let download = self.look(&download.id).await?;
            if download.is_available()
                && let Some(stored) = self.stored(&download, resource).await?
            {
                return Ok(Some(stored));
            }
        }
        Ok(None)
    }

    /// A file of a download, as it is at rest; `None` where there is no such resource.
    pub async fn stored(
        &self,
        download: &Download,
        resource: usize,
    ) -> Result<Option<Stored>, PartError> {
        let Some(file) = download.files.get(resource) else {
            return Ok(None);
        };
        let size = match file.size {
            Some(size) => size,
            None => self
                .platform
                .list(&file.key())
                .await?
                .iter()
                .map(Range::end)
                .max()
                .unwrap_or(0),
        };
        Ok(Some(Stored {
            file: file.clone(),
            size,
        }))
    }
}

impl<H: Host> Node<Web<H>> {
    /// The bytes of a stored file as a Blob made of the parts' Blobs; none is read.
    pub async fn blob(&self, stored: &Stored) -> Result<Blob, PartError> {
        let blob = self
            .platform
            .parts
            .compose_blob(&stored.file.key(), stored.size)
            .await?;
        let Some(kind) = &stored.file.content_type else {
            return Ok(blob);
        };
        blob.slice_with_f64_and_f64_and_content_type(0.0, blob.size(), kind)
            .map_err(|thrown| Exception::from_js(&thrown).into())
    }

    /// A stored file as a 200, or a range of it as a 206 ([RFC 9110, 15.3.7]). The body is read as it is asked for.
    ///
    /// [RFC 9110, 15.3.7]: https://www.rfc-editor.org/rfc/rfc9110#section-15.3.7
    pub async fn response(
        &self,
        stored: &Stored,
        range: Option<Range>,
    ) -> Result<Response, PartError> {
        let whole = Range {
            start: 0,
            len: stored.size,
        };
        let wanted = range.unwrap_or(whole);
        let body = self
            .platform
            .parts
            .compose_stream(&stored.file.key(), wanted.start, wanted.end())
            .await?;
        response(stored, range, wanted, &body).map_err(|thrown| Exception::from_js(&thrown).into())
    }
}

fn response(
    stored: &Stored,
    range: Option<Range>,
    wanted: Range,
    body: &web_sys::ReadableStream,
) -> Result<Response, JsValue> {
    let headers = Headers::new()?;
    headers.set("Content-Length", &wanted.len.to_string())?;
    headers.set("Accept-Ranges", "bytes")?;
    let kind = stored
        .file
        .content_type
        .as_deref()
        .unwrap_or("application/octet-stream");
    headers.set("Content-Type", kind)?;
    match &stored.file.validator {
        Some(Validator::Etag(tag)) => headers.set("ETag", tag)?,
        Some(Validator::LastModified(date)) => headers.set("Last-Modified", date)?,
        None => {}
    }
    let init = ResponseInit::new();
    if range.is_some() {
        let text = [
            "bytes ",
            &wanted.start.to_string(),
            "-",
            &(wanted.end() - 1).to_string(),
            "/",
            &stored.size.to_string(),
        ];
        headers.set("Content-Range", &text.concat())?;
        init.set_status(206);
    }
    init.set_headers(&headers);
    Response::new_with_opt_readable_stream_and_init(Some(body), &init)
}

/// Which resource of a download a URL means.
#[must_use]
pub fn resource_of(download: &Download, url: &str) -> Option<usize> {
    let spec = download.spec.as_ref()?;
    let identity = identity(url, &spec.secret_params);
    spec.resources
        .iter()
        .position(|resource| resource.url == identity)
}

/// The one range that a `Range` header asks for ([RFC 9110, 14.1.2]), within a file of this size. `None` where the
/// header is to be passed over (another unit, several ranges, not in the form of the RFC), `Some(None)` where it
/// cannot be satisfied.
///
/// [RFC 9110, 14.1.2]: https://www.rfc-editor.org/rfc/rfc9110#section-14.1.2
#[must_use]
#[allow(
    clippy::option_option,
    reason = "three answers: pass over, unsatisfiable, this range"
)]
pub fn requested_range(header: &str, size: u64) -> Option<Option<Range>> {
    let (first, last) = header.trim().strip_prefix("bytes=")?.split_once('-')?;
    let number = |digits: &str| digits.trim().parse::<u64>().ok();
    let (start, end) = match (first.trim(), last.trim()) {
        ("", suffix) => (size.saturating_sub(number(suffix)?), size),
        (first, "") => (number(first)?, size),
        (first, last) => {
            let (first, last) = (number(first)?, number(last)?);
            if last < first {
                return None;
            }
            (first, last.saturating_add(1).min(size))
        }
    };
    Some((start < end).then(|| Range {
        start,
        len: end - start,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn range_headers_are_read_as_the_rfc_says() {
        let some = |start, len| Some(Some(Range { start, len }));
        assert_eq!(requested_range("bytes=0-9", 100), some(0, 10));
        assert_eq!(requested_range("bytes=90-", 100), some(90, 10));
        assert_eq!(requested_range("bytes=90-1000", 100), some(90, 10));
        assert_eq!(requested_range("bytes=-5", 100), some(95, 5));
        assert_eq!(requested_range("bytes=-500", 100), some(0, 100));
        assert_eq!(requested_range("bytes=100-", 100), Some(None));
        assert_eq!(requested_range("bytes=-0", 100), Some(None));
        for passed_over in [
            "",
            "bytes=",
            "items=0-1",
            "bytes=5-4",
            "bytes=0-1,3-4",
            "bytes=a-b",
        ] {
            assert_eq!(requested_range(passed_over, 100), None, "{passed_over}");
        }
    }
}
