//! The runner's example of a native app, `download`, against the demo's server: every fault that a command line meets, and
//! being killed at any moment. `replay` tells what it wrote down.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::pin::pin;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::http::request::Parts;
use axum::response::Response;
use fastrand::Rng;
use futures_util::future::select;
use longhaul_core::{Download, Entry as HistoryEntry, Event, WaitReason};
use longhaul_demo::{Entry, Generated, Server, Site, changed};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// How large a part is.
const PART: u64 = 64 * 1024;
/// How many parts a file has.
const PARTS: u64 = 16;
/// How long anything may take.
const LIMIT: Duration = Duration::from_mins(1);

/// The examples, built as `cargo test --workspace` builds them.
static EXAMPLES: LazyLock<Vec<PathBuf>> = LazyLock::new(|| {
    let built = Command::new(env!("CARGO"))
        .args(["build", "--workspace", "--examples", "--quiet"])
        .args(["--message-format", "json"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo can be started");
    assert!(built.status.success(), "the examples cannot be built");
    let messages = String::from_utf8_lossy(&built.stdout);
    let executable = |line: &str| {
        let message: Value = serde_json::from_str(line).ok()?;
        Some(PathBuf::from(message["executable"].as_str()?))
    };
    messages.lines().filter_map(executable).collect()
});

fn example(name: &str) -> Command {
    let path = EXAMPLES
        .iter()
        .find(|path| path.file_stem().is_some_and(|stem| stem == name));
    Command::new(path.expect("the runner has this example"))
}

/// A folder to download into, and a server to download from.
struct World {
    server: Server,
    folder: TempDir,
    file: Generated,
}

impl World {
    fn new() -> Self {
        Self::with(None)
    }

    fn with(site: Option<Arc<dyn Site>>) -> Self {
        let mut server = Server::builder().second_port(None).third_port(None);
        if let Some(site) = site {
            server = server.site(site);
        }
        Self {
            server: server.spawn().expect("a free port"),
            folder: tempfile::tempdir().expect("a folder"),
            file: Generated::new(PARTS * PART, "model"),
        }
    }

    fn url(&self, query: &str) -> String {
        let (origin, path) = (self.server.origin(), self.file.path());
        format!("{origin}{path}?{query}")
    }

    /// A command over this folder, with delays as short as they may be.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = example("download");
        command.arg("--store").arg(self.folder.path().join("store"));
        command.args(arguments).stdin(Stdio::null());
        command
    }

    fn get(&self, id: &str, urls: &[&str], options: &[&str]) -> Command {
        let mut command = self.command(&["get", id]);
        command.args(urls).arg("--into").arg(self.folder.path());
        command.args(["--part-bytes", &PART.to_string()]);
        command.args(["--delay-ms", "100", "--stall-ms", "1000"]);
        command.args(options);
        command
    }

    /// Downloads to the end.
    fn ends(&self, id: &str, query: &str, options: &[&str]) -> Output {
        finished(self.get(id, &[&self.url(query)], options))
    }

    /// Downloads, and has all bytes.
    fn succeeds(&self, query: &str) {
        succeeded(&self.ends("a", query, &[]));
        self.has_the_file();
    }

    fn has_the_file(&self) {
        let bytes = fs::read(self.folder.path().join("model.bin")).expect("the file is there");
        assert!(bytes == self.file.slice(0..PARTS * PART), "other bytes");
    }

    fn history(&self) -> String {
        let path = self.folder.path().join("store/history.ndjson");
        fs::read_to_string(path).expect("a history")
    }

    fn events(&self) -> Vec<Event> {
        let entries = self.history();
        let entries = entries.lines().map(HistoryEntry::decode);
        entries
            .map(|entry| entry.expect("an entry").event)
            .collect()
    }

    /// Where the stored parts of all files begin.
    fn stored(&self) -> BTreeSet<u64> {
        let folders = fs::read_dir(self.folder.path().join("store/parts")).expect("parts");
        let folders = folders.map(|entry| entry.expect("an entry").path());
        let parts = folders.filter(|path| path.is_dir()).flat_map(|folder| {
            let parts = fs::read_dir(folder).expect("a file's parts");
            parts.map(|part| part.expect("a part").file_name())
        });
        parts
            .filter_map(|name| name.to_str().and_then(|name| name.parse().ok()))
            .collect()
    }

    /// Deletes the stored part that begins here, if there is one.
    fn delete_part(&self, start: u64) {
        let folders = fs::read_dir(self.folder.path().join("store/parts"));
        for folder in folders.into_iter().flatten() {
            let part = folder.expect("a file").path().join(start.to_string());
            if part.exists() {
                fs::remove_file(part).expect("deleted");
            }
        }
    }

    /// Waits until the requests so far satisfy this.
    fn until(&self, condition: impl FnMut(&[Entry]) -> bool) {
        let runtime = runtime();
        let log = self.server.log();
        runtime
            .block_on(async { tokio::time::timeout(LIMIT, log.until(condition)).await })
            .unwrap_or_else(|_| panic!("not in time: {:#?}", log.entries()));
    }

    /// What was asked for but single bytes: where each begins.
    fn asked(&self) -> Vec<u64> {
        let entries = self.server.log().entries();
        entries.iter().filter_map(part_of).collect()
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

/// Where the part begins that a request is for.
fn part_of(entry: &Entry) -> Option<u64> {
    let (start, last) = entry
        .range
        .as_deref()?
        .strip_prefix("bytes=")?
        .split_once('-')?;
    let (start, last): (u64, u64) = (start.parse().ok()?, last.parse().ok()?);
    (entry.method == "GET" && last > start).then_some(start)
}

fn all_parts() -> BTreeSet<u64> {
    (0..PARTS).map(|n| n * PART).collect()
}

/// A process that is killed where the test ends before it does.
struct Running(Child);

impl Running {
    fn start(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(command.spawn().expect("the example can be started"))
    }

    /// Kills it with a signal that it cannot handle.
    fn kill(mut self) {
        self.0.kill().expect("it could be killed");
        self.0.wait().expect("it is gone");
    }

    fn status(&mut self) -> ExitStatus {
        self.0.wait().expect("it ends")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may be gone.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs a command to its end, which must come in time.
fn finished(mut command: Command) -> Output {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().expect("the example can be started");
    let id = child.id();
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        // Whoever waits may have given up.
        let _ = sender.send(child.wait_with_output());
    });
    if let Ok(output) = receiver.recv_timeout(LIMIT) {
        return output.expect("its output can be read");
    }
    let pid = i32::try_from(id).ok().and_then(Pid::from_raw);
    // It may end just now.
    let _ = kill_process(pid.expect("a process"), Signal::KILL);
    panic!("it does not end: {command:?}");
}

fn succeeded(output: &Output) {
    assert!(output.status.success(), "{}", said(output));
}

/// It ended with this code and a sentence that holds this.
fn failed(output: &Output, code: i32, sentence: &str) {
    assert_eq!(output.status.code(), Some(code), "{}", said(output));
    assert!(said(output).contains(sentence), "{}", said(output));
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn waited_for(events: &[Event], wanted: WaitReason) -> bool {
    events
        .iter()
        .any(|event| matches!(event, Event::Waiting { reason, .. } if *reason == wanted))
}

/// A site that gives its own answer to some of the requests for parts, counted from 1.
struct Answers<F> {
    asked: AtomicUsize,
    answer: F,
}

impl<F> std::fmt::Debug for Answers<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Answers")
    }
}

impl<F: Fn(usize, &Parts) -> Option<Response> + Send + Sync> Site for Answers<F> {
    fn answer(&self, request: &Parts) -> Option<Response> {
        let range = request.headers.get("Range")?.to_str().ok()?;
        if range == "bytes=0-0" {
            return None;
        }
        (self.answer)(self.asked.fetch_add(1, Ordering::Relaxed) + 1, request)
    }
}

fn answers(
    answer: impl Fn(usize, &Parts) -> Option<Response> + Send + Sync + 'static,
) -> Arc<dyn Site> {
    Arc::new(Answers {
        asked: AtomicUsize::new(0),
        answer,
    })
}

#[test]
fn a_file_is_downloaded_part_by_part() {
    let world = World::new();
    world.succeeds("");
    assert_eq!(world.stored(), all_parts());
    let mut asked = world.asked();
    asked.sort_unstable();
    assert_eq!(asked, all_parts().into_iter().collect::<Vec<_>>());
}

#[test]
fn what_is_there_is_not_asked_for_again() {
    let world = World::new();
    world.succeeds("");
    world.server.log().clear();
    world.succeeds("");
    assert_eq!(world.server.log().entries(), []);
}

#[test]
fn a_part_that_vanished_is_the_only_one_that_is_asked_for() {
    let world = World::new();
    world.succeeds("");
    world.server.log().clear();
    world.delete_part(3 * PART);
    world.succeeds("");
    assert_eq!(world.asked(), [3 * PART]);
}

#[test]
fn killed_at_half_exactly_the_missing_parts_are_asked_for() {
    let world = World::new();
    let query = "rateTotal=1000000";
    let running = Running::start(world.get("a", &[&world.url(query)], &[]));
    world.until(|entries| entries.iter().filter_map(part_of).count() >= 10);
    running.kill();
    let stored = world.stored();
    assert!(stored.len() >= 4 && stored.len() < 16, "{stored:?}");
    world.server.log().clear();
    world.succeeds(query);
    let mut asked = world.asked();
    asked.sort_unstable();
    let missing: Vec<u64> = all_parts().difference(&stored).copied().collect();
    assert_eq!(asked, missing);
}

#[test]
fn killed_twenty_times_with_torn_histories_it_comes_to_its_end() {
    let seed = std::env::var("LONGHAUL_CHAOS_SEED").ok();
    let seed = seed.and_then(|seed| seed.parse().ok()).unwrap_or(12);
    println!("LONGHAUL_CHAOS_SEED={seed}");
    let mut chance = Rng::with_seed(seed);
    let world = World::new();
    let (query, path) = (
        "rateTotal=1000000",
        world.folder.path().join("store/history.ndjson"),
    );
    let runtime = runtime();
    let mut lost = 0;
    for _ in 0..20 {
        world.server.log().clear();
        // So many requests later, or at its end where there are not so many to make.
        let after = chance.usize(0..6);
        runtime.block_on(async {
            let mut running =
                tokio::process::Command::from(world.get("a", &[&world.url(query)], &[]))
                    .stdout(Stdio::null())
                    .kill_on_drop(true)
                    .spawn()
                    .expect("the example can be started");
            let requests = pin!(world.server.log().until(|entries| entries.len() >= after));
            let first = select(requests, Box::pin(running.wait()));
            tokio::time::timeout(LIMIT, first).await.expect("in time");
            running.kill().await.expect("it could be killed");
        });
        let mut history = fs::read(&path).unwrap_or_default();
        if chance.bool() && !history.is_empty() {
            // What was being appended when the power failed.
            let torn = history.len() - chance.usize(1..history.len().min(200));
            history.truncate(torn);
            fs::write(&path, history).expect("written");
            lost += 1;
        }
        if chance.u8(..4) == 0 {
            world.delete_part(chance.u64(..PARTS) * PART);
        }
    }
    assert!(lost > 0, "no history was torn");
    world.succeeds(query);
}

#[test]
fn a_server_that_says_when_to_come_back_is_left_alone_until_then() {
    let world = World::new();
    let began = SystemTime::now();
    world.succeeds("status=503&retryAfter=1&skip=4&times=1");
    assert!(began.elapsed().expect("a clock") >= Duration::from_secs(1));
    assert!(waited_for(&world.events(), WaitReason::RetryAfter));
}

#[test]
fn a_server_may_say_it_with_a_date() {
    let world = World::with(Some(answers(|n, _| {
        // A date has no fractions of a second.
        let until = httpdate::fmt_http_date(SystemTime::now() + Duration::from_secs(2));
        let answer = Response::builder().status(503).header("Retry-After", until);
        (n == 3).then(|| answer.body(Body::empty()).expect("an answer"))
    })));
    world.succeeds("");
    assert!(waited_for(&world.events(), WaitReason::RetryAfter));
}

#[test]
fn a_body_that_is_cut_is_asked_for_again() {
    let world = World::new();
    world.succeeds("cut=100000&cutTimes=1");
    let again = world.asked().iter().filter(|start| **start == PART).count();
    assert_eq!(again, 2);
}

#[test]
fn a_body_that_stalls_is_given_up_and_asked_for_again() {
    let world = World::new();
    world.succeeds("stall=100000&stallTimes=1");
    let again = world.asked().iter().filter(|start| **start == PART).count();
    assert_eq!(again, 2);
}

#[test]
fn a_body_that_is_always_cut_ends_it_with_a_reason() {
    let world = World::new();
    let output = world.ends("a", "cutAfter=1000", &["--retries", "2"]);
    failed(&output, 1, "the transfer broke again and again");
}

#[test]
fn a_server_that_knows_no_ranges_sends_the_whole() {
    let world = World::new();
    world.succeeds("noRange=1");
    assert_eq!(world.stored(), BTreeSet::from([0]));
}

#[test]
fn a_server_that_forgets_ranges_on_the_way_ends_it_with_a_reason_and_costs_nothing_stored() {
    let forgets = Arc::new(AtomicBool::new(true));
    let still = Arc::clone(&forgets);
    let world = World::with(Some(answers(move |n, request| {
        let query = request.uri.query().unwrap_or_default();
        if n <= 5 || query.contains("noRange") || !still.load(Ordering::Relaxed) {
            return None;
        }
        let to = format!("{}?{query}&noRange=1", request.uri.path());
        let answer = Response::builder().status(302).header("Location", to);
        Some(answer.body(Body::empty()).expect("an answer"))
    })));
    let output = world.ends("a", "", &["--retries", "2"]);
    failed(&output, 1, "the server answers with other ranges");
    let stored = world.stored();
    assert_eq!(stored.len(), 5);
    forgets.store(false, Ordering::Relaxed);
    world.server.log().clear();
    world.succeeds("");
    assert_eq!(world.asked().len(), 11);
}

#[test]
fn a_file_that_changes_on_the_way_is_never_a_mixture() {
    let world = World::new();
    let url = world.url("changeAfterParts=6");
    succeeded(&finished(world.get("a", &[&url], &[])));
    let bytes = fs::read(world.folder.path().join("model.bin")).expect("the file is there");
    let path = world.file.path();
    let new = changed(path.trim_start_matches("/models/"), PARTS * PART);
    assert!(bytes == new.slice(0..PARTS * PART));
}

#[test]
fn bytes_of_another_hash_are_refused() {
    let world = World::new();
    let url = format!("{}#sha256={}", world.url(""), world.file.sha256());
    succeeded(&finished(world.get("right", &[&url], &[])));
    let url = format!("{}#sha256={}", world.url("other"), "0".repeat(64));
    let output = finished(world.get("wrong", &[&url], &[]));
    failed(&output, 1, "SHA-256");
}

#[test]
fn a_file_that_is_not_there_is_said_not_to_be() {
    let world = World::new();
    let output = world.ends("a", "status=404", &[]);
    failed(&output, 1, "404");
}

#[test]
fn wrong_usage_is_told_from_failure() {
    let world = World::new();
    failed(&finished(world.command(&["get", "a"])), 2, "Usage");
    let output = finished(world.get("a", &["ftp://host/file"], &[]));
    failed(&output, 1, "http or https");
    failed(
        &finished(world.command(&["abort", "b"])),
        1,
        "nothing was ever requested",
    );
}

#[test]
fn two_files_are_one_download() {
    let world = World::new();
    let other = Generated::new(3 * PART, "config");
    let second = format!("{}{}", world.server.origin(), other.path());
    succeeded(&finished(world.get("a", &[&world.url(""), &second], &[])));
    world.has_the_file();
    let bytes = fs::read(world.folder.path().join("config.bin")).expect("the file is there");
    assert!(bytes == other.slice(0..3 * PART));
}

#[test]
fn a_file_of_two_downloads_goes_with_the_second() {
    let world = World::new();
    succeeded(&world.ends("a", "", &[]));
    world.server.log().clear();
    succeeded(&world.ends("b", "", &[]));
    assert!(world.asked().is_empty(), "the bytes were there");
    succeeded(&finished(world.command(&["remove", "a"])));
    assert_eq!(world.stored(), all_parts());
    succeeded(&finished(world.command(&["remove", "b"])));
    assert_eq!(world.stored(), BTreeSet::new());
}

#[test]
fn another_process_ends_it() {
    let world = World::new();
    let mut running = Running::start(world.get("a", &[&world.url("rateTotal=100000")], &[]));
    world.until(|entries| entries.iter().filter_map(part_of).count() >= 2);
    succeeded(&finished(world.command(&["abort", "a"])));
    assert_eq!(running.status().code(), Some(3));
    assert_eq!(world.stored(), BTreeSet::new());
}

#[test]
fn what_is_secret_is_written_down_nowhere() {
    let world = World::new();
    let query = "ticket=s3cr3t&X-Amz-Signature=5ign3d";
    let output = world.ends("a", query, &["--secret", "ticket"]);
    succeeded(&output);
    let mut texts = vec![world.history(), said(&output)];
    texts.push(String::from_utf8_lossy(&output.stdout).into_owned());
    let mut folders = vec![world.folder.path().to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            texts.push(path.to_string_lossy().into_owned());
            if path.is_dir() {
                folders.push(path);
            } else if path.ends_with("key") {
                texts.push(fs::read_to_string(path).expect("a key"));
            }
        }
    }
    for text in texts {
        assert!(
            !text.contains("s3cr3t") && !text.contains("5ign3d"),
            "{text}"
        );
    }
}

#[test]
fn a_replay_comes_to_what_the_core_folds() {
    let world = World::new();
    succeeded(&world.ends("a", "status=503&skip=3&times=1", &[]));
    failed(&world.ends("b", "status=404", &[]), 1, "404");
    let mut replay = example("replay");
    replay.arg(world.folder.path().join("store/history.ndjson"));
    let output = finished(replay);
    succeeded(&output);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let history = world.history();
    for id in ["a", "b"] {
        let own = history
            .lines()
            .filter(|line| HistoryEntry::decode(line).is_ok_and(|entry| entry.download == id));
        let folded = Download::fold(id, own).encode();
        assert!(told.lines().any(|line| line == folded), "{told}");
    }
    assert!(
        told.contains("a is there: 1048576 of 1048576 bytes"),
        "{told}"
    );
    assert!(
        told.contains("b is failed: the server answered 404"),
        "{told}"
    );
    assert!(!told.contains("browser"), "{told}");
}
