//! `[engine]`.

use quotapass_relay::EngineSettings;
use serde::Deserialize;

use super::bounds::Within;

/// `[engine]`: batching of posts. The defaults are those of [`EngineSettings`].
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct EngineSection {
    workers: Option<Within<1, 256>>,
    max_batch: Option<Within<1, 65_536>>,
    max_delay_ms: Option<Within<0, 60_000>>,
    max_queued: Option<Within<1, { 1 << 24 }>>,
    max_queued_bytes: Option<Within<1_024, { 1 << 40 }>>,
}

impl EngineSection {
    pub(super) fn settings(self) -> EngineSettings {
        let usual = EngineSettings::default();
        EngineSettings {
            workers: self.workers.map_or(usual.workers, Within::count),
            max_batch: self.max_batch.map_or(usual.max_batch, Within::count),
            max_delay: self.max_delay_ms.map_or(usual.max_delay, Within::milliseconds),
            max_queued: self.max_queued.map_or(usual.max_queued, Within::size),
            max_queued_bytes: self.max_queued_bytes.map_or(usual.max_queued_bytes, Within::size),
            ..usual
        }
    }
}
