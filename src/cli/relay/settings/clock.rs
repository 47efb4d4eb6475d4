//! `[clock]`.

use std::time::Duration;

use serde::Deserialize;

use crate::relay::upkeep::UpkeepSettings;

/// `[clock]`: when the system's clock is believed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::cli::relay) struct ClockSection {
    pub(in crate::cli::relay) tolerance_seconds: u64,
    pub(in crate::cli::relay) settle_seconds: u64,
}

impl Default for ClockSection {
    fn default() -> Self {
        let UpkeepSettings { tolerance, settle, .. } = UpkeepSettings::default();
        Self { tolerance_seconds: tolerance, settle_seconds: settle.as_secs() }
    }
}

impl ClockSection {
    pub(in crate::cli::relay) fn upkeep(&self) -> UpkeepSettings {
        UpkeepSettings {
            tolerance: self.tolerance_seconds,
            settle: Duration::from_secs(self.settle_seconds),
            ..UpkeepSettings::default()
        }
    }
}
