//! The table of phases: which events may come where, tried with every input in every state.

use longhaul_core::{
    Command, Download, Entry, Event, Input, JobEnd, JobFailure, Preference, Snapshot, TransferError,
};
use longhaul_state_tests::scenario::{ID, Scenario, digest, ranged_answer, worker};
use longhaul_state_tests::world::Reference;
use std::collections::BTreeSet;

const REGISTRATIONS: [&str; 3] = [
    "longhaul/1/longhaul/model/1/1",
    "longhaul/1/longhaul/model/1/2",
    "foreign",
];

fn scenarios() -> Vec<Scenario> {
    let whole = |s: Scenario| s.with_stored(&[0, 1, 2, 3]);
    vec![
        Scenario::new(),
        Scenario::new().requested(),
        Scenario::new().without_headers().requested(),
        Scenario::new().started(),
        Scenario::new().transferring(),
        Scenario::new()
            .transferring()
            .with(|s| s.observation.jobs.clear()),
        Scenario::foreground().transferring(),
        Scenario::new()
            .with(|s| s.observation.context.preference = Preference::BackgroundFetch)
            .transferring(),
        Scenario::new().halfway(),
        whole(Scenario::new().halfway()),
        whole(Scenario::new().hashed().halfway()),
        Scenario::new()
            .halfway()
            .with(|s| s.observation.stored.clear()),
        Scenario::new().available(),
        Scenario::new()
            .available()
            .with(|s| s.observation.stored.clear()),
        Scenario::new().failed(),
        Scenario::new().aborted(),
        Scenario::new().evicted(),
    ]
}

fn faults() -> Vec<TransferError> {
    let mut faults: Vec<TransferError> = [401, 404, 429, 500]
        .map(|status| TransferError::Status {
            status,
            retry_after_ms: (status == 429).then_some(9),
        })
        .into();
    faults.extend([
        TransferError::Offline,
        TransferError::Network,
        TransferError::Unreachable,
        TransferError::Cors,
        TransferError::Changed,
        TransferError::WrongRange,
        TransferError::Truncated,
        TransferError::UnexpectedType,
        TransferError::Quota,
        TransferError::HeadersNeeded,
    ]);
    faults
}

/// The scenario as somebody sees it who met this fault.
fn as_seen(s: &Scenario, fault: &TransferError) -> Scenario {
    let offline = *fault == TransferError::Offline;
    s.clone().with(|s| s.observation.context.offline = offline)
}

fn inputs(s: &Scenario) -> Vec<Input> {
    let other = s
        .clone()
        .with(|s| s.spec.resources[0].url.push_str("?other"));
    let mut inputs = vec![
        s.request(),
        other.request(),
        Input::Command(Command::Abort),
        Input::Command(Command::Retry),
        Input::Command(Command::Remove),
        s.observed(),
        s.probed(&ranged_answer()),
        s.verified(&digest('a')),
        s.verified(&digest('b')),
    ];
    let ends = [
        JobEnd::Success,
        JobEnd::Abort,
        JobEnd::Failure(JobFailure::BadStatus),
        JobEnd::Failure(JobFailure::FetchError),
        JobEnd::Failure(JobFailure::QuotaExceeded),
        JobEnd::Failure(JobFailure::DownloadTotalExceeded),
        JobEnd::Failure(JobFailure::Other),
    ];
    for registration in REGISTRATIONS {
        inputs.push(s.job_refused(registration, false));
        inputs.push(s.job_refused(registration, true));
        for end in ends {
            inputs.push(s.job_ended(registration, end, &[]));
            for fault in faults() {
                let seen = as_seen(s, &fault);
                inputs.push(seen.job_ended(registration, end, &[fault]));
            }
        }
    }
    for fault in faults() {
        let seen = as_seen(s, &fault);
        inputs.push(seen.probed_as(vec![Err(fault.clone())]));
        inputs.push(seen.part_failed(fault));
    }
    inputs
}

#[test]
fn every_input_in_every_state_leads_only_where_the_table_of_phases_allows() {
    let mut seen: BTreeSet<(&str, &str)> = BTreeSet::new();
    for scenario in scenarios() {
        for role in [scenario.observation.context.clone(), worker()] {
            let mut scenario = scenario.clone();
            scenario.observation.context = role;
            for input in inputs(&scenario) {
                let mut s = scenario.clone();
                let mut reference = Reference::default();
                for text in &s.log {
                    let entry = Entry::decode(text).expect("its own");
                    reference
                        .take(&entry.event)
                        .expect("the scenario keeps the table");
                }
                let from = s.download.state.name();
                let Ok(events) = s.tries(input.clone()) else {
                    assert!(
                        matches!(input, Input::Command(_)),
                        "signals are never rejected"
                    );
                    continue;
                };
                for event in &events {
                    seen.insert((from, event.name()));
                    let allowed = reference.take(event);
                    assert_eq!(
                        allowed,
                        Ok(()),
                        "{input:?} led to {events:?} from {scenario:#?}"
                    );
                }
                // What was told is told: the same signal again says no more than a look.
                if matches!(input, Input::Signal(_)) && !begins_a_job(&events) {
                    let looked = s.clone().tries(s.observed());
                    let again = s.tries(input);
                    assert!(
                        again == Ok(vec![]) || again == looked,
                        "{again:?} after {events:?}"
                    );
                }
            }
        }
    }
    let table: BTreeSet<(&str, &str)> = [
        ("none", "requested"),
        ("requested", "started"),
        ("requested", "waiting"),
        ("requested", "failure"),
        ("requested", "aborted"),
        ("transferring", "progress"),
        ("transferring", "waiting"),
        ("transferring", "started"),
        ("transferring", "success"),
        ("transferring", "failure"),
        ("transferring", "aborted"),
        // In one breath with the failure before it.
        ("transferring", "requested"),
        ("available", "requested"),
        ("available", "cached-hit"),
        ("available", "evicted"),
        ("failed", "requested"),
        ("failed", "evicted"),
        ("aborted", "requested"),
        // Of what an eviction left, the rest can be removed.
        ("evicted", "evicted"),
        ("evicted", "requested"),
    ]
    .into();
    assert_eq!(seen, table);
}

/// Whether the one who looked now owes the browser a job, which the observation of before knows nothing of.
fn begins_a_job(events: &[Event]) -> bool {
    events.iter().any(|event| {
        matches!(
            event,
            Event::Started {
                registration: Some(_),
                ..
            }
        )
    })
}

#[test]
fn a_gap_degrades_a_history_and_whole_entries_after_it_do_not_mend_it() {
    let log = Scenario::foreground().halfway().log;
    let fold = |lines: &[&String]| Download::fold(ID, lines.iter().map(|line| line.as_str()));
    let whole = fold(&[&log[0], &log[1], &log[2]]);
    assert!(!whole.degraded);
    let gap = fold(&[&log[0], &log[2]]);
    assert!(gap.degraded && gap.seq == 3, "{gap:?}");
    let twice = fold(&[&log[0], &log[1], &log[1]]);
    assert!(
        twice.degraded,
        "an entry that comes twice is no whole history"
    );
    let unreadable = "{}".to_owned();
    let after = fold(&[&log[0], &unreadable, &log[2]]);
    assert!(after.degraded && after.seq == 3, "{after:?}");
    let again = fold(&[
        &log[0],
        &log[2],
        &log[0].replacen("\"seq\":1,", "\"seq\":4,", 1),
    ]);
    assert!(!again.degraded, "a new request begins anew");
}

#[test]
fn nothing_is_shown_of_what_was_never_requested_unless_its_history_cannot_be_read() {
    assert_eq!(Snapshot::of(&Download::new(ID)), None);
    let unreadable = Download::fold(ID, ["{}"]);
    let shown = Snapshot::of(&unreadable).expect("somebody requested it");
    assert_eq!(
        (shown.phase, shown.degraded, shown.seq),
        ("requested", true, 1)
    );
}
