//! `[admin]`.

use std::path::Path;

use serde::{Deserialize, Deserializer, de::Error as _};

use crate::relay::http::AdminAddress;

/// `[admin]`: the operator's own listener.
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
    /// Where it listens; relative paths start at a folder.
    pub(super) fn address(&self, folder: &Path) -> Option<AdminAddress> {
        self.address.clone().map(|address| match address {
            AdminAddress::Unix(path) => AdminAddress::Unix(folder.join(path)),
            address => address,
        })
    }

    /// Whether the public listener leaves to this one what is the operator's.
    pub(super) fn is_alone(&self) -> bool {
        self.address.is_some() && self.alone.unwrap_or(true)
    }

    /// What is wrong.
    pub(super) fn validate(&self) -> anyhow::Result<()> {
        if self.alone.is_some() && self.address.is_none() {
            anyhow::bail!("[admin] has `alone` and no `address`; name one, or leave it out");
        }
        Ok(())
    }
}
