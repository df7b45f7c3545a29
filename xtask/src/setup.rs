//! `cargo xtask setup`, and the set-up that other commands do by themselves: each part looks whether it is
//! there, and installs itself if not.

pub(crate) mod browser;
pub(crate) mod deny;
mod firefox;
mod lints;
pub(crate) mod model;
pub(crate) mod npm;
pub(crate) mod system;
pub(crate) mod wasm_target;
mod webkit;
mod wheel;

use anyhow::Result;

/// One thing that a command can need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// A compiler for `wasm32-unknown-unknown`.
    WasmTarget,
    /// wasm-opt, tsc and what else builds and checks the package, from npm.
    Tools,
    /// What the demo's page loads from npm.
    DemoPackages,
    /// The bundlers of the apps that new users make.
    Newcomers,
    /// Those of the long test run, which alone installs them: they are large.
    MoreNewcomers,
    /// What the sites of the end-to-end tests are made with, from npm.
    GuestPackages,
    /// Chromium and its WebDriver.
    Browser,
    /// Firefox and its WebDriver.
    Firefox,
    /// WebKitGTK, its WebDriver and a virtual display.
    WebKit,
    /// The language model that the demo offers.
    Model,
    /// rustfmt and clippy.
    Lints,
    /// cargo-deny.
    Deny,
}

/// Everything that is wanted without being asked for, in the order in which it is set up.
const ALL: [Part; 11] = [
    Part::WasmTarget,
    Part::Tools,
    Part::DemoPackages,
    Part::Newcomers,
    Part::GuestPackages,
    Part::Browser,
    Part::Firefox,
    Part::WebKit,
    Part::Model,
    Part::Lints,
    Part::Deny,
];

/// Sets everything up and says where each part is.
pub(crate) fn run() -> Result<()> {
    for part in ALL {
        let found = part.ensure()?;
        println!("setup: {found}");
    }
    Ok(())
}

/// Makes sure that the parts are there; silent about those that are.
pub(crate) fn ensure(parts: &[Part]) -> Result<()> {
    for part in parts {
        part.ensure()?;
    }
    Ok(())
}

impl Part {
    /// Installs the part unless it is there; returns a line that says what was found.
    fn ensure(self) -> Result<String> {
        match self {
            Self::WasmTarget => wasm_target::ensure().map(|compiler| compiler.to_string()),
            Self::Tools => npm::TOOLS.ensure(),
            Self::DemoPackages => npm::DEMO.ensure(),
            Self::Newcomers => npm::ensure_all(&npm::NEWCOMERS),
            Self::MoreNewcomers => npm::ensure_all(&npm::MORE_NEWCOMERS),
            Self::GuestPackages => npm::GUESTS.ensure(),
            Self::Browser => browser::ensure().map(|browser| browser.to_string()),
            Self::Firefox => firefox::ensure(),
            Self::WebKit => webkit::ensure(),
            Self::Lints => lints::ensure(),
            Self::Deny => deny::ensure(),
            Self::Model => model::ensure().map(|model| model.to_string()),
        }
    }
}
