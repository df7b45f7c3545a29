//! The core without a browser: a log in memory, and a pretended server over byte vectors.
//!
//! Run with `cargo run -p longhaul-core --example embed`. It prints the history as NDJSON, the way
//! it would be exported, and after each round what an app would be shown. The numbers in the
//! comments are those of the loop in the crate's documentation.

use longhaul_core::{
    Command, Context, Download, Effect, Entry, HttpResponse, Input, Layout, Observation, Origin,
    PartRequest, Policy, Preference, Range, Resource, Signal, Snapshot, Spec, TransferError,
    decide, measure, plan,
};
use std::collections::BTreeMap;

const URL: &str = "https://models.example/tiny.gguf";

fn main() {
    let mut embedder = Embedder::new((0..=255).cycle().take(1_000).collect());
    let spec = Spec {
        id: "tiny".into(),
        title: Some("A tiny model".into()),
        icons: vec![],
        secret_params: vec![],
        resources: vec![Resource {
            url: URL.into(),
            bytes: None,
            sha256: None,
        }],
        headers: false,
    };
    let spec = Box::new(spec.validated().expect("the spec above is right"));

    println!("# a download over a server that breaks once");
    embedder.run(Input::Command(Command::Request(spec.clone())));
    println!("# the same again: found, not fetched");
    embedder.run(Input::Command(Command::Request(spec)));
    println!("# removed");
    embedder.run(Input::Command(Command::Remove));

    println!("# the whole history");
    for line in &embedder.log {
        println!("{line}");
    }
    let folded = Download::fold("tiny", embedder.log.iter().map(String::as_str));
    assert_eq!(folded, embedder.download, "the history explains everything");
    assert!(embedder.rest.is_empty(), "what was removed is gone");
}

/// What an embedder has: a log, a place for bytes, a clock, and here the server too.
struct Embedder {
    download: Download,
    log: Vec<String>,
    rest: BTreeMap<String, BTreeMap<Range, Vec<u8>>>,
    now: u64,
    server: Server,
}

impl Embedder {
    fn new(body: Vec<u8>) -> Self {
        let server = Server { body, asked: 0 };
        Self {
            download: Download::new("tiny"),
            log: Vec::new(),
            rest: BTreeMap::new(),
            now: 1_800_000_000_000,
            server,
        }
    }

    /// Turns the loop until nothing is left to do.
    fn run(&mut self, input: Input) {
        // 1. An input: here a command of the app.
        let mut inputs = vec![input];
        loop {
            for input in std::mem::take(&mut inputs) {
                self.take(input);
            }
            if let Some(snapshot) = Snapshot::of(&self.download) {
                println!("  {}", snapshot.canonical_json());
            }
            // 5. From the state and a fresh look: what is missing now.
            let effects = plan(&self.download, &self.observation(), self.now);
            if effects.is_empty() {
                return;
            }
            // 6. Perform it. Only what the history licenses is ever in a plan.
            for effect in effects {
                inputs.extend(self.perform(effect));
            }
            // 7. What became of it, and a look at the world afterwards, is the next input.
            inputs.push(Input::Signal(Signal::Observed(Box::new(
                self.observation(),
            ))));
        }
    }

    fn take(&mut self, input: Input) {
        // 2. Decide: every rule is in there.
        let events = match decide(&self.download, self.now, input) {
            Ok(events) => events,
            Err(rejection) => return println!("  rejected: {rejection}"),
        };
        for event in events {
            // 3. Append. A real log does so in one transaction, on condition that nobody else
            //    appended number `seq + 1` first; this one has a single writer.
            let seq = self.download.seq + 1;
            let entry = Entry::new(&self.download.id, seq, self.now, Origin::Page, event);
            self.log.push(entry.encode());
            // 4. Evolve: fold the entry into the state.
            self.download.apply(Ok(&entry));
        }
    }

    /// What can be observed: nothing is remembered that could be looked up.
    fn observation(&self) -> Observation {
        let ranges = |parts: &BTreeMap<Range, Vec<u8>>| parts.keys().copied().collect();
        let rest = self.rest.iter().map(|(k, v)| (k.clone(), ranges(v)));
        Observation {
            stored: rest.collect(),
            context: Context {
                preference: Preference::Foreground,
                policy: Policy {
                    part_bytes: Some(256),
                    ..Policy::default()
                },
                ..Context::default()
            },
            ..Observation::default()
        }
    }

    fn perform(&mut self, effect: Effect) -> Option<Input> {
        let signal = match effect {
            Effect::Probe { attempt } => Signal::Probed {
                attempt,
                answers: vec![self.server.get(Some(Range::new(0, 1))).map(|(a, _)| a)],
                observation: Box::new(self.observation()),
            },
            Effect::Fetch {
                attempt,
                resource,
                part,
                ..
            } => {
                let fault = self.fetch(&part).err()?;
                Signal::PartFailed {
                    attempt,
                    resource,
                    fault,
                    observation: Box::new(self.observation()),
                }
            }
            Effect::DeleteFiles { keys, .. } => {
                self.rest.retain(|key, _| !keys.contains(key));
                return None;
            }
            Effect::Wait { until, reason } => {
                println!("  waiting for {reason:?}");
                self.now = until.unwrap_or(self.now).max(self.now + 1);
                return None;
            }
            // This embedder has no background jobs, and its spec names no hash.
            other => unreachable!("not planned without jobs and hashes: {other:?}"),
        };
        Some(Input::Signal(signal))
    }

    /// Fetches a part, measures it, and only then lets it rest.
    fn fetch(&mut self, part: &PartRequest) -> Result<(), TransferError> {
        let asked = match part.file.layout() {
            Layout::Ranged { .. } => part.range(),
            Layout::Whole { .. } => None,
        };
        let (answer, body) = self.server.get(asked)?;
        let len = u64::try_from(body.len()).expect("a vector's length fits");
        let range = measure(part, &answer, len)?;
        let parts = self.rest.entry(part.file.key()).or_default();
        parts.insert(range, body);
        Ok(())
    }
}

/// A server of one file that honours `Range`, and drops the fifth connection.
struct Server {
    body: Vec<u8>,
    asked: u32,
}

impl Server {
    fn get(&mut self, range: Option<Range>) -> Result<(HttpResponse, Vec<u8>), TransferError> {
        self.asked += 1;
        if self.asked == 5 {
            return Err(TransferError::Network);
        }
        let total = self.body.len();
        let etag = Some("\"1\"".to_owned());
        let Some(range) = range else {
            let answer = HttpResponse {
                status: 200,
                etag,
                ..HttpResponse::default()
            };
            return Ok((answer, self.body.clone()));
        };
        let index = |at: u64| usize::try_from(at).expect("fits").min(total);
        let (start, end) = (index(range.start), index(range.end()));
        let answer = HttpResponse {
            status: 206,
            content_range: Some(format!("bytes {start}-{}/{total}", end - 1)),
            etag,
            ..HttpResponse::default()
        };
        Ok((answer, self.body[start..end].to_vec()))
    }
}
