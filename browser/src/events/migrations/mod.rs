//! The schema and its history. See the compatibility policy in [`crate::events`].

mod v1;

use idb::Database;

/// The schema version this code writes.
pub const VERSION: u32 = 1;

/// The store of entries.
pub const ENTRIES: &str = "entries";
/// The store of heads.
pub const HEADS: &str = "heads";
/// The store of links.
pub const LINKS: &str = "links";

/// Brings a database of version `from` (0: just created) to [`VERSION`]. Runs inside the upgrade transaction, which
/// cannot wait for anything.
pub(super) fn migrate(database: &Database, from: u32) -> Result<(), idb::Error> {
    if from < 1 {
        v1::migrate(database)?;
    }
    Ok(())
}
