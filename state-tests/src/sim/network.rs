//! The network, as a page's own `fetch` sees it.

use std::collections::BTreeMap;
use std::future::pending;
use std::rc::Rc;

use longhaul_runner::answer::HttpResponse;
use longhaul_runner::errors::NetError;
use longhaul_runner::ports::Came;

use super::bytes::{Bytes, Piece};
use super::licence::Flight;
use super::scenery::Scenery;
use super::servers::{Asked, Break, Flow, Reply, Server};
use super::world::{MS, SECOND, World};

/// All servers.
#[derive(Debug, Default)]
pub struct Network {
    /// By their number.
    pub servers: Vec<Server>,
    /// The size of every version of every file that there was.
    sizes: BTreeMap<(usize, u32), u64>,
}

impl Network {
    /// The servers of a scenery.
    #[must_use]
    pub fn new(scenery: &Scenery) -> Self {
        let mut network = Self {
            servers: scenery.servers.clone(),
            sizes: BTreeMap::new(),
        };
        (0..network.servers.len()).for_each(|file| network.note(file));
        network
    }

    /// Notes the version of a file that there is now.
    pub fn note(&mut self, file: usize) {
        let server = &self.servers[file];
        self.sizes.insert((file, server.version), server.size);
    }

    /// Whether these bytes are one version of the file of this URL, all of it.
    #[must_use]
    pub fn has_sent(&self, url: &str, bytes: &Bytes) -> bool {
        let file = self
            .servers
            .iter()
            .find(|server| path(&server.url) == path(url));
        let Some(Server { file, .. }) = file else {
            return false;
        };
        let mut versions = self.sizes.iter().filter(|((of, _), _)| of == file);
        match bytes.pieces() {
            [] => versions.any(|(_, size)| *size == 0),
            [piece] => {
                let size = self.sizes.get(&(*file, piece.version));
                piece.file == *file && piece.start == 0 && size == Some(&piece.len)
            }
            _ => false,
        }
    }

    /// The server of a URL, by its path: what is asked for may be signed in another way.
    pub fn server(&mut self, url: &str) -> Option<&mut Server> {
        self.servers
            .iter_mut()
            .find(|server| path(&server.url) == path(url))
    }

    /// Whether a URL is of another origin than the pages.
    #[must_use]
    pub fn is_cross_origin(&self, url: &str) -> bool {
        !url.starts_with("https://app.example/")
    }
}

/// A URL without query and fragment.
fn path(url: &str) -> &str {
    url.split(['?', '#']).next().unwrap_or_default()
}

/// The body of an answer, on its way or in a record.
pub struct Body {
    /// What comes.
    pub flow: Flow,
    /// Bytes a second.
    pub rate: u64,
    /// Bytes that are there already, where it is a record's.
    pub stored: Option<Bytes>,
    /// The job that a record's bytes go with.
    pub job: Option<String>,
    /// Held while the transfer lasts.
    pub flight: Option<Flight>,
}

fn failed() -> NetError {
    NetError::Failed {
        name: "TypeError".to_owned(),
    }
}

/// Whether nobody can be reached at a URL now.
pub fn is_out_of_reach(world: &World, url: &str) -> bool {
    let down = world
        .network
        .borrow_mut()
        .server(url)
        .is_none_or(|server| server.down_until > world.now());
    down || !world.online()
}

/// Asks a server, as a page does.
pub async fn ask(
    world: &Rc<World>,
    url: &str,
    asked: Asked,
    opaque: bool,
    flight: Option<Flight>,
) -> Result<(HttpResponse, Body), NetError> {
    world.while_between(2 * MS, 60 * MS).await;
    if is_out_of_reach(world, url) {
        world.coverage.reached("nobody answers");
        world.while_between(MS, 2 * SECOND).await;
        return Err(failed());
    }
    let (reply, rate) = {
        let mut network = world.network.borrow_mut();
        let server = network.server(url).ok_or_else(failed)?;
        if opaque {
            // Asks whether there is anybody, and wears out no trouble.
            return Ok((HttpResponse::default(), Body::empty()));
        }
        if let Some((trouble, _)) = server.trouble {
            world.coverage.reached(trouble.met());
        }
        (server.reply(&asked), server.rate)
    };
    world.trace(|| format!("asked {} {:?}: {}", short(url), asked.range, told(&reply)));
    match reply {
        Reply::HttpResponse(answer, flow) => Ok((
            *answer,
            Body {
                flow,
                rate,
                stored: None,
                job: None,
                flight,
            },
        )),
        Reply::Refused | Reply::Hidden => Err(failed()),
        Reply::Silence => {
            world.coverage.reached("a server that says nothing");
            pending().await
        }
    }
}

/// A URL without its query, for traces.
#[must_use]
pub fn short(url: &str) -> String {
    let (base, fragment) = url.split_once('#').unwrap_or((url, ""));
    let path = base.split('?').next().unwrap_or_default();
    let part = fragment.split('&').next().unwrap_or_default();
    format!("{path} {part}")
}

fn told(reply: &Reply) -> String {
    match reply {
        Reply::HttpResponse(answer, flow) => format!(
            "{} {:?} {:?}",
            answer.status, answer.content_range, flow.breaks
        ),
        other => format!("{other:?}"),
    }
}

impl Body {
    fn empty() -> Self {
        let bytes = Piece {
            file: 0,
            version: 0,
            start: 0,
            len: 0,
        };
        Self {
            flow: Flow {
                bytes,
                breaks: None,
            },
            rate: 1,
            stored: None,
            job: None,
            flight: None,
        }
    }

    /// The body of a record.
    #[must_use]
    pub fn of_record(job: String, bytes: Bytes) -> Self {
        Self {
            stored: Some(bytes),
            job: Some(job),
            ..Self::empty()
        }
    }

    /// Reads it to its end; `None` where it ended early.
    pub async fn read(self, world: &Rc<World>, url: &str, on_bytes: Option<Came>) -> Option<Bytes> {
        if let Some(bytes) = self.stored {
            world.while_between(MS, 200 * MS).await;
            // The bytes of a job that is over are gone, whoever still holds a record.
            let job = self.job.as_ref()?;
            return world.jobs.borrow().has_records(job).then_some(bytes);
        }
        let Flow { bytes, breaks } = self.flow;
        let mut came = 0;
        while came < bytes.len {
            let next = chunk(bytes.len).min(bytes.len - came);
            world.sleep(next * SECOND / self.rate.max(1)).await;
            if is_out_of_reach(world, url) {
                return None;
            }
            if let Some((after, how)) = breaks
                && came + next > after
            {
                match how {
                    Break::Reset | Break::Closed => {
                        world.coverage.reached("a transfer was cut");
                        return None;
                    }
                    Break::Silence => {
                        world.coverage.reached("a transfer stalled");
                        return pending().await;
                    }
                }
            }
            came += next;
            if let Some(on_bytes) = &on_bytes {
                on_bytes(next);
            }
        }
        Some(Bytes::new([bytes]))
    }
}

/// How much of a body comes at once.
#[must_use]
pub fn chunk(len: u64) -> u64 {
    len.div_ceil(3).max(1)
}
