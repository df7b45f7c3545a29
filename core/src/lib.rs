//! The state machine of Longhaul, a download coordinator for large files in the browser.
//!
//! This crate decides. It takes what an app asks and what a browser was seen to do, says which
//! facts that amounts to, folds the facts into a state, and names what is still to be done. It
//! performs nothing: no clock, no network, no storage, no randomness, no JavaScript type. The same
//! code runs in a page, in a service worker, and in a plain test.
//!
//! # The law
//!
//! **The history explains everything.** The state of a download is a fold of its history and of
//! nothing else. What follows for whoever embeds the crate:
//!
//! - An effect is performed only after the event that licenses it is durably appended.
//! - Performing an effect is idempotent. After a crash at any point it is planned again, from the
//!   folded state and from what can be observed; nothing else is remembered.
//! - Appending is conditional: when somebody else appended first, read on, fold, decide again.
//! - What was seen may be wrong, late, doubled or somebody else's. A signal that is not of the
//!   present attempt says no more than that somebody looked.
//!
//! # The loop
//!
//! 1. **Input.** A [`Command`] of the app or a [`Signal`] of the browser, together an [`Input`].
//!    Signals bring a [`Observation`]: what is stored, which jobs exist, who looks.
//! 2. **Decide.** [`decide`] holds every rule. It answers with the [`Event`]s that the input
//!    amounts to, often none, or with a [`Rejection`] of a command.
//! 3. **Append.** Each event goes into an [`Entry`], numbered without gaps, and all events of one
//!    decision are stored in one transaction, or none. On a conflict go back to 2 with the state
//!    that the new entries fold to.
//! 4. **Evolve.** [`Download::apply`] folds an entry into the state ([`evolve`] is the fold over
//!    bare events). It holds no rule and cannot fail.
//! 5. **Plan.** [`plan`] compares the state with a fresh observation and names what is missing now.
//! 6. **Effects.** The embedder performs each [`Effect`], at most once at a time by its
//!    [`id`](Effect::id), under the lock of the download (a harvest needs none).
//! 7. **Signals.** What became of an effect, and a look at the world afterwards, is the next input.
//!
//! A state or a plan is a value: it never changes in one's hands. Ask again after every append,
//! and plan again after every effect.
//!
//! # States
//!
//! - [`None`](State::None): nothing was ever requested.
//! - [`Requested`](State::Requested): an attempt began; the servers are asked for size, version
//!   and Range support.
//! - [`Transferring`](State::Transferring): a transfer runs, or is over and the next one waits.
//! - [`Available`](State::Available): every byte is stored, measured and verified.
//! - [`Failed`](State::Failed): the attempt ended with a reason; what is stored is kept, so that a
//!   new attempt finds it.
//! - [`Aborted`](State::Aborted): the attempt was ended by the app, the browser or a removal.
//! - [`Evicted`](State::Evicted): what was stored is gone.
//!
//! ```text
//! +------+ requested +-----------+ started +--------------+ success +-----------+
//! | none |---------->| requested |-------->| transferring |-------->| available |
//! +------+           +-----------+         +--------------+         +-----------+
//!                      |  |  |               |       |                ^       |
//!                      |  |  +- cached-hit --|-------|----------------+       |
//!                      |  |                  |       |                     evicted
//!                      |  +---- failure -----+       |                        v
//!                      |           v                 |                   +---------+
//!                      |       +--------+            |      evicted      | evicted |
//!                      |       | failed |------------|------------------>+---------+
//!                      |       +--------+            |
//!                      +------- aborted -------------+
//!                                  v
//!                             +---------+
//!                             | aborted |
//!                             +---------+
//!
//! stay in requested:     waiting
//! stay in transferring:  progress, waiting, started (the next transfer)
//! stay in evicted:       evicted (removed is what an eviction had left)
//! from available, failed, aborted and evicted, requested begins the next attempt
//! ```
//!
//! `cached-hit`, `success`, `failure` and `aborted` end an attempt; an attempt has one ending.
//! What a failed attempt or an eviction left stored can be removed, too, which leads to evicted;
//! otherwise it counts in the next attempt.
//!
//! # A whole life
//!
//! ```
//! use longhaul_core::*;
//!
//! // What is observed: here, a page that uses its own transfers, and what is stored.
//! let mut observation = Observation {
//!     context: Context { preference: Preference::Foreground, ..Context::default() },
//!     ..Observation::default()
//! };
//! // Steps 2 to 4 of the loop, with a vector for the history.
//! let mut history: Vec<String> = Vec::new();
//! let mut model = Download::new("model");
//! let mut step = |model: &mut Download, input: Input| -> Vec<&'static str> {
//!     let events = decide(model, 1_000, input).expect("this state allows it");
//!     let names = events.iter().map(Event::name).collect();
//!     for event in events {
//!         let entry = Entry::new(&model.id, model.seq + 1, 1_000, Origin::Page, event);
//!         history.push(entry.encode());
//!         model.apply(Ok(&entry));
//!     }
//!     names
//! };
//!
//! // Requested: the servers are to be asked.
//! let resource = Resource { url: "https://host/model.gguf".into(), bytes: None, sha256: None };
//! let spec = Spec {
//!     id: "model".into(),
//!     title: None,
//!     icons: vec![],
//!     secret_params: vec![],
//!     resources: vec![resource],
//!     headers: false,
//! };
//! let request = Input::Command(Command::Request(Box::new(spec.validated()?)));
//! assert_eq!(step(&mut model, request.clone()), ["requested"]);
//! assert_eq!(plan(&model, &observation, 1_000), [Effect::Probe { attempt: 1 }]);
//!
//! // Probed: three mebibytes, in parts of one. The transfer starts.
//! let answer = HttpResponse {
//!     status: 206,
//!     content_range: Some(format!("bytes 0-0/{}", 3 * MIB)),
//!     etag: Some("\"v1\"".into()),
//!     ..HttpResponse::default()
//! };
//! let probed = Signal::Probed {
//!     attempt: 1,
//!     answers: vec![Ok(answer)],
//!     observation: Box::new(observation.clone()),
//! };
//! assert_eq!(step(&mut model, Input::Signal(probed)), ["started"]);
//! assert_eq!(plan(&model, &observation, 1_000).len(), 3);
//!
//! // Parts are stored, one after the other, until nothing is missing.
//! let key = model.files[0].key();
//! for n in 0..3 {
//!     let part = Range::new(n * MIB, MIB);
//!     observation.stored.entry(key.clone()).or_default().push(part);
//!     let look = Signal::Observed(Box::new(observation.clone()));
//!     let expected = if n < 2 { ["progress"] } else { ["success"] };
//!     assert_eq!(step(&mut model, Input::Signal(look)), expected);
//! }
//! assert!(model.is_available());
//!
//! // Asked again: it is there, and no server hears of it.
//! assert_eq!(step(&mut model, request), ["requested", "cached-hit"]);
//! assert_eq!(plan(&model, &observation, 1_000), []);
//!
//! // Removed: the event first, then the deletion that it licenses.
//! assert_eq!(step(&mut model, Input::Command(Command::Remove)), ["evicted"]);
//! assert_eq!(
//!     plan(&model, &observation, 1_000),
//!     [Effect::DeleteFiles { attempt: 2, keys: vec![key] }]
//! );
//!
//! // The history explains everything.
//! assert_eq!(Download::fold("model", history.iter().map(String::as_str)), model);
//! # Ok::<(), InvalidSpec>(())
//! ```
//!
//! # The types, by purpose
//!
//! - *What is asked for*: [`Spec`], [`ValidSpec`], [`Resource`], [`Icon`], [`InvalidSpec`]; [`identity`] is what
//!   of a URL may be written down.
//! - *What comes in*: [`Input`], [`Command`], [`Signal`], [`Rejection`]; a signal's [`Observation`]
//!   with [`Job`], [`StoredParts`] and [`Context`] ([`Role`], [`Background`], [`Preference`]), and the
//!   ends of jobs ([`JobEnd`], [`JobFailure`]).
//! - *What is true*: [`Event`] and the words it uses ([`Transport`], [`TransportReason`], [`WaitReason`],
//!   [`FailReason`], [`Failure`], [`AbortedBy`], [`EvictedBy`], [`Missing`]); stored as [`Entry`].
//! - *What follows from it*: [`Download`] with [`State`], [`Transfer`] and [`Waiting`]; for people
//!   a [`Snapshot`].
//! - *What is to be done*: [`Effect`], [`EffectId`].
//! - *Bytes*: [`FileVersion`] (a generation), [`Layout`], [`Range`], [`PartRequest`]; answers of servers
//!   are weighed by [`measure`], [`FileVersion::from_probe`] and [`validator`] ([`HttpResponse`], [`TransferError`]).
//! - *Names that leave the process*: [`JobId`], and the fragment of a [`PartRequest`].
//! - *Text*: [`Entry::encode`], [`Download::encode`], [`Snapshot::canonical_json`]; every other type of the history is read
//!   and written by `serde`.
//! - *Numbers an app may set*: [`Policy`], [`Retry`], [`Assist`].

#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

extern crate alloc;
#[cfg(feature = "std")]
extern crate std;

/// Bytes in a mebibyte.
pub const MIB: u64 = 1 << 20;

mod batch;
mod decide;
mod download;
mod effect;
mod entry;
mod event;
mod evolve;
mod file;
mod identity;
mod input;
mod job;
mod measure;
pub mod owner;
mod parts;
mod plan;
mod policy;
mod ranges;
mod snapshot;
mod spec;
mod transfer_error;

pub use batch::Batch;
pub use decide::decide;
pub use download::{Download, State, Transfer, Waiting};
pub use effect::{Effect, EffectId};
pub use entry::{DecodeError, ENTRY_VERSION, Entry, Envelope, Origin};
pub use event::{
    AbortedBy, Event, EvictedBy, FailReason, Failure, Missing, Transport, TransportReason,
    WaitReason,
};
pub use evolve::evolve;
pub use file::{FileVersion, PartRequest, Validator, identity_of, is_transfer, probe_url};
pub use identity::{escape, identity, unescape};
pub use input::{
    Background, Command, Context, Input, Job, JobEnd, JobFailure, Observation, Preference,
    Rejection, Role, Signal, StoredParts,
};
pub use job::{JOB_FORMAT, JobId, MAX_RECORDS};
pub use measure::{ContentRange, HttpResponse, measure, validator};
pub use parts::{Layout, Range, default_part_bytes, runs_contain};
pub use plan::plan;
pub use policy::{Assist, MAX_ENTRIES, MIN_DELAY_MS, Policy, Retry};
pub use ranges::{PartNumbers, Ranges};
pub use snapshot::{Snapshot, SnapshotFailure, SnapshotWaiting};
pub use spec::{Icon, InvalidSpec, Resource, Spec, ValidSpec};
pub use transfer_error::TransferError;
