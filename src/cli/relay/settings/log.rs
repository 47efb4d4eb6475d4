//! `[log]`.

use std::{path::PathBuf, time::Duration};

use anyhow::{Result, bail};
use serde::Deserialize;

use super::Hidden;
use crate::relay::{Durability, ValkeySettings};

/// `[log]`: the nullifier log, on this machine's disk or on servers that several relays share.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::cli::relay) struct LogSection {
    pub(in crate::cli::relay) path: Option<PathBuf>,
    valkey: Option<Hidden<Vec<String>>>,
    sentinels: Option<Hidden<Vec<String>>>,
    timeout_ms: Option<u64>,
    replicas: Option<u32>,
    durability: Option<Durability>,
}

impl LogSection {
    pub(super) fn validate(&self) -> Result<()> {
        if self.path.is_some() && self.valkey.is_some() {
            bail!("[log] has both `path` and `valkey`; keep one of them");
        }
        let of_servers = self.timeout_ms.is_some() || self.replicas.is_some() || self.durability.is_some();
        if (of_servers || self.sentinels.is_some()) && self.valkey.is_none() {
            bail!("`sentinels`, `timeout_ms`, `replicas` and `durability` go with `valkey`, which names the servers");
        }
        if self.sentinels.as_ref().is_some_and(|Hidden(sentinels)| sentinels.is_empty()) {
            bail!("[log] `sentinels` lists none; name one, or leave it out");
        }
        let servers = self.valkey.as_ref().map_or(0, |Hidden(addresses)| addresses.len());
        if self.sentinels.is_some() && servers > 1 {
            bail!(
                "[log] `sentinels` watch one primary, and `valkey` lists {servers} servers; keep one address, with the primary's \
                 name in the place of the host"
            );
        }
        if self.valkey.as_ref().is_some_and(|Hidden(addresses)| addresses.is_empty()) {
            bail!("[log] `valkey` lists no server; name one, or leave it out");
        }
        if self.timeout_ms == Some(0) {
            bail!("[log] `timeout_ms` must be above zero");
        }
        Ok(())
    }

    /// The servers; none if the log is on this machine's disk.
    pub(in crate::cli::relay) fn servers(&self) -> Option<ValkeySettings> {
        let Hidden(addresses) = self.valkey.as_ref()?;
        let mut settings = ValkeySettings::new(addresses.iter().cloned());
        if let Some(timeout) = self.timeout_ms {
            settings.timeout = Duration::from_millis(timeout);
        }
        settings.sentinels = self.sentinels.as_ref().map_or_else(Vec::new, |Hidden(sentinels)| sentinels.clone());
        settings.replicas = self.replicas.unwrap_or(settings.replicas);
        settings.durability = self.durability.unwrap_or(settings.durability);
        Some(settings)
    }
}
