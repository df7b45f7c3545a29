//! Files of another origin, which is where models nearly always are: by Background Fetch with the page open and closed, behind
//! hubs that redirect, from hosts that expose nothing, and where the file changes under way.

#[path = "../support/mod.rs"]
mod support;

mod changes;
mod far;
mod hidden;
mod hosts;
mod jobs;
