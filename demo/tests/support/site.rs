//! A site of somebody else's: what stands at its addresses, which a test may change meanwhile, and what was asked of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result, ensure};
use axum::body::{Body, Bytes};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use futures_util::stream;
use tokio::sync::watch;

use super::model::sha256;
use super::world::{target, workspace};

/// Where the sources of the sites lie.
const SOURCES: &str = "demo/tests/guests";

/// What stands at one address.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    status: StatusCode,
    headers: Vec<(&'static str, String)>,
    body: Content,
}

#[derive(Debug, Clone)]
enum Content {
    Bytes(Bytes),
    /// Begins and never ends.
    Endless,
}

impl Answer {
    fn new(kind: &str, body: impl Into<Bytes>) -> Self {
        let headers = vec![("content-type", kind.to_owned())];
        let body = Content::Bytes(body.into());
        Self {
            status: StatusCode::OK,
            headers,
            body,
        }
    }

    /// A page.
    pub(crate) fn html(text: &str) -> Self {
        Self::new("text/html; charset=utf-8", text.to_owned())
    }

    /// A script.
    pub(crate) fn script(text: &str) -> Self {
        Self::new("text/javascript", text.to_owned())
    }

    /// A script that never comes to its end.
    pub(crate) fn endless_script() -> Self {
        Self {
            body: Content::Endless,
            ..Self::script("")
        }
    }

    /// Some bytes under a type.
    pub(crate) fn bytes(kind: &str, bytes: Vec<u8>) -> Self {
        Self::new(kind, bytes)
    }

    /// What servers say where nothing is.
    pub(crate) fn not_found() -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            ..Self::new("text/plain", "There is nothing here.")
        }
    }

    /// The same with a header.
    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }

    fn response(&self) -> Response {
        let body = match &self.body {
            Content::Bytes(bytes) => Body::from(bytes.clone()),
            Content::Endless => {
                Body::from_stream(stream::pending::<Result<Bytes, std::convert::Infallible>>())
            }
        };
        let mut response = Response::new(body);
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        for (name, value) in &self.headers {
            let value = HeaderValue::from_str(value).expect("a test's header is well formed");
            headers.insert(*name, value);
        }
        debug_assert!(headers.contains_key(CONTENT_TYPE));
        response
    }
}

/// What stands at the addresses of a site. Everything else is the demo server's: the package, models, a blank page.
#[derive(Debug, Default)]
pub(crate) struct Site {
    answers: Mutex<BTreeMap<String, Answer>>,
    asked: Mutex<Vec<String>>,
    changed: watch::Sender<()>,
}

impl Site {
    /// A site with these addresses.
    pub(crate) fn new<'a>(answers: impl IntoIterator<Item = (&'a str, Answer)>) -> Arc<Self> {
        let site = Self::default();
        for (path, answer) in answers {
            site.put(path, answer);
        }
        Arc::new(site)
    }

    /// Puts an answer at a path, in the place of whatever stood there.
    pub(crate) fn put(&self, path: &str, answer: Answer) {
        lock(&self.answers).insert(path.to_owned(), answer);
    }

    /// Leaves a path to the demo's server again.
    pub(crate) fn remove(&self, path: &str) {
        lock(&self.answers).remove(path);
    }

    /// Puts every file of a folder at the site's root.
    pub(crate) fn put_folder(&self, folder: &Path) -> Result<()> {
        let entries =
            fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str());
            let text = fs::read_to_string(&path)?;
            let answer = match path.extension().and_then(|kind| kind.to_str()) {
                Some("html") => Answer::html(&text),
                _ => Answer::script(&text),
            };
            self.put(&format!("/{}", name.context("no name in Unicode")?), answer);
        }
        Ok(())
    }

    /// Everything that was asked for, `GET /path?query` each, the demo server's share included, oldest first.
    pub(crate) fn asked(&self) -> Vec<String> {
        lock(&self.asked).clone()
    }

    /// How often a path was asked for, with whatever query.
    pub(crate) fn times(&self, path: &str) -> usize {
        let of_path = |line: &&String| {
            let address = line.split_once(' ').map_or("", |(_, address)| address);
            address.split('?').next() == Some(path)
        };
        lock(&self.asked).iter().filter(of_path).count()
    }

    /// Forgets what was asked for.
    pub(crate) fn forget_asked(&self) {
        lock(&self.asked).clear();
    }

    /// Waits until a path has been asked for so often; for ever, if need be.
    pub(crate) async fn until_asked(&self, path: &str, times: usize) {
        let mut changes = self.changed.subscribe();
        while self.times(path) < times {
            changes.changed().await.expect("the sender lives in self");
        }
    }
}

impl longhaul_demo::Site for Site {
    fn answer(&self, request: &Parts) -> Option<Response> {
        let path = request.uri.path();
        let query = request.uri.query();
        let query = query.map_or_else(String::new, |query| format!("?{query}"));
        lock(&self.asked).push(format!("{} {path}{query}", request.method));
        self.changed.send_replace(());
        let path = if path == "/" { "/index.html" } else { path };
        lock(&self.answers).get(path).map(Answer::response)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing in here can be left half done by a panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file of the package, as `cargo xtask dist` wrote it.
pub(crate) fn package_file(name: &str) -> Result<Vec<u8>> {
    let path = workspace().join("dist").join(name);
    fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))
}

/// The folder with the service workers that Workbox makes of `demo/tests/guests`. They are made where they are not there yet.
pub(crate) fn workers_of_workbox() -> Result<PathBuf> {
    let sources = workspace().join(SOURCES);
    let mut all = Vec::new();
    for name in [
        "package-lock.json",
        "build.mjs",
        "attached.js",
        "injected.js",
        "composed.js",
        "site/index.html",
        "site/offline.html",
    ] {
        all.extend(fs::read(sources.join(name))?);
    }
    let folder = target().join("guests").join(&sha256(&all)[..16]);
    if !folder.is_dir() {
        let done = Command::new("node")
            .arg(sources.join("build.mjs"))
            .arg(&folder)
            .output()
            .context("node could not be started")?;
        ensure!(
            done.status.success(),
            "Workbox failed; run `cargo xtask setup`, then try again: {}",
            String::from_utf8_lossy(&done.stderr)
        );
    }
    Ok(folder)
}

/// A site with pages, an offline page and one of the workers that Workbox makes, at `/sw.js`.
pub(crate) fn site_of_workbox(worker: &str) -> Result<Arc<Site>> {
    let site = Site::new([]);
    let sources = workspace().join(SOURCES);
    site.put_folder(&sources.join("site"))?;
    site.put_folder(&workers_of_workbox()?.join(worker))?;
    let attached = fs::read_to_string(sources.join("attached.js"))?;
    site.put("/attached.js", Answer::script(&attached));
    Ok(site)
}
