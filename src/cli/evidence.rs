//! Two shares of one nullifier as a file: what `verify` finds and `slash` proves.

use core::num::NonZeroU32;
use std::path::Path;

use anyhow::{Context, Result};
use quotapass_circuits::{
    identity::IdentitySecret,
    share::{Nullifier, Share, recover},
    signal::Scope,
};
use serde::{Deserialize, Serialize};

use crate::{files::create_new, relay::Evidence};

/// The evidence of a double post. Whoever has it has the offender's secret.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EvidenceFile {
    scope: Scope,
    epoch_seconds: NonZeroU32,
    epoch: u64,
    nullifier: Nullifier,
    shares: [Share; 2],
}

impl From<&Evidence> for EvidenceFile {
    fn from(evidence: &Evidence) -> Self {
        let Evidence { scope, epoch, nullifier, recorded, second } = evidence;
        Self {
            scope: *scope,
            epoch_seconds: epoch.seconds(),
            epoch: epoch.number(),
            nullifier: *nullifier,
            shares: [*recorded, *second],
        }
    }
}

impl EvidenceFile {
    /// Writes a file that its owner alone can read.
    pub(super) fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_vec_pretty(self)?;
        create_new(path, &text).with_context(|| format!("cannot write {}", path.display()))
    }

    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_slice(&text).with_context(|| format!("{} holds no evidence", path.display()))
    }

    /// The offender's secret.
    pub(super) fn secret(&self) -> Result<IdentitySecret> {
        let [first, second] = &self.shares;
        Ok(recover(first, second)?)
    }
}
