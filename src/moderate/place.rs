//! Which log a verb is about, and where it is.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use quotapass_log::{LogName, Origin};
use quotapass_protocol::note::NotePublicKey;
use quotapass_text::EndpointUrl;
use serde::Deserialize;

use super::client::RelayClient;
use crate::{context::Context, failure::usage};

/// The log, and the relay that writes it or has a copy.
#[derive(Debug, Args)]
pub(super) struct Place {
    /// File that names the log: lines `origin`, `root_key`, `relay` in TOML, as in the settings of its relay
    #[arg(long, value_name = "FILE", required_unless_present = "origin", conflicts_with = "origin")]
    log: Option<PathBuf>,
    /// Origin of the log, instead of a file
    #[arg(long, requires = "root_key", hide_short_help = true)]
    origin: Option<Origin>,
    /// Public root key of the log, from the operator or the room, and not from the relay
    #[arg(long, value_name = "NAME+HASH+KEY", requires = "origin", hide_short_help = true)]
    root_key: Option<NotePublicKey>,
    /// Relay of the log [default: that of the file]
    #[arg(long, value_name = "URL")]
    relay: Option<EndpointUrl>,
}

/// The content of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stated {
    origin: String,
    root_key: String,
    relay: Option<String>,
}

impl Place {
    fn file(&self) -> Result<Option<Stated>> {
        let Some(path) = &self.log else { return Ok(None) };
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let stated = toml::from_str(&text).with_context(|| {
            usage(format!("{} does not name a log; write the lines `origin` and `root_key`", path.display()))
        })?;
        Ok(Some(stated))
    }

    /// Returns the name of the log.
    pub(super) fn name(&self) -> Result<LogName> {
        if let (Some(origin), Some(root_key)) = (&self.origin, &self.root_key) {
            return Ok(LogName { origin: origin.clone(), root_key: root_key.clone() });
        }
        let (Some(stated), Some(path)) = (self.file()?, &self.log) else {
            bail!(usage("name the log with --log, or with --origin and --root-key"));
        };
        let within = |path: &Path| usage(format!("{} does not name a log", path.display()));
        Ok(LogName {
            origin: stated.origin.parse().with_context(|| within(path))?,
            root_key: stated.root_key.parse().with_context(|| within(path))?,
        })
    }

    /// Returns the relay, if one is named.
    pub(super) fn relay(&self) -> Result<Option<EndpointUrl>> {
        match &self.relay {
            Some(relay) => Ok(Some(relay.clone())),
            None => Ok(self.file()?.and_then(|stated| stated.relay).map(EndpointUrl::new)),
        }
    }

    /// Connects to the relay.
    pub(super) fn client(&self, context: &Context) -> Result<RelayClient> {
        let Some(relay) = self.relay()? else { bail!(usage("name the relay of the log with --relay")) };
        RelayClient::new(&relay, self.name()?.id(), &context.relay_options()?)
    }
}
