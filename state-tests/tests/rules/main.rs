//! Every rule of the machine, as a sentence: what is decided in which state, and what is then planned.

mod commands;
mod handover;
mod phases;
mod planning;
mod probing;
mod transferring;
mod waiting;
