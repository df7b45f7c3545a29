//! What "exactly what is missing" means: law L9, said without the planner.

use longhaul_core::{
    Download, Effect, Event, EvictedBy, FailReason, FileVersion, Input, Observation, Signal, State,
    Transport, WaitReason, decide, evolve, plan,
};
use std::collections::BTreeSet;

/// A part of a resource: its index, and the part's.
type Part = (u32, u32);

/// Looks and folds as a new owner would, until nothing more is to be said, then plans. Nothing is stored.
///
/// # Errors
/// That looking came to no end, or that the plan is not the same when it is made again.
pub fn look_and_plan(
    view: &mut Download,
    observation: &mut Observation,
    now: u64,
) -> Result<Vec<Effect>, String> {
    // Each attempt that the machine begins by itself takes two looks.
    for _ in 0..16 {
        let look = Input::Signal(Signal::Observed(Box::new(observation.clone())));
        let events = decide(view, now, look).map_err(|rejection| rejection.to_string())?;
        if events.is_empty() {
            let effects = plan(view, observation, now);
            return if effects == plan(view, observation, now) {
                Ok(effects)
            } else {
                Err("L9: a second plan is another one".into())
            };
        }
        for event in &events {
            evolve(view, event);
            if let Event::Started { registration, .. } = event {
                observation.unstarted.clone_from(registration);
            }
        }
    }
    Err(format!("L9: looking comes to no end: {view:#?}"))
}

/// Whether these effects, planned for a page that nobody assisted, are exactly what is missing.
///
/// # Errors
/// What they are, where they are not.
pub fn is_exact(
    view: &Download,
    observation: &Observation,
    effects: &[Effect],
) -> Result<(), String> {
    let wrong = |what: &str| {
        Err(format!(
            "L9: {what}: {effects:#?} for {view:#?} with {observation:#?}"
        ))
    };
    let current = view
        .state
        .transfer()
        .and_then(|transfer| transfer.registration.as_ref());
    let needless = observation.jobs.iter().filter(|job| {
        Some(&job.registration) != current || is_assisted(view, observation, job.downloaded)
    });
    let needless: BTreeSet<_> = needless.map(|job| &job.registration).collect();
    let aborted = effects.iter().filter_map(|effect| match effect {
        Effect::AbortJob { registration } => Some(registration),
        _ => None,
    });
    if needless != aborted.collect() {
        return wrong("not exactly the jobs that nothing needs are aborted");
    }
    let others = effects
        .iter()
        .filter(|effect| !matches!(effect, Effect::AbortJob { .. }));
    let others: Vec<&Effect> = others.collect();
    let exact = match &view.state {
        State::Requested => {
            let probes =
                matches!(others[..], [Effect::Probe { attempt }] if *attempt == view.attempt);
            probes || is_wait(&others) || discards_exactly(view, observation, &others)
        }
        State::Transferring { .. } => transfers_exactly(view, observation, &others),
        State::Failed { .. } if !view.mixed.is_empty() => {
            others.is_empty() || discards_exactly(view, observation, &others)
        }
        State::Failed { failure } if failure.reason == FailReason::Integrity => {
            let guilty = failure.resource.and_then(|n| view.files.get(n as usize));
            deletes_exactly(
                guilty.map_or(&view.files[..], std::slice::from_ref),
                observation,
                &others,
            )
        }
        State::Aborted { .. }
        | State::Evicted {
            by: EvictedBy::Removal,
        } => deletes_exactly(&view.files, observation, &others),
        State::None | State::Available | State::Failed { .. } | State::Evicted { .. } => {
            others.is_empty()
        }
    };
    if exact {
        Ok(())
    } else {
        wrong("not exactly what is missing")
    }
}

/// Parts that are not stored.
fn missing(view: &Download, observation: &Observation) -> BTreeSet<Part> {
    let of_file = |(n, file): (u32, &FileVersion)| {
        let missing = observation.missing(&file.key(), file.layout());
        missing.into_iter().map(move |index| (n, index))
    };
    (0..).zip(&view.files).flat_map(of_file).collect()
}

/// Whether all is stored, and the job that runs, of which so much has come, has not brought all of it.
fn is_assisted(view: &Download, observation: &Observation, downloaded: u64) -> bool {
    let all_by_itself = |base: u64| view.total.is_none_or(|total| base + downloaded >= total);
    let transfer = view.state.transfer();
    transfer.is_some_and(|transfer| {
        missing(view, observation).is_empty() && !all_by_itself(transfer.base)
    })
}

fn is_wait(effects: &[&Effect]) -> bool {
    matches!(effects, [Effect::Wait { .. }])
}

fn transfers_exactly(view: &Download, observation: &Observation, effects: &[&Effect]) -> bool {
    let Some(transfer) = view.state.transfer() else {
        return false;
    };
    let missing = missing(view, observation);
    if missing.is_empty() {
        let asks = view.to_confirm().next().is_some();
        return matches!(effects, [Effect::Verify { .. }]) || (asks && is_wait(effects));
    }
    let Some(id) = transfer.registration.as_ref() else {
        let background = transfer.transport == Transport::BackgroundFetch;
        return is_wait(effects) || (!background && fetched(effects) == Some(missing));
    };
    let runs = observation.jobs.iter().any(|job| job.registration == *id);
    let handled = observation.handling.contains(id);
    match effects {
        [Effect::Harvest { registration }] => runs && registration == id,
        [
            Effect::StartJob {
                registration,
                parts,
                ..
            },
        ] => {
            let named = parts.iter().map(|(n, part)| (*n, part.index)).collect();
            !runs && !handled && registration == id && missing == named
        }
        // A page that assisted it and failed leaves its server alone, whatever became of the job.
        [
            Effect::Wait {
                reason: WaitReason::Browser,
                ..
            },
        ] => !runs,
        [] => handled && !runs,
        _ => false,
    }
}

fn fetched(effects: &[&Effect]) -> Option<BTreeSet<Part>> {
    let parts = effects.iter().map(|effect| match effect {
        Effect::Fetch { resource, part, .. } => Some((*resource, part.index)),
        _ => None,
    });
    parts.collect()
}

/// What is stored of files that may be of several versions, all of it.
fn discards_exactly(view: &Download, observation: &Observation, effects: &[&Effect]) -> bool {
    let there = stored_among(view.mixed.iter().cloned(), observation);
    !there.is_empty() && matches!(effects, [Effect::Discard { keys, .. }] if *keys == there)
}

fn stored_among(keys: impl Iterator<Item = String>, observation: &Observation) -> Vec<String> {
    keys.filter(|key| !observation.stored_under(key).is_empty())
        .collect()
}

fn deletes_exactly(files: &[FileVersion], observation: &Observation, effects: &[&Effect]) -> bool {
    let there = stored_among(files.iter().map(FileVersion::key), observation);
    match effects {
        [] => there.is_empty(),
        [Effect::DeleteFiles { keys, .. }] => *keys == there && !there.is_empty(),
        _ => false,
    }
}
