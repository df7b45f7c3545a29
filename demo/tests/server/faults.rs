//! The faults of an answer's head, and whom they strike.

use longhaul_demo::{Outcome, Server, table};

use crate::wire::{Answer, End, get, send};
use crate::{ended, server, small};

pub(crate) fn ask(server: &Server, query: &str, headers: &[(&str, &str)]) -> Answer {
    get(
        &server.origin(),
        &format!("{}?{query}", small().path()),
        headers,
    )
}

pub(crate) fn is_right(answer: &Answer) -> bool {
    answer.status == 200 && answer.end == End::Complete && answer.body == small().slice(0..40_000)
}

#[test]
fn every_fault_of_the_table_has_a_test() {
    let tests = concat!(
        include_str!("faults.rs"),
        include_str!("bodies.rs"),
        include_str!("origins.rs"),
    );
    for row in table() {
        let tested = tests.contains(&format!("{}=", row.parameter));
        assert!(tested, "{} is in the table and in no test", row.parameter);
    }
}

#[test]
fn a_value_that_a_fault_does_not_take_is_answered_with_what_it_takes() {
    let server = server();
    for query in [
        "status=abc",
        "status=700",
        "rate=0",
        "cut=-1",
        "cutBy=axe",
        "html=yes",
        "cors=on",
    ] {
        let answer = ask(&server, query, &[]);
        assert_eq!(answer.status, 400, "{query}");
        assert!(answer.text().contains("/api/faults"), "{}", answer.text());
    }
    assert!(is_right(&ask(
        &server,
        "run=1&X-Amz-Signature=2&token=%C3%A9",
        &[]
    )));
}

/// Head and body of an answer that is wrong in one respect, to a plain request or to one for the bytes 100 to 199.
struct Case {
    query: &'static str,
    ranged: bool,
    status: u16,
    expected: &'static [(&'static str, Option<&'static str>)],
    /// Length of the body, and how it ended.
    body: Option<(usize, End)>,
}

#[test]
fn heads_are_wrong_as_asked() {
    let whole = |query, expected| Case {
        query,
        ranged: false,
        status: 200,
        expected,
        body: Some((40_000, End::Complete)),
    };
    let part = |query, expected| Case {
        ranged: true,
        status: 206,
        body: Some((100, End::Complete)),
        ..whole(query, expected)
    };
    let length = |case, length, end| Case {
        body: Some((length, end)),
        ..case
    };
    let status = |status, case| Case {
        status,
        body: None,
        ..case
    };
    let cases = [
        status(
            404,
            whole("status=404", &[("content-range", None), ("etag", None)]),
        ),
        status(
            503,
            whole("status=503&retryAfter=7", &[("retry-after", Some("7"))]),
        ),
        status(204, whole("status=204", &[])),
        status(
            200,
            part(
                "html=1",
                &[("content-type", Some("text/html; charset=utf-8"))],
            ),
        ),
        length(
            part("empty=1", &[("content-range", Some("bytes 100-199/40000"))]),
            0,
            End::Complete,
        ),
        length(
            whole("empty=1", &[("content-length", Some("0"))]),
            0,
            End::Complete,
        ),
        length(
            part("wrongLength=shorter", &[("content-length", Some("99"))]),
            99,
            End::Complete,
        ),
        length(
            part("wrongLength=longer", &[("content-length", Some("101"))]),
            100,
            End::Fin,
        ),
        length(
            part("extra=10", &[("content-length", Some("110"))]),
            110,
            End::Complete,
        ),
        length(whole("extra=10", &[]), 40_010, End::Complete),
        part(
            "wrongRange=1",
            &[("content-range", Some("bytes 99-198/40000"))],
        ),
        part("wrongRange=missing", &[("content-range", None)]),
        part(
            "wrongTotal=1",
            &[("content-range", Some("bytes 100-199/40001"))],
        ),
        part(
            "wrongTotal=unknown",
            &[("content-range", Some("bytes 100-199/*"))],
        ),
        length(
            status(
                200,
                part(
                    "noRange=1",
                    &[("accept-ranges", None), ("content-range", None)],
                ),
            ),
            40_000,
            End::Complete,
        ),
        whole(
            "noLength=1",
            &[
                ("content-length", None),
                ("transfer-encoding", Some("chunked")),
            ],
        ),
        part(
            "noLength=1",
            &[
                ("content-length", None),
                ("content-range", Some("bytes 100-199/40000")),
            ],
        ),
        whole(
            "noEtag=1",
            &[
                ("etag", None),
                ("last-modified", Some("Thu, 01 Jan 2026 00:00:00 GMT")),
            ],
        ),
        whole("noLastModified=1", &[("last-modified", None)]),
        part("noValidator=1", &[("last-modified", None), ("etag", None)]),
        whole("etag=mine", &[("etag", Some("\"mine\""))]),
        whole("etag=%22mine%22", &[("etag", Some("\"mine\""))]),
        whole("etag=mine&weak=1", &[("etag", Some("W/\"mine\""))]),
        whole(
            "hideHeaders=1",
            &[
                ("access-control-expose-headers", None),
                ("access-control-allow-origin", Some("*")),
            ],
        ),
        whole(
            "cors=off",
            &[
                ("access-control-expose-headers", None),
                ("access-control-allow-origin", None),
            ],
        ),
        status(
            302,
            whole(
                "redirect=same&run=1",
                &[("location", Some("/models/generated/40000/small.bin?run=1"))],
            ),
        ),
        status(
            401,
            whole(
                "auth=secret",
                &[
                    ("www-authenticate", Some("Bearer")),
                    ("access-control-allow-origin", Some("*")),
                ],
            ),
        ),
    ];
    let server = server();
    for case in cases {
        let range = [("range", "bytes=100-199")];
        let what = case.query;
        let answer = ask(&server, what, if case.ranged { &range } else { &[] });
        assert_eq!(answer.status, case.status, "{what}");
        for (name, value) in case.expected {
            assert_eq!(answer.header(name), *value, "{name} of {what}");
        }
        let Some((length, end)) = case.body else {
            continue;
        };
        assert_eq!((answer.body.len(), answer.end), (length, end), "{what}");
        let file = match case.status {
            206 => small().slice(100..200),
            _ => small().slice(0..40_000),
        };
        let right = &file[..file.len().min(length)];
        assert!(answer.body.starts_with(right), "the bytes of {what}");
    }
}

#[test]
fn a_server_may_know_no_head_request() {
    let server = server();
    let head = |query| {
        let target = format!("{}?{query}", small().path());
        send(&server.origin(), "HEAD", &target, &[]).answer().status
    };
    assert_eq!(head("noHead=1"), 405);
    assert_eq!(head(""), 200);
}

#[test]
fn a_token_opens_and_a_preflight_needs_none() {
    let server = server();
    let with = |value| ask(&server, "auth=secret", &[("authorization", value)]);
    assert!(is_right(&with("Bearer secret")));
    assert_eq!(with("Bearer other").status, 401);
    // The same of a server that is told the token's hash alone.
    let digest = "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";
    let query = format!("authSha256={digest}");
    let with = |value| ask(&server, &query, &[("authorization", value)]);
    assert!(is_right(&with("Bearer secret")));
    assert_eq!(with("Bearer other").status, 401);
    assert_eq!(ask(&server, &query, &[]).status, 401);
    let target = format!("{}?auth=secret", small().path());
    let asked = [("access-control-request-headers", "authorization")];
    let preflight = send(&server.origin(), "OPTIONS", &target, &asked).answer();
    assert_eq!(preflight.status, 204);
    assert_eq!(
        preflight.header("access-control-allow-headers"),
        Some("authorization")
    );
}

#[test]
fn a_redirect_can_lead_to_the_other_origin_and_back() {
    let server = server();
    let target = format!("{}?redirect=cross&run=1", small().path());
    let there = format!("{}{}?run=1", server.second_origin(), small().path());
    let back = format!("{}{}?run=1", server.origin(), small().path());
    let location = |origin: &str| {
        get(origin, &target, &[])
            .header("location")
            .map(str::to_owned)
    };
    assert_eq!(location(&server.origin()), Some(there));
    assert_eq!(location(&server.second_origin()), Some(back));
}

#[test]
fn a_connection_ends_before_the_answer() {
    let server = server();
    let fin = ask(&server, "drop=fin", &[]);
    assert_eq!((fin.status, fin.end), (0, End::Fin));
    let rst = ask(&server, "drop=rst", &[]);
    assert_eq!((rst.status, rst.end), (0, End::Rst));
    assert!(
        ended(&server, 2)
            .iter()
            .all(|entry| entry.outcome == Outcome::Cut && entry.sent == 0)
    );
}

#[test]
fn faults_of_an_answer_can_be_rationed() {
    let server = server();
    let statuses = |query: &str, ranges: &[&str]| -> Vec<u16> {
        let status = |range: &&str| ask(&server, query, &[("range", range)]).status;
        ranges.iter().map(status).collect()
    };
    let zero = "bytes=0-99";
    let hundred = "bytes=100-199";
    assert_eq!(
        statuses("status=500&times=2", &[zero; 4]),
        [500, 500, 206, 206]
    );
    assert_eq!(
        statuses("status=500&times=2&run=2", &[zero; 3]),
        [500, 500, 206]
    );
    assert_eq!(statuses("status=500&skip=1", &[zero; 3]), [206, 500, 500]);
    assert_eq!(
        statuses("status=500&skip=1&times=1", &[zero; 3]),
        [206, 500, 206]
    );
    assert_eq!(
        statuses("status=500&at=150", &[zero, hundred, zero]),
        [206, 500, 206]
    );
    // Requests that `at` leaves out are not counted.
    let ranges = [zero, hundred, hundred, hundred];
    assert_eq!(
        statuses("status=500&at=150&skip=1&times=1", &ranges),
        [206, 206, 500, 206]
    );
}
