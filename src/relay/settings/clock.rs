//! `[clock]`.

use quotapass_relay::upkeep::UpkeepSettings;
use serde::Deserialize;

use super::bounds::Within;

/// `[clock]`: when the system clock is trusted. The defaults are those of [`UpkeepSettings`].
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ClockSection {
    tolerance_seconds: Option<Within<1, 86_400>>,
    settle_seconds: Option<Within<0, 604_800>>,
}

impl ClockSection {
    pub(super) fn upkeep(self) -> UpkeepSettings {
        let usual = UpkeepSettings::default();
        UpkeepSettings {
            tolerance: self.tolerance_seconds.map_or(usual.tolerance, Within::get),
            settle: self.settle_seconds.map_or(usual.settle, Within::seconds),
            ..usual
        }
    }
}
