//! `[chain]`.

use std::{path::PathBuf, time::Duration};

use alloy_primitives::Address;
use anyhow::{Context as _, Result, bail};
use quotapass_registry::{FollowerSettings, rpc::RpcSettings};
use quotapass_relay::{
    bounds::{Within, number, seconds},
    chain::ChainSettings,
};
use reqwest::Url;
use serde::Deserialize;

use super::{Hidden, path::path, tls::TlsSection};
use crate::{address, endpoint::with_scheme};

/// `[chain]`: the registry, behind an endpoint or on an embedded chain.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::relay) struct ChainSection {
    pub(in crate::relay) rpc_url: Option<Hidden<String>>,
    /// A file whose content replaces `{password}` in the endpoint's address.
    #[serde(default, deserialize_with = "path")]
    pub(in crate::relay) password_file: Option<PathBuf>,
    pub(in crate::relay) tls: Option<TlsSection>,
    #[serde(default, deserialize_with = "path")]
    pub(in crate::relay) state: Option<PathBuf>,
    chain_id: Option<ChainId>,
    #[serde(deserialize_with = "address::read")]
    pub(in crate::relay) registry: Address,
    /// The pause between two polls of the chain.
    #[serde(rename = "poll_seconds", default = "poll", deserialize_with = "seconds::<1, 3_600, _>")]
    pub(in crate::relay) poll: Duration,
    /// The time limit for a response.
    #[serde(rename = "timeout_seconds", default = "timeout", deserialize_with = "seconds::<1, 3_600, _>")]
    pub(in crate::relay) timeout: Duration,
    first_block: Option<FirstBlock>,
    /// The number of blocks that a reorganisation may undo.
    #[serde(default = "max_reorg_depth", deserialize_with = "number::<0, 1_000_000, _>")]
    pub(in crate::relay) max_reorg_depth: u64,
}

/// The id of a chain.
pub(super) type ChainId = Within<1, { i64::MAX as u64 }>;

/// The number of a block; chains have far fewer.
type FirstBlock = Within<0, 1_000_000_000_000>;

fn poll() -> Duration {
    ChainSettings::default().poll
}

fn timeout() -> Duration {
    RpcSettings::default().timeout
}

fn max_reorg_depth() -> u64 {
    FollowerSettings::default().reorganisation_limit
}

impl ChainSection {
    pub(super) fn validate(&self) -> Result<()> {
        match (&self.rpc_url, &self.state) {
            (Some(_), Some(_)) => bail!("[chain] has both `rpc_url` and `state`; keep one of them"),
            (None, None) => {
                bail!("[chain] has neither `rpc_url`, an endpoint, nor `state`, the file of an embedded chain")
            }
            (Some(_), None) if self.chain_id.is_none() => {
                bail!("[chain] has no `chain_id`, but passes are bound to a chain: set it to the endpoint's chain")
            }
            (None, Some(_)) if self.password_file.is_some() || self.tls.is_some() => {
                bail!("[chain] an embedded chain needs no `password_file` and no `tls`; leave them out")
            }
            (Some(Hidden(url)), None) => self.check_endpoint(url),
            (None, Some(_)) => Ok(()),
        }
    }

    fn check_endpoint(&self, url: &str) -> Result<()> {
        match (&self.password_file, url.contains(PASSWORD)) {
            (Some(_), false) => bail!(
                "[chain] has a `password_file`, but `rpc_url` has no `{PASSWORD}` to replace with its content; add \
                 `{PASSWORD}` there"
            ),
            (None, true) => bail!("[chain] `rpc_url` has a `{PASSWORD}`, but no `password_file` is set; set it"),
            _ => {}
        }
        if let Some(tls) = &self.tls {
            tls.validate().context("[chain.tls]")?;
            if !url.starts_with("https://") {
                bail!("[chain.tls] requires an endpoint at https://, but `rpc_url` has none; leave the section out");
            }
        }
        check_address(url)
    }

    /// Returns the first block to read, if it is given.
    pub(in crate::relay) fn first_block(&self) -> Option<u64> {
        self.first_block.map(Within::get)
    }

    pub(in crate::relay) fn chain_id(&self) -> Option<u64> {
        self.chain_id.map(Within::get)
    }
}

/// The placeholder for the password in an endpoint's address.
pub(in crate::relay) const PASSWORD: &str = "{password}";

/// Refuses an invalid endpoint; the error does not show the address.
fn check_address(url: &str) -> Result<()> {
    const FORMS: &str = "write http(s)://, ws(s):// or the path of an IPC socket";
    let Some((scheme, _)) = url.split_once("://") else {
        if url.is_empty() || url.contains('\0') {
            bail!("[chain] `rpc_url` is not an endpoint: {FORMS}");
        }
        if with_scheme(&url.into()).is_some() {
            bail!("[chain] `rpc_url` is a host and a port without a scheme: write http:// before it");
        }
        return Ok(());
    };
    match scheme {
        "http" | "https" | "ws" | "wss" => match Url::parse(&url.replace(PASSWORD, "x")) {
            Ok(url) if url.has_host() => Ok(()),
            _ => bail!("[chain] `rpc_url` is not the address of a {scheme} endpoint: it has no valid host"),
        },
        "ipc" | "file" => Ok(()),
        _ => bail!("[chain] `rpc_url` begins with `{scheme}://`, which is not supported: {FORMS}"),
    }
}
