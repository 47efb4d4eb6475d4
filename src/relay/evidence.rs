//! The stored and exchanged form of the evidence of a double post.

use core::num::NonZeroU32;

use quotapass_circuits::{
    identity::IdentitySecret,
    share::{Nullifier, Share},
    signal::{Epoch, Scope},
};
use serde::{Deserialize, Serialize};

use super::{Evidence, log::Fields};

/// Stored evidence, with its time and optional fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conviction {
    /// The two shares.
    pub evidence: Evidence,
    /// The time at which a relay first had both shares, in Unix seconds.
    pub at: u64,
    /// Optional fields, which the log keeps as they are.
    pub fields: Fields,
}

impl Conviction {
    /// Creates a conviction at Unix second `at`, without optional fields.
    pub fn new(evidence: Evidence, at: u64) -> Self {
        Self { evidence, at, fields: Fields::new() }
    }

    /// Recovers the secret, like [`Evidence::secret`].
    pub fn secret(&self) -> Option<IdentitySecret> {
        self.evidence.secret()
    }
}

/// The JSON form of [`Evidence`]: both shares and their nullifier. It reveals the offender's secret, so this form is
/// only for files and stores that are kept secret, and [`Evidence`] itself does not serialize.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvidenceRecord {
    scope: Scope,
    epoch_seconds: NonZeroU32,
    epoch: u64,
    nullifier: Nullifier,
    /// The recorded share, and the one that came later.
    shares: [Share; 2],
}

impl From<&Evidence> for EvidenceRecord {
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

impl From<EvidenceRecord> for Evidence {
    fn from(record: EvidenceRecord) -> Self {
        let EvidenceRecord { scope, epoch_seconds, epoch, nullifier, shares: [recorded, second] } = record;
        Self { scope, epoch: Epoch::new(epoch_seconds, epoch), nullifier, recorded, second }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::tests::evidence;

    #[test]
    fn json_gives_the_same_evidence() {
        let evidence = evidence();
        let json = serde_json::to_string(&EvidenceRecord::from(&evidence)).unwrap();
        let record: EvidenceRecord = serde_json::from_str(&json).unwrap();
        assert_eq!(Evidence::from(record), evidence);
        assert!(serde_json::from_str::<EvidenceRecord>(&json.replace("epoch_seconds", "seconds")).is_err());
        assert!(serde_json::from_str::<EvidenceRecord>(&json.replace("600", "0")).is_err());
    }
}
