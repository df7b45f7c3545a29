//! Running other programs, and saying what goes on while they run.

use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How often a long step that prints nothing itself says that it is still alive.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// Runs a program with its output shown. `advice` ends the error's sentence.
pub(crate) fn run(command: &mut Command, advice: &str) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("{} could not be started; {advice}", name(command)))?;
    if !status.success() {
        bail!("{} failed ({status}); {advice}", described(command));
    }
    Ok(())
}

/// Runs a program in silence, with a heartbeat; its output is shown only if it fails.
pub(crate) fn run_quietly(command: &mut Command, what: &str, advice: &str) -> Result<()> {
    let heart = Heartbeat::start(what);
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{} could not be started; {advice}", name(command)))?;
    drop(heart);
    if !output.status.success() {
        eprint!("{}", String::from_utf8_lossy(&output.stdout));
        eprint!("{}", String::from_utf8_lossy(&output.stderr));
        bail!(
            "{} failed ({}); {advice}",
            described(command),
            output.status
        );
    }
    Ok(())
}

/// What a program prints, trimmed, or nothing where it is missing or fails.
pub(crate) fn answer(command: &mut Command) -> Option<String> {
    let output = command
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Looks a program up on `PATH`.
pub(crate) fn which(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .map(|dir| dir.join(program).with_extension(env::consts::EXE_EXTENSION))
        .find(|path| path.is_file())
}

/// Cargo, as it called this program, without the variables it set for this program alone: a nested
/// cargo would take some of them for a changed configuration and build anew.
pub(crate) fn cargo() -> Command {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    forget_cargo(&mut command);
    command.current_dir(crate::workspace::root());
    command
}

/// Removes what `cargo run` set in the environment.
pub(crate) fn forget_cargo(command: &mut Command) {
    for (key, _) in env::vars_os() {
        let text = key.to_string_lossy();
        if text.starts_with("CARGO_PKG_")
            || text.starts_with("CARGO_MANIFEST_")
            || matches!(
                &*text,
                "CARGO_CRATE_NAME" | "CARGO_BIN_NAME" | "OUT_DIR" | "LD_LIBRARY_PATH"
            )
        {
            command.env_remove(key);
        }
    }
}

/// A program's name for messages.
fn name(command: &Command) -> String {
    PathBuf::from(command.get_program())
        .file_name()
        .unwrap_or(command.get_program())
        .to_string_lossy()
        .into_owned()
}

/// The whole command for messages, so that it can be tried by hand.
fn described(command: &Command) -> String {
    let mut text = format!("`{}", name(command));
    for argument in command.get_args() {
        text.push(' ');
        text.push_str(&argument.to_string_lossy());
    }
    text + "`"
}

/// Prints a line now and then for as long as it lives.
pub(crate) struct Heartbeat {
    stop: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Heartbeat {
    /// Starts to beat; the first line comes after ten seconds, so short steps stay silent.
    pub(crate) fn start(what: &str) -> Self {
        let (stop, stopped) = mpsc::channel();
        let what = what.to_owned();
        let thread = thread::spawn(move || {
            let start = Instant::now();
            while stopped.recv_timeout(HEARTBEAT) == Err(RecvTimeoutError::Timeout) {
                eprintln!("  {what}: {} s, still at work", start.elapsed().as_secs());
            }
        });
        Self {
            stop: Some(stop),
            thread: Some(thread),
        }
    }
}

impl Drop for Heartbeat {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
