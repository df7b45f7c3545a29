//! Firefox: geckodriver says its port; the profile is the test's own, so that storage outlives the browser.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use serde_json::json;
use thirtyfour::Capabilities;

use super::{Driver, START, number_after, program};
use crate::support::process::Tree;
use crate::support::world::target;

pub(super) fn start_driver(profile: &Path) -> Result<Driver> {
    let built = target().join("tools/bin/geckodriver");
    let geckodriver = program("GECKODRIVER", [built, "geckodriver".into()])?;
    let mut command = Command::new(geckodriver);
    // Both ports have defaults that a second driver could not have.
    command.args(["--port=0", "--websocket-port=0"]);
    // A Firefox that is killed leaves its temporary files behind: they go with the profile.
    let temporary = profile.join("temporary");
    fs::create_dir_all(&temporary)?;
    command.env("TMPDIR", temporary);
    let program = Tree::start(command)?;
    let port = program.await_line(START, |line| number_after(line, "Listening on 127.0.0.1:"))?;
    Ok(Driver {
        program,
        _display: None,
        address: format!("http://127.0.0.1:{port}"),
    })
}

pub(super) fn capabilities(profile: &Path) -> Result<Capabilities> {
    let firefox = program("FIREFOX", ["firefox-esr".into(), "firefox".into()])?;
    let mut capabilities = Capabilities::new();
    capabilities.set("browserName", "firefox")?;
    capabilities.set(
        "moz:firefoxOptions",
        json!({
            "binary": firefox,
            // Named here and not by the capability `profile`, of which geckodriver would make a copy.
            "args": ["-headless", "-profile", profile],
            "prefs": {
                // `persist()` asks people elsewhere; nobody is here to answer.
                "dom.storageManager.prompt.testing": true,
                "dom.storageManager.prompt.testing.allow": true,
                // This machine under a name that is not trustworthy.
                "network.dns.localDomains": "app.test",
                // What pages write to their consoles comes out of the driver.
                "devtools.console.stdout.content": true,
            },
        }),
    )?;
    Ok(capabilities)
}
