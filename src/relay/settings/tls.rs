//! `[chain.tls]` and `[log.tls]`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::path::path;

/// PEM files: the certificates of a private authority, and the relay's own certificate and key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::relay) struct TlsSection {
    #[serde(deserialize_with = "path")]
    pub(super) authorities: Option<PathBuf>,
    #[serde(deserialize_with = "path")]
    pub(super) certificate: Option<PathBuf>,
    #[serde(deserialize_with = "path")]
    pub(super) key: Option<PathBuf>,
}

/// The content of the files.
pub(in crate::relay) struct TlsFiles {
    pub(in crate::relay) authorities: Option<Vec<u8>>,
    /// The certificate chain and its key.
    pub(in crate::relay) identity: Option<(Vec<u8>, Zeroizing<Vec<u8>>)>,
}

impl TlsSection {
    pub(super) fn validate(&self) -> Result<()> {
        match (&self.authorities, &self.certificate, &self.key) {
            (_, Some(_), None) | (_, None, Some(_)) => bail!("`certificate` and `key` require each other; set both"),
            (None, None, None) => bail!("the section names no file: set `authorities`, or `certificate` and `key`"),
            _ => Ok(()),
        }
    }

    /// Resolves relative paths against `folder`.
    pub(super) fn within(self, folder: &Path) -> Self {
        let within = |path: Option<PathBuf>| path.map(|path| folder.join(path));
        Self { authorities: within(self.authorities), certificate: within(self.certificate), key: within(self.key) }
    }

    /// Reads the files.
    pub(in crate::relay) fn read(&self) -> Result<TlsFiles> {
        let read = |path: &PathBuf| fs::read(path).with_context(|| format!("cannot read {}", path.display()));
        let identity = match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => Some((read(certificate)?, Zeroizing::new(read(key)?))),
            _ => None,
        };
        Ok(TlsFiles { authorities: self.authorities.as_ref().map(read).transpose()?, identity })
    }
}
