//! `cargo xtask test`: every check and every test, counted from what really ran.

mod core_imports;
mod counts;
mod kinds;
mod lanes;
mod modules;
mod reasons;
mod report;
mod tarball;
pub(crate) mod targets;
mod types;

use std::env;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::setup::wasm_target::{self, WasmCompiler};
use crate::setup::{self, Part, deny};
use crate::shell;
use crate::workspace;
use counts::Counter;
use kinds::Kind;
use reasons::Reasons;
use report::Report;
use targets::Targets;

/// What to run.
#[derive(Args)]
pub(crate) struct Options {
    /// Only what needs neither a browser nor npm nor a wasm compiler
    #[arg(long)]
    native: bool,
    /// Run the scenarios of several engines in these of them only
    ///
    /// Firefox and WebKitGTK are installed where they are named, as all of them are by default.
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = ENGINES, default_values = ENGINES)]
    engines: Vec<String>,
    /// Run what can run longer for as long as it is worth: the simulation, the properties, kills of browsers
    #[arg(long)]
    deep: bool,
}

impl Options {
    /// Whether anything is to be tested in this engine.
    fn wants(&self, engine: &str) -> bool {
        self.engines.iter().any(|wanted| wanted == engine)
    }

    /// What has to be there.
    fn parts(&self) -> Vec<Part> {
        let mut parts = vec![Part::Lints, Part::Deny];
        if self.native {
            return parts;
        }
        parts.extend([
            Part::WasmTarget,
            Part::Tools,
            Part::DemoPackages,
            Part::Newcomers,
            Part::GuestPackages,
            Part::Browser,
            Part::Model,
        ]);
        if self.deep {
            parts.push(Part::MoreNewcomers);
        }
        for (engine, part) in [("firefox", Part::Firefox), ("webkit", Part::WebKit)] {
            if self.wants(engine) {
                parts.push(part);
            }
        }
        parts
    }
}

/// The engines of the end-to-end tests.
const ENGINES: [&str; 4] = ["chromium", "chromium-foreground", "firefox", "webkit"];
/// The variable that tells them which ones to run.
const ENGINES_VARIABLE: &str = "LONGHAUL_ENGINES";
/// The variable that tells all tests to take their time.
const DEEP_VARIABLE: &str = "LONGHAUL_DEEP";

/// The package with the end-to-end tests.
const DEMO: &str = "longhaul-demo";
/// The one of them that takes longest.
const LONGEST: &str = "e2e_engines";

/// Runs everything, goes on after a failure, and fails at the end if anything did.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut report = Report::new();
    setup::ensure(&options.parts())?;
    let targets = Targets::read()?;
    // Much of it is done by one core, while the checks and native tests leave one idle now and then.
    let package = (!options.native).then(Package::build).transpose()?;

    report.check("format", || {
        cargo(&["fmt", "--all", "--check"], "run `cargo fmt --all`")
    });
    report.check("clippy", || {
        cargo(
            &[
                "clippy",
                "--workspace",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ],
            "see its findings above",
        )
    });
    report.check("documentation", documentation);
    report.check("licences and sources", licences);
    report.check("examples", || {
        // As the tests are built, one of which starts them.
        cargo(
            &["build", "--quiet", "--workspace", "--examples"],
            "see the errors above",
        )
    });
    for example in targets.examples_of("longhaul-core") {
        report.check(&format!("example {example}"), || {
            cargo(
                &[
                    "run",
                    "--quiet",
                    "-p",
                    "longhaul-core",
                    "--example",
                    example,
                ],
                "see its output above",
            )
        });
    }
    native_tests(&mut report, &targets, options)?;
    if options.native {
        report.not_run(
            "page scripts, core's wasm imports, types, store tests and end-to-end tests (--native)",
        );
    } else {
        page_scripts(&mut report)?;
        clippy_for_wasm(&mut report)?;
        report.check("core's wasm imports nothing", core_imports::check);
        let built = package.is_some_and(|package| report.check("package", || package.built()));
        if built {
            report.check("types of the contract", types::check);
            report.check("publint", tarball::publint);
            report.check("attw", tarball::types_are_found);
            browser_tests(&mut report, &targets, options);
        }
    }
    let expected: &[Kind] = if options.native {
        &[Kind::Unit, Kind::Doc, Kind::Property]
    } else {
        &Kind::ALL
    };
    if report.finish(expected) {
        Ok(())
    } else {
        bail!("tests failed; the reports are above.")
    }
}

fn cargo(arguments: &[&str], advice: &str) -> Result<()> {
    shell::run(shell::cargo().args(arguments), advice)
}

/// `cargo xtask dist`, at work beside other steps; what it says is kept until it is waited for.
struct Package {
    child: Child,
    said: PathBuf,
}

impl Package {
    fn build() -> Result<Self> {
        let said = workspace::target().join("dist.log");
        fs::create_dir_all(workspace::target())?;
        let log = File::create(&said)
            .with_context(|| format!("{} cannot be written", workspace::shown(&said)))?;
        let mut command = Command::new(env::current_exe()?);
        let child = command
            .arg("dist")
            .current_dir(workspace::root())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("this program could not be started once more")?;
        Ok(Self { child, said })
    }

    fn built(mut self) -> Result<()> {
        let heart = shell::Heartbeat::start("the package");
        let status = self.child.wait()?;
        drop(heart);
        print!("{}", fs::read_to_string(&self.said)?);
        if !status.success() {
            bail!("it could not be built; see above");
        }
        Ok(())
    }
}

/// Much of the adapters is compiled for the browser alone.
fn clippy_for_wasm(report: &mut Report) -> Result<()> {
    let compiler = wasm_target::ensure()?;
    if compiler != WasmCompiler::Own {
        report.not_run("clippy for wasm (it needs the target from rustup)");
        return Ok(());
    }
    let mut command = compiler.cargo("clippy");
    command.arg("--lib");
    for package in ["core", "browser", "page", "sw", "wasm", "state-tests"] {
        command.args(["-p", &format!("longhaul-{package}")]);
    }
    command.args(["--", "-D", "warnings"]);
    report.check("clippy for wasm", || {
        shell::run(&mut command, "see its findings above")
    });
    Ok(())
}

fn documentation() -> Result<()> {
    shell::run(
        shell::cargo()
            .args(["doc", "--workspace", "--no-deps"])
            .env("RUSTDOCFLAGS", "-D warnings"),
        "see the warnings above",
    )
}

/// Licences and sources of all dependencies.
fn licences() -> Result<()> {
    let mut command = Command::new(deny::program());
    // What is there twice is no finding, only a long list.
    command.args(["--log-level", "error"]);
    command.args(["check", "licenses", "bans", "sources"]);
    shell::forget_cargo(&mut command);
    shell::run(
        command.current_dir(workspace::root()),
        "see its findings above",
    )
}

/// Unit, integration, property and documentation tests of all crates, without those that need a browser.
fn native_tests(report: &mut Report, targets: &Targets, options: &Options) -> Result<()> {
    let mut command = shell::cargo();
    if options.deep {
        command.env(DEEP_VARIABLE, "1");
    }
    command.args(["test", "--workspace", "--no-fail-fast", "--lib", "--bins"]);
    for test in targets.native_tests() {
        command.args(["--test", test]);
    }
    if options.deep {
        // What is ignored by default is so because it is long.
        command.args(["--", "--include-ignored"]);
    }
    tests(report, "native tests", &mut command, targets)?;
    let mut command = shell::cargo();
    command.args(["test", "--workspace", "--no-fail-fast", "--doc"]);
    tests(report, "documentation tests", &mut command, targets)
}

/// The demo page's plain functions, tested in Node.
fn page_scripts(report: &mut Report) -> Result<()> {
    let title = "page scripts";
    report.heading(title);
    let folder = workspace::path("demo/page-tests");
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder)
        .with_context(|| format!("{} cannot be read", workspace::shown(&folder)))?
    {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(".test.js") {
            files.push(path);
        }
    }
    files.sort();
    let output = Command::new("node")
        .args(["--test", "--test-reporter=tap"])
        .args(&files)
        .stderr(Stdio::inherit())
        .output()
        .context("node could not be started")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let tally = counts::tap(&text);
    if output.status.success() {
        println!("{} passed", tally.passed);
    } else {
        println!("{text}");
    }
    report.add(title, &[(Kind::Page, tally)], output.status.success());
    Ok(())
}

/// The tests that drive a browser: the programs two at a time, the tests in one program one after the other.
fn browser_tests(report: &mut Report, targets: &Targets, options: &Options) {
    for engine in ENGINES.iter().filter(|engine| !options.wants(engine)) {
        report.not_run(&format!(
            "the scenarios of the engines in {engine} (--engines)"
        ));
    }
    let mut names: Vec<_> = targets.browser_tests().collect();
    if names.is_empty() {
        return;
    }
    // What takes longest begins first, or it would run alone at the end.
    names.sort_by_key(|name| *name != LONGEST);
    let built = report.check("programs that drive a browser", || {
        let mut command = shell::cargo();
        command.args(["test", "--quiet", "--no-run", "-p", DEMO]);
        for name in &names {
            command.args(["--test", name]);
        }
        shell::run(&mut command, "see the errors above")
    });
    if !built {
        return;
    }
    let programs = names.iter().map(|name| {
        let mut command = shell::cargo();
        command.env("CARGO_TERM_COLOR", "never");
        command.env(ENGINES_VARIABLE, options.engines.join(","));
        if options.deep {
            command.env(DEEP_VARIABLE, "1");
        }
        command.args(["test", "-p", DEMO, "--test", name]);
        command.args(["--", "--test-threads=1", "--nocapture"]);
        if options.deep {
            // What is ignored by default is so because it is long.
            command.arg("--include-ignored");
        }
        ((*name).to_owned(), command)
    });
    lanes::run(programs.collect(), |ended| match ended {
        Ok(ended) => {
            report.heading(&ended.name);
            print!("{}", ended.output);
            let mut heard = Heard::new(targets);
            ended.output.lines().for_each(|line| heard.line(line));
            heard.tell(report, &ended.name, ended.success);
        }
        Err(error) => {
            report.check("tests in the browser", || Err(error));
        }
    });
}

/// What is heard of test programs while they run.
struct Heard<'a> {
    counter: Counter<'a>,
    reasons: Reasons,
}

impl<'a> Heard<'a> {
    fn new(targets: &'a Targets) -> Self {
        Self {
            counter: Counter::new(targets),
            reasons: Reasons::default(),
        }
    }

    fn line(&mut self, line: &str) {
        self.counter.line(line);
        self.reasons.line(line);
    }

    fn tell(&self, report: &mut Report, title: &str, success: bool) {
        report.add(title, self.counter.results(), success);
        report.said(self.reasons.kept());
    }
}

/// Runs `cargo test`, shows its output as it comes and counts the results in it.
fn tests(report: &mut Report, title: &str, command: &mut Command, targets: &Targets) -> Result<()> {
    report.heading(title);
    let mut heard = Heard::new(targets);
    let (reader, writer) = io::pipe()?;
    command
        .env("CARGO_TERM_COLOR", "never")
        .stdout(writer.try_clone()?)
        .stderr(writer);
    let mut child = command.spawn().context("cargo could not be started")?;
    // The command holds the pipe's other end, which must be closed for the reading to end.
    command.stdout(io::stderr()).stderr(io::stderr());
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line)? > 0 {
        io::stdout().write_all(&line)?;
        io::stdout().flush()?;
        heard.line(&String::from_utf8_lossy(&line));
        line.clear();
    }
    let status = child.wait()?;
    heard.tell(report, title, status.success());
    Ok(())
}
