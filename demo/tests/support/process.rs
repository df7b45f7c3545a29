//! Processes that must not outlive their test: the `WebDriver` server and the whole tree of the browser it started.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

/// The most lines of a program's output that are kept.
const MOST_LINES: usize = 5_000;

/// The lines of output that a message quotes.
const LAST_WORDS: usize = 12;

/// A child process whose descendants are all killed when it is dropped.
///
/// It stays in the process group of the test, so that an interrupt from the terminal reaches it even where `Drop` never runs.
#[derive(Debug)]
pub(crate) struct Tree {
    name: String,
    child: Child,
    output: Arc<Output>,
}

/// What a program says, both ways, line by line. It is read as it comes, so that no pipe ever fills.
#[derive(Debug, Default)]
struct Output {
    said: Mutex<Said>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Said {
    lines: VecDeque<String>,
    /// How many of the two pipes have come to their end.
    ended: usize,
}

impl Output {
    fn read(self: &Arc<Self>, pipe: impl Read + Send + 'static) {
        let output = Arc::clone(self);
        thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while pipe.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                line.clear();
                let mut said = output.lock();
                if said.lines.len() == MOST_LINES {
                    said.lines.pop_front();
                }
                said.lines.push_back(text);
                output.changed.notify_all();
            }
            output.lock().ended += 1;
            output.changed.notify_all();
        });
    }

    fn lock(&self) -> MutexGuard<'_, Said> {
        // Nothing in here can be left half done by a panic.
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tree {
    /// Starts `command` and listens to what it says.
    pub(crate) fn start(mut command: Command) -> Result<Self> {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| {
                format!("cannot start `{name}`: run `cargo xtask setup`, or name the program in the environment")
            })?;
        let output = Arc::new(Output::default());
        if let Some(pipe) = child.stdout.take() {
            output.read(pipe);
        }
        if let Some(pipe) = child.stderr.take() {
            output.read(pipe);
        }
        Ok(Self {
            name,
            child,
            output,
        })
    }

    /// Waits for a line in which `find` finds what it looks for.
    pub(crate) fn await_line<T>(
        &self,
        limit: Duration,
        find: impl Fn(&str) -> Option<T>,
    ) -> Result<T> {
        let deadline = Instant::now() + limit;
        let mut said = self.output.lock();
        loop {
            if let Some(found) = said.lines.iter().find_map(|line| find(line)) {
                return Ok(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if said.ended == 2 || left.is_zero() {
                let why = if said.ended == 2 {
                    "ended"
                } else {
                    "is silent"
                };
                drop(said);
                bail!(
                    "`{}` does not start, it {why}: {}",
                    self.name,
                    self.last_words()
                );
            }
            let waited = self.output.changed.wait_timeout(said, left);
            said = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The last lines that it said, for a message.
    pub(crate) fn last_words(&self) -> String {
        let said = self.output.lock();
        if said.lines.is_empty() {
            return "it said nothing".to_owned();
        }
        let skipped = said.lines.len().saturating_sub(LAST_WORDS);
        let lines: Vec<_> = said.lines.iter().skip(skipped).cloned().collect();
        format!("it said\n{}", lines.join("\n"))
    }

    /// What it said since this was last asked.
    pub(crate) fn take_output(&self) -> Vec<String> {
        self.output.lock().lines.drain(..).collect()
    }

    /// Whether the program itself still runs.
    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// The processes that it started itself and that still run.
    pub(crate) fn children(&self) -> Vec<u32> {
        let parents = parents();
        let own = parents.iter().filter(|&(_, of)| *of == self.child.id());
        own.map(|(pid, _)| *pid).collect()
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        kill_tree(self.child.id());
        let _ = self.child.wait();
    }
}

/// SIGKILLs `root` and everything that descends from it, parents first, so that nobody is left to start a replacement.
/// All of them.
pub(crate) fn kill_tree(root: u32) -> Vec<u32> {
    let tree = tree(root);
    for pid in tree.iter().filter_map(|pid| to_pid(*pid)) {
        // The process may have ended meanwhile, which is what is wanted.
        let _ = kill_process(pid, Signal::KILL);
    }
    tree
}

/// `root` and everything that descends from it, parents first.
pub(crate) fn tree(root: u32) -> Vec<u32> {
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
    tree
}

/// Waits until these processes have ended. Blocks, and so wants a thread of its own in async code.
pub(crate) fn wait_for_end(tree: &[u32], limit: Duration) -> Result<()> {
    let since = Instant::now();
    for pid in tree {
        // An error here means that there is no such process any more.
        let Some(Ok(handle)) = to_pid(*pid).map(|pid| pidfd_open(pid, PidfdFlags::empty())) else {
            continue;
        };
        let left = Timespec::try_from(limit.saturating_sub(since.elapsed()))?;
        // A process handle becomes readable when its process ends.
        let ready = poll(&mut [PollFd::new(&handle, PollFlags::IN)], Some(&left))?;
        ensure!(ready == 1, "process {pid} is still there after {limit:?}");
    }
    Ok(())
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
