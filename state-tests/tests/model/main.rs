//! Small worlds, gone through to the last moment: two tabs and a worker, one download of two parts, and an adversary that
//! kills, loses, doubles and lies a limited number of times. In each step run the real `decide`, `evolve`, `plan` and
//! `measure`; what stands around them follows the runner in `longhaul-browser` step by step.
//!
//! - `world`: what a world begins with, what may go wrong in it, and which bug is planted;
//! - `moment`: everything that is stored, running, or in somebody's hands;
//! - `actions`: what can happen next; `happens`, `driver`, `flights`, `commit` and `browser`: what then becomes of it;
//! - `laws`: the laws as properties of a moment, and the cases that must come up;
//! - `worlds`: the worlds, each exhausted, its moments counted; `measure`: that no life goes on for ever;
//! - `bugs`: planted, and found.
//!
//! Not in these worlds: deletions and appends that a dead owner had sent and that arrive after its lock was given on; a
//! clock that runs back; headers; more than one resource. The world of the property tests has the last three.

mod actions;
mod browser;
mod bugs;
mod commit;
mod driver;
mod flights;
mod happens;
mod laws;
mod measure;
mod moment;
mod world;
mod worlds;
