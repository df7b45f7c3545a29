//! What hosts of other origins do: hubs that redirect, rules for HEAD and for preflights, headers that are not exposed.

use longhaul_demo::{Outcome, changed};

use crate::faults::{ask, is_right};
use crate::wire::{Answer, End, get, send};
use crate::{ended, server, small};

/// An answer to a HEAD for the small file.
fn head(server: &longhaul_demo::Server, query: &str) -> Answer {
    let target = format!("{}?{query}", small().path());
    send(&server.origin(), "HEAD", &target, &[]).answer()
}

#[test]
fn a_hub_redirects_to_the_third_origin_with_another_signature_each_time() {
    let server = server();
    let target = format!("{}?redirect=third&changeAfterParts=1", small().path());
    let there = format!(
        "{}{}?changeAfterParts=1&X-Amz-Expires=3600&X-Amz-Signature=",
        server.third_origin(),
        small().path()
    );
    let mut followed = Vec::new();
    for _ in 0..2 {
        let hub = get(&server.second_origin(), &target, &[]);
        assert_eq!(hub.status, 302);
        assert_eq!(hub.header("access-control-allow-origin"), Some("*"));
        let location = hub.header("location").expect("an address").to_owned();
        assert!(location.starts_with(&there), "{location}");
        let path = location.trim_start_matches(&server.third_origin());
        let file = get(&server.third_origin(), path, &[("origin", "null")]);
        assert_eq!((file.status, file.end), (200, End::Complete));
        followed.push((location, file.body));
    }
    assert_ne!(followed[0].0, followed[1].0);
    // One counter for the file, whatever its signature.
    assert!(followed[0].1 == small().slice(0..40_000));
    let path = small().path();
    let path = path.trim_start_matches("/models/");
    assert!(followed[1].1 == changed(path, 40_000).slice(0..40_000));
    let entries = ended(&server, 4);
    let sockets: Vec<_> = entries.iter().map(|entry| entry.socket).collect();
    assert_eq!(sockets, [2, 3, 2, 3]);
    assert_eq!(entries[0].origin, None);
    assert_eq!(entries[1].origin.as_deref(), Some("null"));
    assert!(entries.iter().all(|entry| entry.outcome == Outcome::Done));
}

#[test]
fn without_a_third_origin_there_is_no_hub() {
    let builder = longhaul_demo::Server::builder().third_port(None);
    let server = builder.spawn().expect("free ports");
    assert_eq!(ask(&server, "redirect=third", &[]).status, 400);
    let models = get(&server.origin(), "/api/models", &[]).json();
    let url = models[0]["url"].as_str().expect("an address");
    assert!(url.starts_with("/models/"), "{url}");
}

#[test]
fn head_is_refused_in_each_way_that_hosts_have() {
    let server = server();
    let allowed = "access-control-allow-origin";
    let refused = head(&server, "noHead=403");
    assert_eq!((refused.status, refused.header(allowed)), (403, Some("*")));
    let forbidden = head(&server, "noHead=cors");
    assert_eq!((forbidden.status, forbidden.header(allowed)), (200, None));
    for query in ["noHead=403", "noHead=cors"] {
        let answer = ask(&server, query, &[]);
        assert!(is_right(&answer), "{query}");
        assert_eq!(answer.header(allowed), Some("*"), "{query}");
    }
}

#[test]
fn head_may_tell_the_length_of_a_compressed_file_or_none() {
    let server = server();
    let silent = head(&server, "noLength=1");
    assert_eq!(
        (silent.status, silent.header("content-length")),
        (200, None)
    );
    for (query, length) in [("gzipHead=1", Some("13333")), ("gzipHead=chunked", None)] {
        let answer = head(&server, query);
        assert_eq!(
            (answer.status, answer.header("content-length")),
            (200, length)
        );
        assert_eq!(answer.header("content-encoding"), Some("gzip"), "{query}");
        let tag = answer.header("etag").expect("a tag");
        assert!(tag.starts_with("W/"), "{tag}");
        // The file itself comes as it is.
        let whole = ask(&server, query, &[]);
        assert!(is_right(&whole), "{query}");
        assert_eq!(whole.header("content-encoding"), None, "{query}");
    }
}

#[test]
fn a_host_may_answer_no_preflight() {
    let server = server();
    let target = format!("{}?noPreflight=1", small().path());
    let preflight = send(&server.origin(), "OPTIONS", &target, &[]).answer();
    assert_eq!(preflight.status, 403);
    assert_eq!(preflight.header("access-control-allow-origin"), None);
    let file = ask(&server, "noPreflight=1", &[]);
    assert_eq!(file.header("access-control-allow-origin"), Some("*"));
}

#[test]
fn what_is_exposed_and_to_whom_can_be_said() {
    let server = server();
    let exposed = ask(&server, "expose=ETag,X-Linked-Size", &[]);
    let header = exposed.header("access-control-expose-headers");
    assert_eq!(header, Some("ETag,X-Linked-Size"));
    for origin in ["null", "http://127.0.0.1:1"] {
        let echoed = ask(&server, "cors=echo", &[("origin", origin)]);
        let allowed = echoed.header("access-control-allow-origin");
        assert_eq!(
            (allowed, echoed.header("vary")),
            (Some(origin), Some("Origin"))
        );
    }
    let unasked = ask(&server, "cors=echo", &[]);
    assert_eq!(unasked.header("access-control-allow-origin"), None);
    assert_eq!(unasked.header("vary"), Some("Origin"));
}

#[test]
fn a_file_changes_after_some_parts_and_probes_do_not_count() {
    let server = server();
    let query = "changeAfterParts=2";
    let path = small().path();
    let new = changed(path.trim_start_matches("/models/"), 40_000);
    let probes = ["bytes=0-0", "bytes=39999-39999", "bytes=40000-40000"];
    let tag = |range: &str| {
        let answer = ask(&server, query, &[("range", range)]);
        answer.header("etag").expect("a tag").to_owned()
    };
    let old = tag(probes[0]);
    let part = |first: u64| {
        let range = format!("bytes={first}-{}", first + 99);
        let answer = ask(&server, query, &[("range", &range)]);
        assert_eq!(answer.status, 206);
        let at =
            usize::try_from(first).expect("small")..usize::try_from(first).expect("small") + 100;
        (
            answer.body == small().slice(0..40_000)[at.clone()],
            answer.body == new.slice(0..40_000)[at],
        )
    };
    assert_eq!(part(0), (true, false));
    for probe in probes {
        assert_eq!(tag(probe), old, "{probe}");
    }
    assert_eq!(head(&server, query).header("etag"), Some(old.as_str()));
    assert_eq!(part(100), (true, false));
    // From now on probes see what the next part is of.
    let changed = tag(probes[0]);
    assert_ne!(changed, old);
    assert_eq!(head(&server, query).header("etag"), Some(changed.as_str()));
    assert_eq!(part(200), (false, true));
    assert_eq!(part(300), (false, true));
}
