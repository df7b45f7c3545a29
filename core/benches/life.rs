//! What a life costs: `cargo bench -p longhaul-core`.
//!
//! A download of so many parts in a world in which nothing goes wrong, as its [`Owner`] sees it: every read, look, append
//! and part, without the time that these would take. And what folding its history costs.

use std::collections::{BTreeMap, VecDeque};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use longhaul_core::owner::{Input, Now, Outcome, Output, Owner, Settings};
use longhaul_core::{
    Command, Context, Download, Effect, HttpResponse, Observation, Policy, Preference, Ranges,
    Resource, Spec, decide,
};

const ID: &str = "model";
const PART: u64 = 1 << 20;
/// How often each life is lived; the fastest counts.
const LIVES: u32 = 5;

fn main() {
    println!("parts    steps   life in ms   µs a step   × of 128");
    let mut first = None;
    let mut history = Vec::new();
    for parts in [128, 1_000, 5_000, 10_000] {
        let lives = (0..LIVES).map(|_| life(parts));
        let best = lives.min_by_key(|life| life.took).expect("one at least");
        let step = best.took.as_secs_f64() * 1e6 / f64::from(best.steps);
        let ratio = step / *first.get_or_insert(step);
        let ms = best.took.as_secs_f64() * 1e3;
        println!(
            "{parts:>6} {:>8} {ms:>12.2} {step:>11.2} {ratio:>10.2}",
            best.steps
        );
        history = best.history;
    }
    let began = Instant::now();
    let mut entries = 0;
    while began.elapsed() < Duration::from_secs(1) {
        let texts = history.iter().map(String::as_str);
        let download = black_box(Download::fold(ID, texts));
        assert!(download.is_available());
        entries += history.len();
    }
    #[allow(clippy::cast_precision_loss)]
    let rate = entries as f64 / began.elapsed().as_secs_f64();
    println!(
        "folding {} entries: {rate:.0} entries a second",
        history.len()
    );
}

struct Life {
    took: Duration,
    steps: u32,
    history: Vec<String>,
}

fn life(parts: u64) -> Life {
    let size = parts * PART;
    let policy = Policy {
        part_bytes: Some(PART),
        ..Policy::default()
    };
    let context = Context {
        preference: Preference::Foreground,
        policy: policy.clone(),
        ..Context::default()
    };
    let (mut download, mut history) = requested();
    let mut stored = BTreeMap::<String, Ranges>::new();
    let mut started = VecDeque::new();
    let mut steps = 0;
    let settings = Settings {
        policy,
        parallel: 4,
        ..Settings::default()
    };
    let mut owner = Owner::new(ID, settings);
    let began = Instant::now();
    let took = loop {
        steps += 1;
        let now = Now {
            monotonic_ms: u64::from(steps) / 100,
            wall_ms: 1_000 + u64::from(steps) / 100,
        };
        let input = match owner.poll(now).expect("it is not over") {
            Output::Read => Input::Read(Arc::clone(&download)),
            Output::Observe(look) => Input::Observed {
                observation: Box::new(Observation {
                    stored: look
                        .keys
                        .into_iter()
                        .map(|key| {
                            let ranges = stored.get(&key).cloned().unwrap_or_default();
                            (key, ranges)
                        })
                        .collect(),
                    context: context.clone(),
                    ..Observation::default()
                }),
                held: Vec::new(),
            },
            Output::Append(batch) => {
                history.extend_from_slice(batch.entries());
                download = Arc::new(batch.after().clone());
                Input::Appended(batch)
            }
            Output::Start(licensed) => {
                started.push_back(licensed);
                continue;
            }
            Output::Wait { .. } => {
                let licensed = started.pop_front().expect("something is in flight");
                let outcome = match licensed.effect() {
                    Effect::Probe { .. } => Outcome::Probed(vec![Ok(HttpResponse {
                        status: 206,
                        content_range: Some(format!("bytes 0-0/{size}")),
                        etag: Some("\"1\"".to_owned()),
                        ..HttpResponse::default()
                    })]),
                    Effect::Fetch { part, .. } => {
                        let range = part.range().expect("a range");
                        stored.entry(part.file.key()).or_default().push(range);
                        Outcome::Stored(range)
                    }
                    other => panic!("{other:?}"),
                };
                Input::Ended(licensed.effect().id(), outcome)
            }
            Output::Done => break began.elapsed(),
            Output::Watch(_) => continue,
            other => panic!("{other:?}"),
        };
        owner.handle(now, input);
    };
    assert!(download.is_available());
    Life {
        took,
        steps,
        history,
    }
}

fn requested() -> (Arc<Download>, Vec<String>) {
    let resource = Resource {
        url: "https://host/model.gguf".to_owned(),
        bytes: None,
        sha256: None,
    };
    let spec = Spec {
        id: ID.to_owned(),
        title: None,
        icons: Vec::new(),
        secret_params: Vec::new(),
        resources: vec![resource],
        headers: false,
    };
    let spec = spec.validated().expect("it is valid");
    let request = longhaul_core::Input::Command(Command::Request(Box::new(spec)));
    let download = Download::new(ID);
    let events = decide(&download, 1_000, request).expect("it may be requested");
    let origin = longhaul_core::Origin::Page;
    let batch = longhaul_core::Batch::new(&download, 1_000, origin, events);
    let history = batch.entries().to_vec();
    (Arc::new(batch.into_after()), history)
}
