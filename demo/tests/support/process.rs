//! Processes that must not outlive their test: the `WebDriver` server and the whole tree of the browser it started.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

/// A child process whose descendants are all killed when it is dropped.
///
/// It stays in the process group of the test, so that an interrupt from the terminal reaches it even where `Drop` never runs.
#[derive(Debug)]
pub(crate) struct Tree {
    child: Child,
}

impl Tree {
    /// Starts `command` with its standard error thrown away and its standard output piped.
    pub(crate) fn start(mut command: Command) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| {
                format!("cannot start `{name}`: run `cargo xtask setup`, or name the program in the environment")
            })?;
        Ok(Self { child })
    }

    /// The child itself, for reading what it prints.
    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        kill_tree(self.child.id());
        let _ = self.child.wait();
    }
}

/// SIGKILLs `root` and everything that descends from it, parents first, so that nobody is left to start a replacement.
pub(crate) fn kill_tree(root: u32) {
    let parents = parents();
    let mut tree = vec![root];
    let mut next = 0;
    while let Some(&parent) = tree.get(next) {
        tree.extend(
            parents
                .iter()
                .filter(|&(_, of)| *of == parent)
                .map(|(pid, _)| *pid),
        );
        next += 1;
    }
    for pid in tree {
        if let Some(pid) = to_pid(pid) {
            // The process may have ended meanwhile, which is what is wanted.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// Waits until process `pid` has ended. Blocks, and so wants a thread of its own in async code.
pub(crate) fn wait_for_end(pid: u32, limit: Duration) -> Result<()> {
    let Some(target) = to_pid(pid) else {
        bail!("{pid} is not a process id");
    };
    // An error here means that there is no such process any more.
    let Ok(handle) = pidfd_open(target, PidfdFlags::empty()) else {
        return Ok(());
    };
    let timeout = Timespec::try_from(limit)?;
    // A process handle becomes readable when its process ends.
    let ready = poll(&mut [PollFd::new(&handle, PollFlags::IN)], Some(&timeout))?;
    ensure!(ready == 1, "process {pid} is still there after {limit:?}");
    Ok(())
}

/// The browser process that holds a Chromium profile: its singleton lock is a link to `<host>-<pid>`.
pub(crate) fn profile_owner(profile: &Path) -> Option<u32> {
    let target = fs::read_link(profile.join("SingletonLock")).ok()?;
    target.to_str()?.rsplit('-').next()?.parse().ok()
}

fn to_pid(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

/// Every process with its parent.
fn parents() -> BTreeMap<u32, u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return BTreeMap::new();
    };
    entries
        .flatten()
        .filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            // "pid (name) state ppid …"; the name may itself hold blanks and brackets.
            let parent = stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()?;
            Some((pid, parent))
        })
        .collect()
}
