//! The stored and exchanged form of the evidence of a double post.

use core::{
    fmt,
    num::{NonZeroU16, NonZeroU32},
};

use quotapass_circuits::{
    identity::IdentitySecret,
    share::{Nullifier, Share, recover, recover_line},
    signal::{Epoch, ExternalNullifier, Scope},
};
use serde::{Deserialize, Serialize};

/// Two shares of one nullifier. They reveal the secret, so `Debug` omits them.
#[derive(Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The scope.
    pub scope: Scope,
    /// The epoch.
    pub epoch: Epoch,
    /// The nullifier of both shares.
    pub nullifier: Nullifier,
    /// The share that was recorded.
    pub recorded: Share,
    /// The share that came later.
    pub second: Share,
}

impl Evidence {
    /// Recovers the secret from the shares; none if they are of the same message or of no secret. The caller checks by
    /// the commitment that it belongs to a member.
    pub fn secret(&self) -> Option<IdentitySecret> {
        recover(&self.recorded, &self.second).ok()
    }

    /// Recovers the secret, and returns it if one of its nullifiers with message ids below `cap` is this nullifier:
    /// then both shares belong to it, and not to an invented line. Costs one hash per message id.
    pub fn secret_below(&self, cap: NonZeroU16) -> Option<IdentitySecret> {
        let (secret, line) = recover_line(&self.recorded, &self.second).ok()?;
        if line.nullifier() != self.nullifier {
            return None;
        }
        line.message_id(ExternalNullifier::new(self.scope, self.epoch), 0..cap.get()).map(|_| secret)
    }
}

impl fmt::Debug for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scope, epoch, nullifier, .. } = self;
        f.debug_struct("Evidence")
            .field("scope", scope)
            .field("epoch", epoch)
            .field("nullifier", nullifier)
            .finish_non_exhaustive()
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
    use crate::samples::evidence;

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
