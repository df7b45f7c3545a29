//! Everything that the server answers: the page and its files, the package, the models, and a small API beside them.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use axum::extract::{Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{any, get, put};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use tower_http::services::ServeDir;
use tower_http::set_header::SetResponseHeaderLayer;

use crate::catalog::{Catalog, Hub};
use crate::csp;
use crate::faults::{self, Counters};
use crate::log::Log;
use crate::models::models;
use crate::server::Folders;
use crate::socket::{Ending, Socket};

/// A page for tests, which bring their own scripts.
const BLANK: &str = "<!doctype html>\n<meta charset=\"utf-8\">\n<title>Blank</title>\n<link rel=\"icon\" href=\"data:,\">\n<script src=\"/blank.js\"></script>\n";

/// Loads a module as the page itself does. In Firefox a test's scripts run in a sandbox of their own, and so would the
/// modules that they import. With `?without=locks` the page is one of a browser that has no Web Locks.
const BLANK_SCRIPT: &str = "\
globalThis.load = (url) => import(url);
if (location.search === '?without=locks') delete Navigator.prototype.locks;
";

/// What all requests share.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) log: Arc<Log>,
    pub(crate) counters: Arc<Counters>,
    pub(crate) catalog: Catalog,
    page: PathBuf,
    sockets: OnceLock<Sockets>,
}

/// The sockets, and what all of them serve.
#[derive(Debug)]
pub(crate) struct Sockets {
    pub(crate) first: Socket,
    pub(crate) second: Option<Socket>,
    pub(crate) third: Option<Socket>,
    pub(crate) router: Router,
}

impl App {
    pub(crate) fn new(folders: &Folders, model: Option<PathBuf>) -> Self {
        Self {
            log: Arc::new(Log::new()),
            counters: Arc::default(),
            catalog: Catalog::new(folders.models.clone(), model),
            page: folders.page.clone(),
            sockets: OnceLock::new(),
        }
    }

    /// Told once, before the first request.
    pub(crate) fn set_sockets(&self, sockets: Sockets) {
        assert!(
            self.sockets.set(sockets).is_ok(),
            "the sockets are set once"
        );
    }

    pub(crate) fn sockets(&self) -> &Sockets {
        self.sockets.get().expect("set before the first request")
    }

    /// The second origin for requests of the first one, the first for all others.
    pub(crate) fn other_origin(&self, socket: u8) -> Option<String> {
        let Sockets { first, second, .. } = self.sockets();
        match socket {
            1 => second.as_ref().map(Socket::origin),
            _ => Some(first.origin()),
        }
    }

    pub(crate) fn third_origin(&self) -> Option<String> {
        self.sockets().third.as_ref().map(Socket::origin)
    }

    fn policy(&self, html: &str) -> HeaderValue {
        let Sockets {
            first,
            second,
            third,
            ..
        } = self.sockets();
        let others = [Some(first), second.as_ref(), third.as_ref()];
        let others = others.into_iter().flatten();
        let others: Vec<_> = others.map(Socket::origin).collect();
        HeaderValue::from_str(&csp::policy(html, &others)).expect("made of visible characters")
    }
}

/// The routes of all sockets.
pub(crate) fn router(app: Arc<App>, folders: &Folders) -> Router {
    // Asked for again at every load, and answered with 304 where nothing changed.
    let no_cache = HeaderValue::from_static("no-cache");
    let sniff = HeaderValue::from_static("nosniff");
    let policy = {
        let app = Arc::clone(&app);
        move |_: &Response| Some(app.policy(""))
    };
    let files = Router::new()
        .route("/", get(index))
        .route("/index.html", get(index))
        .route("/blank.html", get(|| async { Html(BLANK) }))
        .route("/blank.js", get(blank_script))
        .nest_service("/longhaul", ServeDir::new(&folders.dist))
        .nest_service("/vendor/wllama", ServeDir::new(&folders.vendor))
        .fallback_service(ServeDir::new(&folders.page).append_index_html_on_directories(false))
        // Workers have policies of their own, so that every file carries one.
        .layer(SetResponseHeaderLayer::if_not_present(
            header::CONTENT_SECURITY_POLICY,
            policy,
        ))
        .layer(SetResponseHeaderLayer::overriding(
            header::CACHE_CONTROL,
            no_cache.clone(),
        ))
        .layer(SetResponseHeaderLayer::overriding(
            header::X_CONTENT_TYPE_OPTIONS,
            sniff,
        ));
    let api = Router::new()
        .route("/api/models", get(list_models))
        .route("/api/sha256", get(sha256))
        .route("/api/faults", get(|| async { Json(faults::table()) }))
        .route("/api/log", get(read_log).delete(clear_log))
        .route("/api/network", put(set_network).get(get_network))
        .layer(SetResponseHeaderLayer::overriding(
            header::CACHE_CONTROL,
            no_cache,
        ));
    Router::new()
        .route("/models/{*file}", any(models))
        .merge(api)
        .merge(files)
        .with_state(app)
}

/// The demo's page, with a policy that knows its inline scripts. Read anew each time: whoever edits it need not restart.
async fn index(State(app): State<Arc<App>>) -> Response {
    match tokio::fs::read_to_string(app.page.join("index.html")).await {
        Ok(html) => {
            let policy = [(header::CONTENT_SECURITY_POLICY, app.policy(&html))];
            (policy, Html(html)).into_response()
        }
        Err(error) => {
            let text = format!("The demo's page cannot be read: {error}");
            (StatusCode::NOT_FOUND, text).into_response()
        }
    }
}

async fn blank_script() -> Response {
    ([(header::CONTENT_TYPE, "text/javascript")], BLANK_SCRIPT).into_response()
}

async fn list_models(State(app): State<Arc<App>>) -> Response {
    let Sockets { second, third, .. } = app.sockets();
    // As hubs do it: an address of theirs, and the file itself at an address of somebody else's.
    let hub = second.as_ref().zip(third.as_ref());
    let hub = hub.map(|(second, _)| Hub {
        origin: second.origin(),
        query: "?redirect=third",
    });
    answer(app.catalog.models(hub.as_ref()).await)
}

#[derive(Deserialize)]
struct Wanted {
    url: String,
}

/// `?url=/models/…`: length and SHA-256 of any file, its query left out of account.
async fn sha256(State(app): State<Arc<App>>, Query(Wanted { url }): Query<Wanted>) -> Response {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    match path.strip_prefix("/models/") {
        Some(path) => answer(app.catalog.resource(path).await),
        None => answer::<()>(Err(io::ErrorKind::NotFound.into())),
    }
}

fn answer<T: Serialize>(result: io::Result<T>) -> Response {
    match result {
        Ok(value) => Json(value).into_response(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            (StatusCode::NOT_FOUND, "There is no such file.").into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

async fn read_log(State(app): State<Arc<App>>) -> Response {
    Json(app.log.entries()).into_response()
}

async fn clear_log(State(app): State<Arc<App>>) -> StatusCode {
    app.log.clear();
    StatusCode::NO_CONTENT
}

/// Whether the second socket listens.
#[derive(Serialize, Deserialize)]
struct Network {
    up: bool,
}

async fn get_network(State(app): State<Arc<App>>) -> Response {
    match &app.sockets().second {
        Some(socket) => Json(Network {
            up: socket.is_open(),
        })
        .into_response(),
        None => (StatusCode::NOT_FOUND, "There is no second socket.").into_response(),
    }
}

/// Takes the second socket away, or brings it back. The first one stays, or nobody could ask for the other to come back.
async fn set_network(State(app): State<Arc<App>>, Json(Network { up }): Json<Network>) -> Response {
    // Waits for connections to end, one of which may be the one that asks: so not to be awaited, and not in its way.
    let change = tokio::task::spawn_blocking(move || {
        let Sockets { second, router, .. } = app.sockets();
        let socket = second.as_ref().ok_or(io::ErrorKind::NotFound)?;
        if up {
            socket.open(router.clone())
        } else {
            socket.close(Ending::Rst);
            Ok(())
        }
    });
    match change.await {
        Ok(Ok(())) => StatusCode::NO_CONTENT.into_response(),
        Ok(Err(error)) => (StatusCode::CONFLICT, error.to_string()).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
