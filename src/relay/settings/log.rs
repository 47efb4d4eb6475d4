//! `[log]`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use quotapass_relay::{Durability, ValkeySettings, bounds::Within};
use serde::Deserialize;

use super::{Hidden, path::path, tls::TlsSection};

/// `[log]`: the nullifier log, on this machine's disk or on servers that several relays share.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::relay) struct LogSection {
    #[serde(deserialize_with = "path")]
    pub(in crate::relay) path: Option<PathBuf>,
    valkey: Option<Hidden<Vec<String>>>,
    sentinels: Option<Hidden<Vec<String>>>,
    #[serde(deserialize_with = "path")]
    password_file: Option<PathBuf>,
    tls: Option<TlsSection>,
    timeout_ms: Option<Within<10, 60_000>>,
    replicas: Option<Within<0, 100>>,
    durability: Option<Durability>,
}

impl LogSection {
    pub(super) fn validate(&self) -> Result<()> {
        if self.path.is_some() && self.valkey.is_some() {
            bail!("[log] has both `path` and `valkey`; keep one of them");
        }
        let of_servers = self.timeout_ms.is_some() || self.replicas.is_some() || self.durability.is_some();
        let of_servers = of_servers || self.sentinels.is_some() || self.password_file.is_some() || self.tls.is_some();
        if of_servers && self.valkey.is_none() {
            bail!(
                "[log] `sentinels`, `timeout_ms`, `replicas`, `durability`, `password_file` and `tls` require \
                 `valkey`, which lists the servers; set it, or leave them out"
            );
        }
        if self.sentinels.as_ref().is_some_and(|Hidden(sentinels)| sentinels.is_empty()) {
            bail!("[log] `sentinels` is empty; list one, or leave it out");
        }
        let servers = self.valkey.as_ref().map_or(0, |Hidden(addresses)| addresses.len());
        if self.sentinels.is_some() && servers > 1 {
            bail!(
                "[log] `sentinels` watch one primary, but `valkey` lists {servers} servers; keep one address, with \
                 the primary's name instead of the host"
            );
        }
        if let (Some(tls), Some(Hidden(addresses))) = (&self.tls, &self.valkey) {
            tls.validate().context("[log.tls]")?;
            if self.sentinels.is_some() {
                bail!("[log.tls] does not work with `sentinels`; leave one of them out");
            }
            if !addresses.iter().all(|address| address.starts_with("rediss://")) {
                bail!("[log.tls] requires servers at rediss://, but `valkey` lists another; correct one of them");
            }
        }
        if self.valkey.as_ref().is_some_and(|Hidden(addresses)| addresses.is_empty()) {
            bail!("[log] `valkey` lists no server; list one, or leave it out");
        }
        if let Some(settings) = self.servers() {
            settings.check().context("[log] `valkey`")?;
        }
        Ok(())
    }

    /// Resolves relative paths against `folder`.
    pub(super) fn within(mut self, folder: &Path) -> Self {
        self.path = self.path.map(|path| folder.join(path));
        self.password_file = self.password_file.map(|path| folder.join(path));
        self.tls = self.tls.map(|tls| tls.within(folder));
        self
    }

    /// Returns the settings of the servers; `None` if the log is on this machine's disk.
    pub(in crate::relay) fn servers(&self) -> Option<ValkeySettings> {
        let Hidden(addresses) = self.valkey.as_ref()?;
        let mut settings = ValkeySettings::new(addresses.iter().cloned());
        settings.files.password = self.password_file.clone();
        if let Some(tls) = &self.tls {
            settings.files.authorities = tls.authorities.clone();
            settings.files.identity = tls.certificate.clone().zip(tls.key.clone());
        }
        if let Some(timeout) = self.timeout_ms {
            settings.timeout = timeout.milliseconds();
        }
        if let Some(replicas) = self.replicas {
            settings.replicas = u32::try_from(replicas.get()).unwrap_or(u32::MAX);
        }
        settings.sentinels = self.sentinels.as_ref().map_or_else(Vec::new, |Hidden(sentinels)| sentinels.clone());
        settings.durability = self.durability.unwrap_or(settings.durability);
        Some(settings)
    }
}
