//! A listening socket that can be closed and opened again on the same port, and connections that can be cut on purpose.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::task::{Context, Poll};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinSet;

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Ending {
    /// In good order (TCP FIN): the other side reads an end of file.
    #[default]
    Fin,
    /// By reset (TCP RST): the other side reads an error, and what was still on its way is lost.
    Rst,
}

/// One of the server's listening sockets. Its port stays its own while it is closed, unless another program takes it.
#[derive(Debug)]
pub(crate) struct Socket {
    number: u8,
    address: Mutex<SocketAddr>,
    running: Mutex<Option<Running>>,
    runtime: Handle,
    connections: Arc<AtomicU64>,
}

#[derive(Debug)]
struct Running {
    stop: oneshot::Sender<()>,
    reset: Arc<AtomicBool>,
    ended: mpsc::Receiver<()>,
}

impl Socket {
    /// A closed socket. Port 0 stands for any free one, settled when it is first opened.
    pub(crate) fn new(
        number: u8,
        address: SocketAddr,
        runtime: Handle,
        connections: Arc<AtomicU64>,
    ) -> Self {
        Self {
            number,
            address: Mutex::new(address),
            running: Mutex::default(),
            runtime,
            connections,
        }
    }

    /// The address it listens at when it is open.
    pub(crate) fn address(&self) -> SocketAddr {
        *lock(&self.address)
    }

    /// The origin: `http://127.0.0.1:8080`, without a slash at the end.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Whether it listens.
    pub(crate) fn is_open(&self) -> bool {
        lock(&self.running).is_some()
    }

    /// Stops listening and ends all connections. Returns when the last one is gone; new ones are refused from then on.
    pub(crate) fn close(&self, how: Ending) {
        // Held to the end, so that an `open` meanwhile comes after.
        let mut running = lock(&self.running);
        let Some(Running { stop, reset, ended }) = running.take() else {
            return;
        };
        reset.store(how == Ending::Rst, Ordering::Release);
        // Both fail only if the loop is gone already, which is what is wanted.
        let _ = stop.send(());
        let _ = ended.recv();
    }

    /// Runs `app` on the socket, at the same port as before. Does nothing if it is open.
    ///
    /// # Errors
    /// If the port cannot be had.
    pub(crate) fn open(&self, app: Router) -> io::Result<()> {
        let mut running = lock(&self.running);
        if running.is_some() {
            return Ok(());
        }
        let listener = std::net::TcpListener::bind(self.address())?;
        listener.set_nonblocking(true)?;
        *lock(&self.address) = listener.local_addr()?;
        let listener = {
            let _inside = self.runtime.enter();
            TcpListener::from_std(listener)?
        };
        let (stop, stopped) = oneshot::channel();
        let (end, ended) = mpsc::channel();
        let reset = Arc::new(AtomicBool::new(false));
        let accepting = Accepting {
            listener,
            app,
            socket: self.number,
            connections: Arc::clone(&self.connections),
            reset: Arc::clone(&reset),
        };
        self.runtime.spawn(async move {
            accepting.run(stopped).await;
            drop(end);
        });
        *running = Some(Running { stop, reset, ended });
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Accepting {
    listener: TcpListener,
    app: Router,
    socket: u8,
    connections: Arc<AtomicU64>,
    reset: Arc<AtomicBool>,
}

impl Accepting {
    async fn run(self, mut stopped: oneshot::Receiver<()>) {
        let mut tasks = JoinSet::new();
        loop {
            tokio::select! {
                _ = &mut stopped => break,
                Some(_) = tasks.join_next() => {}
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        tasks.spawn(self.connection(stream));
                    }
                    // Too many open files, mostly: that passes as connections end.
                    Err(_) => tokio::task::yield_now().await,
                },
            }
        }
        drop(self.listener);
        tasks.shutdown().await;
    }

    fn connection(&self, stream: TcpStream) -> impl Future<Output = ()> + use<> {
        let connection = Arc::new(Connection {
            number: self.connections.fetch_add(1, Ordering::Relaxed) + 1,
            socket: self.socket,
            reset: AtomicBool::new(false),
            severed: AtomicBool::new(false),
            flushes: AtomicU64::new(0),
            flushed: Notify::new(),
        });
        // Small chunks must leave at once, or a throttled body would be jerky.
        let _ = stream.set_nodelay(true);
        let io = TokioIo::new(Wire {
            stream,
            connection: Arc::clone(&connection),
            socket_reset: Arc::clone(&self.reset),
        });
        let app = self.app.clone().layer(axum::Extension(connection));
        async move {
            // An error here is a client that went away, or a fault that was asked for; the log tells both.
            let _ = http1::Builder::new()
                // No limit on idle connections: a close that nobody asked for would be a fault that no test expects.
                .header_read_timeout(None)
                .max_buf_size(128 * 1024)
                .serve_connection(io, TowerToHyperService::new(app))
                .await;
        }
    }
}

/// What a request's handler may know of, and do to, the connection that it came in on.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) number: u64,
    pub(crate) socket: u8,
    reset: AtomicBool,
    severed: AtomicBool,
    flushes: AtomicU64,
    flushed: Notify,
}

impl Connection {
    /// Waits until all that was given to the connection before has been handed to the operating system.
    pub(crate) async fn flush(&self) {
        let flushed = self.flushed.notified();
        tokio::pin!(flushed);
        let before = self.flushes.load(Ordering::Acquire);
        // The HTTP layer flushes whenever a body has nothing to give, so this very wait brings the flush about.
        while self.flushes.load(Ordering::Acquire) == before {
            flushed.as_mut().await;
            flushed.set(self.flushed.notified());
        }
    }

    /// Lets no further byte out and says what closing the connection will look like from the other side. It is closed as
    /// soon as the HTTP layer tries to write, or is given an error by the body.
    pub(crate) fn sever(&self, how: Ending) {
        self.reset.store(how == Ending::Rst, Ordering::Release);
        self.severed.store(true, Ordering::Release);
    }

    fn check(&self) -> io::Result<()> {
        if self.severed.load(Ordering::Acquire) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }
}

/// The TCP stream, with an eye on its flushes and a say in its end.
struct Wire {
    stream: TcpStream,
    connection: Arc<Connection>,
    socket_reset: Arc<AtomicBool>,
}

impl Drop for Wire {
    fn drop(&mut self) {
        let reset = &self.connection.reset;
        if reset.load(Ordering::Acquire) || self.socket_reset.load(Ordering::Acquire) {
            // Closing with unsent data thrown away is what TCP calls a reset.
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.connection.check()?;
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.connection.check()?;
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// Called by the HTTP layer only when its own buffers are empty.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(cx);
        if polled.is_ready() {
            self.connection.flushes.fetch_add(1, Ordering::Release);
            self.connection.flushed.notify_waiters();
        }
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
