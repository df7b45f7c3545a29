//! The conformance suites of the stores and the machine, compiled to wasm and run in a real browser, case by case.

mod support;

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use axum::Router;
use axum::response::Html;
use axum::routing::get;
use serde_json::json;
use support::browser::Browser;
use support::engine::Engine;
use support::server::Server;
use support::world::target;
use tower_http::services::ServeDir;

/// How long one case may take.
const CASE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn every_conformance_case_passes_in_a_real_browser() -> Result<()> {
    let folder = target().join("conformance");
    ensure!(
        folder.join("conformance.js").is_file(),
        "{} holds no conformance.js: run `cargo xtask dist`, which builds it",
        folder.display()
    );
    let router = Router::new()
        .route(
            "/",
            get(|| async { Html("<!doctype html><title>conformance</title>") }),
        )
        .fallback_service(ServeDir::new(folder));
    let server = Server::start(router)?;
    let browser = Browser::launch(Engine::Chromium, &server.origin()).await?;
    let page = browser.open("/").await?;
    let names: Vec<String> = page
        .eval(
            "globalThis.suite = await import('/conformance.js');
             await suite.default();
             return suite.conformance_cases();",
            json!(null),
        )
        .await?;
    ensure!(!names.is_empty(), "the suite is empty");
    let mut failed = Vec::new();
    for name in &names {
        match page
            .eval_within::<()>(CASE, "await suite.run_case(args)", json!(name))
            .await
        {
            Ok(()) => println!("conformance {name} ... ok"),
            Err(error) => {
                println!("conformance {name} ... FAILED: {error:#}");
                failed.push(name.as_str());
            }
        }
    }
    println!("conformance: {} passed", names.len() - failed.len());
    if !failed.is_empty() {
        bail!(
            "conformance: {} of {} failed: {}\nconsole:\n{}",
            failed.len(),
            names.len(),
            failed.join(", "),
            browser.console().await?.join("\n")
        );
    }
    Ok(())
}
