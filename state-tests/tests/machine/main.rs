//! Sequences of commands and signals against a reference model that is smaller than the core: it says in advance in which
//! phase and attempt the download is, what is refused, and what is stored. Shrinking keeps sequences legal.

mod model;

use longhaul_core::{
    Command, Context, Effect, HttpResponse, Input, Job, JobEnd, JobFailure, Preference, Range,
    Rejection, Retry, TransferError,
};
use longhaul_state_tests::prove::{Coverage, prove};
use longhaul_state_tests::scenario::{PART, PARTS, SIZE, Scenario, digest, ranged_answer};
use longhaul_state_tests::world::Phase;
use model::{How, Model, Transition};
use proptest::prelude::*;
use proptest::sample::select;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest};

/// Failed rounds in a row before an attempt fails.
const PATIENCE: u32 = 2;

struct Reference;

impl ReferenceStateMachine for Reference {
    type State = Model;
    type Transition = Transition;

    fn init_state() -> BoxedStrategy<Model> {
        (any::<bool>(), any::<bool>())
            .prop_map(|(hashed, background)| Model::new(hashed, background))
            .boxed()
    }

    fn transitions(model: &Model) -> BoxedStrategy<Transition> {
        let asked = select(vec![
            Transition::Request,
            Transition::Request,
            Transition::RequestOther,
            Transition::Abort,
            Transition::Retry,
            Transition::Remove,
        ]);
        let rare = select(vec![
            Transition::NotFound,
            Transition::Changed,
            Transition::JobFails,
            Transition::JobVanishes,
            Transition::JobCancelled,
        ]);
        let part = 0..PARTS;
        let all = prop_oneof![
            2 => asked,
            4 => Just(Transition::Probed),
            2 => Just(Transition::ProbeBreaks),
            8 => part.clone().prop_map(Transition::PartComes),
            5 => Just(Transition::PartBreaks),
            2 => rare,
            3 => any::<bool>().prop_map(|right| Transition::Hashed { right }),
            1 => part.prop_map(Transition::Evicted),
            2 => Just(Transition::Swept),
            5 => Just(Transition::Later),
            1 => (0_u8..5).prop_map(Transition::Stale),
        ];
        let model = model.clone();
        all.prop_filter("it can happen now", move |transition| {
            model.allows(transition)
        })
        .boxed()
    }

    fn preconditions(model: &Model, transition: &Transition) -> bool {
        model.allows(transition)
    }

    fn apply(mut model: Model, transition: &Transition) -> Model {
        model.take(transition);
        model
    }
}

/// The real machine, and the world as it sees it.
struct Machine {
    scenario: Scenario,
    refused: bool,
    /// The job that was handed over last: once it is lost it is not handed over again.
    handed: Option<String>,
}

impl Machine {
    fn takes(&mut self, input: Input) {
        self.refused = match self.scenario.tries(input) {
            Ok(_) => false,
            Err(Rejection::SpecConflict | Rejection::NotAvailable) => true,
        };
    }

    /// Looks until nothing more is to be said, and hands over the jobs that are planned.
    fn settles(&mut self) {
        for _ in 0..8 {
            let current = self.scenario.registration();
            let unstarted = current.filter(|id| self.handed.as_ref() != Some(id));
            self.scenario.observation.unstarted = unstarted;
            for effect in self.scenario.plan() {
                match effect {
                    Effect::StartJob { registration, .. } => {
                        self.handed = Some(registration.clone());
                        self.scenario.observation.jobs = vec![Job {
                            registration,
                            downloaded: 0,
                        }];
                    }
                    Effect::AbortJob { .. } => self.scenario.observation.jobs.clear(),
                    _ => {}
                }
            }
            self.scenario.observation.unstarted = None;
            let look = self.scenario.observed();
            if self.scenario.takes(look).is_empty() {
                return;
            }
        }
        panic!("looking comes to no end: {:#?}", self.scenario.download);
    }

    /// The parts stored of the file that is asked for.
    fn rest(&mut self) -> &mut longhaul_core::Ranges {
        let key = self.scenario.download.files[0].key();
        self.scenario.observation.stored.entry(key).or_default()
    }

    fn range(part: u32) -> Range {
        let start = u64::from(part) * PART;
        Range::new(start, PART.min(SIZE - start))
    }

    fn other(&self) -> Input {
        let mut spec = self.scenario.spec.clone();
        spec.resources[0].url.push_str("?other");
        let spec = spec.validated().expect("one that can be asked for");
        Input::Command(Command::Request(Box::new(spec)))
    }

    /// An outcome that nobody of the present attempt has caused.
    fn stale(&self, which: u8) -> Input {
        let mut before = self.scenario.clone();
        before.download.attempt -= 1;
        let id = format!("longhaul/1/longhaul/model/{}/1", before.download.attempt);
        match which {
            0 => before.probed(&ranged_answer()),
            1 => before.part_failed(TransferError::Changed),
            2 => before.verified(&digest('f')),
            3 => before.job_ended(&id, JobEnd::Abort, &[]),
            _ => before.job_refused(&id, true),
        }
    }
}

impl StateMachineTest for Machine {
    type SystemUnderTest = Self;
    type Reference = Reference;

    fn init_test(model: &Model) -> Self {
        let mut scenario = Scenario::new();
        if model.hashed {
            scenario = scenario.hashed();
        }
        let context: &mut Context = &mut scenario.observation.context;
        if !model.background {
            context.preference = Preference::Foreground;
        }
        context.policy.retry = Retry {
            limit: PATIENCE,
            ..Retry::default()
        };
        Self {
            scenario,
            refused: false,
            handed: None,
        }
    }

    fn apply(mut machine: Self, _: &Model, transition: Transition) -> Self {
        let broken = |status| HttpResponse {
            status,
            ..HttpResponse::default()
        };
        let s = &machine.scenario;
        let input = match transition {
            Transition::Request => s.request(),
            Transition::RequestOther => machine.other(),
            Transition::Abort => Input::Command(Command::Abort),
            Transition::Retry => Input::Command(Command::Retry),
            Transition::Remove => Input::Command(Command::Remove),
            Transition::Probed => s.probed(&ranged_answer()),
            Transition::ProbeBreaks => s.probed_as(vec![Err(TransferError::Network)]),
            Transition::NotFound => s.probed(&broken(404)),
            Transition::PartBreaks => s.part_failed(TransferError::Network),
            Transition::Changed => s.part_failed(TransferError::Changed),
            Transition::Hashed { right } => s.verified(&digest(if right { 'a' } else { 'f' })),
            Transition::Stale(which) => machine.stale(which),
            Transition::JobFails | Transition::JobCancelled => {
                let id = s.registration().expect("a job runs");
                let failed = JobEnd::Failure(JobFailure::FetchError);
                let cancelled = matches!(transition, Transition::JobCancelled);
                let end = if cancelled { JobEnd::Abort } else { failed };
                machine.scenario.observation.jobs.clear();
                machine.scenario.job_ended(&id, end, &[])
            }
            Transition::JobVanishes => {
                machine.scenario.observation.jobs.clear();
                machine.scenario.observed()
            }
            Transition::PartComes(part) => {
                machine.rest().push(Self::range(part));
                machine.scenario.observed()
            }
            Transition::Evicted(part) => {
                machine.rest().retain(|range| range != Self::range(part));
                machine.scenario.observed()
            }
            Transition::Swept => {
                for effect in machine.scenario.plan() {
                    if let Effect::DeleteFiles { keys, .. } = effect {
                        for key in keys {
                            machine.scenario.observation.stored.remove(&key);
                        }
                    }
                }
                machine.scenario.observed()
            }
            Transition::Later => {
                machine.scenario.now += 10 * 60_000;
                machine.scenario.observed()
            }
        };
        machine.takes(input);
        let refused = machine.refused;
        machine.settles();
        machine.refused = refused;
        machine
    }

    fn check_invariants(machine: &Self, model: &Model) {
        let download = &machine.scenario.download;
        let phase = Phase::from(&download.state);
        assert_eq!(
            (phase, download.attempt, machine.refused),
            (model.phase, model.attempt, model.refused),
            "{model:#?}\n{download:#?}"
        );
        if phase == Phase::Transferring || phase == Phase::Available {
            let parts = model.rest[model.asked].iter();
            let bytes: u64 = parts.map(|part| Self::range(*part).len).sum();
            // What comes during a wait is written down after it.
            let until = download.waiting.as_ref().and_then(|waiting| waiting.until);
            let later = until.is_some_and(|until| until > machine.scenario.now);
            assert!(
                download.stored == bytes || (later && download.stored < bytes),
                "{model:#?}\n{download:#?}"
            );
            let has_job = machine.scenario.registration().is_some();
            let job = matches!(model.how, How::Job { .. }) && phase == Phase::Transferring;
            assert_eq!(has_job, job, "{model:#?}\n{download:#?}");
        }
        let restarts = if model.is_running() {
            model.restarts
        } else {
            download.restarts
        };
        assert_eq!(download.restarts, restarts, "{model:#?}\n{download:#?}");
    }
}

#[test]
fn the_machine_is_where_a_smaller_model_says_that_it_is() {
    prove(
        "regressions/machine.txt",
        &Reference::sequential_strategy(1..80),
        &[
            "requested",
            "transferring",
            "available",
            "failed",
            "aborted",
            "evicted",
            "removed",
            "the page brings parts",
            "a job brings parts",
            "between two jobs",
            "nobody has patience left",
            "the machine began anew",
            "the machine began anew too often",
            "the wrong bytes",
            "refused",
            "other files",
            "found stored",
        ],
        |(first, transitions, seen), coverage| {
            let mut model = first.clone();
            for transition in &transitions {
                let before = model.clone();
                model.take(transition);
                note(&before, &model, coverage);
            }
            Machine::test_sequential(ProptestConfig::default(), first, transitions, seen);
            Ok(())
        },
    );
}

fn note(before: &Model, model: &Model, coverage: &Coverage) {
    coverage.reached(match model.phase {
        Phase::None => "nothing",
        Phase::Requested => "requested",
        Phase::Transferring => "transferring",
        Phase::Available => "available",
        Phase::Failed => "failed",
        Phase::Aborted => "aborted",
        Phase::Evicted => "evicted",
        Phase::Removed => "removed",
    });
    if model.phase == Phase::Transferring {
        coverage.reached(match model.how {
            How::Page => "the page brings parts",
            How::Job { .. } => "a job brings parts",
            How::Between { .. } => "between two jobs",
        });
    }
    let failed = model.phase == Phase::Failed && before.phase != Phase::Failed;
    coverage.sometimes(
        failed && model.rounds > PATIENCE,
        "nobody has patience left",
    );
    coverage.sometimes(
        failed && model.restarts == 3,
        "the machine began anew too often",
    );
    coverage.sometimes(model.restarts > before.restarts, "the machine began anew");
    coverage.sometimes(model.wrong, "the wrong bytes");
    coverage.sometimes(model.refused, "refused");
    coverage.sometimes(model.asked != before.asked, "other files");
    let found = before.phase == Phase::Requested && model.phase == Phase::Available;
    coverage.sometimes(found, "found stored");
}
