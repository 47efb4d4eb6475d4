//! `[moderation]`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use quotapass_log::{CosignerKey, CosignerPublicKey, LogName, Origin, Trust};
use quotapass_protocol::note::NotePublicKey;
use quotapass_relay::moderation::host::{FollowSettings, LogServer};
use serde::{Deserialize, Deserializer, de::Error as _};

use super::tls::TlsSection;

/// The most logs that a relay follows. Each has a thread and a copy.
const MAX_FOLLOWED: usize = 64;

/// `[moderation]`: the operator's own moderation log, and the logs of others that the relay follows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::relay) struct ModerationSection {
    pub(in crate::relay) log: Option<NamedLog>,
    #[serde(deserialize_with = "texts")]
    pub(in crate::relay) witnesses: Vec<CosignerPublicKey>,
    witness_name: Option<String>,
    pub(in crate::relay) follow: Vec<FollowSection>,
}

/// A log's origin and root key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::relay) struct NamedLog(pub(in crate::relay) LogName);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NameFields {
    origin: String,
    root_key: String,
}

impl<'de> Deserialize<'de> for NamedLog {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        name(NameFields::deserialize(deserializer)?).map(Self).map_err(D::Error::custom)
    }
}

fn name(NameFields { origin, root_key }: NameFields) -> Result<LogName, String> {
    Ok(LogName {
        origin: origin.parse::<Origin>().map_err(|error| error.to_string())?,
        root_key: root_key.parse::<NotePublicKey>().map_err(|error| format!("`root_key`: {error}"))?,
    })
}

/// `[[moderation.follow]]`: a log of another operator.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::relay) struct FollowSection {
    origin: String,
    root_key: String,
    url: String,
    #[serde(default = "yes")]
    cosign: bool,
    #[serde(default)]
    cosignatures: usize,
    tls: Option<TlsSection>,
}

const fn yes() -> bool {
    true
}

/// Reads the keys of witnesses.
fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<CosignerPublicKey>, D::Error> {
    let texts = Vec::<String>::deserialize(deserializer)?;
    texts.iter().map(|text| text.parse().map_err(D::Error::custom)).collect()
}

impl FollowSection {
    fn name(&self) -> Result<LogName> {
        let fields = NameFields { origin: self.origin.clone(), root_key: self.root_key.clone() };
        name(fields).map_err(|reason| anyhow::anyhow!("[[moderation.follow]] {reason}"))
    }
}

impl ModerationSection {
    /// Checks everything that needs no file.
    pub(super) fn validate(&self) -> Result<()> {
        if self.follow.len() > MAX_FOLLOWED {
            bail!("[[moderation.follow]] lists {} logs, but {MAX_FOLLOWED} are the limit", self.follow.len());
        }
        if self.witness_name.is_none() && self.follow.iter().any(|follow| follow.cosign) {
            bail!(
                "[moderation] has no `witness_name`, under which the relay cosigns the logs that it follows; set it, or \
                 set `cosign = false`"
            );
        }
        if let Some(name) = &self.witness_name {
            // The name of a key; the seed does not matter here.
            CosignerKey::from_seed(name, &[0; 32]).context("[moderation] `witness_name`")?;
        }
        let mut known: Vec<_> = self.log.iter().map(|NamedLog(name)| name.id()).collect();
        for follow in &self.follow {
            let name = follow.name()?;
            if known.contains(&name.id()) {
                bail!("[moderation] names the log `{}` twice; name each log once", follow.origin);
            }
            known.push(name.id());
            LogServer::new(&follow.url, None).with_context(|| format!("[[moderation.follow]] `{}`", follow.origin))?;
            if let Some(tls) = &follow.tls {
                tls.validate().context("[moderation.follow.tls]")?;
                if tls.certificate.is_some() {
                    bail!(
                        "[moderation.follow.tls] takes `authorities` alone: logs are public; leave `certificate` out"
                    );
                }
            }
            if follow.cosignatures > 0 {
                let trust = Trust::new(name, self.witnesses.clone(), follow.cosignatures);
                trust.with_context(|| format!("[[moderation.follow]] `{}`: `cosignatures`", follow.origin))?;
            }
        }
        if let Some(NamedLog(name)) = self.log.as_ref().filter(|_| !self.witnesses.is_empty()) {
            Trust::new(name.clone(), self.witnesses.clone(), 1).context("[moderation] `witnesses`")?;
        }
        Ok(())
    }

    /// Resolves relative paths against `folder`.
    pub(super) fn within(mut self, folder: &Path) -> Self {
        for follow in &mut self.follow {
            follow.tls = follow.tls.take().map(|tls| tls.within(folder));
        }
        self
    }

    /// Whether the relay hosts or follows a log.
    pub(in crate::relay) fn is_used(&self) -> bool {
        self.log.is_some() || !self.follow.is_empty()
    }

    /// The name of the key that cosigns followed logs, if one is needed.
    pub(in crate::relay) fn witness_name(&self) -> Option<&str> {
        self.witness_name.as_deref().filter(|_| self.follow.iter().any(|follow| follow.cosign))
    }

    /// Returns the settings of the followed logs, and reads their certificates.
    pub(in crate::relay) fn followed(&self) -> Result<Vec<FollowSettings>> {
        let settings = |follow: &FollowSection| {
            let files = follow.tls.as_ref().map(TlsSection::read).transpose()?;
            let authorities = files.and_then(|files| files.authorities);
            Ok(FollowSettings {
                name: follow.name()?,
                server: LogServer::new(&follow.url, authorities.as_deref())?,
                is_cosigned: follow.cosign,
                witnesses: self.witnesses.clone(),
                required: follow.cosignatures,
            })
        };
        self.follow.iter().map(settings).collect()
    }
}

/// The folder of the copies and keys of logs, below that of a relay.
pub(in crate::relay) fn folder(relay: &Path) -> PathBuf {
    relay.join("moderation")
}
