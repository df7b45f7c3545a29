//! The full URLs of a download. Kept apart from the history, which holds no credential.

use longhaul_core::{Download, Spec};
use serde::{Deserialize, Serialize};

/// The full URLs of a download, as a request gave them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FullUrls {
    /// One for each resource.
    pub urls: Vec<String>,
    /// For the browser's own display.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub icons: Vec<longhaul_core::Icon>,
}

impl FullUrls {
    /// Those of a spec that is about to be requested.
    #[must_use]
    pub fn of(spec: &Spec) -> Self {
        let urls = spec.resources.iter().map(|resource| resource.url.clone());
        Self {
            urls: urls.collect(),
            icons: spec.icons.clone(),
        }
    }

    /// What was kept; where nothing was, identities are all there is, and where nothing was blanked they are the URLs.
    #[must_use]
    pub fn read(kept: Option<&str>, download: &Download) -> Self {
        kept.and_then(|text| serde_json::from_str::<Self>(text).ok())
            .filter(|full| {
                download
                    .spec
                    .as_ref()
                    .is_some_and(|spec| spec.resources.len() == full.urls.len())
            })
            .unwrap_or_else(|| Self {
                urls: download
                    .spec
                    .iter()
                    .flat_map(|spec| spec.resources.iter().map(|resource| resource.url.clone()))
                    .collect(),
                icons: Vec::new(),
            })
    }

    /// The text that is kept.
    #[must_use]
    pub fn encode(&self) -> String {
        serde_json::to_string(self).expect("it has no map whose keys are no strings")
    }

    /// The URL of one resource.
    #[must_use]
    pub fn url(&self, resource: u32) -> &str {
        self.urls.get(resource as usize).map_or("", String::as_str)
    }
}
