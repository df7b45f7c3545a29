//! What an owner is told, and what it wants done.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::batch::Batch;
use crate::download::Download;
use crate::effect::{Effect, EffectId};
use crate::event::WaitReason;
use crate::input::{Observation, Role};
use crate::measure::HttpResponse;
use crate::parts::Range;
use crate::policy::Policy;
use crate::transfer_error::TransferError;

/// How an owner is set up.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Settings {
    /// Which side it is on.
    pub role: Role,
    /// Sizes, limits and delays.
    pub policy: Policy,
    /// How many parts are fetched at a time.
    pub parallel: usize,
    /// Whether it only does what an ended attempt leaves to be done, deletes what is there of its files, and leaves a
    /// download that runs again to another owner.
    pub clears_up: bool,
}

/// What an owner is told.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Input {
    /// The history was read, and folds to this.
    Read(Arc<Download>),
    /// What was to be looked at looks like this.
    Observed {
        /// With what is stored, where that was to be listed.
        observation: Box<Observation>,
        /// Which of the keys that were asked for another available download refers to.
        held: Vec<String>,
    },
    /// This batch was appended.
    Appended(Box<Batch>),
    /// Somebody else appended first.
    Conflict,
    /// Reading, looking or appending failed.
    StoreFailed(Store),
    /// Something that was started is over.
    Ended(EffectId, Outcome),
    /// All bytes of a part have come; they are being stored.
    Received(EffectId),
    /// A job that is watched has downloaded so much.
    JobMoved {
        /// Its registration.
        registration: String,
        /// Bytes, all records together.
        downloaded: u64,
    },
    /// The job that was to be watched is not there.
    NotWatched,
    /// Something changed, or may have: everything is to be looked at anew.
    Notified,
    /// The lock that was given up is had again.
    Acquired,
    /// The time of the last wait has come.
    Elapsed,
    /// Nobody wants this owner any more: it is to stop, and to let the next one go on.
    Close,
}

/// Which store failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Store {
    /// The histories.
    History,
    /// The parts.
    Parts,
}

/// What came of an effect.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It was done, and there is nothing to say of it. What is deleted, aborted or handed over shows at the next look.
    Done,
    /// It was cancelled before it came to anything.
    Cancelled,
    /// A store failed on the way.
    StoreFailed(Store),
    /// What the servers answered, in the order of the resources.
    Probed(Vec<Result<HttpResponse, TransferError>>),
    /// The browser refused the job.
    Refused {
        /// Whether it said that there is no room.
        quota: bool,
    },
    /// The records of a job were looked through.
    Harvested {
        /// Parts that were stored, by file key.
        stored: Vec<(String, Range)>,
        /// How many records were complete, and their parts stored already.
        repeated: usize,
    },
    /// A part was stored.
    Stored(Range),
    /// A part did not come.
    Failed(TransferError),
    /// The hashes over what is stored, and what servers answered that were asked once more, by the index of the resource.
    Verified {
        /// 64 hexadecimal digits each.
        digests: Vec<(u32, String)>,
        /// What each server answered.
        answers: Vec<(u32, Result<HttpResponse, TransferError>)>,
    },
    /// What is stored could not be read to its end: the next look says why.
    Unread,
}

/// What is to be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Look {
    /// File keys of which is to be listed what is stored; without any nothing is to be listed.
    pub keys: Vec<String>,
    /// Keys of which is to be found out whether another available download refers to them.
    pub held: Vec<String>,
    /// Whether it is to be asked how much room there is.
    pub room: bool,
}

/// What an owner wants done.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[must_use]
pub enum Output {
    /// Read the history.
    Read,
    /// Look at the world.
    Observe(Look),
    /// Append this, if the history still ends where it did.
    Append(Box<Batch>),
    /// Set this going.
    Start(Licensed),
    /// End this early.
    Cancel(EffectId),
    /// Watch the job of this registration, and no other, or none.
    Watch(Option<String>),
    /// Nothing is to be done until something is told, or until this time.
    Wait {
        /// By the monotonic clock, in milliseconds; absent where only something that is told goes on.
        until: Option<u64>,
        /// What is waited for, where the history says so.
        reason: Option<WaitReason>,
    },
    /// Somebody else can do what this context cannot: give up the lock.
    Release,
    /// Nothing is left to do.
    Done,
}

/// An effect that the history licenses. Only an owner makes one, of what was read or appended.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Licensed(pub(super) Effect);

impl Licensed {
    /// What is to be done.
    pub const fn effect(&self) -> &Effect {
        &self.0
    }
}
