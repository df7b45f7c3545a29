//! WebKitGTK: it has no headless mode, so it gets a virtual display; its driver does not say which port it took; and its own
//! browser for tests forgets everything, so it gets another one.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use serde_json::json;
use thirtyfour::Capabilities;

use super::{Driver, START, program};
use crate::support::process::Tree;

/// The browser, which says at its top what it is for.
const SHELL: &str = "tests/support/engine/webkit-shell.py";

/// How often a driver that cannot be heard is asked whether it listens.
const ASK_AGAIN: Duration = Duration::from_millis(20);

pub(super) fn start_driver() -> Result<Driver> {
    let (display, number) = start_display()?;
    let driver = program("WEBKIT_DRIVER", ["WebKitWebDriver".into()])?;
    let port = free_port()?;
    let mut command = Command::new(driver);
    command
        .arg(format!("--port={port}"))
        .env("DISPLAY", format!(":{number}"))
        .env_remove("WAYLAND_DISPLAY")
        .env("GDK_BACKEND", "x11")
        // Nothing here has a GPU, and looking for one takes time.
        .env("LIBGL_ALWAYS_SOFTWARE", "1");
    if rustix::process::geteuid().is_root() {
        // bubblewrap, which makes the sandbox, refuses to do so for root.
        command.env("WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS", "1");
    }
    let mut program = Tree::start(command)?;
    await_port(&mut program, port)?;
    Ok(Driver {
        program,
        _display: Some(display),
        address: format!("http://127.0.0.1:{port}"),
    })
}

/// `features` are switched on.
pub(super) fn capabilities(
    profile: &Path,
    origin: &str,
    features: &[&str],
) -> Result<Capabilities> {
    // The system's own Python: another one would lack the system's bindings.
    let python = program(
        "WEBKIT_PYTHON",
        ["/usr/bin/python3".into(), "python3".into()],
    )?;
    let shell = Path::new(env!("CARGO_MANIFEST_DIR")).join(SHELL);
    let mut args = vec![json!(shell), json!(profile), json!(origin)];
    args.extend(features.iter().map(|feature| json!(feature)));
    let mut capabilities = Capabilities::new();
    capabilities.set("browserName", "webkit-shell")?;
    capabilities.set(
        "webkitgtk:browserOptions",
        json!({ "binary": python, "args": args }),
    )?;
    Ok(capabilities)
}

/// Xvfb takes the first free display and says which.
fn start_display() -> Result<(Tree, u16)> {
    let xvfb = program("XVFB", ["Xvfb".into()])?;
    let mut command = Command::new(xvfb);
    command.args(["-displayfd", "1", "-screen", "0", "1280x900x24"]);
    command.args(["-nolisten", "tcp"]);
    let display = Tree::start(command)?;
    let number = display.await_line(START, |line| line.trim().parse().ok())?;
    Ok((display, number))
}

/// A port that was free a moment ago: the driver takes no other's, but does not say which it got for 0.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

fn await_port(driver: &mut Tree, port: u16) -> Result<()> {
    let deadline = Instant::now() + START;
    while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
        ensure!(
            driver.is_running(),
            "WebKitWebDriver ended at once: {}",
            driver.last_words()
        );
        if Instant::now() > deadline {
            bail!("WebKitWebDriver does not listen on port {port} after {START:?}");
        }
        thread::sleep(ASK_AGAIN);
    }
    Ok(())
}
