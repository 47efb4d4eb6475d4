//! `[admin]`.

use std::path::Path;

use quotapass_relay::http::AdminAddress;
use serde::{Deserialize, Deserializer, de::Error as _};

/// `[admin]`: the separate listener for the operator.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct AdminSection {
    #[serde(deserialize_with = "address")]
    address: Option<AdminAddress>,
    alone: Option<bool>,
}

fn address<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<AdminAddress>, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(|error| D::Error::custom(format!("`{text}` is {error}")))
}

impl AdminSection {
    /// Returns the address of the listener; relative paths start at `folder`.
    pub(super) fn address(&self, folder: &Path) -> Option<AdminAddress> {
        self.address.clone().map(|address| match address {
            AdminAddress::Unix(path) => AdminAddress::Unix(folder.join(path)),
            address => address,
        })
    }

    /// Whether only this listener serves metrics and details of readiness, and the public one does not.
    pub(super) fn is_alone(&self) -> bool {
        self.address.is_some() && self.alone.unwrap_or(true)
    }

    /// Checks that the settings are consistent.
    pub(super) fn validate(&self) -> anyhow::Result<()> {
        if self.alone.is_some() && self.address.is_none() {
            anyhow::bail!("[admin] has `alone` but no `address`; set an address, or leave `alone` out");
        }
        Ok(())
    }
}
