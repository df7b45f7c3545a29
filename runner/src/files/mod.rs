//! Stores in a folder, for native apps: several processes may share it, and each of them may be killed at any moment.
//!
//! ```text
//! history.ndjson    the histories of all downloads, one entry a line
//! history.lock      held while somebody appends
//! parts/<digest>/   a file: `key` holds its key, every other file is a part, named by where it begins
//! locks/<digest>    held by whoever works on a download
//! ```
//!
//! Nothing in here waits for anything but the disk, and nothing moves to another thread.

mod histories;
mod locks;
mod parts;

pub use histories::FileHistories;
pub use locks::FileLocks;
pub use parts::{Blob, FileParts};

use sha2::{Digest, Sha256};

use crate::hex::hex;

/// What a text of any length and of any characters is called in a folder.
fn name_of(text: &str) -> String {
    hex(&Sha256::digest(text))
}
