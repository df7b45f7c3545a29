//! A downloader for the command line that goes on where it was, whatever ended it: `download --help` says how it is used.
//!
//! Histories, parts and locks are the runner's own, in a folder that several of these processes may share. What an author
//! of such an app adds is an HTTP client, a clock and an executor, and what people see.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Result, bail};
use clap::{Args, Parser, Subcommand};
use futures_util::future::{LocalBoxFuture, select};
use indicatif::{ProgressBar, ProgressStyle};
use longhaul_core::{Command, Download, Resource, Retry, Spec, State};
use longhaul_runner::answer::HttpResponse;
use longhaul_runner::body::{Chunks, Cut};
use longhaul_runner::driver::Driver;
use longhaul_runner::errors::NetError;
use longhaul_runner::files::FileParts;
use longhaul_runner::kit::FileKit;
use longhaul_runner::node::{Node, Setup};
use longhaul_runner::ports::{App, Http, HttpRequest, Runtime};
use longhaul_runner::supervisor::Supervisor;
use reqwest::{Client, Method, Response};
use tokio::task::{LocalSet, spawn_local};

/// Downloads files, and goes on where it was when it is started again.
///
/// Exit codes: 0 done, 1 failed, 2 wrong usage, 3 aborted.
#[derive(Parser)]
struct Cli {
    /// The folder where parts and histories are kept
    #[arg(long, default_value = "longhaul")]
    store: PathBuf,
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Download files
    Get(Get),
    /// End a download, whichever process runs it, and delete what it has stored
    Abort { id: String },
    /// Delete what a download has stored, but for what another one shares
    Remove { id: String },
}

#[derive(Args)]
struct Get {
    /// What the download is called
    id: String,
    /// Where the files come from; `#sha256=<digits>` at the end says what they must be
    #[arg(required = true)]
    urls: Vec<String>,
    /// Where the files are put when all of them are there
    #[arg(long, default_value = ".")]
    into: PathBuf,
    /// A query parameter that is never written down
    #[arg(long = "secret", value_name = "PARAMETER")]
    secret_params: Vec<String>,
    #[arg(long, value_name = "BYTES")]
    part_bytes: Option<u64>,
    /// How many parts are fetched at a time
    #[arg(long, default_value_t = 4)]
    parallel: usize,
    /// How many failures in a row are put up with
    #[arg(long, default_value_t = Retry::default().limit)]
    retries: u32,
    /// The first delay after a failure
    #[arg(long, default_value_t = Retry::default().base_ms)]
    delay_ms: u64,
    /// For how long a server may send nothing
    #[arg(long, default_value_t = Retry::default().stall_ms)]
    stall_ms: u64,
}

/// What the runner needs of this process.
struct Process {
    began: Instant,
    client: Client,
    bar: ProgressBar,
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

impl Runtime for Process {
    fn now_ms(&self) -> u64 {
        ms(SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default())
    }

    fn monotonic_ms(&self) -> u64 {
        ms(self.began.elapsed())
    }

    fn sleep(&self, ms: u32) -> LocalBoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(Duration::from_millis(ms.into())))
    }

    fn spawn(&self, work: LocalBoxFuture<'static, ()>) {
        spawn_local(work);
    }
}

struct Body(Response);

impl Chunks for Body {
    async fn next(&mut self) -> Result<Option<Vec<u8>>, Cut> {
        let chunk = self.0.chunk().await.map_err(|_| Cut)?;
        Ok(chunk.map(Vec::from))
    }
}

impl Http for Process {
    type Body = Body;

    async fn send(&self, request: &HttpRequest<'_>) -> Result<(HttpResponse, Body), NetError> {
        let method = if request.head {
            Method::HEAD
        } else {
            Method::GET
        };
        let mut asked = self.client.request(method, request.url);
        if let Some(range) = request.range.and_then(|range| range.header()) {
            asked = asked.header("Range", range);
        }
        // What the client says of a failure may hold the address, and that a secret.
        let failed = |_| NetError::failed("no answer");
        let response = asked.send().await.map_err(failed)?;
        let header = |name: &str| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
        let answer = HttpResponse::new(response.status().as_u16(), header);
        Ok((answer, Body(response)))
    }
}

impl App for Process {
    fn live(&self, _download: &str, downloaded: u64, _stored: u64) {
        self.bar.set_position(downloaded);
    }
}

/// What is asked for on the command line.
fn spec(get: &Get) -> Spec {
    let resource = |text: &String| {
        let mut halves = text.split("#sha256=").map(str::to_owned);
        Resource {
            url: halves.next().unwrap_or_default(),
            sha256: halves.next(),
            ..Resource::default()
        }
    };
    Spec {
        id: get.id.clone(),
        secret_params: get.secret_params.clone(),
        resources: get.urls.iter().map(resource).collect(),
        ..Spec::default()
    }
}

/// Downloads until it is done, whoever does it; what became of it.
async fn get(node: &Rc<Node<FileKit<Process>>>, get: Get) -> Result<ExitCode> {
    let kit = &node.platform;
    node.request(spec(&get).validated()?).await?;
    let driver = Driver::new(Rc::clone(node), &get.id);
    let others = async {
        loop {
            if kit.histories.has_changed() {
                driver.notify();
                if let Ok(Download {
                    total: Some(total), ..
                }) = node.load(&get.id).await
                {
                    kit.process.bar.set_length(total);
                }
            }
            kit.process.sleep(100).await;
        }
    };
    select(pin!(Rc::clone(&driver).run()), pin!(others)).await;
    kit.process.bar.finish_and_clear();
    let download = node.load(&get.id).await?;
    match &download.state {
        State::Available => write_files(&kit.parts, &download, &get.into)?,
        State::Failed { failure } => bail!("{}: {}", get.id, failure.message),
        other => {
            eprintln!("{}: {}", get.id, other.name());
            return Ok(ExitCode::from(3));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Puts the files of a download together.
fn write_files(parts: &FileParts, download: &Download, into: &Path) -> Result<()> {
    fs::create_dir_all(into)?;
    let mut names = Vec::new();
    for (n, file) in download.files.iter().enumerate() {
        let path = file.url.split('?').next().unwrap_or_default();
        let mut name = path.rsplit('/').next().unwrap_or_default().to_owned();
        if name.is_empty() || names.contains(&name) {
            name = format!("{n}-{name}");
        }
        let unfinished = into.join(format!("{name}.unfinished"));
        parts.copy(&file.key(), &mut File::create(&unfinished)?, &|| true)?;
        fs::rename(unfinished, into.join(&name))?;
        names.push(name);
    }
    println!("{}: {}", download.id, names.join(", "));
    Ok(())
}

async fn run(cli: Cli) -> Result<ExitCode> {
    let style = "{bytes} of {total_bytes} {wide_bar} {bytes_per_sec} {eta}";
    let process = Process {
        began: Instant::now(),
        client: Client::new(),
        bar: ProgressBar::new(0).with_style(ProgressStyle::with_template(style)?),
    };
    let mut setup = Setup::default();
    if let Task::Get(get) = &cli.task {
        setup.parallel = get.parallel;
        setup.policy.part_bytes = get.part_bytes;
        setup.policy.retry.limit = get.retries;
        setup.policy.retry.base_ms = get.delay_ms;
        setup.policy.retry.stall_ms = get.stall_ms;
    }
    let node = Node::new(setup, FileKit::in_folder(process, &cli.store)?);
    let (id, command) = match cli.task {
        Task::Get(asked) => return get(&node, asked).await,
        Task::Abort { id } => (id, Command::Abort),
        Task::Remove { id } => (id, Command::Remove),
    };
    Supervisor::new(node).end(&id, command).await?;
    Ok(ExitCode::SUCCESS)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let ended = LocalSet::new().run_until(run(Cli::parse())).await;
    ended.unwrap_or_else(|error| {
        eprintln!("{error:#}");
        ExitCode::FAILURE
    })
}
