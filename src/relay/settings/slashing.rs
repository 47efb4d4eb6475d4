//! `[slashing]`.

use std::path::PathBuf;

use alloy_primitives::Address;
use anyhow::{Result, bail};
use quotapass_relay::{bounds::number, slasher::SlasherSettings};
use serde::Deserialize;

use super::{ChainSection, path::path};
use crate::address;

/// `[slashing]`: the wallet that slashes convicted members.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::relay) struct SlashingSection {
    pub(in crate::relay) enabled: bool,
    #[serde(deserialize_with = "path")]
    pub(in crate::relay) keystore: Option<PathBuf>,
    #[serde(deserialize_with = "path")]
    pub(in crate::relay) password_file: Option<PathBuf>,
    #[serde(deserialize_with = "address::read_some")]
    pub(in crate::relay) receiver: Option<Address>,
    /// The number of blocks that must follow a slash before its case is closed.
    #[serde(deserialize_with = "number::<0, 10_000, _>")]
    pub(in crate::relay) confirmations: u64,
}

impl Default for SlashingSection {
    fn default() -> Self {
        let SlasherSettings { confirmations, .. } = SlasherSettings::default();
        Self { enabled: true, keystore: None, password_file: None, receiver: None, confirmations }
    }
}

impl SlashingSection {
    pub(super) fn validate(&self, chain: &ChainSection) -> Result<()> {
        if chain.state.is_some() && (self.keystore.is_some() || self.password_file.is_some()) {
            bail!("[slashing] an embedded chain needs no `keystore` and no `password_file`; leave them out");
        }
        if self.password_file.is_some() && self.keystore.is_none() {
            bail!("[slashing] has a `password_file` but no `keystore`; set a keystore, or leave it out");
        }
        if !self.enabled && (self.keystore.is_some() || self.receiver.is_some()) {
            bail!("[slashing] is not enabled, but has a `keystore` or `receiver`; leave them out, or enable it");
        }
        Ok(())
    }
}
