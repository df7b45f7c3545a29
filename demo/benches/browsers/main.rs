//! What downloads cost in real browsers: how fast they are beside a bare `fetch`, and how much memory they need.
//!
//! Everything that is compared runs side by side in one run, against the demo's server in this process; ratios say more
//! than figures, machines differ. `cargo xtask bench` runs it. `LONGHAUL_ENGINES=firefox` measures some engines only,
//! `LONGHAUL_BENCH_MB=256` another size than 1 GB.

#[path = "../../tests/support/mod.rs"]
mod support;

mod memory;
mod methods;
mod speed;

use std::env;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use support::engine::Engine;

pub(crate) const MIB: u64 = 1024 * 1024;
const MB: u64 = 1_000_000;

/// Names the folder for the figures.
const FOLDER: &str = "LONGHAUL_BENCH_DIR";
/// Says how large the large file is, in millions of bytes.
const SIZE: &str = "LONGHAUL_BENCH_MB";

fn main() -> Result<()> {
    // `cargo test` starts it, too, to see that it starts.
    if env::args().any(|argument| argument == "--list")
        || !env::args().any(|argument| argument == "--bench")
    {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(measure())
}

async fn measure() -> Result<()> {
    let bytes = match env::var(SIZE) {
        Ok(mb) => {
            mb.parse::<u64>()
                .context("LONGHAUL_BENCH_MB is no number")?
                * MB
        }
        Err(_) => 1000 * MB,
    };
    let mut figures = json!({ "speed": [], "memory": [] });
    for engine in Engine::ALL {
        if let Some(why) = engine.left_out()? {
            println!("{engine}: left out ({why})");
            continue;
        }
        keep(&mut figures["speed"], speed::measure(engine).await);
        keep(&mut figures["memory"], memory::measure(engine, bytes).await);
    }
    if let Some(folder) = env::var_os(FOLDER).map(PathBuf::from) {
        fs::write(folder.join("browsers.json"), format!("{figures:#}\n"))?;
    }
    Ok(())
}

/// One engine that cannot be measured does not keep the others from it.
fn keep(list: &mut Value, measured: Result<Value>) {
    match (measured, list) {
        (Ok(row), Value::Array(rows)) => rows.push(row),
        (Ok(_), _) => {}
        (Err(error), _) => println!("could not be measured: {error:#}"),
    }
}
