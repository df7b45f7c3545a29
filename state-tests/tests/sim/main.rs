//! The simulated browser, over many seeds. See `longhaul_state_tests::sim`.
//!
//! `LONGHAUL_SIM_SEED=<n> cargo test -p longhaul-state-tests --test sim` runs one seed and prints its trace.
//! `LONGHAUL_DEEP=1` goes on with further seeds until a hundred million steps are done.

mod found;

use longhaul_state_tests::prove::Coverage;
use longhaul_state_tests::sim::run::{Outcome, run};
use std::rc::Rc;
use std::time::Instant;

/// The most that the adversary may do in a run.
const WORST: u64 = 40;
/// Seeds of an ordinary run.
const SEEDS: u64 = 2_000;
/// Steps of an ordinary run, at least.
const STEPS: u64 = 100_000;
/// Steps of a deep run, at least.
const DEEP_STEPS: u64 = 100_000_000;

/// What the ordinary seeds must come across: every quirk that is played, and every word of the machine that they can
/// lead to.
const SOMETIMES: &[&str] = &[
    // Contexts and their deaths.
    "a page crashed",
    "a page opened while a completion was handled",
    "a worker was killed over a completion",
    "a worker started late",
    "a worker that does not answer",
    "a browser was killed",
    "a browser was closed",
    "a browser came back without a page",
    "a browser died over a completion",
    "a browser died between the last byte and the event",
    "a dead context's call was carried out",
    "a crash in mid-transfer",
    "a lock that another context held",
    "a message was lost",
    "a message came twice",
    // Stores.
    "a conflict",
    "an append was aborted",
    "a commit was not seen",
    "a read of the history failed",
    "a part could not be stored",
    "a part found no room",
    "an eviction",
    // Background Fetch.
    "a navigation froze a job",
    "a page assists a job",
    "a completion was handled",
    "a completion under way was named",
    "a job waits for another one",
    "a job was refused",
    "a job found no room",
    "a job of unknown size found no room at its end",
    "a sixth registration was refused",
    "a running job was aborted",
    "a queued job was aborted",
    "an abort came after the end",
    "a killed job kept its finished records",
    "a closed browser's job failed",
    "an unfinished record looked like an empty success",
    "an empty success",
    "a job resumed inside a part",
    "a job began a record anew",
    "a resumption found another version, and asks again",
    "a record was spliced of two versions",
    "a record shows the status of a round that failed",
    "a record was refused for good",
    "a job gave up after five rounds",
    "a job met CORS",
    "a job waits for the network",
    "a job's server says nothing",
    // The network.
    "nobody answers",
    "a transfer was cut",
    "a transfer stalled",
    "a transfer was broken off",
    "a server that says nothing",
    "a file changed",
    "a request met a reset",
    "a request met a body that is cut",
    "a request met a body that is closed early",
    "a request met a body that stalls",
    "a request met silence",
    "a request met 401 or 403",
    "a request met 404 or 410",
    "a request met 412",
    "a request met 416",
    "a request met 429 or 503 with Retry-After",
    "a request met another error status",
    "a request met 200 to a range",
    "a request met a wrong range",
    "a request met a wrong size",
    "a request met wrong bytes with right headers",
    "a request met a portal",
    "a request met CORS",
    // What came of it.
    "started BackgroundFetch Preferred",
    "started BackgroundFetch Asked",
    "started Foreground Missing",
    "started Foreground Asked",
    "started Foreground Headers",
    "started Foreground Refused",
    "started Foreground JobFailed",
    "started Foreground JobLost",
    "started Foreground Stored",
    "waiting Backoff",
    "waiting RetryAfter",
    "waiting Offline",
    "waiting Unreachable",
    "waiting Headers",
    "waiting Browser",
    "waiting Verifying",
    "requested by itself",
    "cached-hit",
    "success",
    "success, verified",
    "failure Changed",
    "failure Integrity",
    "failure Evicted",
    "failure Quota",
    "failure Cors",
    "failure NotFound",
    "failure Unauthorized",
    "failure UnexpectedType",
    "failure Truncated",
    "failure Network",
    "failure Refused",
    "failure BadStatus",
    "aborted App",
    "aborted Removal",
    "evicted Eviction",
    "evicted Removal",
    "ended available",
    "ended failed",
    "ended aborted",
    "ended evicted",
];

/// The seed that the environment names.
fn named_seed() -> Option<u64> {
    let seed = std::env::var("LONGHAUL_SIM_SEED").ok()?;
    Some(seed.parse().expect("LONGHAUL_SIM_SEED is a number"))
}

fn held(seed: u64, outcome: &Outcome) {
    if let Some(law) = &outcome.broken {
        panic!("{law}\n\nLONGHAUL_SIM_SEED={seed} cargo test -p longhaul-state-tests --test sim");
    }
}

#[test]
fn no_order_of_faults_loses_a_download_or_invents_one() {
    let coverage = Rc::new(Coverage::default());
    if let Some(seed) = named_seed() {
        let outcome = run(seed, WORST, &coverage, true);
        println!("{}", outcome.trace.join("\n"));
        return held(seed, &outcome);
    }
    let deep = std::env::var_os("LONGHAUL_DEEP").is_some();
    let least = if deep { DEEP_STEPS } else { STEPS };
    let (began, mut seed, mut steps) = (Instant::now(), 0, 0);
    while seed < SEEDS || steps < least {
        let outcome = run(seed, WORST, &coverage, false);
        held(seed, &outcome);
        steps += outcome.steps;
        seed += 1;
    }
    println!(
        "{steps} steps of {seed} seeds in {} s",
        began.elapsed().as_secs()
    );
    let never: Vec<&&str> = SOMETIMES
        .iter()
        .filter(|what| coverage.count(what) == 0)
        .collect();
    assert!(never.is_empty(), "never reached: {never:?}");
}

#[test]
fn the_same_seed_gives_the_same_run_to_the_last_step() {
    let coverage = Rc::new(Coverage::default());
    for seed in 0..10 {
        let once = run(seed, WORST, &coverage, true);
        let again = run(seed, WORST, &coverage, true);
        assert!(once.steps > 30, "seed {seed} did next to nothing");
        assert_eq!(once, again, "seed {seed}");
    }
    let other = run(1, WORST, &coverage, false).fingerprint;
    assert_ne!(run(0, WORST, &coverage, false).fingerprint, other);
}

#[test]
fn undisturbed_every_download_becomes_available_by_either_transport() {
    let coverage = Rc::new(Coverage::default());
    for seed in 0..60 {
        held(seed, &run(seed, 0, &coverage, false));
    }
    for reached in [
        "started BackgroundFetch Preferred",
        "started Foreground Missing",
        "success",
        "success, verified",
    ] {
        assert!(coverage.count(reached) > 0, "never: {reached}");
    }
    for never in ["ended aborted", "ended evicted"] {
        assert_eq!(coverage.count(never), 0, "{never}");
    }
    // An app that insists on Background Fetch and has headers to send asks for too much.
    let refused = coverage.count("failure Refused");
    assert_eq!(coverage.count("ended failed"), refused);
}
