//! An app that has an HTTP client, a clock and an executor, and nothing else: everything is kept in memory. Its wall clock
//! leaps by an hour whenever somebody looks.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use futures_util::future::LocalBoxFuture;
use longhaul_core::{Range, Resource, Spec};
use longhaul_runner::answer::HttpResponse;
use longhaul_runner::body::{Chunks, Cut};
use longhaul_runner::driver::Driver;
use longhaul_runner::errors::NetError;
use longhaul_runner::kit::MemoryKit;
use longhaul_runner::node::{Node, Setup};
use longhaul_runner::ports::{App, Http, HttpRequest, Runtime};
use tokio::task::{LocalSet, spawn_local, yield_now};

const PART: u64 = 1_000;
const SIZE: u64 = 9_500;

struct Process {
    began: Instant,
    hours: Cell<u64>,
    /// The file that every server has.
    file: Vec<u8>,
    requests: Cell<u32>,
}

impl Runtime for Process {
    fn now_ms(&self) -> u64 {
        self.hours.set(self.hours.get() + 1);
        self.hours.get() * 3_600_000
    }

    fn monotonic_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).expect("a short test")
    }

    fn sleep(&self, ms: u32) -> LocalBoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(Duration::from_millis(ms.into())))
    }

    fn spawn(&self, work: LocalBoxFuture<'static, ()>) {
        spawn_local(work);
    }
}

/// Bytes that come in pieces.
struct Body(Vec<u8>);

impl Chunks for Body {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, Cut> {
        yield_now().await;
        let left = self.0.split_off(self.0.len().min(300));
        let piece = std::mem::replace(&mut self.0, left);
        Ok((!piece.is_empty()).then_some(piece))
    }
}

impl Http for Process {
    type Body = Body;

    async fn send(&self, request: &HttpRequest<'_>) -> Result<(HttpResponse, Body), NetError> {
        self.requests.set(self.requests.get() + 1);
        let range = request.range.unwrap_or(Range::from(0));
        let at = |offset: u64| usize::try_from(offset.min(SIZE)).expect("a small file");
        let (start, end) = (at(range.start), at(range.end()));
        let answer = HttpResponse {
            status: 206,
            content_range: Some(format!("bytes {start}-{}/{SIZE}", end - 1)),
            etag: Some("\"1\"".to_owned()),
            ..HttpResponse::default()
        };
        Ok((answer, Body(self.file[start..end].to_vec())))
    }
}

impl App for Process {}

#[tokio::test(flavor = "current_thread")]
async fn it_downloads_whatever_its_wall_clock_does() {
    let process = Process {
        began: Instant::now(),
        hours: Cell::default(),
        file: (0..=250).cycle().take(9_500).collect(),
        requests: Cell::default(),
    };
    let mut setup = Setup {
        parallel: 3,
        ..Setup::default()
    };
    setup.policy.part_bytes = Some(PART);
    let node = Node::new(setup, MemoryKit::in_memory(process));
    let spec = Spec {
        id: "a".to_owned(),
        resources: vec![Resource {
            url: "https://host/file".to_owned(),
            ..Resource::default()
        }],
        ..Spec::default()
    };
    let work = async {
        let spec = spec.validated().expect("a spec");
        node.request(spec).await.expect("asked for");
        Driver::new(Rc::clone(&node), "a").run().await;
        node.load("a").await.expect("readable")
    };
    let download = LocalSet::new().run_until(work).await;
    assert!(download.is_available(), "{:?}", download.state);
    let kit = &node.platform;
    let bytes = kit.parts.bytes(&download.files[0].key(), 0, SIZE);
    assert_eq!(bytes.as_ref(), Ok(&kit.process.file));
    // One to probe, and one for each part: none was taken for silent.
    assert_eq!(kit.process.requests.get(), 11);
}
