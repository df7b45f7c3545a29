//! The network that comes and goes, and the log that tells what really went over it.

use std::net::TcpStream;

use longhaul_demo::{Ending, Outcome};

use crate::wire::{End, get, send, send_with_body};
use crate::{ended, server, small, until};

#[test]
fn a_closed_server_refuses_connections_and_comes_back_at_its_port() {
    let server = server();
    let origin = server.origin();
    let address = origin.strip_prefix("http://").expect("an origin");
    assert_eq!(get(&origin, "/blank.html", &[]).status, 200);
    server.close(Ending::Fin);
    let refused = TcpStream::connect(address).expect_err("refused");
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    server.open().expect("the port is free");
    assert_eq!(server.origin(), origin);
    assert_eq!(get(&origin, "/blank.html", &[]).status, 200);
}

#[test]
fn closing_ends_what_is_under_way_in_good_order_or_by_reset() {
    let server = server();
    for (how, end) in [(Ending::Fin, End::Fin), (Ending::Rst, End::Rst)] {
        server.log().clear();
        let target = format!("{}?stall=10000", small().path());
        let exchange = send(&server.origin(), "GET", &target, &[]);
        until(&server, |entries| {
            entries.iter().any(|entry| entry.sent == 10_000)
        });
        server.close(how);
        let answer = exchange.answer();
        assert_eq!(answer.end, end);
        assert_eq!(answer.body.len(), 10_000);
        let entries = ended(&server, 1);
        assert_eq!(entries[0].outcome, Outcome::Gone);
        assert_eq!(entries[0].sent, 10_000);
        server.open().expect("the port is free");
    }
}

#[test]
fn the_second_origin_goes_and_comes_alone() {
    let server = server();
    let (first, second) = (server.origin(), server.second_origin());
    assert_ne!(first, second);
    let address = second.strip_prefix("http://").expect("an origin");
    let json = [("content-type", "application/json")];
    let set = |body| {
        send_with_body(&first, "PUT", "/api/network", &json, body)
            .answer()
            .status
    };
    let up = || get(&first, "/api/network", &[]).json()["up"].as_bool();

    assert!(get(&second, &small().path(), &[]).body == small().slice(0..40_000));
    assert_eq!(up(), Some(true));
    assert_eq!(set(r#"{"up":false}"#), 204);
    assert_eq!(up(), Some(false));
    TcpStream::connect(address).expect_err("refused");
    assert_eq!(get(&first, &small().path(), &[]).status, 200);
    assert_eq!(set(r#"{"up":true}"#), 204);
    assert_eq!(get(&second, &small().path(), &[]).status, 200);
}

#[test]
fn the_log_tells_what_was_asked_and_what_was_sent() {
    let server = server();
    let path = small().path();
    let headers = [
        ("range", "bytes=10-19"),
        ("if-match", "*"),
        ("if-range", "\"x\""),
        ("authorization", "Bearer secret"),
    ];
    get(&server.second_origin(), &format!("{path}?run=1"), &headers);
    get(
        &server.origin(),
        &format!("{path}?rate=1000000&cut=5000"),
        &[],
    );
    send(&server.origin(), "HEAD", &path, &[]).answer();
    get(&server.origin(), &format!("{path}?status=503"), &[]);
    get(&server.origin(), "/blank.html", &[]);
    let entries = ended(&server, 4);

    let [ranged, cut, head, status] = &entries[..] else {
        panic!("{entries:?}")
    };
    assert_eq!(
        (ranged.n, ranged.method.as_str(), ranged.socket),
        (1, "GET", 2)
    );
    assert_eq!(
        (ranged.path.as_str(), ranged.query.as_str()),
        (path.as_str(), "run=1")
    );
    assert_eq!(ranged.range.as_deref(), Some("bytes=10-19"));
    assert_eq!(ranged.if_match.as_deref(), Some("*"));
    assert_eq!(ranged.if_range.as_deref(), Some("\"x\""));
    assert!(ranged.authorized);
    // `If-Range` names another version: everything is sent.
    assert_eq!(
        (ranged.status, ranged.sent, ranged.outcome),
        (Some(200), 40_000, Outcome::Done)
    );
    assert_eq!(
        (cut.status, cut.sent, cut.outcome),
        (Some(200), 5000, Outcome::Cut)
    );
    assert_eq!(
        (head.status, head.sent, head.outcome),
        (Some(200), 0, Outcome::Done)
    );
    assert_eq!((status.status, status.outcome), (Some(503), Outcome::Done));
    assert!(entries.iter().all(|entry| entry.ended_at >= Some(entry.at)));
    assert!(entries.is_sorted_by_key(|entry| entry.n));

    let answer = get(&server.origin(), "/api/log", &[]);
    assert!(
        !answer.text().contains("secret"),
        "a token is not for the log"
    );
    assert_eq!(answer.json()[1]["outcome"], "cut");
    assert_eq!(answer.json()[0]["ifMatch"], "*");
    assert_eq!(
        send(&server.origin(), "DELETE", "/api/log", &[])
            .answer()
            .status,
        204
    );
    assert_eq!(server.log().entries(), []);
}

#[test]
fn a_client_that_goes_away_is_seen_with_what_it_had_been_sent() {
    let server = server();
    let target = "/models/generated/100000000/long.bin?rate=200000";
    let mut exchange = send(&server.origin(), "GET", target, &[]);
    exchange.read(30_000);
    let running = server.log().entries();
    assert_eq!(running[0].outcome, Outcome::Running);
    assert_eq!(running[0].ended_at, None);
    drop(exchange);
    let entries = ended(&server, 1);
    assert_eq!(entries[0].outcome, Outcome::Gone);
    assert!(
        (29_000..1_000_000).contains(&entries[0].sent),
        "{}",
        entries[0].sent
    );
}

#[test]
fn a_client_that_goes_away_during_a_stall_or_a_delay_is_seen_too() {
    let server = server();
    for query in ["stall=0", "delayMs=3600000"] {
        server.log().clear();
        let target = format!("{}?{query}", small().path());
        let exchange = send(&server.origin(), "GET", &target, &[]);
        until(&server, |entries| entries.len() == 1);
        drop(exchange);
        let entries = ended(&server, 1);
        assert_eq!(
            (entries[0].outcome, entries[0].sent),
            (Outcome::Gone, 0),
            "{query}"
        );
    }
}
