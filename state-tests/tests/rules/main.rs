//! Every rule of the machine, as a sentence: what is decided in which state, and what is then planned.

mod commands;
mod handover;
mod phases;
mod planning;
mod probing;
mod room;
mod transferring;
mod waiting;

/// The registration of the first try of a scenario's first attempt.
pub(crate) const REGISTRATION: &str = "longhaul/1/longhaul/model/1/1";
