//! Test programs that wait more than they compute, two at a time.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::process::Command;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

use anyhow::{Context, Result};

use crate::shell::Heartbeat;

/// So many programs run at once. A test in a browser waits most of the time: for a server that is slow on
/// purpose, for a browser's start. More of them than this would wait for the machine instead.
const LANES: usize = 2;

/// What one program came to.
pub(crate) struct Ended {
    pub(crate) name: String,
    /// Everything it printed, both streams in their order.
    pub(crate) output: String,
    pub(crate) success: bool,
}

/// Runs every named command and hands its result on as soon as it is there; the first ones begin first.
pub(crate) fn run(programs: Vec<(String, Command)>, mut ended: impl FnMut(Result<Ended>)) {
    let programs = Mutex::new(VecDeque::from(programs));
    let heart = Heartbeat::start("tests in the browser");
    thread::scope(|scope| {
        let (sender, results) = mpsc::channel();
        for _ in 0..LANES {
            let (programs, sender) = (&programs, sender.clone());
            scope.spawn(move || {
                let next = || {
                    programs
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .pop_front()
                };
                while let Some((name, command)) = next() {
                    if sender.send(one(name, command)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        results.into_iter().for_each(&mut ended);
    });
    drop(heart);
}

fn one(name: String, mut command: Command) -> Result<Ended> {
    let (mut reader, writer) = io::pipe()?;
    command.stdout(writer.try_clone()?).stderr(writer);
    let mut child = command
        .spawn()
        .with_context(|| format!("{name} could not be started"))?;
    // The command holds the pipe's other end, which must be closed for the reading to end.
    drop(command);
    let mut output = Vec::new();
    reader.read_to_end(&mut output)?;
    let success = child.wait()?.success();
    Ok(Ended {
        name,
        output: String::from_utf8_lossy(&output).into_owned(),
        success,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn every_program_runs_and_its_two_streams_stay_in_order() {
        let programs = (0..5)
            .map(|n| {
                let script = format!("echo out {n}; echo err {n} >&2; exit {}", n % 2);
                (format!("program {n}"), shell(&script))
            })
            .collect();
        let mut seen = Vec::new();
        run(programs, |result| {
            let ended = result.expect("a shell starts");
            seen.push((ended.name, ended.output, ended.success));
        });
        seen.sort();
        let expected: Vec<_> = (0..5)
            .map(|n| {
                (
                    format!("program {n}"),
                    format!("out {n}\nerr {n}\n"),
                    n % 2 == 0,
                )
            })
            .collect();
        assert_eq!(seen, expected);
    }

    #[test]
    fn a_program_that_is_not_there_does_not_stop_the_others() {
        let programs = vec![
            ("missing".to_owned(), Command::new("/nowhere/at/all")),
            ("there".to_owned(), shell("true")),
        ];
        let (mut failed, mut passed) = (0, 0);
        run(programs, |result| match result {
            Ok(ended) if ended.success => passed += 1,
            _ => failed += 1,
        });
        assert_eq!((failed, passed), (1, 1));
    }
}
