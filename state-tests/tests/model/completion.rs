//! How the worker handles the end of a job, a step at a time, as `completion.rs` of the runner goes.

use crate::happens::see_to;
use crate::moment::{Account, Handling, Moment, Stage};
use crate::world::{Bug, TABS, WORKER, World};
use longhaul_core::{
    Download, Event, FileVersion, Input, JobEnd, Observation, Signal, TransferError, decide,
};

impl World {
    /// The next step of the handler of a completion.
    pub(crate) fn handle(&self, m: &mut Moment, id: &str, twice: bool) {
        let mut completion = m.completions.remove(id).expect("its event has begun");
        let early = self.bug == Some(Bug::AccountsBeforeStoring);
        completion.stage = match completion.stage {
            Handling::Starting if early => Handling::Accounting(self.account(m)),
            Handling::Starting => Handling::Storing(0, Vec::new()),
            Handling::Storing(from, mut faults) => {
                // What was aborted is not stored where nobody wants it any more.
                let wanted = completion.end != JobEnd::Abort || m.history.state.is_running();
                match completion.job.records.get(from).filter(|_| wanted) {
                    Some(record) => {
                        let part = completion.job.parts[from];
                        if !m.rest.contains_key(&part) {
                            faults.extend(self.store(m, part, *record).err());
                        }
                        Handling::Storing(from + 1, faults)
                    }
                    None if early => return self.accounted(m),
                    None => {
                        completion.job.faults = faults;
                        Handling::Accounting(self.account(m))
                    }
                }
            }
            Handling::Accounting(account) if account.sight.stage != Stage::Whole => {
                Handling::Accounting(self.account_on(m, account))
            }
            Handling::Accounting(account) => {
                let view = account.view.expect("it was read before it was looked");
                let ended = Ended {
                    registration: id,
                    end: completion.end,
                    faults: &completion.job.faults,
                };
                let observation = self.observation(WORKER, account.sight);
                match self.tell_end(m, &ended, &view, observation) {
                    None => Handling::Accounting(self.account(m)),
                    Some(new) => {
                        // What a person hurries on need not wait, although it failed a moment ago.
                        if !ended.is_stale(&view) && view.seq >= m.hurried {
                            m.failed.extend(completion.job.failed(&m.rest));
                        }
                        if twice {
                            self.tell_end_again(m, &ended, new);
                        }
                        if !early {
                            return self.accounted(m);
                        }
                        Handling::Storing(0, Vec::new())
                    }
                }
            }
        };
        m.completions.insert(id.to_owned(), completion);
    }

    /// Accounting begins; where the world is not a fine one, all is read and seen at once.
    fn account(&self, m: &Moment) -> Account {
        let account = Account {
            view: None,
            sight: self.sight(),
        };
        if self.fine {
            account
        } else {
            self.account_on(m, account)
        }
    }

    fn account_on(&self, m: &Moment, mut account: Account) -> Account {
        loop {
            match &account.view {
                None => account.view = Some(m.history.clone()),
                Some(view) => {
                    let keys: Vec<String> = view.files.iter().map(FileVersion::key).collect();
                    self.see(m, &mut account.sight, view, &keys);
                }
            }
            if self.fine || account.sight.stage == Stage::Whole {
                return account;
            }
        }
    }

    /// Decides and appends: whether there was anything to append; `None` where somebody else was faster.
    fn tell_end(
        &self,
        m: &mut Moment,
        ended: &Ended,
        view: &Download,
        observation: Observation,
    ) -> Option<bool> {
        let events = ended.decide(m, view, observation.clone());
        if ended.is_stale(view) && !events.is_empty() && events != look(m, view, observation) {
            m.broke("L7: a stale outcome says more than a look");
        }
        let appended = self.append(m, WORKER, view, &events);
        appended.then_some(!events.is_empty())
    }

    /// The same, a second time. Where it led to something before, it leads to nothing but what a look would say.
    fn tell_end_again(&self, m: &mut Moment, ended: &Ended, led_to_something: bool) {
        let view = m.history.clone();
        let observation = self.everything(m, WORKER);
        let events = ended.decide(m, &view, observation.clone());
        if led_to_something && !events.is_empty() && events != look(m, &view, observation) {
            m.broke("L6: an outcome that came twice was told twice");
        }
        self.append(m, WORKER, &view, &events);
    }

    /// A completion is accounted for: the worker does what is left, and tells all clients.
    fn accounted(&self, m: &mut Moment) {
        see_to(self, m, WORKER);
        for n in TABS {
            m.places[n].heard |= m.places[n].open;
        }
    }
}

/// The end of a job.
struct Ended<'a> {
    registration: &'a str,
    end: JobEnd,
    faults: &'a [TransferError],
}

impl Ended<'_> {
    /// Whether it is of another job than the present one.
    fn is_stale(&self, view: &Download) -> bool {
        !is_current(view, self.registration)
    }

    fn decide(&self, m: &Moment, view: &Download, observation: Observation) -> Vec<Event> {
        let ended = Signal::JobEnded {
            registration: self.registration.to_owned(),
            end: self.end,
            faults: self.faults.to_vec(),
            observation: Box::new(observation),
        };
        decide(view, m.time(), Input::Signal(ended)).expect("signals are not rejected")
    }
}

/// Whether a job is the one that the history says is running.
pub(crate) fn is_current(view: &Download, registration: &str) -> bool {
    let transfer = view.state.transfer();
    transfer.and_then(|transfer| transfer.registration.as_deref()) == Some(registration)
}

/// What a look decides.
fn look(m: &Moment, view: &Download, observation: Observation) -> Vec<Event> {
    let look = Input::Signal(Signal::Observed(Box::new(observation)));
    decide(view, m.time(), look).expect("a look is not rejected")
}
