//! `IndexedDB`: the histories, with transactions that are carried out in their order, can be aborted, and can be committed
//! without anybody seeing it.

use std::rc::Rc;

use futures_util::FutureExt;
use longhaul_runner::ports::histories::{
    Append, AppendError, EventStore, Head, Row, StoreError, confirmed,
};

use super::executor::ContextId;
use super::laws;
use super::world::{MS, World};

/// One context's connection to the database.
pub struct History {
    world: Rc<World>,
    context: ContextId,
}

/// What the browser says where it could not.
fn trouble() -> StoreError {
    StoreError::StorageUnavailable {
        name: "UnknownError".to_owned(),
        message: "the storage engine said no".to_owned(),
    }
}

/// What the store in memory answers, which it does at once.
fn at_once<T>(answer: impl Future<Output = T>) -> T {
    answer
        .now_or_never()
        .expect("a store in memory has nothing to wait for")
}

impl History {
    /// A context's connection.
    #[must_use]
    pub fn new(world: Rc<World>, context: ContextId) -> Self {
        Self { world, context }
    }

    /// One transaction. They are carried out in the order in which they were begun.
    async fn transaction<T: 'static>(&self, act: impl FnOnce(&Rc<World>) -> T + 'static) -> T {
        let world = &self.world;
        let earliest = world.now() + world.between(50, 2 * MS);
        let at = earliest.max(world.transaction_at.get() + 1);
        world.transaction_at.set(at);
        world.call_at(self.context, at, (50, 2 * MS), act).await
    }

    async fn read_with<T: 'static>(
        &self,
        act: impl FnOnce(&Rc<World>) -> Result<T, StoreError> + 'static,
    ) -> Result<T, StoreError> {
        self.transaction(|world| {
            let fails = world.weather.borrow().failed_reads;
            if world.per_mille(fails) {
                world.coverage.reached("a read of the history failed");
                return Err(trouble());
            }
            act(world)
        })
        .await
    }
}

/// The one moment at which an append is carried out.
fn append(world: &Rc<World>, batch: &Append) -> Result<(), AppendError> {
    let (aborted, unseen) = {
        let weather = world.weather.borrow();
        (weather.aborted_appends, weather.unseen_commits)
    };
    if world.per_mille(aborted) {
        world.coverage.reached("an append was aborted");
        return Err(trouble().into());
    }
    at_once(world.history.append(batch)).inspect_err(|_| {
        world.coverage.reached("a conflict");
    })?;
    laws::appended(world, batch);
    if world.per_mille(unseen) {
        world.coverage.reached("a commit was not seen");
        return Err(trouble().into());
    }
    Ok(())
}

impl EventStore for History {
    async fn heads(&self) -> Result<Vec<Head>, StoreError> {
        self.read_with(|world| at_once(world.history.heads())).await
    }

    async fn head(&self, download: &str) -> Result<Option<Head>, StoreError> {
        let download = download.to_owned();
        self.read_with(move |world| at_once(world.history.head(&download)))
            .await
    }

    async fn read(
        &self,
        download: &str,
        after: u64,
        limit: Option<u32>,
    ) -> Result<Vec<Row>, StoreError> {
        let download = download.to_owned();
        self.read_with(move |world| at_once(world.history.read(&download, after, limit)))
            .await
    }

    async fn read_all(&self, limit: Option<u32>) -> Result<Vec<Row>, StoreError> {
        self.read_with(move |world| at_once(world.history.read_all(limit)))
            .await
    }

    async fn append(&self, batch: &Append) -> Result<(), AppendError> {
        let written = batch.clone();
        let result = self.transaction(move |world| append(world, &written)).await;
        confirmed(self, batch, result).await
    }

    async fn links(&self, download: &str) -> Result<Option<String>, StoreError> {
        let download = download.to_owned();
        self.read_with(move |world| at_once(world.history.links(&download)))
            .await
    }

    async fn forget(&self, download: &str, expected: u64) -> Result<(), AppendError> {
        let download = download.to_owned();
        self.transaction(move |world| at_once(world.history.forget(&download, expected)))
            .await
    }
}
