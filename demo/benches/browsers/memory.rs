//! How much memory: the browser's processes, idle and at their peak during a download, from the kernel's own figures.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use longhaul_demo::{Generated, Server};
use serde_json::{Value, json};

use crate::MIB;
use crate::methods::Method;
use crate::support::browser::Browser;
use crate::support::engine::Engine;
use crate::support::process::tree;

/// How often the processes are looked at.
const EVERY: Duration = Duration::from_millis(50);
/// How many looks are taken at a page that does nothing.
const IDLE_LOOKS: usize = 20;

/// What processes take of the machine's memory, in bytes: proportional set size, which counts what is shared once.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Taken {
    /// The tab's own processes.
    tab: u64,
    /// Everything that the browser started, itself included.
    all: u64,
}

impl Taken {
    fn most(self, other: Self) -> Self {
        Self {
            tab: self.tab.max(other.tab),
            all: self.all.max(other.all),
        }
    }

    fn now(browser: u32) -> Self {
        let mut taken = Self::default();
        for pid in tree(browser) {
            // A process that ended meanwhile takes nothing.
            let bytes = proportional(pid).unwrap_or_default();
            taken.all += bytes;
            if shows_pages(pid) {
                taken.tab += bytes;
            }
        }
        taken
    }
}

fn proportional(pid: u32) -> Option<u64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let line = rollup.lines().find(|line| line.starts_with("Pss:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib * 1024)
}

/// Whether a process runs pages' scripts: each engine calls it something else.
fn shows_pages(pid: u32) -> bool {
    let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let command = String::from_utf8_lossy(&command);
    // Firefox writes its arguments anew, apart by blanks.
    let is_tab = command.split(['\0', ' ']).any(|word| word == "tab");
    let of_firefox = command.contains("-contentproc") && is_tab;
    command.contains("--type=renderer") || command.contains("WebKitWebProcess") || of_firefox
}

/// Looks at the processes until it is told to stop.
struct Sampler {
    stop: Arc<AtomicBool>,
    thread: thread::JoinHandle<Taken>,
}

impl Sampler {
    fn start(browser: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut peak = Taken::default();
            while !stopped.load(Ordering::Relaxed) {
                peak = peak.most(Taken::now(browser));
                thread::sleep(EVERY);
            }
            peak
        });
        Self { stop, thread }
    }

    fn peak(self) -> Result<Taken> {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().ok().context("the sampler broke off")
    }
}

/// What is taken while nothing happens: the median of some looks.
fn idle(browser: u32) -> Taken {
    let mut looks: Vec<Taken> = (0..IDLE_LOOKS)
        .map(|_| {
            thread::sleep(EVERY);
            Taken::now(browser)
        })
        .collect();
    let mut middle = |of: fn(&Taken) -> u64| {
        looks.sort_by_key(of);
        of(&looks[looks.len() / 2])
    };
    Taken {
        tab: middle(|taken| taken.tab),
        all: middle(|taken| taken.all),
    }
}

pub(crate) async fn measure(engine: Engine, bytes: u64) -> Result<Value> {
    println!("\n{engine}: memory for {bytes} bytes, in MiB");
    println!(
        "  {:36} {:>8} {:>9} {:>9} {:>10} {:>9}",
        "", "seconds", "tab idle", "tab over", "all idle", "all over"
    );
    let mut rows = Vec::new();
    let mut courses = vec![(Method::CachePut, false)];
    for method in Method::of_longhaul(engine) {
        courses.extend([(*method, false), (*method, true)]);
    }
    for (method, hashed) in courses {
        let name = if hashed {
            format!("{}, SHA-256", method.name())
        } else {
            method.name().to_owned()
        };
        match one(engine, method, bytes, hashed).await {
            Ok(cost) => {
                println!("  {name:36} {}", cost.line());
                rows.push(cost.json(&name));
            }
            Err(error) => println!("  {name:36} {error:#}"),
        }
    }
    Ok(json!({ "engine": engine.name(), "bytes": bytes, "methods": rows }))
}

/// What a download cost.
struct Cost {
    seconds: f64,
    idle: Taken,
    over: Taken,
}

impl Cost {
    fn line(&self) -> String {
        let Self {
            seconds,
            idle,
            over,
        } = self;
        format!(
            "{seconds:8.1} {:9} {:9} {:10} {:9}",
            idle.tab / MIB,
            over.tab / MIB,
            idle.all / MIB,
            over.all / MIB
        )
    }

    fn json(&self, method: &str) -> Value {
        json!({
            "method": method,
            "seconds": self.seconds,
            "tab": { "idle": self.idle.tab, "over": self.over.tab },
            "all": { "idle": self.idle.all, "over": self.over.all },
        })
    }
}

/// One download in a browser of its own.
async fn one(engine: Engine, method: Method, bytes: u64, hashed: bool) -> Result<Cost> {
    let server = Server::builder().spawn()?;
    let browser = Browser::launch(engine, &server.origin()).await?;
    let page = browser.open("/blank.html").await?;
    method.prepare(&page).await?;
    let process = browser
        .process()
        .context("the browser's process is not to be found")?;
    let file = Generated::new(bytes, "memory");
    let url = format!("{}{}", server.origin(), file.path());
    let sha256 = hashed.then(|| file.sha256());
    let idle = tokio::task::spawn_blocking(move || idle(process)).await?;
    let sampler = Sampler::start(process);
    let took = method.get(&page, &url, sha256.as_deref()).await;
    let peak = sampler.peak()?;
    Ok(Cost {
        seconds: took?.as_secs_f64(),
        over: Taken {
            tab: peak.tab.saturating_sub(idle.tab),
            all: peak.all.saturating_sub(idle.all),
        },
        idle,
    })
}
