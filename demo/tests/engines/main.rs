//! The same scenarios in every engine: Chromium with Background Fetch and without it, Firefox, WebKitGTK.
//!
//! Each pair of a scenario and an engine is a test of its own, named `<scenario> in <engine>`; the table of all of them comes last.
//! `LONGHAUL_ENGINES=firefox,webkit` runs some engines only.

#[path = "../support/mod.rs"]
mod support;

mod another_origin;
mod bad_servers;
mod contexts;
mod damage;
mod downloads;
mod handover;
mod interruptions;
mod lease;
mod secrets;
mod suite;
mod tabs;
mod together;
mod waits;

use std::process::ExitCode;

use suite::Suite;

fn main() -> ExitCode {
    let mut suite = Suite::default();
    downloads::announce(&mut suite);
    another_origin::announce(&mut suite);
    tabs::announce(&mut suite);
    lease::announce(&mut suite);
    interruptions::announce(&mut suite);
    waits::announce(&mut suite);
    handover::announce(&mut suite);
    secrets::announce(&mut suite);
    damage::announce(&mut suite);
    bad_servers::announce(&mut suite);
    contexts::announce(&mut suite);
    suite.run()
}
