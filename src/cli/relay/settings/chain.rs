//! `[chain]`.

use std::path::PathBuf;

use alloy_primitives::Address;
use anyhow::{Result, bail};
use serde::Deserialize;

use super::Hidden;

/// `[chain]`: the registry, behind an endpoint or on an embedded chain.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli::relay) struct ChainSection {
    pub(in crate::cli::relay) rpc_url: Option<Hidden<String>>,
    pub(in crate::cli::relay) state: Option<PathBuf>,
    pub(in crate::cli::relay) chain_id: Option<u64>,
    pub(in crate::cli::relay) registry: Address,
    #[serde(default = "poll_seconds")]
    pub(in crate::cli::relay) poll_seconds: u64,
    #[serde(default = "timeout_seconds")]
    pub(in crate::cli::relay) timeout_seconds: u64,
    #[serde(default = "max_reorg_depth")]
    pub(in crate::cli::relay) max_reorg_depth: u64,
}

fn poll_seconds() -> u64 {
    4
}

fn timeout_seconds() -> u64 {
    30
}

fn max_reorg_depth() -> u64 {
    256
}

impl ChainSection {
    pub(super) fn validate(&self) -> Result<()> {
        match (&self.rpc_url, &self.state) {
            (Some(_), Some(_)) => bail!("[chain] has both `rpc_url` and `state`; keep the one that is meant"),
            (None, None) => {
                bail!("[chain] has neither `rpc_url`, an endpoint, nor `state`, the file of an embedded chain")
            }
            (Some(_), None) if self.chain_id.is_none() => {
                bail!("[chain] has no `chain_id`, and passes belong to a chain: write that of the endpoint")
            }
            _ if self.poll_seconds == 0 => bail!("[chain] `poll_seconds` must be above zero"),
            _ if self.timeout_seconds == 0 => bail!("[chain] `timeout_seconds` must be above zero"),
            _ => Ok(()),
        }
    }
}
