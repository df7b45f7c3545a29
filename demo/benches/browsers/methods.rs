//! The ways of getting a file that are compared.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::support::engine::Engine;
use crate::support::page::Page;

/// The longest that one download may take.
const LIMIT: Duration = Duration::from_mins(5);

/// A way of getting a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// `fetch`, every chunk read and thrown away.
    Fetch,
    /// `fetch`, and `cache.put` of the response.
    CachePut,
    /// Longhaul, by the page's own transfers.
    Foreground,
    /// Longhaul, by Background Fetch.
    BackgroundFetch,
}

impl Method {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Fetch => "bare fetch, discarded",
            Self::CachePut => "bare fetch, cache.put",
            Self::Foreground => "Longhaul, foreground",
            Self::BackgroundFetch => "Longhaul, Background Fetch",
        }
    }

    /// Longhaul's ways in this engine.
    pub(crate) fn of_longhaul(engine: Engine) -> &'static [Self] {
        if engine.has_background_fetch() {
            &[Self::Foreground, Self::BackgroundFetch]
        } else {
            &[Self::Foreground]
        }
    }

    /// Loads what the method needs, so that this is not measured.
    pub(crate) async fn prepare(self, page: &Page) -> Result<()> {
        match self {
            Self::Fetch | Self::CachePut => Ok(()),
            Self::Foreground => page.longhaul(json!({ "transport": "foreground" })).await,
            Self::BackgroundFetch => {
                page.longhaul(json!({ "transport": "background-fetch" }))
                    .await
            }
        }
    }

    /// Gets the file at `url`, checked against its hash where Longhaul can; how long it took.
    pub(crate) async fn get(
        self,
        page: &Page,
        url: &str,
        sha256: Option<&str>,
    ) -> Result<Duration> {
        let id = self.name();
        let began = Instant::now();
        match self {
            Self::Fetch => {
                let body =
                    "const reader = (await fetch(args, { cache: 'no-store' })).body.getReader();
                    while (!(await reader.read()).done);";
                page.eval_within::<Value>(LIMIT, body, json!(url)).await?;
            }
            Self::CachePut => {
                let body = "const cache = await caches.open('bare');
                    await cache.put('/bare', await fetch(args, { cache: 'no-store' }));";
                page.eval_within::<Value>(LIMIT, body, json!(url)).await?;
            }
            Self::Foreground | Self::BackgroundFetch => {
                let mut resource = json!({ "url": url });
                if let Some(sha256) = sha256 {
                    resource["sha256"] = json!(sha256);
                }
                page.request(&json!({ "id": id, "resources": [resource] }))
                    .await?;
                page.until_available(id, LIMIT).await?;
            }
        }
        let took = began.elapsed();
        self.check_course(page, id).await?;
        Ok(took)
    }

    /// Demands that it was this method that got the file.
    async fn check_course(self, page: &Page, id: &str) -> Result<()> {
        let transport = match self {
            Self::Fetch | Self::CachePut => return Ok(()),
            Self::Foreground => "foreground",
            Self::BackgroundFetch => "background-fetch",
        };
        let history = page.history(id).await?;
        let started = &history.only("started")?.event;
        ensure!(started["transport"] == transport, "{started}");
        Ok(())
    }
}
