//! The models that the demo offers, and where the bytes of `/models/*` come from.

use std::collections::HashMap;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;
use tokio::sync::OnceCell;

use crate::content::{Content, Generated};

/// The default model, quantized to four bits: `SmolLM2-135M-Instruct`.
pub const DEFAULT_MODEL: KnownModel = KnownModel {
    file: "SmolLM2-135M-Instruct.Q4_1.gguf",
    title: "SmolLM2 135M Instruct",
    bytes: 98_362_432,
    sha256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
};

/// A model file whose hash is known beforehand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KnownModel {
    /// The file's name.
    pub file: &'static str,
    /// What people call it.
    pub title: &'static str,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256 in lower-case hexadecimal.
    pub sha256: &'static str,
}

/// One file of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Resource {
    /// Path and query on this server, or a whole address where the file is at another origin.
    pub url: String,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256 in lower-case hexadecimal.
    pub sha256: String,
}

/// A model as `GET /api/models` lists it. `url`, `bytes` and `sha256` are those of the first resource, and of the only one
/// where there are no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Model {
    /// The id to request it under.
    pub id: String,
    /// A title to show; says plainly what is generated data.
    pub title: String,
    /// The first resource's address.
    pub url: String,
    /// The first resource's length.
    pub bytes: u64,
    /// The first resource's SHA-256.
    pub sha256: String,
    /// All files, in order.
    pub resources: Vec<Resource>,
    /// Whether it is a language model that can be talked to.
    pub chat: bool,
}

/// Where models come from that are not of the page's own origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hub {
    /// Without a slash at the end.
    pub(crate) origin: String,
    /// What its addresses end with, the question mark included.
    pub(crate) query: &'static str,
}

impl Hub {
    fn offers(&self, resource: &mut Resource) {
        resource.url = format!("{}{}{}", self.origin, resource.url, self.query);
    }
}

/// By file and entity tag.
type Hashes = HashMap<(Content, Option<String>), Arc<OnceCell<String>>>;

/// Finds files and remembers their hashes.
#[derive(Debug)]
pub(crate) struct Catalog {
    pub(crate) folder: PathBuf,
    pub(crate) model: Option<PathBuf>,
    hashes: Mutex<Hashes>,
}

impl Catalog {
    pub(crate) fn new(folder: PathBuf, model: Option<PathBuf>) -> Self {
        Self {
            folder,
            model,
            hashes: Mutex::default(),
        }
    }

    /// What stands behind `/models/<path>`, if the path is one that may be looked at.
    pub(crate) fn find(&self, path: &str) -> Option<Content> {
        if path.starts_with("generated/") {
            return Generated::from_path(path).map(Content::Generated);
        }
        if let Some(model) = &self.model
            && model.file_name().is_some_and(|name| name == path)
        {
            return Some(Content::File(model.clone()));
        }
        let mut components = Path::new(path).components();
        let plain = components.all(|component| matches!(component, Component::Normal(_)));
        (plain && !path.is_empty()).then(|| Content::File(self.folder.join(path)))
    }

    /// Length and SHA-256 of `/models/<path>`. The hash is computed once for every version of a file.
    pub(crate) async fn resource(&self, path: &str) -> io::Result<Resource> {
        let content = self.find(path).ok_or(io::ErrorKind::NotFound)?;
        let metadata = content.metadata().await?;
        let known = path == DEFAULT_MODEL.file && metadata.bytes == DEFAULT_MODEL.bytes;
        let sha256 = if known {
            DEFAULT_MODEL.sha256.to_owned()
        } else {
            let key = (content.clone(), metadata.etag);
            let cell = {
                let mut hashes = self.hashes.lock().unwrap_or_else(PoisonError::into_inner);
                Arc::clone(hashes.entry(key).or_default())
            };
            cell.get_or_try_init(|| content.sha256()).await?.clone()
        };
        Ok(Resource {
            url: format!("/models/{path}"),
            bytes: metadata.bytes,
            sha256,
        })
    }

    /// The models on offer, the first one by way of a hub if there is one. Waits for hashes that are still being computed.
    pub(crate) async fn models(&self, hub: Option<&Hub>) -> io::Result<Vec<Model>> {
        Ok(vec![
            self.main_model(hub).await?,
            self.generated(
                "three-shards",
                "Generated data in three files (48 MB, no model)",
                &["shard-1", "shard-2", "shard-3"].map(|seed| Generated::new(16_000_000, seed)),
                "",
            )
            .await?,
            self.generated(
                "slow",
                "Generated data from a slow server (60 MB at 2 MB/s, no model)",
                &[Generated::new(60_000_000, "slow")],
                "?rate=2000000",
            )
            .await?,
        ])
    }

    /// The model that was named, else the default one, else generated data of the same size.
    async fn main_model(&self, hub: Option<&Hub>) -> io::Result<Model> {
        let offered = |id: &str, title: &str, mut resource: Resource, chat| {
            if let Some(hub) = hub {
                hub.offers(&mut resource);
            }
            model(id, title, vec![resource], chat)
        };
        if let Some(path) = &self.model {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let resource = self.resource(&name).await?;
            let gguf = name.to_ascii_lowercase().ends_with(".gguf");
            return Ok(offered(&name, &name, resource, gguf));
        }
        let default = DEFAULT_MODEL;
        match self.resource(default.file).await {
            Ok(resource) if resource.sha256 == default.sha256 => {
                Ok(offered("smollm2-135m", default.title, resource, true))
            }
            _ => {
                let title =
                    "Generated data (100 MB, no model: the default model is not on this machine)";
                let file = Generated::new(100_000_000, "no-model");
                let resource = self.of_generated(&file).await?;
                Ok(offered("generated-100mb", title, resource, false))
            }
        }
    }

    async fn of_generated(&self, file: &Generated) -> io::Result<Resource> {
        let path = file.path();
        let path = path.strip_prefix("/models/").expect("made by path()");
        self.resource(path).await
    }

    async fn generated(
        &self,
        id: &str,
        title: &str,
        files: &[Generated],
        query: &str,
    ) -> io::Result<Model> {
        let mut resources = Vec::new();
        for file in files {
            let mut resource = self.of_generated(file).await?;
            resource.url.push_str(query);
            resources.push(resource);
        }
        Ok(model(id, title, resources, false))
    }
}

fn model(id: &str, title: &str, resources: Vec<Resource>, chat: bool) -> Model {
    let first = resources.first().expect("no model is without a file");
    Model {
        id: id.to_owned(),
        title: title.to_owned(),
        url: first.url.clone(),
        bytes: first.bytes,
        sha256: first.sha256.clone(),
        resources,
        chat,
    }
}
