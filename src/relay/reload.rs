//! The configuration of a running relay, and its reload.

use std::{path::PathBuf, sync::Arc};

use anyhow::{Result, anyhow, bail};
use parking_lot::Mutex;
use quotapass_circuits::verifier::VerifyingKeyHash;
use quotapass_protocol::UnixSeconds;
use quotapass_registry::{RegistryInfo, RegistryReader};
use quotapass_relay::{
    Relay, RelayContext, RelayEvent,
    chain::{ChainError, RegistryCheck},
    http::HttpService,
};
use tracing::{error, info};

use super::{
    logging,
    settings::{LiveSettings, Settings},
    surroundings::ChainAccess,
};

/// The configuration in force, and the terms of the registry that it must match.
#[derive(Debug)]
pub(super) struct Configuration {
    path: PathBuf,
    settings: Mutex<Settings>,
    /// The key in force for slashes.
    slash_key: VerifyingKeyHash,
    /// The registry's terms, once they are known. They never change.
    info: Mutex<Option<RegistryInfo>>,
}

impl Configuration {
    pub(super) fn new(path: PathBuf, settings: Settings, slash_key: VerifyingKeyHash) -> Self {
        Self { path, settings: Mutex::new(settings), slash_key, info: Mutex::default() }
    }

    pub(super) fn settings(&self) -> Settings {
        self.settings.lock().clone()
    }

    /// Checks the registry against the settings, and remembers its terms if they match.
    pub(super) fn check(&self, registry: &dyn RegistryReader) -> Result<(), ChainError> {
        let info = self.settings().fit(registry, self.slash_key)?;
        *self.info.lock() = Some(info);
        Ok(())
    }

    /// Reads the file again and applies the settings that can change at run time. An invalid file changes nothing.
    /// Returns whether the reload succeeded.
    pub(super) fn reload(
        &self,
        relay: &Relay,
        context: &RelayContext,
        service: &HttpService,
        chain: &ChainAccess,
    ) -> bool {
        let at = context.clock.now();
        match self.try_reload(relay, service, chain, at) {
            Ok(changes) => {
                context.status.count_reload(true);
                let changes = if changes.is_empty() { "nothing".into() } else { changes.join("; ") };
                info!(changes, "the configuration was reloaded");
                context.events.publish(RelayEvent::Reloaded { at });
                true
            }
            Err(refused) => {
                context.status.count_reload(false);
                error!(error = format!("{refused:#}"), "reload failed; the previous configuration stays in force");
                context.events.publish(RelayEvent::ReloadRefused { at });
                false
            }
        }
    }

    fn try_reload(
        &self,
        relay: &Relay,
        service: &HttpService,
        chain: &ChainAccess,
        at: UnixSeconds,
    ) -> Result<Vec<String>> {
        let new = Settings::read(&self.path)?;
        new.live.require_begun(at)?;
        let before = self.settings();
        if let Some(section) = new.fixed.difference(&before.fixed) {
            bail!("{section} has changed, which needs a restart: restart the relay, or undo the change");
        }
        if let Some(info) = &*self.info.lock() {
            new.live.check(info).map_err(|reason| anyhow!(reason))?;
        }
        let LiveSettings { unlisted, scopes, shadow, http, log_level } = &new.live;
        let mut changes = new.live.changes(&before.live);
        let wallet = chain.read_wallet(&new.fixed.slashing)?;
        relay.change_policies(scopes.iter().cloned(), at)?;
        // From here on nothing can fail.
        changes.extend(chain.renew(wallet));
        relay.change_unlisted(*unlisted);
        relay.change_shadow(shadow.iter().cloned());
        service.change_settings(http.clone());
        logging::change_level(*log_level);
        *self.settings.lock() = new;
        Ok(changes)
    }
}

/// Returns the check that the chain's follower runs on the registry.
pub(super) fn registry_check(configuration: &Arc<Configuration>) -> RegistryCheck {
    let configuration = Arc::clone(configuration);
    Box::new(move |registry| configuration.check(registry))
}
