//! The scenery: what there is at the beginning of a run, as its seed says.

use longhaul_core::{Assist, Policy, Preference, Resource, Retry, Spec};
use longhaul_runner::node::Setup;

use super::bytes::digest_of;
use super::rng::Rng;
use super::servers::{Server, Tag};

/// The name that the library is opened with.
pub const NAME: &str = "sim";
/// What is in every signature, and must be nowhere else.
pub const SECRET: &str = "s3cr3t";
/// Bytes of a part.
pub const PART: u64 = 1_000;

/// A download that the app wants.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// What it asks for.
    pub spec: Spec,
    /// The servers of its resources.
    pub files: Vec<usize>,
}

/// What there is.
#[derive(Debug, Clone)]
pub struct Scenery {
    /// All servers.
    pub servers: Vec<Server>,
    /// All downloads.
    pub wanted: Vec<Wanted>,
    /// Whether the browser has Background Fetch.
    pub background: bool,
    /// The transport that the app wants.
    pub preference: Preference,
    /// Failed rounds in a row after which an attempt fails.
    pub patience: u32,
    /// Parts that a page fetches at a time.
    pub parallel: usize,
    /// After how long a page assists a job that brings nothing, in milliseconds.
    pub assist_ms: u64,
}

impl Scenery {
    /// The scenery of a seed.
    #[must_use]
    pub fn new(rng: &mut Rng) -> Self {
        let background = !rng.per_mille(250);
        let preference = match rng.below(10) {
            0 => Preference::Foreground,
            1 | 2 if background => Preference::BackgroundFetch,
            _ => Preference::Auto,
        };
        let mut scenery = Self {
            servers: Vec::new(),
            wanted: Vec::new(),
            background,
            preference,
            patience: u32::try_from(rng.between(2, 8)).unwrap_or(8),
            parallel: rng.index(4) + 1,
            // By default, or so late that jobs run alone.
            assist_ms: [6_000, 300_000][rng.index(2)],
        };
        let downloads = match rng.below(20) {
            0 => 7,
            1..=9 => 1,
            10..=15 => 2,
            _ => 3,
        };
        for n in 0..downloads {
            scenery.want(n, rng);
        }
        scenery
    }

    fn want(&mut self, n: usize, rng: &mut Rng) {
        let resources = if rng.per_mille(200) { 2 } else { 1 };
        let headers = rng.per_mille(80);
        let mut files = Vec::new();
        let mut asked = Vec::new();
        for _ in 0..resources {
            let hashed = rng.per_mille(400);
            let server = server(self.servers.len(), (headers, hashed), rng);
            asked.push(Resource {
                url: server.url.clone(),
                bytes: rng.per_mille(200).then_some(server.size),
                sha256: hashed.then(|| digest_of(server.file, 1, server.size)),
            });
            files.push(server.file);
            self.servers.push(server);
        }
        let spec = Spec {
            id: format!("d{n}"),
            title: Some(format!("Model {n}")),
            icons: Vec::new(),
            secret_params: vec!["token".to_owned()],
            resources: asked,
            headers,
        };
        let spec = spec
            .validated()
            .expect("a spec that can be asked for")
            .into();
        self.wanted.push(Wanted { spec, files });
    }

    /// How a page is set up.
    #[must_use]
    pub fn setup(&self) -> Setup {
        Setup {
            name: NAME.to_owned(),
            preference: self.preference,
            policy: Policy {
                part_bytes: Some(PART),
                retry: Retry {
                    limit: self.patience,
                    ..Retry::default()
                },
                assist: Assist {
                    after_ms: self.assist_ms,
                },
            },
            parallel: self.parallel,
        }
    }

    /// Whether the bytes of a file are known by their hash.
    #[must_use]
    pub fn is_hashed(&self, file: usize) -> bool {
        self.wanted.iter().any(|wanted| {
            let mut resources = wanted.files.iter().zip(&wanted.spec.resources);
            resources.any(|(of, resource)| *of == file && resource.sha256.is_some())
        })
    }
}

fn server(file: usize, (wants_headers, hashed): (bool, bool), rng: &mut Rng) -> Server {
    let size = match rng.below(12) {
        0 => rng.below(PART),
        1 => 0,
        2..=8 => rng.between(2 * PART, 8 * PART),
        _ => rng.between(8 * PART, 24 * PART),
    };
    let cross_origin = rng.per_mille(400);
    let host = if cross_origin {
        "cdn.example"
    } else {
        "app.example"
    };
    Server {
        file,
        url: format!("https://{host}/m{file}?rev=1&X-Amz-Signature={SECRET}{file}&token={SECRET}"),
        size,
        version: 1,
        claimed: 1,
        tag: match rng.below(10) {
            0 => Tag::None,
            1 | 2 => Tag::Dated,
            _ => Tag::Strong,
        },
        ranges: !rng.per_mille(120),
        // An empty body of unknown length cannot be told from a broken one.
        sized: size == 0 || !rng.per_mille(150),
        cross_origin,
        exposes: !rng.per_mille(200),
        wants_headers,
        // Two versions in one record are told by a hash alone.
        heeds_conditions: !hashed || !rng.per_mille(500),
        rate: [300, 1_000, 5_000, 20_000][rng.index(4)],
        trouble: None,
        down_until: 0,
    }
}
