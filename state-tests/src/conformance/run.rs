//! The suites as a browser sees them.

use std::cell::Cell;

use longhaul_browser::events::IndexedDb;
use wasm_bindgen::prelude::*;

use super::{Outcome, event_store, golden, indexed_db, parts, surfaces};

thread_local! {
    /// Tells the storages of the cases of one realm apart; the time tells realms apart.
    static NUMBER: Cell<u32> = const { Cell::new(0) };
}

/// A name for storage that no other case uses.
pub(super) fn fresh_name(case: &str) -> String {
    let number = NUMBER.get();
    NUMBER.set(number + 1);
    format!("conformance {case} {} {number}", js_sys::Date::now())
}

/// One database per case.
struct Database(String);

impl event_store::Factory for Database {
    type Store = IndexedDb;

    fn open(&self) -> IndexedDb {
        IndexedDb::new(&self.0)
    }
}

/// The names of all cases, as `suite/case`.
#[wasm_bindgen]
#[must_use]
pub fn conformance_cases() -> Vec<String> {
    let suites = [
        ("event_store", event_store::CASES),
        ("golden", golden::CASES),
        ("indexed_db", indexed_db::CASES),
        ("parts", parts::CASES),
        ("surfaces", surfaces::CASES),
    ];
    suites
        .iter()
        .flat_map(|(suite, cases)| cases.iter().map(move |case| format!("{suite}/{case}")))
        .collect()
}

/// Runs one case. The promise is rejected with an `Error` whose message says what did not hold.
#[wasm_bindgen]
pub async fn run_case(name: String) -> Result<(), JsError> {
    outcome(&name)
        .await
        .map_err(|message| JsError::new(&message))
}

async fn outcome(name: &str) -> Outcome {
    let (suite, case) = name.split_once('/').unwrap_or_default();
    let storage = fresh_name(case);
    match suite {
        "event_store" => {
            let outcome = event_store::run(case, &Database(storage.clone())).await;
            indexed_db::delete(&storage).await?;
            outcome
        }
        "golden" => golden::run(case, &()).await,
        "indexed_db" => {
            let outcome = indexed_db::run(case, &storage).await;
            indexed_db::delete(&storage).await?;
            outcome
        }
        "parts" => parts::run(case, &storage).await,
        "surfaces" => surfaces::run(case, &storage).await,
        _ => Err(format!("there is no suite {suite}")),
    }
}
