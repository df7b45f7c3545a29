//! `cargo xtask`: the commands of the workspace.

mod bench;
mod demo;
mod dist;
mod setup;
mod shell;
mod test;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The commands of the Longhaul workspace. Each sets up what it needs by itself.
#[derive(Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    disable_help_subcommand = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what is missing: wasm compiler, npm packages, browsers, model, checkers
    ///
    /// Looks for each and says what it installs and why; what is there is left alone. The other commands do
    /// the part that they need by themselves. System packages are installed by apt on Debian and its
    /// relatives; elsewhere you are told what to install. Browsers of your own and their WebDrivers can be
    /// named in CHROME and CHROMEDRIVER, FIREFOX and GECKODRIVER, WEBKIT_DRIVER, WEBKIT_PYTHON and XVFB.
    Setup,
    /// Build everything and serve the demo
    ///
    /// Sets up what is missing, builds the package and the demo's server, starts it and prints its address.
    /// Ctrl-C ends it. Without network access to the model, a generated file of 100 MB takes its place.
    Demo(demo::Options),
    /// Run every check and every test, and say how many of each kind ran
    ///
    /// Format, clippy, documentation, licences and sources of all dependencies (cargo-deny), the core's example, native
    /// unit, property and documentation tests, that the core's wasm imports nothing, the package and its
    /// types, the stores' tests in wasm in a browser, and the end-to-end tests. Goes on after a failure and
    /// fails at the end.
    Test(test::Options),
    /// Build the JavaScript package into dist/ and print its sizes
    ///
    /// Compiles the page's and the service worker's crates to wasm, writes the glue, optimizes it with
    /// wasm-opt and puts it beside the hand-written modules and types. The conformance suites go to
    /// target/conformance/. Sizes are printed against their budgets; being over does not fail.
    Dist,
    /// Measure: the package's sizes and the crates' benchmarks
    ///
    /// Prints tables and writes the figures as JSON to target/bench/.
    Bench,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Task::Setup => setup::run(),
        Task::Demo(options) => demo::run(options),
        Task::Test(options) => test::run(&options),
        Task::Bench => bench::run(),
        Task::Dist => dist::run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
