//! The channel between all contexts of one name. It knows a single message, and that one only means "read again":
//! `{ longhaul: <name>, download?: <id> }`. It is never a fact and never a command, whoever sent it.

use js_sys::Object;
use wasm_bindgen::prelude::*;
use web_sys::BroadcastChannel;

use crate::js::{Listener, listen, property, set};

/// An open channel; closed when dropped. Its owner does not hear its own posts.
pub struct Channel {
    name: String,
    inner: BroadcastChannel,
    _listener: Listener,
}

/// What a message of any shape means to a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Read again: this download, or all of them.
    ReadAgain(Option<String>),
    /// Not ours, or not understood.
    Ignored,
}

/// Judges a message by its two fields as plain data: `longhaul` if it is a string, `download` if it is a string, and
/// whether `download` is there at all.
#[must_use]
pub fn judge(
    name: &str,
    longhaul: Option<&str>,
    download: Option<String>,
    has_download: bool,
) -> Notice {
    if longhaul != Some(name) || (has_download && download.is_none()) {
        return Notice::Ignored;
    }
    Notice::ReadAgain(download)
}

/// Judges a message, and traces one that means nothing. Quietly where it does not even claim to be Longhaul's: where the app's
/// own scripts talk to each other, that is no news.
#[must_use]
pub fn parse(name: &str, message: &JsValue) -> Notice {
    let download = property(message, "download");
    let mark = property(message, "longhaul");
    let notice = judge(
        name,
        mark.as_string().as_deref(),
        download.as_string(),
        !download.is_undefined(),
    );
    if notice == Notice::Ignored {
        if mark.is_undefined() {
            debug("Longhaul: ignored a message of somebody else");
        } else {
            tracing::warn!("ignored a message that is not ours");
        }
    }
    notice
}

// Below the level of traces that releases keep, and yet to be found by whoever looks.
#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = console)]
    fn debug(text: &str);
}

/// The message, for those who deliver it in another way, such as a service worker to its clients.
#[must_use]
pub fn message(name: &str, download: Option<&str>) -> JsValue {
    let message = Object::new();
    set(&message, "longhaul", &JsValue::from_str(name));
    if let Some(download) = download {
        set(&message, "download", &JsValue::from_str(download));
    }
    message.into()
}

impl Channel {
    /// Opens the channel `longhaul/<name>` and calls back for every "read again" of another context, with the
    /// download it is about, or none for all. `None` where the browser has no `BroadcastChannel`.
    #[must_use]
    pub fn open(name: &str, mut callback: impl FnMut(Option<String>) + 'static) -> Option<Self> {
        let inner = BroadcastChannel::new(&["longhaul/", name].concat()).ok()?;
        let own = String::from(name);
        let listener = listen(&inner, "message", move |event| {
            if let Notice::ReadAgain(download) = parse(&own, &property(&event, "data")) {
                callback(download);
            }
        });
        Some(Self {
            name: name.into(),
            inner,
            _listener: listener,
        })
    }

    /// Tells all other contexts to read again.
    pub fn post(&self, download: Option<&str>) {
        // Strings can always be cloned, and the channel is open as long as this lives.
        let _ = self.inner.post_message(&message(&self.name, download));
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.inner.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_message_means_anything() {
        let id = || Some(String::from("m"));
        assert_eq!(judge("a", Some("a"), None, false), Notice::ReadAgain(None));
        assert_eq!(judge("a", Some("a"), id(), true), Notice::ReadAgain(id()));
        assert_eq!(judge("a", Some("b"), id(), true), Notice::Ignored);
        assert_eq!(judge("a", None, id(), true), Notice::Ignored);
        assert_eq!(
            judge("a", Some("a"), None, true),
            Notice::Ignored,
            "a download that is no string"
        );
    }
}
