//! Runs each scenario in each engine, every pair a test of its own, and draws the table of all of them at the end.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use libtest_mimic::{Arguments, Failed, Trial};
use longhaul_demo::Server;
use tokio::time::timeout;

use crate::support::engine::Engine;
use crate::support::site::Site;
use crate::support::world::{World, scenario_in};
use crate::together::Together;

/// The longest that one scenario may take in one engine, its browser's start included.
const LIMIT: Duration = Duration::from_mins(3);

type Run = Arc<dyn Fn(Cell) -> LocalBoxFuture<'static, Result<()>> + Send + Sync>;

/// What came of one scenario in one engine.
enum Outcome {
    Passed(Duration),
    Failed(Duration),
    /// The engine lacks what the scenario is about, or the test could not see it there.
    NotApplicable(&'static str),
    LeftOut(String),
}

/// The rows, in the order in which they were announced, with what each engine made of them.
#[derive(Default)]
struct Table {
    rows: Vec<(String, BTreeMap<Engine, Outcome>)>,
    notes: Vec<String>,
}

impl Table {
    fn row(&mut self, name: &str) -> &mut BTreeMap<Engine, Outcome> {
        let place = self.rows.iter().position(|(of, _)| of == name);
        let place = place.unwrap_or_else(|| {
            self.rows.push((name.to_owned(), BTreeMap::new()));
            self.rows.len() - 1
        });
        &mut self.rows[place].1
    }
}

type Shared = Arc<Mutex<Table>>;

fn lock(table: &Shared) -> MutexGuard<'_, Table> {
    // A row is complete or absent, whatever a failed test did.
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One scenario in one engine, for what it has to tell beside passing.
#[derive(Clone)]
pub(crate) struct Cell {
    engine: Engine,
    /// The browser that is run for it, in the engine's column.
    run_as: Engine,
    scenario: String,
    table: Shared,
}

impl Cell {
    /// Adds a line below the table.
    pub(crate) fn note(&self, text: impl std::fmt::Display) {
        let line = format!("{} in {}: {text}", self.scenario, self.engine);
        lock(&self.table).notes.push(line);
    }

    /// Gives one of several cases inside the scenario a row of its own. The scenario fails with any of them.
    pub(crate) fn case(&self, name: &str, took: Duration, outcome: &Result<()>) {
        let row = format!("{}: {name}", self.scenario);
        println!(
            "{row} in {} ... {}",
            self.engine,
            match outcome {
                Ok(()) => "ok".to_owned(),
                Err(error) => format!("FAILED: {error:#}"),
            }
        );
        let outcome = match outcome {
            Ok(()) => Outcome::Passed(took),
            Err(_) => Outcome::Failed(took),
        };
        lock(&self.table).row(&row).insert(self.engine, outcome);
    }
}

/// All scenarios.
#[derive(Default)]
pub(crate) struct Suite {
    trials: Vec<Trial>,
    /// Those that mostly wait; they come last.
    patient: Vec<Trial>,
    together: Together,
    table: Shared,
}

/// A scenario that is being announced.
pub(crate) struct Scenario<'a> {
    suite: &'a mut Suite,
    name: &'static str,
    excepted: Vec<(Engine, &'static str)>,
    run_as: BTreeMap<Engine, Engine>,
    patient: bool,
    run: Run,
}

impl Suite {
    /// Announces a scenario, which is run in every engine with a browser, a profile and a server of its own.
    pub(crate) fn for_each_engine<F>(&mut self, name: &'static str, scenario: F) -> Scenario<'_>
    where
        F: AsyncFn(&mut World, &Cell) -> Result<()> + Send + Sync + Clone + 'static,
    {
        self.announced(name, None, scenario)
    }

    /// Like [`Suite::for_each_engine`], where a site of the scenario's own answers before the demo's server does.
    pub(crate) fn for_each_engine_at<F>(
        &mut self,
        name: &'static str,
        site: &Arc<Site>,
        scenario: F,
    ) -> Scenario<'_>
    where
        F: AsyncFn(&mut World, &Cell) -> Result<()> + Send + Sync + Clone + 'static,
    {
        self.announced(name, Some(Arc::clone(site)), scenario)
    }

    fn announced<F>(
        &mut self,
        name: &'static str,
        site: Option<Arc<Site>>,
        scenario: F,
    ) -> Scenario<'_>
    where
        F: AsyncFn(&mut World, &Cell) -> Result<()> + Send + Sync + Clone + 'static,
    {
        let run: Run = Arc::new(move |cell: Cell| {
            let (scenario, site) = (scenario.clone(), site.clone());
            async move {
                let mut server = Server::builder();
                if let Some(site) = site {
                    server = server.site(site);
                }
                let server = server.spawn().context("the demo's server does not start")?;
                let folder = format!("{}-{}", cell.scenario.replace(' ', "-"), cell.engine);
                let engine = cell.run_as;
                scenario_in(engine, server, &folder, async |world: &mut World| {
                    timeout(LIMIT, scenario(world, &cell))
                        .await
                        .with_context(|| format!("not done after {LIMIT:?}"))?
                })
                .await
            }
            .boxed_local()
        });
        Scenario {
            suite: self,
            name,
            excepted: Vec::new(),
            run_as: BTreeMap::new(),
            patient: false,
            run,
        }
    }

    /// Runs what the command line asks for and draws the table.
    pub(crate) fn run(mut self) -> ExitCode {
        let mut arguments = Arguments::from_args();
        // Each browser wants the machine for itself, but for those that mostly wait.
        arguments.test_threads.get_or_insert(1);
        self.together.keep_wanted(&arguments, &self.patient);
        self.trials.append(&mut self.patient);
        let conclusion = libtest_mimic::run(&arguments, self.trials);
        if !arguments.list {
            print!("{}", drawn(&lock(&self.table)));
        }
        conclusion.exit_code()
    }
}

impl Scenario<'_> {
    /// Does not run it in an engine, for a reason that the table shows.
    pub(crate) fn except(mut self, engine: Engine, reason: &'static str) -> Self {
        self.excepted.push((engine, reason));
        self
    }

    /// Does not run it in engines that cannot, for a reason that the table shows.
    pub(crate) fn only_where(self, can: fn(Engine) -> bool, reason: &'static str) -> Self {
        let lacking = Engine::ALL.into_iter().filter(|engine| !can(*engine));
        lacking.fold(self, |scenario, engine| scenario.except(engine, reason))
    }

    /// Runs another set-up of an engine's browser in the engine's column.
    pub(crate) fn run_as(mut self, engine: Engine, other: Engine) -> Self {
        self.run_as.insert(engine, other);
        self
    }

    /// Runs it at the same time as all others that mostly wait, in all engines.
    pub(crate) fn patient(mut self) -> Self {
        self.patient = true;
        self
    }
}

impl Drop for Scenario<'_> {
    fn drop(&mut self) {
        for engine in Engine::ALL {
            let excepted = self.excepted.iter().find(|(of, _)| *of == engine);
            if let Some((_, reason)) = excepted {
                let outcome = Outcome::NotApplicable(reason);
                lock(&self.suite.table)
                    .row(self.name)
                    .insert(engine, outcome);
                continue;
            }
            let cell = Cell {
                engine,
                run_as: self.run_as.get(&engine).copied().unwrap_or(engine),
                scenario: self.name.to_owned(),
                table: Arc::clone(&self.suite.table),
            };
            let run = Arc::clone(&self.run);
            let name = format!("{} in {engine}", self.name);
            let work = move || carry_out(&cell, &run);
            let suite = &mut *self.suite;
            if self.patient {
                suite.patient.push(suite.together.test(name, work));
            } else {
                suite.trials.push(Trial::test(name, work));
            }
        }
    }
}

fn carry_out(cell: &Cell, run: &Run) -> Result<(), Failed> {
    let engine = cell.engine;
    let began = Instant::now();
    let done = match engine.left_out() {
        Ok(None) => alone(run(cell.clone())),
        Ok(Some(why)) => {
            println!("left out: {} in {engine} ({why})", cell.scenario);
            let outcome = Outcome::LeftOut(why);
            lock(&cell.table)
                .row(&cell.scenario)
                .insert(engine, outcome);
            return Ok(());
        }
        Err(error) => Err(error),
    };
    let took = began.elapsed();
    let outcome = match done {
        Ok(()) => Outcome::Passed(took),
        Err(_) => Outcome::Failed(took),
    };
    lock(&cell.table)
        .row(&cell.scenario)
        .insert(engine, outcome);
    done.map_err(|error| Failed::from(format!("{error:#}")))
}

/// Runs a scenario on a runtime of its own.
fn alone(scenario: LocalBoxFuture<'static, Result<()>>) -> Result<()> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(scenario)
}

/// The table as text: a row for each scenario that was run or cannot be, a column for each engine, reasons and notes below.
fn drawn(table: &Table) -> String {
    let ran = |cells: &BTreeMap<Engine, Outcome>| {
        let told = |outcome: &Outcome| matches!(outcome, Outcome::Passed(_) | Outcome::Failed(_));
        cells.values().any(told)
    };
    let rows: Vec<_> = table.rows.iter().filter(|(_, cells)| ran(cells)).collect();
    let wide = rows.iter().map(|(name, _)| name.chars().count()).max();
    let wide = wide.unwrap_or_default();
    let mut reasons: Vec<&str> = Vec::new();
    let mut text = format!("\n{:wide$}", "scenario");
    for engine in Engine::ALL {
        write!(text, " | {:19}", engine.name()).expect("a string takes all");
    }
    text.push('\n');
    for (name, cells) in rows {
        write!(text, "{name:wide$}").expect("a string takes all");
        for engine in Engine::ALL {
            // Where a scenario is not run, its cases are not either, for the same reason.
            let of_scenario = || {
                let (scenario, _) = name.split_once(": ")?;
                let (_, cells) = table.rows.iter().find(|(of, _)| of == scenario)?;
                cells.get(&engine)
            };
            let cell = match cells.get(&engine).or_else(of_scenario) {
                Some(Outcome::Passed(took)) => format!("pass {:.1} s", took.as_secs_f64()),
                Some(Outcome::Failed(took)) => format!("FAIL {:.1} s", took.as_secs_f64()),
                Some(Outcome::NotApplicable(why)) => format!("n/a {}", number(&mut reasons, why)),
                Some(Outcome::LeftOut(why)) => format!("not run {}", number(&mut reasons, why)),
                None => "not run".to_owned(),
            };
            write!(text, " | {cell:19}").expect("a string takes all");
        }
        text.push('\n');
    }
    for (n, reason) in (1..).zip(reasons) {
        writeln!(text, "({n}) {reason}").expect("a string takes all");
    }
    for note in &table.notes {
        writeln!(text, "{note}").expect("a string takes all");
    }
    text
}

/// The number of a reason in the list below the table.
fn number<'a>(reasons: &mut Vec<&'a str>, reason: &'a str) -> String {
    let place = reasons.iter().position(|known| *known == reason);
    let place = place.unwrap_or_else(|| {
        reasons.push(reason);
        reasons.len() - 1
    });
    format!("({})", place + 1)
}
