//! Small worlds, gone through to the last moment: two tabs and a worker, one download of two parts, and an adversary that
//! kills, loses, doubles and lies a limited number of times. Each context that looks after the download does so by the real
//! `Owner`, which reads, looks, decides, plans and starts as it does in a browser; the worker handles the ends of jobs, and
//! apps ask, by the real `decide`; what comes is measured by the real `measure`. Here is only what stands around them.
//!
//! - `world`: what a world begins with, what may go wrong in it, and which bug is planted;
//! - `moment`: everything that is stored, running, or in somebody's hands;
//! - `actions`: what can happen next; `happens`: what then becomes of it;
//! - `embedder`: performs what owners say, as the driver of the runner does; `look`: looking and appending;
//! - `completion`: how the worker handles the end of a job; `browser`: jobs and their records;
//! - `laws`: the laws as properties of a moment, and the cases that must come up;
//! - `worlds`: the worlds, each exhausted, its moments counted; `measure`: that no life goes on for ever;
//! - `bugs`: planted around the owners, and found.
//!
//! Where a world is a fine one, each step of a look, and each end of what was started before it is told, is a moment of its
//! own; elsewhere what nobody can see the middle of is done at once.
//!
//! Not in these worlds: deletions and appends that a dead owner had sent and that arrive after its lock was given on;
//! stores that fail; headers. The simulation has them.

mod actions;
mod browser;
mod bugs;
mod completion;
mod embedder;
mod happens;
mod laws;
mod look;
mod measure;
mod moment;
mod world;
mod worlds;
