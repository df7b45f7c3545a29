//! What the app sets when it opens Longhaul. Already checked for types by `js/options.js`.

use longhaul_browser::node::Setup;
use longhaul_core::{Policy, Preference, Retry};
use serde::Deserialize;

/// Transfers of one download at a time, where the app did not say: more gain nothing over HTTP/1.1.
const DEFAULT_PARALLEL: usize = 4;
/// Most transfers at a time; browsers open six connections to a host.
const MOST_PARALLEL: usize = 16;

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Options {
    name: String,
    transport: Option<String>,
    part_bytes: Option<f64>,
    parallel: Option<f64>,
    #[serde(default)]
    retry: RetryOptions,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RetryOptions {
    limit: Option<f64>,
    base_ms: Option<f64>,
    max_ms: Option<f64>,
    unreachable_ms: Option<f64>,
    stall_ms: Option<f64>,
}

// The checks of `js/options.js` let whole numbers from 0 to 2^53 - 1 through.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn whole(number: Option<f64>, default: u64) -> u64 {
    number.map_or(default, |number| number as u64)
}

impl Options {
    pub(crate) fn setup(&self) -> Setup {
        let default = Retry::default();
        let limit = whole(self.retry.limit, default.limit.into());
        let retry = Retry {
            limit: u32::try_from(limit).unwrap_or(u32::MAX),
            base_ms: whole(self.retry.base_ms, default.base_ms),
            max_ms: whole(self.retry.max_ms, default.max_ms),
            unreachable_ms: whole(self.retry.unreachable_ms, default.unreachable_ms),
            stall_ms: whole(self.retry.stall_ms, default.stall_ms),
        };
        let parallel = whole(self.parallel, DEFAULT_PARALLEL as u64);
        Setup {
            name: self.name.clone(),
            preference: match self.transport.as_deref() {
                Some("background-fetch") => Preference::BackgroundFetch,
                Some("foreground") => Preference::Foreground,
                _ => Preference::Auto,
            },
            policy: Policy {
                part_bytes: self.part_bytes.map(|bytes| whole(Some(bytes), 0).max(1)),
                retry,
                ..Policy::default()
            },
            parallel: usize::try_from(parallel)
                .unwrap_or(MOST_PARALLEL)
                .clamp(1, MOST_PARALLEL),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn setup(json: &str) -> Setup {
        let options: Options = serde_json::from_str(json).expect("options");
        options.setup()
    }

    #[test]
    fn what_is_not_set_is_the_default() {
        let setup = setup(r#"{"name":"longhaul"}"#);
        assert_eq!(setup.policy, Policy::default());
        assert_eq!((setup.parallel, setup.preference), (4, Preference::Auto));
    }

    #[test]
    fn what_is_set_is_used_within_bounds() {
        let setup = setup(
            r#"{"name":"a","transport":"foreground","partBytes":0,"parallel":99,"retry":{"limit":0,"baseMs":5}}"#,
        );
        assert_eq!(setup.preference, Preference::Foreground);
        assert_eq!(setup.policy.part_bytes, Some(1));
        assert_eq!(setup.parallel, 16);
        assert_eq!(
            (setup.policy.retry.limit, setup.policy.retry.base_ms),
            (0, 5)
        );
        assert_eq!(setup.policy.retry.max_ms, 60_000);
    }
}
