//! Where the tests begin: a download brought to any state by the machine itself, and the plain values that go in.

use longhaul_core::{
    Background, Command, Context, Download, Effect, Entry, Event, FailReason, FileVersion,
    HttpResponse, Input, Job, JobEnd, Observation, Origin, Policy, Preference, Range, Rejection,
    Resource, Role, Signal, Spec, State, TransferError, Validator, decide, plan,
};

/// The id of the download in every scenario.
pub const ID: &str = "model";
/// The first resource's URL, which is its own identity.
pub const URL: &str = "https://host/model.gguf";
/// Size of a resource in bytes: three parts of [`PART`] and a shorter one.
pub const SIZE: u64 = 100;
/// Size of a part in bytes.
pub const PART: u64 = 30;
/// Parts of a resource.
pub const PARTS: u32 = 4;
/// When scenarios begin, in milliseconds since 1970.
pub const START: u64 = 1_700_000_000_000;

/// A spec of `resources` files without hashes.
#[must_use]
pub fn spec(resources: usize) -> Spec {
    let resource = |n: usize| Resource {
        url: if n == 0 {
            URL.to_owned()
        } else {
            format!("https://host/model-{n}.gguf")
        },
        bytes: None,
        sha256: None,
    };
    Spec {
        id: ID.into(),
        title: Some("A model".into()),
        icons: Vec::new(),
        secret_params: Vec::new(),
        resources: (0..resources).map(resource).collect(),
        headers: false,
    }
}

/// A digest: sixty-four times one digit.
#[must_use]
pub fn digest(digit: char) -> String {
    std::iter::repeat_n(digit, 64).collect()
}

/// What a well-behaved server answers to a probe of a file of [`SIZE`] bytes.
#[must_use]
pub fn ranged_answer() -> HttpResponse {
    HttpResponse {
        status: 206,
        content_range: Some(format!("bytes 0-0/{SIZE}")),
        etag: Some("\"v1\"".into()),
        ..HttpResponse::default()
    }
}

/// The file that [`ranged_answer`] describes, for the first resource.
#[must_use]
pub fn file() -> FileVersion {
    FileVersion {
        url: URL.into(),
        size: Some(SIZE),
        validator: Some(Validator::Etag("\"v1\"".into())),
        part_bytes: Some(PART),
        content_type: None,
        cross_origin: false,
    }
}

/// A page that can do everything.
#[must_use]
pub fn page() -> Context {
    Context {
        name: "longhaul".into(),
        role: Role::Page,
        offline: false,
        headers: true,
        background: Background::Usable,
        preference: Preference::Auto,
        policy: Policy {
            part_bytes: Some(PART),
            ..Policy::default()
        },
    }
}

/// The service worker.
#[must_use]
pub fn worker() -> Context {
    Context {
        role: Role::Worker,
        headers: false,
        ..page()
    }
}

/// A download on its way, and the world around it.
#[derive(Debug, Clone)]
pub struct Scenario {
    /// The folded state.
    pub download: Download,
    /// What can be observed.
    pub observation: Observation,
    /// The time, in milliseconds since 1970.
    pub now: u64,
    /// What is asked for.
    pub spec: Spec,
    /// The stored texts.
    pub log: Vec<String>,
}

impl Default for Scenario {
    fn default() -> Self {
        Self::new()
    }
}

impl Scenario {
    /// Nothing was ever requested; a page looks that can do everything.
    #[must_use]
    pub fn new() -> Self {
        Self {
            download: Download::new(ID),
            observation: Observation {
                context: page(),
                ..Observation::default()
            },
            now: START,
            spec: spec(1),
            log: Vec::new(),
        }
    }

    /// A page that uses its own transfers.
    #[must_use]
    pub fn foreground() -> Self {
        Self::new().with(|s| s.observation.context.preference = Preference::Foreground)
    }

    /// The spec names a hash, of this digit, for the first resource.
    #[must_use]
    pub fn hashed(self) -> Self {
        self.with(|s| s.spec.resources[0].sha256 = Some(digest('a')))
    }

    /// Requests need headers, and the page has none.
    #[must_use]
    pub fn without_headers(self) -> Self {
        self.with(|s| {
            s.spec.headers = true;
            s.observation.context.headers = false;
        })
    }

    /// Changes anything.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Asked for.
    #[must_use]
    pub fn requested(mut self) -> Self {
        self.takes(self.request());
        self
    }

    /// Asked for, probed, and its first transfer begun.
    #[must_use]
    pub fn started(self) -> Self {
        let mut started = self.requested();
        started.takes(started.probed(&ranged_answer()));
        assert!(started.download.state.transfer().is_some(), "{started:?}");
        if let Some(registration) = started.registration() {
            started.observation.unstarted = Some(registration);
        }
        started
    }

    /// Begun, and its job, where it has one, handed to the browser.
    #[must_use]
    pub fn transferring(self) -> Self {
        let mut running = self.started();
        running.observation.unstarted = None;
        if let Some(registration) = running.registration() {
            running.observation.jobs.push(Job {
                registration,
                downloaded: 0,
            });
        }
        running
    }

    /// On its way in the background, with these parts stored and written down.
    #[must_use]
    pub fn halfway(self) -> Self {
        let mut half = self.transferring().with_stored(&[0, 1]);
        half.takes(half.observed());
        assert_eq!(half.download.stored, 2 * PART);
        half
    }

    /// All there.
    #[must_use]
    pub fn available(self) -> Self {
        let mut done = self.transferring().with_stored(&[0, 1, 2, 3]);
        done.takes(done.observed());
        if done.spec.resources[0].sha256.is_some() {
            done.takes(done.verified(&digest('a')));
        }
        done.observation.jobs.clear();
        assert!(done.download.is_available(), "{done:?}");
        done
    }

    /// Failed half-way, with a reason for which nothing is deleted.
    #[must_use]
    pub fn failed(self) -> Self {
        let mut failed = self.halfway();
        let registration = failed.registration();
        let status = TransferError::Status {
            status: 404,
            retry_after_ms: None,
        };
        match registration {
            Some(id) => failed.takes(failed.job_ended(&id, JobEnd::Success, &[status])),
            None => failed.takes(failed.part_failed(status)),
        };
        failed.observation.jobs.clear();
        assert_eq!(failed.fail_reason(), Some(FailReason::NotFound));
        failed
    }

    /// Aborted half-way by the app.
    #[must_use]
    pub fn aborted(self) -> Self {
        let mut aborted = self.halfway();
        aborted.takes(Input::Command(Command::Abort));
        aborted
    }

    /// The third part was deleted behind its back after it was all there.
    #[must_use]
    pub fn evicted(self) -> Self {
        let mut evicted = self.available().with_stored(&[0, 1, 3]);
        let look = evicted.observed();
        evicted.takes(look);
        evicted
    }

    /// Removed after it was all there; the bytes are still to be deleted.
    #[must_use]
    pub fn removed(self) -> Self {
        let mut removed = self.available();
        removed.takes(Input::Command(Command::Remove));
        removed
    }

    /// Puts exactly these parts of every file into the store.
    #[must_use]
    pub fn with_stored(self, parts: &[u32]) -> Self {
        self.with(|s| {
            for file in &s.download.files {
                let ranges = parts.iter().map(|n| {
                    let range = file.layout().range(*n);
                    range.expect("a part of the layout")
                });
                s.observation.stored.insert(file.key(), ranges.collect());
            }
        })
    }

    /// The registration of the present try.
    #[must_use]
    pub fn registration(&self) -> Option<String> {
        self.download.state.transfer()?.registration.clone()
    }

    /// Why the last attempt failed.
    #[must_use]
    pub fn fail_reason(&self) -> Option<FailReason> {
        match &self.download.state {
            State::Failed { failure } => Some(failure.reason),
            _ => None,
        }
    }

    /// The app asks for the scenario's spec.
    #[must_use]
    pub fn request(&self) -> Input {
        let spec = self.spec.clone().validated();
        let spec = spec.expect("scenarios ask for what can be asked for");
        Input::Command(Command::Request(Box::new(spec)))
    }

    /// Somebody looks.
    #[must_use]
    pub fn observed(&self) -> Input {
        Input::Signal(Signal::Observed(Box::new(self.observation.clone())))
    }

    /// All servers give this answer.
    #[must_use]
    pub fn probed(&self, answer: &HttpResponse) -> Input {
        self.probed_as(vec![Ok(answer.clone()); self.spec.resources.len()])
    }

    /// The servers give these answers.
    #[must_use]
    pub fn probed_as(&self, answers: Vec<Result<HttpResponse, TransferError>>) -> Input {
        Input::Signal(Signal::Probed {
            attempt: self.download.attempt,
            answers,
            observation: Box::new(self.observation.clone()),
        })
    }

    /// A job ended.
    #[must_use]
    pub fn job_ended(&self, registration: &str, end: JobEnd, faults: &[TransferError]) -> Input {
        Input::Signal(Signal::JobEnded {
            registration: registration.to_owned(),
            end,
            faults: faults.to_vec(),
            observation: Box::new(self.observation.clone()),
        })
    }

    /// The browser refused a job.
    #[must_use]
    pub fn job_refused(&self, registration: &str, quota: bool) -> Input {
        Input::Signal(Signal::JobRefused {
            registration: registration.to_owned(),
            quota,
            observation: Box::new(self.observation.clone()),
        })
    }

    /// A part of the first resource did not come.
    #[must_use]
    pub fn part_failed(&self, fault: TransferError) -> Input {
        Input::Signal(Signal::PartFailed {
            attempt: self.download.attempt,
            resource: 0,
            fault,
            observation: Box::new(self.observation.clone()),
        })
    }

    /// The first resource has this digest.
    #[must_use]
    pub fn verified(&self, digest: &str) -> Input {
        Input::Signal(Signal::Verified {
            attempt: self.download.attempt,
            digests: vec![(0, digest.to_owned())],
            answers: Vec::new(),
            observation: Box::new(self.observation.clone()),
        })
    }

    /// The first resource's server was asked again, and answered this.
    #[must_use]
    pub fn confirmed(&self, answer: Result<HttpResponse, TransferError>) -> Input {
        Input::Signal(Signal::Verified {
            attempt: self.download.attempt,
            digests: Vec::new(),
            answers: vec![(0, answer)],
            observation: Box::new(self.observation.clone()),
        })
    }

    /// Decides, appends and evolves; the events appended.
    ///
    /// # Panics
    /// Where the input is rejected.
    #[track_caller]
    pub fn takes(&mut self, input: Input) -> Vec<Event> {
        match self.tries(input) {
            Ok(events) => events,
            Err(rejection) => panic!("rejected in {:?}: {rejection}", self.download.state),
        }
    }

    /// Decides, appends and evolves; the events appended, or the rejection.
    ///
    /// # Errors
    /// What [`decide`] rejects.
    pub fn tries(&mut self, input: Input) -> Result<Vec<Event>, Rejection> {
        let events = decide(&self.download, self.now, input)?;
        let origin = match self.observation.context.role {
            Role::Page => Origin::Page,
            Role::Worker => Origin::ServiceWorker,
        };
        for event in &events {
            let seq = self.download.seq + 1;
            let entry = Entry::new(ID, seq, self.now, origin, event.clone());
            self.log.push(entry.encode());
            self.download.apply(Ok(&entry));
        }
        Ok(events)
    }

    /// What is to be done.
    #[must_use]
    pub fn plan(&self) -> Vec<Effect> {
        plan(&self.download, &self.observation, self.now)
    }

    /// The range of a part of the first file.
    #[must_use]
    pub fn range(&self, part: u32) -> Range {
        let range = self.download.files[0].layout().range(part);
        range.expect("a part of the layout")
    }
}
