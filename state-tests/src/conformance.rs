//! Conformance suites: what a store must do, whoever implements it.
//!
//! The cases of [`event_store`] are written once, against the trait. `tests/conformance.rs` runs them natively against
//! `MemoryHistories`; in a browser they run against `IndexedDb`, beside the cases that only a browser can judge: what is
//! particular to `IndexedDB`, the part store over Cache Storage, locks, the channel, hashing and fetch.
//!
//! A case is a sentence, and answers with a sentence when it does not hold. It never panics: a panic would take the
//! wasm module, and with it all cases after it, along.

pub mod event_store;
pub mod golden;
#[cfg(target_arch = "wasm32")]
pub mod indexed_db;
#[cfg(target_arch = "wasm32")]
pub mod parts;
#[cfg(target_arch = "wasm32")]
pub mod run;
#[cfg(target_arch = "wasm32")]
pub mod surfaces;

/// Nothing, or what did not hold.
pub type Outcome = Result<(), String>;

/// Ends the case with a message unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
                return Err(format!($($message)+));
        }
    };
}

/// Ends the case with both values unless they are equal.
macro_rules! ensure_eq {
    ($left:expr, $right:expr, $($message:tt)+) => {
        match (&$left, &$right) {
            (left, right) => {
                if left != right {
                    return Err(format!("{}: found {left:?}, expected {right:?}", format!($($message)+)));
                }
            }
        }
    };
}

/// Names the cases of a module once: a list of their names, and a function that runs one by its name.
macro_rules! cases {
    ($(#[$doc:meta])* fn run($context:ident: $kind:ty) $([$($bound:tt)*])? { $($case:ident,)* }) => {
        /// The names of the cases.
        pub const CASES: &[&str] = &[$(stringify!($case)),*];

        $(#[$doc])*
        pub async fn run$(<$($bound)*>)?(case: &str, $context: $kind) -> $crate::conformance::Outcome {
            match case {
                $(stringify!($case) => $case($context).await,)*
                _ => Err(format!("there is no case {case}")),
            }
        }
    };
}

#[allow(unused_imports)] // The native build uses fewer of them.
pub(crate) use {cases, ensure, ensure_eq};
