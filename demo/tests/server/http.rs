//! Ranges, validators, preconditions, methods and CORS, as a browser sees them.

use std::ops::Range;
use std::path::Path;

use longhaul_demo::Folders;

use crate::wire::{End, get, send};
use crate::{server, small};

/// What came of a request: its status, some of its headers, and which bytes of the file.
struct Case {
    method: &'static str,
    headers: &'static [(&'static str, &'static str)],
    status: u16,
    expected: &'static [(&'static str, Option<&'static str>)],
    bytes: Option<Range<u64>>,
}

const TAG: &str = "\"g9c40-7d6ce172e098998c\"";
const DATE: &str = "Thu, 01 Jan 2026 00:00:00 GMT";
const OLDER: &str = "Wed, 31 Dec 2025 00:00:00 GMT";

const WHOLE: Option<Range<u64>> = Some(0..40_000);

const fn get_case(
    headers: &'static [(&'static str, &'static str)],
    status: u16,
    expected: &'static [(&'static str, Option<&'static str>)],
    bytes: Option<Range<u64>>,
) -> Case {
    Case {
        method: "GET",
        headers,
        status,
        expected,
        bytes,
    }
}

const CASES: [Case; 20] = [
    get_case(
        &[],
        200,
        &[
            ("content-length", Some("40000")),
            ("content-range", None),
            ("accept-ranges", Some("bytes")),
            ("etag", Some(TAG)),
            ("last-modified", Some(DATE)),
            ("content-type", Some("application/octet-stream")),
            ("content-encoding", None),
            ("access-control-allow-origin", Some("*")),
        ],
        WHOLE,
    ),
    get_case(
        &[("range", "bytes=0-0")],
        206,
        &[
            ("content-length", Some("1")),
            ("content-range", Some("bytes 0-0/40000")),
            ("etag", Some(TAG)),
            ("last-modified", Some(DATE)),
        ],
        Some(0..1),
    ),
    get_case(
        &[("range", "bytes=1000-1999")],
        206,
        &[("content-range", Some("bytes 1000-1999/40000"))],
        Some(1000..2000),
    ),
    get_case(
        &[("range", "bytes=39999-99999")],
        206,
        &[("content-range", Some("bytes 39999-39999/40000"))],
        Some(39_999..40_000),
    ),
    get_case(
        &[("range", "bytes=-10")],
        206,
        &[("content-range", Some("bytes 39990-39999/40000"))],
        Some(39_990..40_000),
    ),
    get_case(
        &[("range", "bytes=40000-")],
        416,
        &[
            ("content-range", Some("bytes */40000")),
            ("etag", Some(TAG)),
        ],
        None,
    ),
    get_case(
        &[("range", "bytes=0-0,5-5")],
        200,
        &[("content-range", None)],
        WHOLE,
    ),
    get_case(
        &[("range", "bytes=0-0"), ("if-range", TAG)],
        206,
        &[],
        Some(0..1),
    ),
    get_case(
        &[("range", "bytes=0-0"), ("if-range", "\"other\"")],
        200,
        &[],
        WHOLE,
    ),
    get_case(
        &[("range", "bytes=0-0"), ("if-range", DATE)],
        206,
        &[],
        Some(0..1),
    ),
    get_case(
        &[("range", "bytes=0-0"), ("if-range", OLDER)],
        200,
        &[],
        WHOLE,
    ),
    get_case(
        &[("range", "bytes=5-5"), ("if-match", TAG)],
        206,
        &[],
        Some(5..6),
    ),
    get_case(
        &[("range", "bytes=5-5"), ("if-match", "\"other\"")],
        412,
        &[("etag", Some(TAG))],
        None,
    ),
    get_case(&[("if-unmodified-since", OLDER)], 412, &[], None),
    get_case(&[("if-none-match", TAG)], 304, &[("etag", Some(TAG))], None),
    get_case(&[("if-none-match", "\"other\"")], 200, &[], WHOLE),
    get_case(&[("if-modified-since", DATE)], 304, &[], None),
    Case {
        method: "HEAD",
        headers: &[("range", "bytes=0-0")],
        status: 200,
        expected: &[
            ("content-length", Some("40000")),
            ("content-range", None),
            ("etag", Some(TAG)),
        ],
        bytes: None,
    },
    Case {
        method: "POST",
        headers: &[],
        status: 405,
        expected: &[("allow", Some("GET, HEAD, OPTIONS"))],
        bytes: None,
    },
    Case {
        method: "OPTIONS",
        headers: &[
            ("origin", "http://example.org"),
            ("access-control-request-method", "GET"),
            ("access-control-request-headers", "authorization, range"),
        ],
        status: 204,
        expected: &[
            ("access-control-allow-origin", Some("*")),
            ("access-control-allow-headers", Some("authorization, range")),
            ("access-control-allow-methods", Some("GET, HEAD")),
        ],
        bytes: None,
    },
];

#[test]
fn requests_are_answered_as_the_rfc_says() {
    let server = server();
    let file = small();
    for case in CASES {
        let what = format!("{} {:?}", case.method, case.headers);
        let answer = send(&server.origin(), case.method, &file.path(), case.headers).answer();
        assert_eq!(answer.status, case.status, "{what}");
        assert_eq!(answer.end, End::Complete, "{what}");
        for (name, value) in case.expected {
            assert_eq!(answer.header(name), *value, "{name} of {what}");
        }
        if let Some(bytes) = case.bytes {
            assert!(answer.body == file.slice(bytes), "the bytes of {what}");
        }
    }
}

#[test]
fn what_a_script_of_another_origin_needs_to_read_is_exposed() {
    let server = server();
    let answer = get(
        &server.second_origin(),
        &small().path(),
        &[("range", "bytes=0-0")],
    );
    let exposed = answer
        .header("access-control-expose-headers")
        .expect("exposed");
    for name in [
        "Content-Range",
        "ETag",
        "Content-Length",
        "Accept-Ranges",
        "Retry-After",
    ] {
        assert!(
            exposed.split(", ").any(|given| given == name),
            "{name} of {exposed}"
        );
    }
}

#[test]
fn an_empty_file_has_no_range() {
    let server = server();
    let path = "/models/generated/0/empty.bin";
    let answer = get(&server.origin(), path, &[("range", "bytes=0-0")]);
    assert_eq!(answer.status, 416);
    assert_eq!(answer.header("content-range"), Some("bytes */0"));
    let answer = get(&server.origin(), path, &[]);
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert_eq!(answer.header("content-length"), Some("0"));
}

#[test]
fn a_file_on_disk_is_served_like_a_generated_one_and_its_tag_changes_with_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let bytes = small().slice(0..40_000);
    std::fs::write(folder.path().join("a.gguf"), &bytes).expect("written");
    let server = serving(folder.path());
    let whole = get(&server.origin(), "/models/a.gguf", &[]);
    assert!(whole.body == bytes);
    let tag = whole.header("etag").expect("a tag").to_owned();
    assert!(tag.starts_with('"'), "{tag} is strong");
    let condition = [("if-match", tag.as_str()), ("range", "bytes=30000-30009")];
    let part = get(&server.origin(), "/models/a.gguf", &condition);
    assert_eq!(part.status, 206);
    assert_eq!(part.body, bytes[30_000..30_010]);

    std::fs::write(folder.path().join("a.gguf"), &bytes[1..]).expect("written");
    let refused = get(&server.origin(), "/models/a.gguf", &condition);
    assert_eq!(refused.status, 412);
}

#[test]
fn nothing_outside_of_the_models_folder_is_served() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("models")).expect("made");
    std::fs::write(folder.path().join("secret"), "secret").expect("written");
    let server = serving(&folder.path().join("models"));
    let absolute = format!("/models/{}", folder.path().join("secret").display());
    for path in [
        "/models/../secret",
        "/models/%2e%2e/secret",
        "/models/..%2fsecret",
        "/models/generated/../../secret",
        "/longhaul/..%2f..%2fCargo.toml",
        "/..%2fCargo.toml",
        &absolute,
        "/models/missing",
        "/models/",
    ] {
        let answer = get(&server.origin(), path, &[]);
        assert_eq!(answer.status, 404, "{path}: {}", answer.text());
    }
}

fn serving(models: &Path) -> longhaul_demo::Server {
    let folders = Folders {
        models: models.to_owned(),
        ..Folders::of_checkout(models)
    };
    let builder = longhaul_demo::Server::builder().folders(folders);
    builder.spawn().expect("free ports")
}
