//! The server as a library: built, spawned, taken off the network and put back.

use std::fmt::Debug;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use axum::extract::Request;
use axum::http::request::Parts;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use tokio::runtime::{Builder as RuntimeBuilder, Runtime};

use crate::app::{App, Sockets, router};
use crate::log::Log;
use crate::socket::{Ending, Socket};

/// Where the files lie that the server offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folders {
    /// The demo's page, served at `/`.
    pub page: PathBuf,
    /// The package that `cargo xtask dist` writes, served at `/longhaul`.
    pub dist: PathBuf,
    /// wllama's ES module, served at `/vendor/wllama`.
    pub vendor: PathBuf,
    /// Model files, served at `/models`.
    pub models: PathBuf,
}

impl Folders {
    /// The folders of a checkout of Longhaul whose root is given.
    #[must_use]
    pub fn of_checkout(root: &Path) -> Self {
        Self {
            page: root.join("demo/page"),
            dist: root.join("dist"),
            vendor: root.join("demo/node_modules/@wllama/wllama/esm"),
            models: root.join("target/models"),
        }
    }
}

/// A site of somebody else's around Longhaul: it sees every request first.
pub trait Site: Debug + Send + Sync {
    /// The site's own answer; where there is none, the server gives the one that it always gives.
    fn answer(&self, request: &Parts) -> Option<Response>;
}

/// What a server is to be like.
#[derive(Debug, Clone)]
pub struct Builder {
    host: IpAddr,
    port: u16,
    second_port: Option<u16>,
    third_port: Option<u16>,
    folders: Folders,
    model: Option<PathBuf>,
    site: Option<Arc<dyn Site>>,
}

impl Builder {
    /// The address to listen at; `127.0.0.1` unless said. The server has no protection beyond that: it is for one person.
    #[must_use]
    pub fn host(mut self, host: IpAddr) -> Self {
        self.host = host;
        self
    }

    /// The port to listen at; 0, the default, stands for any free one.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// The port of the second origin, which serves the same; 0, the default, stands for any free one, `None` for no such origin.
    #[must_use]
    pub fn second_port(mut self, port: Option<u16>) -> Self {
        self.second_port = port;
        self
    }

    /// The same for the third origin, which hubs redirect to (`redirect=third`).
    #[must_use]
    pub fn third_port(mut self, port: Option<u16>) -> Self {
        self.third_port = port;
        self
    }

    /// The folders to serve; those of this checkout unless said.
    #[must_use]
    pub fn folders(mut self, folders: Folders) -> Self {
        self.folders = folders;
        self
    }

    /// A model file to offer in place of the default one, at `/models/<its name>`.
    #[must_use]
    pub fn model(mut self, file: Option<PathBuf>) -> Self {
        self.model = file;
        self
    }

    /// A site that answers before everything else does, at both origins.
    #[must_use]
    pub fn site(mut self, site: Arc<dyn Site>) -> Self {
        self.site = Some(site);
        self
    }

    /// Starts the server, on threads of its own: neither a blocked test nor its runtime's clock has a hold on it.
    ///
    /// # Errors
    /// If a port cannot be had.
    pub fn spawn(self) -> io::Result<Server> {
        let runtime = RuntimeBuilder::new_multi_thread()
            .worker_threads(2)
            .thread_name("longhaul-demo")
            .enable_all()
            .build()?;
        let connections = Arc::new(AtomicU64::new(0));
        let socket = |number, port| {
            let address = SocketAddr::new(self.host, port);
            let runtime = runtime.handle().clone();
            Socket::new(number, address, runtime, Arc::clone(&connections))
        };
        let app = Arc::new(App::new(&self.folders, self.model));
        let mut router = router(Arc::clone(&app), &self.folders);
        if let Some(site) = self.site {
            router = router.layer(from_fn(move |request: Request, next: Next| {
                let site = Arc::clone(&site);
                async move {
                    let (parts, body) = request.into_parts();
                    match site.answer(&parts) {
                        Some(answer) => answer,
                        None => next.run(Request::from_parts(parts, body)).await,
                    }
                }
            }));
        }
        app.set_sockets(Sockets {
            first: socket(1, self.port),
            second: self.second_port.map(|port| socket(2, port)),
            third: self.third_port.map(|port| socket(3, port)),
            router,
        });
        let server = Server {
            app,
            runtime: Some(runtime),
        };
        server.open()?;
        Ok(server)
    }
}

/// A running server. Dropping it closes all sockets and ends all connections.
#[derive(Debug)]
pub struct Server {
    app: Arc<App>,
    runtime: Option<Runtime>,
}

impl Server {
    /// A server with every default: any free ports of the loopback address, this checkout's folders, the default model.
    #[must_use]
    pub fn builder() -> Builder {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        Builder {
            host: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            second_port: Some(0),
            third_port: Some(0),
            folders: Folders::of_checkout(&root),
            model: None,
            site: None,
        }
    }

    /// The first origin, which the page is opened at: `http://127.0.0.1:8080`, without a slash at the end.
    #[must_use]
    pub fn origin(&self) -> String {
        self.app.sockets().first.origin()
    }

    /// The second origin.
    ///
    /// # Panics
    /// If the server was built without one.
    #[must_use]
    pub fn second_origin(&self) -> String {
        let second = self.app.sockets().second.as_ref();
        second
            .expect("the server was built with a second port")
            .origin()
    }

    /// The third origin.
    ///
    /// # Panics
    /// If the server was built without one.
    #[must_use]
    pub fn third_origin(&self) -> String {
        let third = self.app.third_origin();
        third.expect("the server was built with a third port")
    }

    /// Takes the server off the network: all sockets close, all connections end as said. Returns when they have.
    pub fn close(&self, how: Ending) {
        self.app.sockets().first.close(how);
        self.close_second(how);
        if let Some(third) = &self.app.sockets().third {
            third.close(how);
        }
    }

    /// Puts the server back on the network, at the ports it had. Does nothing where it is.
    ///
    /// # Errors
    /// If another program has taken a port meanwhile.
    pub fn open(&self) -> io::Result<()> {
        let Sockets {
            first,
            third,
            router,
            ..
        } = self.app.sockets();
        first.open(router.clone())?;
        if let Some(third) = third {
            third.open(router.clone())?;
        }
        self.open_second()
    }

    /// Takes the second origin alone off the network, as `PUT /api/network {"up": false}` does.
    pub fn close_second(&self, how: Ending) {
        if let Some(second) = &self.app.sockets().second {
            second.close(how);
        }
    }

    /// Puts the second origin back, as `PUT /api/network {"up": true}` does.
    ///
    /// # Errors
    /// If another program has taken the port meanwhile.
    pub fn open_second(&self) -> io::Result<()> {
        let Sockets { second, router, .. } = self.app.sockets();
        second
            .as_ref()
            .map_or(Ok(()), |second| second.open(router.clone()))
    }

    /// The log of requests for models.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.app.log
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.close(Ending::Fin);
        if let Some(runtime) = self.runtime.take() {
            // Also allowed where the drop happens inside another runtime.
            runtime.shutdown_background();
        }
    }
}
