//! The faults of a body on its way, of time, and of a file that changes.

use std::io::Read as _;
use std::time::Duration;

use longhaul_demo::{Outcome, changed};

use crate::faults::{ask, is_right};
use crate::wire::{End, get, send};
use crate::{ended, server, small};

/// The path of the small file, without `/models/`.
const FILE: &str = "generated/40000/small.bin";

#[test]
fn one_byte_is_inverted_wherever_it_is_asked_for() {
    let server = server();
    let mut wrong = small().slice(0..40_000);
    wrong[5000] = !wrong[5000];
    assert!(ask(&server, "corrupt=5000", &[]).body == wrong);
    assert_eq!(
        ask(&server, "corrupt=5000", &[("range", "bytes=4999-5001")]).body,
        wrong[4999..5002]
    );
    assert_eq!(
        ask(&server, "corrupt=5000", &[("range", "bytes=5001-5002")]).body,
        wrong[5001..5003]
    );
}

#[test]
fn bodies_are_cut_where_and_as_often_as_asked() {
    let server = server();
    for (query, headers, cut) in [
        ("cut=10000", &[][..], Some((10_000, End::Fin))),
        ("cut=10000&cutBy=rst", &[], Some((10_000, End::Rst))),
        ("cut=10000&noLength=1", &[], Some((10_000, End::Fin))),
        (
            "cut=10000",
            &[("range", "bytes=9000-19999")],
            Some((1000, End::Fin)),
        ),
        (
            "cut=10000",
            &[("range", "bytes=10000-19999")],
            Some((0, End::Fin)),
        ),
        ("cut=10000", &[("range", "bytes=10001-40000")], None),
        ("cut=10000", &[("range", "bytes=0-9999")], None),
        (
            "cutAfter=500",
            &[("range", "bytes=10000-19999")],
            Some((500, End::Fin)),
        ),
        ("cutAfter=0&cutBy=rst", &[], Some((0, End::Rst))),
    ] {
        let answer = ask(&server, query, headers);
        let got = (answer.body.len(), answer.end);
        match cut {
            Some(cut) => assert_eq!(got, cut, "{query} {headers:?}"),
            None => assert_eq!(answer.end, End::Complete, "{query} {headers:?}"),
        }
        // Even then the head came.
        assert!([200, 206].contains(&answer.status), "{query} {headers:?}");
    }
    let ends: Vec<_> = (0..3)
        .map(|_| ask(&server, "cut=10000&cutTimes=2", &[]).end)
        .collect();
    assert_eq!(ends, [End::Fin, End::Fin, End::Complete]);
}

#[test]
fn bodies_stall_where_and_as_often_as_asked() {
    let server = server();
    for query in [
        "stall=10000&stallMs=300&stallTimes=1",
        "stallAfter=0&stallMs=300&stallTimes=1",
    ] {
        let stalled = ask(&server, query, &[]);
        assert!(is_right(&stalled), "{query}");
        let pause = stalled.end_after.saturating_sub(stalled.head_after);
        assert!(pause >= Duration::from_millis(290), "{query}: {pause:?}");
        let fluent = ask(&server, query, &[]);
        assert!(is_right(&fluent), "{query}");
        assert!(fluent.end_after < pause, "{query}: {:?}", fluent.end_after);
    }
    // Without `stallMs` for ever: until the client is tired of it.
    let target = format!("{}?stall=10000", small().path());
    let mut exchange = send(&server.origin(), "GET", &target, &[]);
    exchange.read(10_000);
    drop(exchange);
    let entries = ended(&server, 5);
    assert_eq!(
        (entries[4].outcome, entries[4].sent),
        (Outcome::Gone, 10_000)
    );
}

#[test]
fn a_rate_is_kept_smoothly() {
    let server = server();
    let origin = server.origin();
    let mut exchange = send(
        &origin,
        "GET",
        "/models/generated/3000000/a.bin?rate=1000000",
        &[],
    );
    let began = std::time::Instant::now();
    exchange.read(100_000);
    let first = began.elapsed();
    exchange.read(300_000);
    let most = began.elapsed();
    // Bytes never come early; a busy machine may make them late.
    assert!(first >= Duration::from_millis(80), "{first:?}");
    assert!(most >= Duration::from_millis(380), "{most:?}");
    assert!(
        first < Duration::from_secs(2),
        "{first:?}: not all at the end"
    );
}

#[test]
fn a_total_rate_is_shared_by_all_answers_and_a_rate_is_not() {
    let server = server();
    let six = |query: &str| {
        let target = format!("/models/generated/300000/b.bin?{query}");
        let origin = server.origin();
        let began = std::time::Instant::now();
        std::thread::scope(|scope| {
            for _ in 0..6 {
                scope.spawn(|| assert_eq!(get(&origin, &target, &[]).body.len(), 300_000));
            }
        });
        began.elapsed()
    };
    let shared = six("rateTotal=1000000");
    assert!(shared >= Duration::from_millis(1780), "{shared:?}");
    let own = six("rate=1000000");
    assert!(own >= Duration::from_millis(290), "{own:?}");
    assert!(own < shared, "{own:?} alone, {shared:?} shared");
}

#[test]
fn a_head_can_be_late() {
    let server = server();
    let answer = ask(&server, "delayMs=300", &[]);
    assert!(is_right(&answer));
    assert!(
        answer.head_after >= Duration::from_millis(290),
        "{:?}",
        answer.head_after
    );
}

#[test]
fn a_file_changes_after_some_requests() {
    let server = server();
    let query = "changeAfter=2";
    let (one, two, three) = (
        ask(&server, query, &[]),
        ask(&server, query, &[]),
        ask(&server, query, &[]),
    );
    assert!(is_right(&one) && is_right(&two));
    assert_eq!(three.status, 200);
    assert!(three.body == changed(FILE, 40_000).slice(0..40_000));
    assert_ne!(one.header("etag"), three.header("etag"));
    assert_ne!(one.header("last-modified"), three.header("last-modified"));
    let tag = one.header("etag").expect("a tag");
    assert_eq!(ask(&server, query, &[("if-match", tag)]).status, 412);
    let whole = ask(&server, query, &[("if-range", tag), ("range", "bytes=0-9")]);
    assert_eq!((whole.status, whole.body.len()), (200, 40_000));

    let grown = ask(
        &server,
        "changeAfter=0&changeSize=50000",
        &[("range", "bytes=0-0")],
    );
    assert_eq!(grown.header("content-range"), Some("bytes 0-0/50000"));
    assert_eq!(grown.body, changed(FILE, 50_000).slice(0..1));
}

#[test]
fn two_versions_can_be_spliced_in_silence() {
    let server = server();
    let query = "changeAfter=1&ignoreIfMatch=1";
    let tag = ask(&server, query, &[])
        .header("etag")
        .expect("a tag")
        .to_owned();
    for name in ["if-match", "if-range"] {
        let part = ask(&server, query, &[(name, &tag), ("range", "bytes=100-199")]);
        assert_eq!(part.status, 206, "{name}");
        assert_eq!(part.body, changed(FILE, 40_000).slice(100..200), "{name}");
    }
}

#[test]
fn bodies_are_compressed_on_the_wire() {
    let server = server();
    let unzip = |bytes: &[u8]| {
        let mut out = Vec::new();
        let mut decoder = flate2::read::GzDecoder::new(bytes);
        decoder.read_to_end(&mut out).map(|_| out).expect("gzip")
    };
    let range = [("range", "bytes=100-199"), ("accept-encoding", "identity")];
    let whole = ask(&server, "gzip=1", &range);
    assert_eq!(whole.status, 200);
    assert_eq!(whole.header("content-encoding"), Some("gzip"));
    assert_eq!(whole.header("content-length"), None);
    assert_eq!(whole.header("accept-ranges"), None);
    assert!(whole.header("etag").expect("a tag").starts_with("W/"));
    assert!(unzip(&whole.body) == small().slice(0..40_000));
    let part = ask(&server, "gzip=part", &range);
    assert_eq!(part.status, 206);
    assert_eq!(part.header("content-range"), Some("bytes 100-199/40000"));
    assert_eq!(unzip(&part.body), small().slice(100..200));
    // The log counts what went over the wire.
    let entries = ended(&server, 2);
    assert_eq!(entries[1].sent, part.body.len() as u64);
}

#[test]
fn faults_combine() {
    let server = server();
    let query =
        "rate=400000&cut=30000&cutTimes=1&corrupt=35000&changeAfter=1&ignoreIfMatch=1&etag=same";
    let cut = ask(&server, query, &[]);
    assert_eq!(
        (cut.body.len(), cut.end, cut.header("etag")),
        (30_000, End::Fin, Some("\"same\""))
    );
    assert!(cut.body == small().slice(0..30_000));
    let resumed = ask(
        &server,
        query,
        &[("range", "bytes=30000-"), ("if-match", "\"same\"")],
    );
    assert_eq!((resumed.status, resumed.end), (206, End::Complete));
    let mut rest = changed(FILE, 40_000).slice(30_000..40_000);
    rest[5000] = !rest[5000];
    assert!(resumed.body == rest);
}
