//! Files whose address contains their version, so that browsers keep them.

use quotapass_relay::http::{Asset, Freshness};
use serde::Deserialize;

/// The version that a request names.
#[derive(Deserialize)]
pub(crate) struct Version {
    pub(crate) v: Option<String>,
}

impl Version {
    /// Returns how long a browser may keep a file that it got for this version.
    pub(crate) fn freshness(&self, asset: &Asset) -> Freshness {
        if self.v.as_deref() == Some(asset.version()) { Freshness::Immutable } else { Freshness::Revalidated }
    }
}

/// Returns an address that changes with the content.
pub(crate) fn versioned(address: &str, asset: &Asset) -> String {
    format!("{address}?v={}", asset.version())
}
