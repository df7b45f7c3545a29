use super::*;
use crate::input::{Command, Context};
use crate::measure::HttpResponse;
use crate::policy::Policy;
use crate::spec::{Resource, Spec};

const ID: &str = "model";
const START: Now = Now {
    monotonic_ms: 100_000,
    wall_ms: 1_700_000_000_000,
};

fn policy() -> Policy {
    Policy {
        part_bytes: Some(30),
        ..Policy::default()
    }
}

/// What an owner says until it waits.
fn said(owner: &mut Owner, now: Now) -> Vec<Output> {
    let mut said = Vec::new();
    while let Some(output) = owner.poll(now) {
        let waits = matches!(output, Output::Wait { .. });
        said.push(output);
        if waits {
            break;
        }
    }
    said
}

/// A store without a browser: appends, reads, and sees nothing stored.
struct Shelf {
    owner: Owner,
    stored: Download,
}

impl Shelf {
    /// A download that was asked for, whose owner has just begun.
    fn requested() -> Self {
        let resource = Resource {
            url: "https://host/model.gguf".into(),
            bytes: None,
            sha256: None,
        };
        let spec = Spec {
            id: ID.into(),
            title: None,
            icons: Vec::new(),
            secret_params: Vec::new(),
            resources: alloc::vec![resource],
            headers: false,
        };
        let request = Command::Request(Box::new(spec.validated().expect("it can be asked for")));
        let new = Download::new(ID);
        let request = crate::input::Input::Command(request);
        let events = decide(&new, START.wall_ms, request).expect("it is asked for once");
        let batch = Batch::new(&new, START.wall_ms, Origin::Page, events);
        let settings = Settings {
            parallel: 2,
            policy: policy(),
            ..Settings::default()
        };
        Self {
            owner: Owner::new(ID, settings),
            stored: batch.into_after(),
        }
    }

    /// Does what the owner wants done with the stores, until it wants nothing more: what it started, and the wait it named.
    fn turn(&mut self, now: Now) -> (Vec<Effect>, Option<u64>) {
        let mut started = Vec::new();
        loop {
            let said = said(&mut self.owner, now);
            let mut waits = None;
            let mut answered = false;
            for output in said {
                let input = match output {
                    Output::Read => Input::Read(self.stored.clone().into()),
                    Output::Observe(look) => Input::Observed {
                        observation: Box::new(Observation {
                            stored: look
                                .keys
                                .into_iter()
                                .map(|key| (key, crate::Ranges::new()))
                                .collect(),
                            context: Context {
                                headers: true,
                                policy: policy(),
                                ..Context::default()
                            },
                            ..Observation::default()
                        }),
                        held: Vec::new(),
                    },
                    Output::Append(batch) => {
                        self.stored = batch.after().clone();
                        Input::Appended(batch)
                    }
                    Output::Start(licensed) => {
                        started.push(licensed.effect().clone());
                        continue;
                    }
                    Output::Wait { until, .. } => {
                        waits = until;
                        continue;
                    }
                    _ => continue,
                };
                self.owner.handle(now, input);
                answered = true;
            }
            if !answered {
                return (started, waits);
            }
        }
    }

    fn tell(&mut self, now: Now, effect: &Effect, outcome: Outcome) {
        self.owner.handle(now, Input::Ended(effect.id(), outcome));
    }

    /// Asked for, probed, and both parts on their way.
    fn transferring() -> (Self, Vec<Effect>) {
        let mut shelf = Self::requested();
        let (probe, _) = shelf.turn(START);
        let answer = HttpResponse {
            status: 206,
            content_range: Some("bytes 0-0/60".into()),
            etag: Some("\"v1\"".into()),
            ..HttpResponse::default()
        };
        shelf.tell(START, &probe[0], Outcome::Probed(alloc::vec![Ok(answer)]));
        let (fetches, _) = shelf.turn(START);
        (shelf, fetches)
    }
}

fn broken() -> Outcome {
    Outcome::Failed(TransferError::Network)
}

#[test]
fn an_outcome_that_led_to_no_event_is_not_decided_on_when_it_comes_again() {
    let (mut shelf, fetches) = Shelf::transferring();
    assert_eq!(fetches.len(), 2, "{fetches:?}");
    shelf.tell(START, &fetches[0], broken());
    shelf.turn(START);
    let waiting = shelf.stored.waiting.clone().expect("it waits");
    // The second one broke in the round that waits already.
    shelf.tell(START, &fetches[1], broken());
    shelf.turn(START);
    assert_eq!(shelf.stored.waiting, Some(waiting));
    // A person cuts the wait short: what is told again would begin another one.
    let retry = crate::input::Input::Command(Command::Retry);
    let events = decide(&shelf.stored, START.wall_ms, retry).expect("it runs");
    shelf.stored = Batch::new(&shelf.stored, START.wall_ms, Origin::Page, events).into_after();
    let before = shelf.stored.seq;
    shelf.tell(START, &fetches[1], broken());
    shelf.owner.handle(START, Input::Notified);
    shelf.turn(START);
    assert_eq!(shelf.stored.seq, before);
}

#[test]
fn an_owner_by_another_origin_of_time_does_the_same_as_much_later() {
    const MEMORY_MS: u64 = 60_000;
    let (mut shelf, fetches) = Shelf::transferring();
    shelf.tell(START, &fetches[0], broken());
    let (_, until) = shelf.turn(START);
    let left = until.expect("it waits") - START.monotonic_ms;
    let passed = left / 2;
    shelf.owner.rebase(START.monotonic_ms + passed, MEMORY_MS);
    let at = |ms: u64| Now {
        monotonic_ms: MEMORY_MS + ms,
        wall_ms: START.wall_ms + passed + ms,
    };
    let (nothing, until) = shelf.turn(at(0));
    assert_eq!((nothing.len(), until), (0, Some(MEMORY_MS + left - passed)));
    shelf.owner.handle(at(left), Input::Elapsed);
    let (again, _) = shelf.turn(at(left));
    assert_eq!(again, fetches[..1], "{again:?}");
}

/// The owner of a download whose requests need headers, where it is about to see once more that this context has none: that
/// they are wanting is written down already.
fn without_headers() -> Owner {
    let mut shelf = Shelf::requested();
    let spec = shelf.stored.spec.as_mut();
    spec.expect("it was asked for").headers = true;
    let event = Event::Waiting {
        reason: WaitReason::Headers,
        until: None,
        retries: 0,
        message: None,
    };
    let events = alloc::vec![event];
    let batch = Batch::new(&shelf.stored, START.wall_ms, Origin::Page, events);
    let mut owner = shelf.owner;
    assert_eq!(said(&mut owner, START)[0], Output::Read);
    owner.handle(START, Input::Read(batch.into_after().into()));
    assert!(matches!(said(&mut owner, START)[0], Output::Observe(_)));
    owner
}

fn sees_no_headers(owner: &mut Owner) -> Output {
    let observation = Box::new(Observation::default());
    let held = Vec::new();
    owner.handle(START, Input::Observed { observation, held });
    said(owner, START).remove(0)
}

#[test]
fn who_lacks_what_is_needed_gives_the_lock_to_somebody_else() {
    assert_eq!(sees_no_headers(&mut without_headers()), Output::Release);
}

#[test]
fn what_was_told_during_a_look_is_looked_at_before_the_lock_is_given_up() {
    let mut owner = without_headers();
    owner.handle(START, Input::Notified);
    assert_eq!(sees_no_headers(&mut owner), Output::Read);
}
