//! Static files: what browsers insist on.

use longhaul_demo::{Folders, Server};

use crate::wire::get;

fn site() -> (tempfile::TempDir, Server) {
    let folder = tempfile::tempdir().expect("a folder");
    let folders = Folders {
        page: folder.path().join("page"),
        dist: folder.path().join("dist"),
        vendor: folder.path().join("vendor"),
        models: folder.path().join("models"),
    };
    for (name, text) in [
        ("page/index.html", "<!doctype html><script>1</script>"),
        ("page/main.js", "import '/longhaul/index.js';"),
        ("page/style.css", "body {}"),
        ("page/icons/longhaul.svg", "<svg/>"),
        ("dist/index.js", "export {};"),
        ("dist/longhaul_bg.wasm", "\0asm"),
        ("vendor/index.js", "export {};"),
    ] {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
        std::fs::write(path, text).expect("written");
    }
    let server = Server::builder()
        .folders(folders)
        .spawn()
        .expect("free ports");
    (folder, server)
}

#[test]
fn every_file_has_its_type_is_asked_for_anew_and_carries_the_policy() {
    let (_folder, server) = site();
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/index.html", "text/html; charset=utf-8"),
        ("/blank.html", "text/html; charset=utf-8"),
        ("/main.js", "text/javascript"),
        ("/style.css", "text/css"),
        ("/icons/longhaul.svg", "image/svg+xml"),
        ("/longhaul/index.js", "text/javascript"),
        ("/longhaul/longhaul_bg.wasm", "application/wasm"),
        ("/vendor/wllama/index.js", "text/javascript"),
    ] {
        let answer = get(&server.origin(), path, &[]);
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("content-type"), Some(kind), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-cache"), "{path}");
        assert_eq!(
            answer.header("x-content-type-options"),
            Some("nosniff"),
            "{path}"
        );
        let policy = answer.header("content-security-policy").expect(path);
        assert!(policy.starts_with("default-src 'none'; script-src 'self' 'wasm-unsafe-eval'"));
        assert!(policy.contains("worker-src 'self' blob:;"), "{policy}");
        assert!(policy.contains(&server.second_origin()), "{policy}");
        assert!(policy.contains(&server.third_origin()), "{policy}");
        assert!(!policy.contains("'unsafe-"), "{policy}");
    }
    assert_eq!(get(&server.origin(), "/missing.js", &[]).status, 404);
}

#[test]
fn an_unchanged_file_is_not_sent_again() {
    let (_folder, server) = site();
    let answer = get(&server.origin(), "/main.js", &[]);
    let date = answer.header("last-modified").expect("a date");
    let again = get(&server.origin(), "/main.js", &[("if-modified-since", date)]);
    assert_eq!(again.status, 304);
}

#[test]
fn an_edited_page_brings_its_own_hashes() {
    let (folder, server) = site();
    let policy = || {
        let answer = get(&server.origin(), "/", &[]);
        answer
            .header("content-security-policy")
            .expect("a policy")
            .to_owned()
    };
    let before = policy();
    // printf 1 | openssl dgst -sha256 -binary | base64
    assert!(
        before.contains("'sha256-a4ayc/80/OGda4BO/1o/V0etpOqiLx1JwB5S3beHW0s='"),
        "{before}"
    );
    let index = folder.path().join("page/index.html");
    std::fs::write(index, "<!doctype html>").expect("written");
    assert!(!policy().contains("sha256-"));
}
