//! Registration ids: the names under which the browser keeps our background jobs.
//!
//! An id says which format it is in, whose it is, and which transfer of which attempt it belongs to,
//! so that a completion can be attributed, or recognised as foreign, without the history.

use alloc::string::{String, ToString};
use serde::{Deserialize, Serialize};

use crate::identity::{escape, unescape};

/// Format of registration ids and request fragments. A page and a worker that differ in it must
/// not share jobs.
pub const JOB_FORMAT: u32 = 1;

/// Most records of one job. 500 were measured to work; what is left goes into the next job.
pub const MAX_RECORDS: usize = 500;

/// What a registration id says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobId {
    /// The `name` that the library was opened with.
    pub name: String,
    /// Id of the download.
    pub download: String,
    /// The attempt.
    pub attempt: u32,
    /// The transfer within it.
    pub transfer: u32,
}

impl JobId {
    /// Reads a registration id; `None` where it is not ours, or of another format.
    #[must_use]
    pub fn parse(registration: &str) -> Option<Self> {
        let mut fields = registration.strip_prefix("longhaul/")?.split('/');
        let format: u32 = fields.next()?.parse().ok()?;
        let id = Self {
            name: unescape(fields.next()?)?,
            download: unescape(fields.next()?)?,
            attempt: fields.next()?.parse().ok()?,
            transfer: fields.next()?.parse().ok()?,
        };
        // Written again it must be the same: `007` or `%41` is somebody else's.
        (format == JOB_FORMAT && fields.next().is_none() && id.to_string() == registration)
            .then_some(id)
    }
}

impl core::fmt::Display for JobId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (name, download) = (escape(&self.name), escape(&self.download));
        write!(
            f,
            "longhaul/{JOB_FORMAT}/{name}/{download}/{}/{}",
            self.attempt, self.transfer
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_round_trip_and_foreign_ones_are_recognised() {
        let id = JobId {
            name: "my app/2".into(),
            download: "ü/%".into(),
            attempt: 3,
            transfer: 2,
        };
        let text = id.to_string();
        assert_eq!(text, "longhaul/1/my%20app%2F2/%C3%BC%2F%25/3/2");
        assert_eq!(JobId::parse(&text), Some(id));
        for foreign in [
            "",
            "longhaul",
            "longhaul/2/a/b/1/1",
            "longhaul/1/a/b/1",
            "longhaul/1/a/b/1/1/1",
            "longhaul/1/a/b/01/1",
            "longhaul/1/%61/b/1/1",
            "other/1/a/b/1/1",
            "longhaul/1/a/b/-1/1",
        ] {
            assert_eq!(JobId::parse(foreign), None, "{foreign}");
        }
    }
}
