//! The channel between all contexts of one name. It knows a single message, and that one only means "read again":
//! `{ longhaul: <name>, download?: <id> }`. It is never a fact and never a command, whoever sent it.

/// An open channel; closed when dropped. Its owner does not hear its own posts.
pub struct Channel {
    name: String,
}

impl Channel {
    /// Opens the channel `longhaul/<name>` and calls back for every "read again" of another context, with the
    /// download it is about, or none for all. `None` where the browser has no `BroadcastChannel`.
    #[must_use]
    pub fn open(_name: &str, _callback: impl FnMut(Option<String>) + 'static) -> Option<Self> {
        todo!()
    }

    /// Tells all other contexts to read again.
    pub fn post(&self, _download: Option<&str>) {
        todo!("{}", self.name)
    }
}
