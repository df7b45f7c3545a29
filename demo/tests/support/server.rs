//! A server in the test's own process, on a runtime of its own: it can be taken away with all its connections and come back
//! at the same address.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result};
use axum::Router;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

/// A running (or stopped) server.
#[derive(Debug)]
pub(crate) struct Server {
    router: Router,
    address: SocketAddr,
    runtime: Option<Runtime>,
}

impl Server {
    /// Serves `router` on a free port of the loopback address.
    pub(crate) fn start(router: Router) -> Result<Self> {
        let mut server = Self {
            router,
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            runtime: None,
        };
        server.resume()?;
        Ok(server)
    }

    /// Starts it (again), at the address it had.
    pub(crate) fn resume(&mut self) -> Result<()> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("test-server")
            .enable_all()
            .build()?;
        let address = self.address;
        let router = self.router.clone();
        // Blocking on another runtime is not allowed in a test's async code, so the listener is bound in a thread of its own.
        let handle = runtime.handle().clone();
        self.address = std::thread::spawn(move || {
            handle.block_on(async move {
                let listener = TcpListener::bind(address)
                    .await
                    .with_context(|| format!("cannot listen on {address}"))?;
                let address = listener.local_addr()?;
                tokio::spawn(async move { axum::serve(listener, router).await });
                anyhow::Ok(address)
            })
        })
        .join()
        .expect("binding a listener does not panic")?;
        self.runtime = Some(runtime);
        Ok(())
    }

    /// Closes the listener and every connection at once, in the middle of whatever they were doing.
    pub(crate) fn stop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    /// `http://127.0.0.1:<port>`.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}
