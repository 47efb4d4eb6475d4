//! Evidence files: two shares of one nullifier, which `verify` finds and `slash` proves.

use std::path::Path;

use anyhow::{Context, Result};
use quotapass_protocol::{Evidence, EvidenceRecord};
use quotapass_wallet::files::create_new;

/// Writes evidence to a new file that only its owner can read.
pub(super) fn write(evidence: &Evidence, path: &Path) -> Result<()> {
    let text = serde_json::to_vec_pretty(&EvidenceRecord::from(evidence))?;
    create_new(path, &text).with_context(|| format!("cannot write {}", path.display()))
}

pub(super) fn read(path: &Path) -> Result<Evidence> {
    let text = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    let record: EvidenceRecord =
        serde_json::from_slice(&text).with_context(|| format!("{} holds no evidence", path.display()))?;
    Ok(record.into())
}
