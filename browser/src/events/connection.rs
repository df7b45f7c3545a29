//! Opening the database, and closing it as soon as somebody else needs it closed.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use idb::event::{OpenDatabaseRequestEvent, VersionChangeEvent};
use idb::request::OpenDatabaseRequest;
use idb::{Database, DatabaseEvent, Event, Factory, Request};

use super::migrations::{self, VERSION};
use super::transaction::{abort_upgrade, exception};
use crate::js::Exception;
use crate::net::Timer;
use longhaul_runner::once::{self, Sender};
use longhaul_runner::ports::histories::StoreError;

/// An open connection. Closes when dropped, after its running transactions.
pub(super) struct Connection {
    pub(super) database: Database,
    closed: Rc<Cell<bool>>,
}

impl Connection {
    /// Whether the browser, or another context's upgrade, has closed it.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.get()
    }

    fn new(mut database: Database) -> Self {
        let closed = Rc::new(Cell::new(false));
        let flag = closed.clone();
        database.on_version_change(move |event| {
            flag.set(true);
            if let Some(database) = event
                .target()
                .and_then(|target| Database::try_from(target).ok())
            {
                database.close();
            }
        });
        let flag = closed.clone();
        // Sent when the browser closes it by force, for instance because the user cleared the site's data.
        database.on_close(move |_| flag.set(true));
        Self { database, closed }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.database.close();
    }
}

/// Opens the database at [`VERSION`], upgrading an older one, within `limit` milliseconds.
pub(super) async fn open(name: &str, limit: u32) -> Result<Connection, StoreError> {
    let error = match attempt(name, Some(VERSION), migrations::migrate, limit).await {
        Ok(database) => return Ok(Connection::new(database)),
        Err(error) => error,
    };
    if error.name == "VersionError" {
        // Only opening without a version tells which one is there.
        if let Ok(database) = attempt(name, None, migrations::migrate, limit).await {
            let found = database.version().unwrap_or(u32::MAX);
            database.close();
            return Err(StoreError::NewerDatabase {
                found,
                known: VERSION,
            });
        }
    }
    Err(error.into())
}

pub(crate) type Outcome = Result<Database, Exception>;

/// Brings a database from this version to the one that was asked for.
type Migrate = fn(&Database, u32) -> Result<(), idb::Error>;

/// Opens a database at a version, or, without one, at whichever it has.
pub(crate) async fn attempt(
    name: &str,
    version: Option<u32>,
    migrate: Migrate,
    limit: u32,
) -> Outcome {
    let request = Factory::new()
        .and_then(|factory| factory.open(name, version))
        .map_err(|error| exception(&error))?;
    let (sender, receiver) = once::channel();
    let settle = Settle(Rc::new(RefCell::new(Some(sender))));
    let blocked = Rc::new(Cell::new(false));
    watch(request, version.map(|_| migrate), &settle, blocked.clone());
    let _timer = Timer::new(limit, move || {
        let message = if blocked.get() {
            "another page keeps an older version of the database open: close it"
        } else {
            "opening the database took too long"
        };
        settle.with(Err(Exception::new("TimeoutError", message)));
    });
    receiver
        .await
        .unwrap_or_else(|| Err(Exception::new("AbortError", "")))
}

/// The first outcome counts. A database that comes after another outcome is closed again.
#[derive(Clone)]
struct Settle(Rc<RefCell<Option<Sender<Outcome>>>>);

impl Settle {
    fn with(&self, outcome: Outcome) {
        let late = match self.0.take() {
            Some(sender) => sender.send(outcome).err(),
            None => Some(outcome),
        };
        if let Some(Ok(database)) = late {
            database.close();
        }
    }
}

/// Attaches all handlers at once. They outlive the caller: a request that comes through after the limit closes what
/// it opened.
fn watch(
    mut request: OpenDatabaseRequest,
    migrate: Option<Migrate>,
    settle: &Settle,
    blocked: Rc<Cell<bool>>,
) {
    // An exception inside the upgrade: the request's own error will only say that it was aborted.
    let failed = Rc::new(RefCell::new(None));
    let upgrade_failed = failed.clone();
    request.on_upgrade_needed(move |event: VersionChangeEvent| {
        let upgraded = match migrate {
            Some(migrate) => event
                .old_version()
                .and_then(|from| migrate(&event.database()?, from)),
            // Looking for a version must not create a database.
            None => Err(idb::Error::EventTargetNotFound),
        };
        if let Err(error) = upgraded {
            upgrade_failed.replace(Some(exception(&error)));
            abort_upgrade(&event);
        }
    });
    request.on_blocked(move |_| blocked.set(true));
    let (succeed, fail) = (settle.clone(), settle.clone());
    request.on_success(move |event| {
        succeed.with(event.database().map_err(|error| exception(&error)));
    });
    request.on_error(move |event| {
        let error = failed.take().unwrap_or_else(|| request_error(&event));
        fail.with(Err(error));
    });
    // Given to the browser for good: openings are rare, and the request may fire long after its limit.
    request.forget_callbacks();
}

fn request_error(event: &OpenDatabaseRequestEvent) -> Exception {
    let error = event
        .target()
        .ok()
        .and_then(|request| request.error().ok().flatten());
    match error {
        Some(error) => Exception::from_js(&error),
        None => Exception::new("UnknownError", "the database cannot be opened"),
    }
}
