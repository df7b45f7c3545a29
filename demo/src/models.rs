//! `/models/*`: files with all of HTTP that a download needs, and every fault on request.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::header::{self, HeaderName};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use sha2::{Digest, Sha256};

use crate::app::App;
use crate::body::Sending;
use crate::conditional::{Honours, Metadata, Selected, select};
use crate::content::{Content, Generated, hex};
use crate::faults::{Answer, Faults, Gzip, GzipHead, NoHead, Redirect, WrongLength, key_of};
use crate::log::{Entry, Outcome, Recorder, now};
use crate::respond::{
    content_range, empty, plain, portal, refusal, value, with, with_cors, with_validators,
};
use crate::socket::{Connection, Ending};

/// The handler of all methods.
pub(crate) async fn models(
    State(app): State<Arc<App>>,
    Extension(connection): Extension<Arc<Connection>>,
    method: Method,
    uri: Uri,
    Path(file): Path<String>,
    Query(query): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Response {
    let recorder = Recorder::new(&app.log, entry(&connection, &method, &uri, &headers));
    let faults = match Faults::parse(&query) {
        Ok(faults) => faults,
        Err(error) => return plain(StatusCode::BAD_REQUEST, &error.to_string(), recorder),
    };
    let key = key_of(uri.path(), uri.query().unwrap_or_default());
    let request = Request {
        app,
        connection,
        method,
        uri,
        file,
        headers,
        key,
    };
    tokio::time::sleep(faults.delay).await;
    let response = request.answer(&faults, recorder).await;
    with_cors(response, &request.method, &request.headers, &faults)
}

fn entry(connection: &Connection, method: &Method, uri: &Uri, headers: &HeaderMap) -> Entry {
    let header = |name| {
        let value = headers.get::<HeaderName>(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    Entry {
        n: 0,
        at: now(),
        ended_at: None,
        method: method.to_string(),
        path: uri.path().to_owned(),
        query: uri.query().unwrap_or_default().to_owned(),
        range: header(header::RANGE),
        if_match: header(header::IF_MATCH),
        if_range: header(header::IF_RANGE),
        origin: header(header::ORIGIN),
        authorized: headers.contains_key(header::AUTHORIZATION),
        socket: connection.socket,
        connection: connection.number,
        status: None,
        sent: 0,
        outcome: Outcome::Running,
    }
}

struct Request {
    app: Arc<App>,
    connection: Arc<Connection>,
    method: Method,
    uri: Uri,
    /// The path behind `/models/`, decoded.
    file: String,
    headers: HeaderMap,
    /// What counters are kept by.
    key: String,
}

impl Request {
    async fn answer(&self, faults: &Faults, recorder: Recorder) -> Response {
        let head = self.method == Method::HEAD;
        if self.method == Method::OPTIONS {
            let status = if faults.no_preflight {
                StatusCode::FORBIDDEN
            } else {
                StatusCode::NO_CONTENT
            };
            return empty(status, recorder);
        }
        if head && faults.no_head == Some(NoHead::Forbidden) {
            return plain(StatusCode::FORBIDDEN, "It is signed for GET.", recorder);
        }
        let no_head = head && faults.no_head == Some(NoHead::NotAllowed);
        if no_head || !(head || self.method == Method::GET) {
            let response = plain(StatusCode::METHOD_NOT_ALLOWED, "Use GET.", recorder);
            return with(response, header::ALLOW, "GET, HEAD, OPTIONS");
        }
        if let Some(redirect) = faults.redirect {
            return self.redirect(redirect, recorder);
        }
        if !self.may_read(faults) {
            let response = plain(StatusCode::UNAUTHORIZED, "A token is needed.", recorder);
            return with(response, header::WWW_AUTHENTICATE, "Bearer");
        }
        let Some((content, metadata)) = self.find(faults).await else {
            return plain(StatusCode::NOT_FOUND, "There is no such file.", recorder);
        };
        let honours = Honours {
            preconditions: !faults.ignore_if_match,
            range: !faults.no_range && faults.gzip != Some(Gzip::Whole),
        };
        let selected = select(&self.method, &self.headers, &metadata, honours);
        let answer = self.answer_faults(faults, &metadata, &selected);
        if let Some(how) = answer.drop {
            return self.hang_up(how, recorder);
        }
        if let Some(status) = answer.status {
            return refusal(status, answer.retry_after, recorder);
        }
        if answer.html {
            return portal(recorder);
        }
        let (status, span) = match selected {
            Selected::Whole => (StatusCode::OK, 0..metadata.bytes),
            Selected::Part(part) => (StatusCode::PARTIAL_CONTENT, part),
            _ => return without_bytes(&selected, &metadata, honours, recorder),
        };
        let file = (content, &metadata);
        let response = self
            .bytes(file, status, span, faults, &answer, recorder)
            .await;
        with_validators(response, &metadata, honours)
    }

    fn hang_up(&self, how: Ending, mut recorder: Recorder) -> Response {
        self.connection.sever(how);
        recorder.ends(Outcome::Cut);
        // The attempt to write it is what ends the connection.
        StatusCode::OK.into_response()
    }

    /// The faults that `times`, `skip` and `at` let through to this request.
    fn answer_faults(&self, faults: &Faults, metadata: &Metadata, selected: &Selected) -> Answer {
        let whole = 0..metadata.bytes;
        let span = match selected {
            Selected::Part(part) => part,
            _ => &whole,
        };
        let concerned =
            faults.answer != Answer::default() && faults.at.is_none_or(|at| span.contains(&at));
        if concerned && self.app.counters.strikes(&self.key, faults) {
            faults.answer.clone()
        } else {
            Answer::default()
        }
    }

    /// The file as it is for this request, and what is told of it.
    async fn find(&self, faults: &Faults) -> Option<(Content, Metadata)> {
        let mut content = self.app.catalog.find(&self.file)?;
        let mut metadata = content.metadata().await.ok()?;
        if let Some(change) = faults.change()
            && self
                .app
                .counters
                .has_changed(&self.key, change, self.is_for_a_part(metadata.bytes))
        {
            let before = metadata.modified;
            let bytes = change.size.unwrap_or(metadata.bytes);
            content = Content::Generated(changed(&self.file, bytes));
            metadata = content.metadata().await.ok()?;
            metadata.modified = before.map(|before| before + Duration::from_mins(1));
        }
        if let Some(etag) = &faults.etag {
            metadata.etag = Some(etag.clone());
        }
        let compressed_head = self.method == Method::HEAD && faults.gzip_head.is_some();
        if (faults.weak || faults.gzip == Some(Gzip::Whole) || compressed_head)
            && let Some(etag) = &mut metadata.etag
            && !etag.starts_with("W/")
        {
            etag.insert_str(0, "W/");
        }
        metadata.etag.take_if(|_| faults.no_etag);
        metadata.modified.take_if(|_| faults.no_last_modified);
        Some((content, metadata))
    }

    /// Whether it asks for more than one byte of the file.
    fn is_for_a_part(&self, bytes: u64) -> bool {
        let range = self.headers.get(header::RANGE);
        let bounds = range
            .and_then(|range| range.to_str().ok()?.strip_prefix("bytes=")?.split_once('-'))
            .and_then(|(first, last)| Some((first.parse::<u64>().ok()?, last.parse::<u64>().ok())));
        let one = bounds
            .is_some_and(|(first, last)| last == Some(first) || first.saturating_add(1) >= bytes);
        self.method == Method::GET && !one
    }

    /// Some bytes of the file, with the faults that concern them.
    async fn bytes(
        &self,
        (content, metadata): (Content, &Metadata),
        status: StatusCode,
        mut span: Range<u64>,
        faults: &Faults,
        answer: &Answer,
        mut recorder: Recorder,
    ) -> Response {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, value("application/octet-stream"));
        if status == StatusCode::PARTIAL_CONTENT
            && let Some(range) = content_range(&span, metadata.bytes, answer)
        {
            headers.insert(header::CONTENT_RANGE, value(&range));
        }
        let mut length = span.end - span.start + answer.extra;
        match answer.wrong_length {
            _ if answer.empty => length = 0,
            Some(WrongLength::Shorter) if span.end > span.start => {
                length -= 1;
                span.end -= 1;
            }
            Some(WrongLength::Longer) => length += 1,
            _ => {}
        }
        let gzip_head = faults.gzip_head.filter(|_| self.method == Method::HEAD);
        if gzip_head == Some(GzipHead::Length) {
            headers.insert(header::CONTENT_LENGTH, (length / 3).into());
        }
        if faults.gzip.is_some() || gzip_head.is_some() {
            headers.insert(header::CONTENT_ENCODING, value("gzip"));
        } else if !faults.no_length {
            headers.insert(header::CONTENT_LENGTH, length.into());
        }
        recorder.status(status.as_u16());
        let nothing = length == 0 && faults.gzip.is_none();
        if answer.empty || nothing || self.method == Method::HEAD {
            recorder.ends(Outcome::Done);
            // A body that is known to be empty would be given its length, 0, where none is to be told.
            let told = headers.contains_key(header::CONTENT_LENGTH);
            let body = if told {
                Body::empty()
            } else {
                Body::from_stream(stream::empty::<std::io::Result<Bytes>>())
            };
            return (status, headers, body).into_response();
        }
        let Ok(reader) = content.open(span.start).await else {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            return plain(status, "The file cannot be read.", recorder);
        };
        let sending = Sending {
            reader,
            span,
            extra: answer.extra,
            short: answer.wrong_length == Some(WrongLength::Longer),
            corrupt: answer.corrupt,
            gzip: faults.gzip.is_some(),
            faults: faults.clone(),
            counters: Arc::clone(&self.app.counters),
            key: self.key.clone(),
            connection: Arc::clone(&self.connection),
            recorder,
        };
        (status, headers, sending.into_body()).into_response()
    }

    /// Whether it has the token that the query demands, if it demands one.
    fn may_read(&self, faults: &Faults) -> bool {
        let given = self.headers.get(header::AUTHORIZATION);
        let token = given.and_then(|given| given.as_bytes().strip_prefix(b"Bearer "));
        let digest = || token.map(|token| hex(&Sha256::digest(token)));
        (faults.auth.is_none() || token == faults.auth.as_deref().map(str::as_bytes))
            && (faults.auth_sha256.is_none() || digest() == faults.auth_sha256)
    }

    fn redirect(&self, to: Redirect, recorder: Recorder) -> Response {
        let query = self.uri.query().unwrap_or_default().split('&');
        let rest: Vec<_> = query
            .filter(|pair| !pair.starts_with("redirect="))
            .collect();
        let mut query = rest.join("&");
        let origin = match to {
            Redirect::Same => Some(String::new()),
            Redirect::Cross => self.app.other_origin(self.connection.socket),
            Redirect::Third => {
                let n = self.app.counters.signature(&self.key);
                let and = if query.is_empty() { "" } else { "&" };
                let signature = hex(&Sha256::digest(n.to_be_bytes()));
                query = format!("{query}{and}X-Amz-Expires=3600&X-Amz-Signature={signature}");
                self.app.third_origin()
            }
        };
        let Some(origin) = origin else {
            let text = "There is no other origin.";
            return plain(StatusCode::BAD_REQUEST, text, recorder);
        };
        let mark = if query.is_empty() { "" } else { "?" };
        let location = format!("{origin}{}{mark}{query}", self.uri.path());
        let response = empty(StatusCode::FOUND, recorder);
        with(response, header::LOCATION, &location)
    }
}

/// The answers that have none of the file's bytes.
fn without_bytes(
    selected: &Selected,
    metadata: &Metadata,
    honours: Honours,
    recorder: Recorder,
) -> Response {
    let response = match selected {
        Selected::NotModified => empty(StatusCode::NOT_MODIFIED, recorder),
        Selected::PreconditionFailed => {
            let status = StatusCode::PRECONDITION_FAILED;
            plain(status, "The file has changed.", recorder)
        }
        _ => {
            let status = StatusCode::RANGE_NOT_SATISFIABLE;
            let response = plain(status, "The range lies outside of the file.", recorder);
            let range = format!("bytes */{}", metadata.bytes);
            with(response, header::CONTENT_RANGE, &range)
        }
    };
    with_validators(response, metadata, honours)
}

/// What a file becomes with `changeAfter`: `file` is its path without `/models/`, `bytes` its (new) length.
#[must_use]
pub fn changed(file: &str, bytes: u64) -> Generated {
    Generated::new(bytes, &format!("changed {file}"))
}
