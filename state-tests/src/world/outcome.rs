//! Outcomes of effects, on their way.

use longhaul_core::{Download, HttpResponse, Input, JobEnd, Observation, Signal, TransferError};

/// An outcome on its way to the writer that caused it. Its observation is taken when it arrives.
#[derive(Debug, Clone)]
pub(super) enum Outcome {
    Probed(u32, Vec<Result<HttpResponse, TransferError>>),
    Refused(String, bool),
    Ended(String, JobEnd, Vec<TransferError>),
    PartFailed(u32, u32, TransferError),
    Verified(
        u32,
        Vec<(u32, String)>,
        Vec<(u32, Result<HttpResponse, TransferError>)>,
    ),
}

impl Outcome {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Probed(..) => "Probed",
            Self::Refused(..) => "Refused",
            Self::Ended(..) => "Ended",
            Self::PartFailed(..) => "PartFailed",
            Self::Verified(..) => "Verified",
        }
    }

    pub(super) fn input(&self, observation: Observation) -> Input {
        let observation = Box::new(observation);
        Input::Signal(match self.clone() {
            Self::Probed(attempt, answers) => Signal::Probed {
                attempt,
                answers,
                observation,
            },
            Self::Refused(registration, quota) => Signal::JobRefused {
                registration,
                quota,
                observation,
            },
            Self::Ended(registration, end, faults) => Signal::JobEnded {
                registration,
                end,
                faults,
                observation,
            },
            Self::PartFailed(attempt, resource, fault) => Signal::PartFailed {
                attempt,
                resource,
                fault,
                observation,
            },
            Self::Verified(attempt, digests, answers) => Signal::Verified {
                attempt,
                digests,
                answers,
                observation,
            },
        })
    }

    /// Whether it is of another attempt or job than the present one.
    pub(super) fn is_stale(&self, download: &Download) -> bool {
        match self {
            Self::Probed(attempt, _)
            | Self::PartFailed(attempt, ..)
            | Self::Verified(attempt, ..) => *attempt != download.attempt,
            Self::Refused(registration, _) | Self::Ended(registration, ..) => {
                let current = download.state.transfer();
                current.is_none_or(|t| t.registration.as_ref() != Some(registration))
            }
        }
    }
}
