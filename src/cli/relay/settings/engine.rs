//! `[engine]`.

use std::{num::NonZeroUsize, time::Duration};

use serde::Deserialize;

use crate::relay::EngineSettings;

/// `[engine]`: how posts are put into batches; what is not set is as the engine has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in crate::cli::relay) struct EngineSection {
    workers: Option<NonZeroUsize>,
    max_batch: Option<NonZeroUsize>,
    max_delay_ms: Option<u64>,
    max_queued: Option<usize>,
    max_queued_bytes: Option<usize>,
}

impl EngineSection {
    pub(in crate::cli::relay) fn settings(&self) -> EngineSettings {
        let usual = EngineSettings::default();
        EngineSettings {
            workers: self.workers.unwrap_or(usual.workers),
            max_batch: self.max_batch.unwrap_or(usual.max_batch),
            max_delay: self.max_delay_ms.map_or(usual.max_delay, Duration::from_millis),
            max_queued: self.max_queued.unwrap_or(usual.max_queued),
            max_queued_bytes: self.max_queued_bytes.unwrap_or(usual.max_queued_bytes),
            ..usual
        }
    }
}
