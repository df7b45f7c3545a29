//! The small worlds: what they begin with, how often something may go wrong in them, and the bugs that can be planted.

use crate::moment::Part;
use longhaul_core::owner::Settings;
use longhaul_core::{
    Background, Context, FileVersion, HttpResponse, PartRequest, Policy, Preference, Range, Retry,
    Spec, Validator,
};
use longhaul_state_tests::scenario::{PART, digest, file, page, spec, worker};
use std::sync::LazyLock;

/// The tabs, and the service worker.
pub(crate) const TABS: [usize; 2] = [0, 1];
/// The service worker's place among the contexts.
pub(crate) const WORKER: usize = 2;
/// Parts of all files together.
pub(crate) const PARTS: u32 = 2;

/// What an app asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Ask {
    Request,
    Abort,
    Retry,
    Remove,
}

/// How often each of these may still happen: what makes a world finite, and what "finitely many faults" are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Left {
    /// A tab or the worker dies.
    pub crashes: u8,
    /// The browser dies, with everything in it.
    pub blackouts: u8,
    /// A job brings nothing for as long as a page waits for it.
    pub idles: u8,
    /// A message "read again" is lost.
    pub drops: u8,
    /// A message comes twice, or without cause.
    pub echoes: u8,
    /// An outcome arrives a second time.
    pub repeats: u8,
    /// A request of the page, or a probe, breaks.
    pub breaks: u8,
    /// The browser refuses a job.
    pub refusals: u8,
    /// A record claims a success with an empty body.
    pub hollow: u8,
    /// A record, or a part, holds other bytes than its headers say.
    pub spliced: u8,
    /// The server answers 404.
    pub gone: u8,
    /// A job disappears without a trace.
    pub vanishing: u8,
    /// The server has a new file.
    pub changes: u8,
    /// A request that a dead owner had sent still arrives.
    pub late: u8,
    /// The bytes of a part come so quickly that storing them takes longer.
    pub quick: u8,
    /// The device's clock is set back or forth while a wait stands.
    pub jumps: u8,
}

/// A bug, planted to see that the checker finds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Bug {
    /// Appends without looking whether another writer was faster.
    SkipsTheConflictCheck,
    /// Stores what a record brought without measuring it.
    TrustsAnEmptySuccess,
    /// Hands a job to the browser before the event that licenses it is stored.
    ActsBeforeAppending,
    /// Takes the outcome of an older attempt for one of the present attempt.
    AcceptsAStaleAttempt,
    /// Takes a registration that is absent for a lost one, without asking the worker.
    TakesAbsentForLost,
    /// Deletes as soon as the command is stored, without the lock.
    DeletesWithoutTheLock,
    /// Works on a download without waiting for the lock.
    WorksWithoutTheLock,
    /// The worker accounts for a completion first, and stores its bytes after.
    AccountsBeforeStoring,
    /// A page whose job is gone, and whose completion nobody tells of, never looks again by itself.
    RestsForEver,
    /// Says that a download succeeded without computing its hash.
    SkipsTheHash,
    /// Does what a plan would name if no wait were written.
    RepeatsWithoutADelay,
    /// Where a request failed, throws away what the requests beside it have brought.
    DiscardsWhatOthersBrought,
    /// Measures waits by the device's clock.
    WaitsByTheWallClock,
}

/// A small world.
#[derive(Debug, Clone)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each says something else of a world"
)]
pub(crate) struct World {
    pub background: bool,
    pub hashed: bool,
    /// One, or two, which have a part each.
    pub resources: u32,
    /// Parts at a time.
    pub parallel: usize,
    /// The tabs that are open when it begins; a closed one may be opened.
    pub open: [bool; 2],
    /// Whether there is a second tab at all.
    pub rival: bool,
    /// What is asked, in this order, each by any tab and at any time.
    pub asks: &'static [Ask],
    pub left: Left,
    /// Whether reading the history, the jobs, the completions and the parts are steps of their own.
    pub fine: bool,
    /// Whether it begins with a job under way, whose records have come, and whose completion is at hand.
    pub completing: bool,
    /// What must come up in it; see [`crate::laws::SOMETIMES`].
    pub reached: &'static [&'static str],
    pub bug: Option<Bug>,
}

impl World {
    /// The context that looks.
    pub(crate) fn context(&self, who: usize) -> Context {
        let base = if who == WORKER { worker() } else { page() };
        Context {
            background: if self.background {
                Background::Usable
            } else {
                Background::Missing
            },
            preference: Preference::Auto,
            policy: Policy {
                retry: Retry {
                    limit: 1,
                    ..Retry::default()
                },
                ..base.policy.clone()
            },
            ..base
        }
    }

    /// How an owner there is set up.
    pub(crate) fn settings(&self, who: usize) -> Settings {
        let context = self.context(who);
        Settings {
            role: context.role,
            policy: context.policy,
            parallel: self.parallel,
            clears_up: false,
        }
    }

    /// What is asked for.
    pub(crate) fn spec(&self) -> Spec {
        let mut asked = spec(self.resources as usize);
        for resource in asked.resources.iter_mut().filter(|_| self.hashed) {
            resource.sha256 = Some(digest('1'));
        }
        asked
    }

    /// Size of each file in bytes.
    fn size(&self) -> u64 {
        PART * u64::from(PARTS / self.resources)
    }

    /// The file of a resource, of a version.
    pub(crate) fn file(&self, version: u8, resource: u32) -> &'static FileVersion {
        &self.known_file(version, resource).0
    }

    /// The file with its key: both are asked for in every step, and never change.
    fn known_file(&self, version: u8, resource: u32) -> &'static (FileVersion, String) {
        static KNOWN: LazyLock<Vec<(FileVersion, String)>> = LazyLock::new(|| {
            let all = [(1, 0), (2, 0), (2, 1)].into_iter();
            let all = all.flat_map(|(resources, of)| {
                [1, 2].map(|version| {
                    let size = PART * u64::from(PARTS / resources);
                    let file = FileVersion {
                        url: spec(resources as usize).resources[of].url.clone(),
                        size: Some(size),
                        part_bytes: (size > PART).then_some(PART),
                        validator: Some(Validator::Etag(tag(version))),
                        ..file()
                    };
                    let key = file.key();
                    (file, key)
                })
            });
            all.collect()
        });
        let first = 2 * (self.resources - 1 + resource) as usize;
        &KNOWN[first + usize::from(version) - 1]
    }

    /// The part that a request asks for.
    pub(crate) fn part_of(resource: u32, request: &PartRequest) -> Part {
        Part {
            version: version_of(&request.file),
            resource,
            index: request.index,
        }
    }

    /// The request for a part.
    pub(crate) fn request_of(&self, part: Part) -> PartRequest {
        PartRequest {
            file: self.file(part.version, part.resource).clone(),
            index: part.index,
        }
    }

    /// The key that a part rests under.
    pub(crate) fn key_of(&self, part: Part) -> &'static String {
        &self.known_file(part.version, part.resource).1
    }

    /// Its bytes.
    pub(crate) fn range_of(&self, part: Part) -> Range {
        let layout = self.file(part.version, part.resource).layout();
        layout.range(part.index).expect("a part of the file")
    }

    /// What a server of this version answers to a probe.
    pub(crate) fn probe_answer(&self, version: u8) -> HttpResponse {
        HttpResponse {
            status: 206,
            content_range: Some(format!("bytes 0-0/{}", self.size())),
            etag: Some(tag(version)),
            ..HttpResponse::default()
        }
    }

    /// What a server of this version answers to a request for a range.
    pub(crate) fn part_answer(&self, version: u8, range: Range) -> HttpResponse {
        let (first, last) = (range.start, range.end() - 1);
        HttpResponse {
            content_range: Some(format!("bytes {first}-{last}/{}", self.size())),
            ..self.probe_answer(version)
        }
    }
}

/// The version that a file is of.
pub(crate) fn version_of(file: &FileVersion) -> u8 {
    if file.validator == Some(Validator::Etag(tag(1))) {
        1
    } else {
        2
    }
}

fn tag(version: u8) -> String {
    format!("\"v{version}\"")
}
