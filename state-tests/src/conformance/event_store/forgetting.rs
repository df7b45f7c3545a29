//! Links beside the history, and downloads that are forgotten.

use futures_util::future::join;
use longhaul_runner::ports::histories::{Append, AppendError, EventStore, Links};

use super::{Factory, append, batch, head, links, log, put_links};
use crate::conformance::{Outcome, ensure_eq};

pub(super) async fn links_are_put_kept_and_deleted(factory: &impl Factory) -> Outcome {
    let store = factory.open();
    put_links(&store, "m", "first").await?;
    append(&store, &batch("m", 1, &["b"])).await?;
    ensure_eq!(
        links(&store, "m").await?.as_deref(),
        Some("first"),
        "kept links"
    );
    append(
        &store,
        &Append {
            links: Links::Put("second".into()),
            ..batch("m", 2, &[])
        },
    )
    .await?;
    ensure_eq!(
        links(&store, "m").await?.as_deref(),
        Some("second"),
        "replaced links"
    );
    append(
        &store,
        &Append {
            links: Links::Delete,
            ..batch("m", 2, &["c"])
        },
    )
    .await?;
    ensure_eq!(links(&store, "m").await?, None, "deleted links");
    append(
        &store,
        &Append {
            links: Links::Delete,
            ..batch("m", 3, &["d"])
        },
    )
    .await?;
    ensure_eq!(log(&store, "m").await?, ["a", "b", "c", "d"], "log");
    Ok(())
}

pub(super) async fn a_conflict_leaves_the_links_alone(factory: &impl Factory) -> Outcome {
    let store = factory.open();
    put_links(&store, "m", "first").await?;
    for change in [Links::Delete, Links::Put("x".into())] {
        let late = store
            .append(&Append {
                links: change,
                ..batch("m", 0, &["x"])
            })
            .await;
        ensure_eq!(late, Err(AppendError::Conflict { found: 1 }), "late append");
    }
    ensure_eq!(links(&store, "m").await?.as_deref(), Some("first"), "links");
    Ok(())
}

pub(super) async fn forgetting_deletes_entries_head_and_links(factory: &impl Factory) -> Outcome {
    let store = factory.open();
    put_links(&store, "m", "first").await?;
    append(&store, &batch("m", 1, &["b", "c"])).await?;
    append(&store, &batch("m2", 0, &["other"])).await?;
    ensure_eq!(store.forget("m", 3).await, Ok(()), "forget");
    ensure_eq!(log(&store, "m").await?, [""; 0], "log");
    ensure_eq!(head(&store, "m").await?, None, "head");
    ensure_eq!(links(&store, "m").await?, None, "links");
    ensure_eq!(
        log(&store, "m2").await?,
        ["other"],
        "log of the other download"
    );
    Ok(())
}

pub(super) async fn forgetting_an_old_state_is_a_conflict_and_deletes_nothing(
    factory: &impl Factory,
) -> Outcome {
    let store = factory.open();
    put_links(&store, "m", "first").await?;
    append(&store, &batch("m", 1, &["b"])).await?;
    for expected in [0, 1, 3] {
        let late = store.forget("m", expected).await;
        ensure_eq!(
            late,
            Err(AppendError::Conflict { found: 2 }),
            "forgetting at {expected}"
        );
    }
    ensure_eq!(log(&store, "m").await?, ["a", "b"], "log");
    ensure_eq!(links(&store, "m").await?.as_deref(), Some("first"), "links");
    Ok(())
}

pub(super) async fn forgetting_what_never_was_is_no_error(factory: &impl Factory) -> Outcome {
    let store = factory.open();
    ensure_eq!(store.forget("m", 0).await, Ok(()), "at 0");
    ensure_eq!(
        store.forget("m", 1).await,
        Err(AppendError::Conflict { found: 0 }),
        "at 1"
    );
    Ok(())
}

pub(super) async fn a_forgotten_download_begins_anew(factory: &impl Factory) -> Outcome {
    let store = factory.open();
    append(&store, &batch("m", 0, &["a", "b"])).await?;
    ensure_eq!(store.forget("m", 2).await, Ok(()), "forget");
    append(&store, &batch("m", 0, &["c"])).await?;
    ensure_eq!(log(&store, "m").await?, ["c"], "log");
    Ok(())
}

pub(super) async fn an_append_after_a_forget_is_a_conflict(factory: &impl Factory) -> Outcome {
    let (first, second) = (factory.open(), factory.open());
    append(&first, &batch("m", 0, &["a", "b"])).await?;
    ensure_eq!(second.forget("m", 2).await, Ok(()), "forget");
    let late = first.append(&batch("m", 2, &["c"])).await;
    ensure_eq!(
        late,
        Err(AppendError::Conflict { found: 0 }),
        "append of one who did not know"
    );
    ensure_eq!(first.heads().await, Ok(vec![]), "heads");
    Ok(())
}

pub(super) async fn of_a_forget_and_an_append_at_once_exactly_one_wins(
    factory: &impl Factory,
) -> Outcome {
    for round in 0..4 {
        let (first, second) = (factory.open(), factory.open());
        let id = format!("m{round}");
        append(&first, &batch(&id, 0, &["a"])).await?;
        let grown = batch(&id, 1, &["b"]);
        let results = if round % 2 == 0 {
            join(first.append(&grown), second.forget(&id, 1)).await
        } else {
            let (forgotten, grown) = join(second.forget(&id, 1), first.append(&grown)).await;
            (grown, forgotten)
        };
        let expected = match results {
            (Ok(()), Err(AppendError::Conflict { found: 2 })) => vec!["a", "b"],
            (Err(AppendError::Conflict { found: 0 }), Ok(())) => vec![],
            other => return Err(format!("not exactly one winner: {other:?}")),
        };
        ensure_eq!(log(&first, &id).await?, expected, "log of {id}");
    }
    Ok(())
}
