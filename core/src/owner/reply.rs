//! Outcomes that were told and are to be decided on.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use crate::effect::EffectId;
use crate::input::{Observation, Signal};
use crate::measure::HttpResponse;
use crate::transfer_error::TransferError;

/// An outcome that a rule is to hear of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Reply {
    pub(super) id: EffectId,
    pub(super) told: Told,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Told {
    Probed(u32, Vec<Result<HttpResponse, TransferError>>),
    Refused(String, bool),
    Failed(u32, u32, TransferError),
    Verified {
        attempt: u32,
        digests: Vec<(u32, String)>,
        answers: Vec<(u32, Result<HttpResponse, TransferError>)>,
    },
}

impl Reply {
    /// The signal that it is, beside what is seen now.
    pub(super) fn signal(&self, observation: &Observation) -> Signal {
        let observation = Box::new(observation.clone());
        match self.told.clone() {
            Told::Probed(attempt, answers) => Signal::Probed {
                attempt,
                answers,
                observation,
            },
            Told::Refused(registration, quota) => Signal::JobRefused {
                registration,
                quota,
                observation,
            },
            Told::Failed(attempt, resource, fault) => Signal::PartFailed {
                attempt,
                resource,
                fault,
                observation,
            },
            Told::Verified {
                attempt,
                digests,
                answers,
            } => Signal::Verified {
                attempt,
                digests,
                answers,
                observation,
            },
        }
    }
}
