//! Version 1: three stores with keys of their own and no index. Frozen once released; literal names on purpose.

use idb::{Database, ObjectStoreParams};

pub(super) fn migrate(database: &Database) -> Result<(), idb::Error> {
    for store in ["entries", "heads", "links"] {
        database.create_object_store(store, ObjectStoreParams::new())?;
    }
    Ok(())
}
