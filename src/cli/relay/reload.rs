//! The configuration of a relay that runs, and how it is read again.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::{Result, anyhow, bail};
use quotapass_circuits::verifier::KeyHash;
use tracing::{error, info};

use super::{
    logging,
    settings::{LiveSettings, Settings},
    surroundings::ChainAccess,
};
use crate::{
    registry::{Registry, RegistryInfo},
    relay::{
        NullifierLog, Relay, RelayContext, RelayEvent,
        chain::{ChainError, RegistryCheck},
        http::HttpService,
    },
};

/// What was read, and the registry that it must go with.
#[derive(Debug)]
pub(super) struct Configuration {
    path: PathBuf,
    settings: Mutex<Settings>,
    /// The key in force for slashes.
    slash_key: KeyHash,
    /// The registry's terms, once they are known. They never change.
    info: Mutex<Option<RegistryInfo>>,
}

impl Configuration {
    pub(super) fn new(path: PathBuf, settings: Settings, slash_key: KeyHash) -> Self {
        Self { path, settings: Mutex::new(settings), slash_key, info: Mutex::default() }
    }

    pub(super) fn settings(&self) -> Settings {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says why the registry does not go with the settings, if it does not, and remembers its terms if it does.
    pub(super) fn check(&self, registry: &dyn Registry) -> Result<(), ChainError> {
        let info = self.settings().fit(registry, self.slash_key)?;
        *self.info.lock().unwrap_or_else(PoisonError::into_inner) = Some(info);
        Ok(())
    }

    /// Reads the file again. What can change does; a file that is wrong anywhere changes nothing. Returns
    /// whether it was taken.
    pub(super) fn reload<L: NullifierLog>(
        &self,
        relay: &Relay<L>,
        context: &RelayContext,
        service: &HttpService,
        chain: &ChainAccess,
    ) -> bool {
        let at = context.clock.now();
        match self.try_reload(relay, service, chain, at) {
            Ok(changes) => {
                context.status.count_reload(true);
                let changes = if changes.is_empty() { "nothing".into() } else { changes.join("; ") };
                info!(changes, "the configuration was read again");
                context.events.publish(RelayEvent::Reloaded { at });
                true
            }
            Err(refused) => {
                context.status.count_reload(false);
                error!(
                    error = format!("{refused:#}"),
                    "the configuration cannot be, and the one before stays in force"
                );
                context.events.publish(RelayEvent::ReloadRefused { at });
                false
            }
        }
    }

    fn try_reload<L: NullifierLog>(
        &self,
        relay: &Relay<L>,
        service: &HttpService,
        chain: &ChainAccess,
        at: u64,
    ) -> Result<Vec<String>> {
        let new = Settings::read(&self.path)?;
        new.live.require_begun(at)?;
        let before = self.settings();
        if let Some(section) = new.fixed.difference(&before.fixed) {
            bail!("{section} has changed, which a relay that runs cannot follow: restart it, or put it back");
        }
        if let Some(info) = &*self.info.lock().unwrap_or_else(PoisonError::into_inner) {
            new.live.check(info).map_err(|reason| anyhow!(reason))?;
        }
        let LiveSettings { unlisted, scopes, shadow, http, log_level } = &new.live;
        let mut changes = new.live.changes(&before.live);
        let wallet = chain.read_wallet(&new.fixed.slashing)?;
        relay.change_policies(scopes.iter().cloned(), at)?;
        // From here on nothing fails.
        changes.extend(chain.renew(wallet));
        relay.change_unlisted(*unlisted);
        relay.change_shadow(shadow.iter().cloned());
        service.change_settings(http.clone());
        logging::change_level(*log_level);
        *self.settings.lock().unwrap_or_else(PoisonError::into_inner) = new;
        Ok(changes)
    }
}

/// The check of the chain's follower.
pub(super) fn registry_check(configuration: &Arc<Configuration>) -> RegistryCheck {
    let configuration = Arc::clone(configuration);
    Box::new(move |registry| configuration.check(registry))
}
