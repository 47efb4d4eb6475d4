//! The configuration of a relay that runs, and how it is read again.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Result, anyhow, bail};
use tracing::{error, info};

use super::settings::{LiveSettings, Settings};
use crate::{
    registry::RegistryInfo,
    relay::{NullifierLog, Relay, RelayContext, RelayEvent, chain::TermsCheck, http::HttpService},
};

/// What was read, and the registry that it must go with.
#[derive(Debug)]
pub(super) struct Configuration {
    path: PathBuf,
    settings: Mutex<Settings>,
    /// The registry's terms, once they are known. They never change.
    info: Mutex<Option<RegistryInfo>>,
}

impl Configuration {
    pub(super) fn new(path: PathBuf, settings: Settings) -> Self {
        Self { path, settings: Mutex::new(settings), info: Mutex::default() }
    }

    pub(super) fn settings(&self) -> Settings {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Remembers the registry's terms, and says why they do not go with the policies in force, if they do not.
    pub(super) fn check(&self, info: &RegistryInfo) -> Result<(), String> {
        *self.info.lock().unwrap_or_else(PoisonError::into_inner) = Some(info.clone());
        self.settings().live.check(info)
    }

    /// Reads the file again. What can change does; a file that is wrong anywhere changes nothing.
    pub(super) fn reload<L: NullifierLog>(&self, relay: &Relay<L>, context: &RelayContext, service: &HttpService) {
        let at = context.clock.now();
        match self.try_reload(relay, service, at) {
            Ok(changes) => {
                context.status.count_reload(true);
                let changes = if changes.is_empty() { "nothing".into() } else { changes.join("; ") };
                info!(changes, "the configuration was read again");
                context.events.publish(RelayEvent::Reloaded { at });
            }
            Err(refused) => {
                context.status.count_reload(false);
                error!(
                    error = format!("{refused:#}"),
                    "the configuration cannot be, and the one before stays in force"
                );
                context.events.publish(RelayEvent::ReloadRefused { at });
            }
        }
    }

    fn try_reload<L: NullifierLog>(&self, relay: &Relay<L>, service: &HttpService, at: u64) -> Result<Vec<String>> {
        let new = Settings::read(&self.path)?;
        new.live.require_begun(at)?;
        let before = self.settings();
        if let Some(section) = new.fixed.difference(&before.fixed) {
            bail!("{section} has changed, which a relay that runs cannot follow: restart it, or put it back");
        }
        if let Some(info) = &*self.info.lock().unwrap_or_else(PoisonError::into_inner) {
            new.live.check(info).map_err(|reason| anyhow!(reason))?;
        }
        let LiveSettings { unlisted, scopes, http } = &new.live;
        let changes = new.live.changes(&before.live);
        relay.change_policies(scopes.iter().cloned(), at)?;
        relay.change_unlisted(*unlisted);
        service.change_settings(http.clone());
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(changes)
    }
}

/// The terms check of the chain's follower.
pub(super) fn terms_check(configuration: &Arc<Configuration>) -> TermsCheck {
    let configuration = Arc::clone(configuration);
    Box::new(move |info| configuration.check(info))
}
