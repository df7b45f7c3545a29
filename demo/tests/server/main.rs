//! The demo's server over plain connections: every rule of HTTP that a download relies on, and every fault.

mod api;
mod bodies;
mod faults;
mod http;
mod network;
mod origins;
mod pages;
mod wire;

use longhaul_demo::{Entry, Generated, Outcome, Server};

/// A server on free ports.
fn server() -> Server {
    Server::builder().spawn().expect("free ports")
}

/// 40,000 bytes: less than what fits on its way to a reader, so that a reset loses none of them.
fn small() -> Generated {
    Generated::new(40_000, "small")
}

/// Waits until so many requests have been logged and have ended.
fn ended(server: &Server, count: usize) -> Vec<Entry> {
    until(server, |entries| {
        entries.len() == count
            && entries
                .iter()
                .all(|entry| entry.outcome != Outcome::Running)
    })
}

fn until(server: &Server, condition: impl Fn(&[Entry]) -> bool) -> Vec<Entry> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .expect("a runtime");
    let limit = std::time::Duration::from_secs(30);
    runtime
        .block_on(async { tokio::time::timeout(limit, server.log().until(condition)).await })
        .unwrap_or_else(|_| panic!("not in time: {:#?}", server.log().entries()))
}
