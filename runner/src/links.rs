//! The full URLs of a download. Kept apart from the history, which holds no credential.

use longhaul_core::Download;
use longhaul_core::json::{self, Fields, FromJson, Json, Object, ToJson, Unreadable};

/// The full URLs of a download, as a request gave them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FullUrls {
    /// One for each resource.
    pub urls: Vec<String>,
    /// For the browser's own display.
    pub icons: Vec<longhaul_core::Icon>,
}

impl FromJson for FullUrls {
    fn from_json(json: Json) -> Result<Self, Unreadable> {
        let mut fields = Fields::from_json(json)?;
        Ok(Self {
            urls: fields.take("urls")?,
            icons: fields.take_or_default("icons")?,
        })
    }
}

impl ToJson for FullUrls {
    fn write(&self, text: &mut String) {
        Object::new(text)
            .field("urls", &self.urls)
            .unless(self.icons.is_empty(), "icons", &self.icons)
            .end();
    }
}

impl FullUrls {
    /// What was kept; where nothing was, identities are all there is, and where nothing was blanked they are the URLs.
    #[must_use]
    pub fn read(kept: Option<&str>, download: &Download) -> Self {
        kept.and_then(|text| json::read::<Self>(text).ok())
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

    /// The URL of one resource.
    #[must_use]
    pub fn url(&self, resource: u32) -> &str {
        self.urls.get(resource as usize).map_or("", String::as_str)
    }
}
