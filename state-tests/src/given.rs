//! `given(..).when(..).then(..)`: one decision, written as a sentence.
//!
//! The three steps are three types, so that a test cannot leave one out or take them out of order.

use crate::scenario::{ID, START, Scenario};
use longhaul_core::{
    Command, Download, Entry, Event, FailReason, Input, Origin, Rejection, Signal, decide,
};

/// A history, before anything happens to it.
#[derive(Debug)]
#[must_use]
pub struct Given {
    download: Download,
    now: u64,
}

/// What was decided, before anyone looked at it.
#[derive(Debug)]
#[must_use]
pub struct When {
    before: Download,
    decided: Result<Vec<Event>, Rejection>,
}

/// A download with this history, each event a millisecond after the one before.
pub fn given(history: impl IntoIterator<Item = Event>) -> Given {
    let mut download = Download::new(ID);
    let mut now = START;
    for event in history {
        let entry = Entry::new(ID, download.seq + 1, now, Origin::Page, event);
        download.apply(Ok(&entry));
        now += 1;
    }
    Given { download, now }
}

/// A download as a scenario left it.
pub fn given_scenario(scenario: &Scenario) -> Given {
    Given {
        download: scenario.download.clone(),
        now: scenario.now,
    }
}

impl Given {
    /// At another time, in milliseconds since 1970.
    pub fn at(self, now: u64) -> Self {
        Self { now, ..self }
    }

    /// Takes an input.
    pub fn when(self, input: impl IntoInput) -> When {
        let decided = decide(&self.download, self.now, input.into_input());
        When {
            before: self.download,
            decided,
        }
    }
}

impl When {
    /// Exactly these events are the outcome.
    #[track_caller]
    pub fn then(self, expected: impl IntoIterator<Item = Event>) {
        let expected: Vec<Event> = expected.into_iter().collect();
        assert_eq!(self.decided, Ok(expected), "from {:#?}", self.before);
    }

    /// Nothing new was learnt.
    #[track_caller]
    pub fn then_nothing(self) {
        self.then([]);
    }

    /// The command is refused.
    #[track_caller]
    pub fn then_rejected(self, rejection: Rejection) {
        assert_eq!(self.decided, Err(rejection), "from {:#?}", self.before);
    }

    /// Events of these wire names are the outcome; hands them out for a closer look.
    #[track_caller]
    pub fn then_names(self, expected: &[&str]) -> Vec<Event> {
        let events = match self.decided {
            Ok(events) => events,
            Err(rejection) => panic!("rejected: {rejection}; from {:#?}", self.before),
        };
        let names: Vec<&str> = events.iter().map(Event::name).collect();
        assert_eq!(names, expected, "{events:#?} from {:#?}", self.before);
        events
    }

    /// The attempt fails for this reason, and nothing else follows.
    #[track_caller]
    pub fn then_fails(self, reason: FailReason) {
        let events = self.then_names(&["failure"]);
        let found = events.iter().find_map(|event| match event {
            Event::Failure(failure) => Some(failure.reason),
            _ => None,
        });
        assert_eq!(found, Some(reason), "{events:?}");
    }
}

/// What can be given to [`Given::when`].
pub trait IntoInput {
    /// As an input.
    fn into_input(self) -> Input;
}

impl IntoInput for Input {
    fn into_input(self) -> Input {
        self
    }
}

impl IntoInput for Command {
    fn into_input(self) -> Input {
        Input::Command(self)
    }
}

impl IntoInput for Signal {
    fn into_input(self) -> Input {
        Input::Signal(self)
    }
}
