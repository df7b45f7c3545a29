//! The demo's server as a program.

use std::net::{IpAddr, TcpListener};
use std::path::PathBuf;

use anyhow::Context as _;
use clap::Parser;
use longhaul_demo::{Folders, Server};

/// Serves the demo of Longhaul: its page, its models, and a faulty network on request (see /api/faults).
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// Address to listen at. The server is made for one person: think before you change it.
    #[arg(long, default_value = "127.0.0.1")]
    host: IpAddr,
    /// Port to listen at; 0 for any free one.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// Port of a second origin that serves the same, where the models come from; 0 for any free one. [default: the next one, where it is free]
    #[arg(long)]
    port2: Option<u16>,
    /// Port of a third origin, which the second one redirects to. [default: the one after that, where it is free]
    #[arg(long)]
    port3: Option<u16>,
    /// Model file (GGUF) to offer in place of the default one.
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// Folder of the package, served at /longhaul.
    #[arg(long, value_name = "DIR")]
    dist: Option<PathBuf>,
    /// Folder of the page.
    #[arg(long, value_name = "DIR")]
    page: Option<PathBuf>,
    /// Folder of wllama's ES module, served at /vendor/wllama.
    #[arg(long, value_name = "DIR")]
    vendor: Option<PathBuf>,
    /// Folder of model files, served at /models.
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    if let Some(model) = &options.model {
        std::fs::File::open(model)
            .with_context(|| format!("The model {} cannot be read.", model.display()))?;
    }
    let here = Folders::of_checkout(&std::env::current_dir()?);
    let folders = Folders {
        page: options.page.unwrap_or(here.page),
        dist: options.dist.unwrap_or(here.dist),
        vendor: options.vendor.unwrap_or(here.vendor),
        models: options.models.unwrap_or(here.models),
    };
    // The same ports each time, so that a model that is stored is found under its address again.
    let neighbour = |distance| {
        let port = options.port.checked_add(distance);
        let port = port.filter(|_| options.port != 0);
        port.filter(|port| TcpListener::bind((options.host, *port)).is_ok())
            .unwrap_or(0)
    };
    let server = Server::builder()
        .host(options.host)
        .port(options.port)
        .second_port(Some(options.port2.unwrap_or_else(|| neighbour(1))))
        .third_port(Some(options.port3.unwrap_or_else(|| neighbour(2))))
        .folders(folders)
        .model(options.model)
        .spawn()
        .with_context(|| {
            format!(
                "Cannot listen at {}:{}. Is another program there? Try another --port.",
                options.host, options.port
            )
        })?;
    println!("Longhaul demo: {}/", server.origin());
    println!(
        "Models come from another origin, {}/, which redirects to a third, {}/",
        server.second_origin(),
        server.third_origin()
    );
    tokio::signal::ctrl_c().await?;
    Ok(())
}
