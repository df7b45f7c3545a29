//! A node: one context (a page, or the service worker) at work on the shared stores.
//!
//! It reads histories into states, appends what the core decides, and observes. All contexts do the same over
//! the same stores, so none needs to trust what another one says.

mod garbage;
mod history;
mod observer;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use longhaul_core::{Policy, Preference};

use crate::ports::Platform;
use history::Known;

pub use history::{CommitError, Committed};

/// How a node was set up.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Setup {
    /// Prefix of database, caches and locks.
    pub name: String,
    /// The transport the app wants.
    pub preference: Preference,
    /// Sizes, limits and delays.
    pub policy: Policy,
    /// How many parts the page fetches at a time.
    pub parallel: usize,
}

/// One context at work on the shared stores.
pub struct Node<P> {
    /// How it was set up.
    pub setup: Setup,
    /// The context it runs in.
    pub platform: P,
    known: RefCell<BTreeMap<String, Known>>,
}

impl<P: Platform> Node<P> {
    /// A node in this context.
    #[must_use]
    pub fn new(setup: Setup, platform: P) -> Rc<Self> {
        Rc::new(Self {
            known: RefCell::default(),
            setup,
            platform,
        })
    }

    /// The name of the Web Lock under which a download has its owner.
    #[must_use]
    pub fn lock_name(&self, download: &str) -> String {
        ["longhaul/", &self.setup.name, "/", download].concat()
    }
}
