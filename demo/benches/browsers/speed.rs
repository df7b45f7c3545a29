//! How fast: a server that gives each connection 20 MB/s, as many do.

use anyhow::Result;
use longhaul_demo::{Generated, Server};
use serde_json::{Value, json};

use crate::MIB;
use crate::methods::Method;
use crate::support::browser::Browser;
use crate::support::engine::Engine;

/// What one connection gives, in bytes per second.
const CONNECTION: u64 = 20_000_000;
const BYTES: u64 = 96 * MIB;

pub(crate) async fn measure(engine: Engine) -> Result<Value> {
    println!(
        "\n{engine}: {} MiB at {CONNECTION} bytes/s a connection",
        BYTES / MIB
    );
    let server = Server::builder().spawn()?;
    let browser = Browser::launch(engine, &server.origin()).await?;
    let mut rows = Vec::new();
    let mut bare = None;
    for method in [Method::Fetch].iter().chain(Method::of_longhaul(engine)) {
        let file = Generated::new(BYTES, &format!("speed-{}", rows.len()));
        let url = format!("{}{}?rate={CONNECTION}", server.origin(), file.path());
        let page = browser.open("/blank.html").await?;
        method.prepare(&page).await?;
        let took = method.get(&page, &url, None).await?.as_secs_f64();
        let bare = *bare.get_or_insert(took);
        println!("  {:28} {took:6.2} s  {:5.2} x", method.name(), bare / took);
        rows.push(json!({ "method": method.name(), "seconds": took, "ratio": bare / took }));
        page.eval::<Value>("await e2e.longhaul?.close()", json!(null))
            .await?;
        page.close().await?;
    }
    Ok(json!({ "engine": engine.name(), "bytes": BYTES, "methods": rows }))
}
