//! An app on the web: served as files, or by a bundler's own server.

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use tower_http::services::ServeDir;

use super::app::App;
use crate::support::process::Tree;
use crate::support::server::Server;

/// How long a bundler's server may take to say where it listens.
const START: Duration = Duration::from_mins(1);

/// A running app. Dropping it ends its server with everything that this started.
pub(crate) struct Site {
    address: String,
    _server: Running,
}

#[expect(
    dead_code,
    reason = "they are kept for what happens when they are dropped"
)]
enum Running {
    Files(Server),
    Program(Tree),
}

impl Site {
    /// Serves a folder as any web server does.
    pub(crate) fn of_files(folder: &Path) -> Result<Self> {
        let server = Server::start(Router::new().fallback_service(ServeDir::new(folder)))?;
        Ok(Self {
            address: format!("{}/", server.origin()),
            _server: Running::Files(server),
        })
    }

    /// Starts a bundler's server, which is told a free port as its last argument, and waits for the line with its address.
    pub(crate) async fn of_program(app: &App, script: &str, arguments: &[&str]) -> Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = app.program(script, arguments);
        command.arg(port.to_string());
        let (server, address) = tokio::task::spawn_blocking(move || {
            let server = Tree::start(command)?;
            let address = server.await_line(START, address)?;
            anyhow::Ok((server, address))
        })
        .await?
        .with_context(|| format!("{script} {arguments:?}"))?;
        Ok(Self {
            address,
            _server: Running::Program(server),
        })
    }

    /// The address of its page.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }
}

/// `  ➜  Local:   http://127.0.0.1:5173/`, as Vite and Next say it.
fn address(line: &str) -> Option<String> {
    let (_, address) = line.split_once("Local:")?;
    Some(format!("{}/", address.trim().trim_end_matches('/')))
}
