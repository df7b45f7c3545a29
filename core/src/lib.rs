//! stub
#![forbid(unsafe_code)]
/// Bytes in a mebibyte.
pub const MIB: u64 = 1 << 20;
mod decide;
mod download;
mod effect;
mod entry;
mod event;
mod file;
mod identity;
mod input;
mod job;
mod measure;
mod parts;
mod plan;
mod policy;
mod snapshot;
mod spec;
pub use decide::decide;
pub use download::{Download, State, Transfer, Waiting, evolve};
pub use effect::{Effect, EffectId};
pub use entry::{DecodeError, ENTRY_VERSION, Entry, Envelope, Origin};
pub use event::{
    AbortedBy, Event, EvictedBy, FailReason, Failure, Missing, Transport, WaitReason, Why,
};
pub use file::{File, PartRequest, Validator, is_transfer};
pub use identity::{escape, identity, unescape};
pub use input::{
    Background, Command, Context, Input, Job, JobEnd, JobFailure, Preference, Rejection, Rest,
    Role, Signal, Witness,
};
pub use job::{JOB_FORMAT, JobId, MOST_RECORDS};
pub use measure::{Answer, ContentRange, Fault, file_of, measure, validator};
pub use parts::{Layout, Range, default_part_bytes, runs, runs_contain};
pub use plan::plan;
pub use policy::{MOST_ENTRIES, Overtake, Policy, Retry};
pub use snapshot::{Snapshot, SnapshotFailure, SnapshotWaiting};
pub use spec::{Icon, InvalidSpec, Resource, Spec};
