//! A convicted member whose case is open.

use std::time::Instant;

use alloy_primitives::BlockNumber;
use quotapass_circuits::identity::{IdentityCommitment, IdentitySecret};
use quotapass_protocol::UnixSeconds;
use quotapass_registry::{RegistryError, node::NodeError};

use super::{SlasherError, SlasherSettings};

/// The number of consecutive lookups without the member before the case is closed. An endpoint may be behind.
const LOOKS: u32 = 3;

/// The state of a case between attempts.
pub(super) struct Case {
    pub(super) secret: IdentitySecret,
    pub(super) commitment: IdentityCommitment,
    /// The time at which a relay had the evidence.
    convicted_at: UnixSeconds,
    /// The time of the next attempt.
    pub(super) due: Instant,
    /// Failures in a row.
    pub(super) failures: u32,
    /// The number of consecutive lookups in which the chain had no such member.
    absences: u32,
    /// Whether the last lookup was at a block from before the evidence.
    is_behind: bool,
    /// The latest block at the first lookup. A slash by this process is not in an earlier block; a slash by an earlier
    /// run may be.
    pub(super) first_seen: Option<BlockNumber>,
    /// Whether it was logged that no wallet is set to slash.
    pub(super) is_announced: bool,
}

impl Case {
    pub(super) fn new(secret: IdentitySecret, convicted_at: UnixSeconds) -> Self {
        let commitment = secret.commitment();
        Self {
            secret,
            commitment,
            convicted_at,
            due: Instant::now(),
            failures: 0,
            absences: 0,
            is_behind: false,
            first_seen: None,
            is_announced: false,
        }
    }

    /// Records that the chain has no such member in a block with this time, or later. Returns whether that is certain.
    ///
    /// Attack prevented: a member deposits and posts twice at once. Another relay, whose endpoint is behind, takes the
    /// case, finds no such member, and closes it for good. A block from before the evidence therefore shows nothing.
    pub(super) fn is_absent(&mut self, block_time: UnixSeconds) -> bool {
        self.is_behind = block_time < self.convicted_at;
        self.absences += u32::from(!self.is_behind);
        self.absences >= LOOKS
    }

    /// Records that the chain has the member.
    pub(super) fn is_known(&mut self) {
        (self.absences, self.is_behind) = (0, false);
    }

    /// Postpones the case after a failure. A transaction that may be pending gets the longest pause to arrive.
    pub(super) fn failed(&mut self, error: &SlasherError, settings: &SlasherSettings) {
        self.failures += 1;
        let on_its_way = matches!(
            error,
            SlasherError::Registry(RegistryError::Node(NodeError::Unconfirmed { .. } | NodeError::NotIncluded { .. }))
        );
        let pause = if on_its_way { settings.backoff.longest } else { settings.backoff.pause(self.failures) };
        self.due = Instant::now() + pause;
    }

    /// Postpones the case without a failure. A relay whose endpoint is behind leaves it to other relays for a while.
    pub(super) fn wait(&mut self, settings: &SlasherSettings) {
        self.failures = 0;
        self.due = Instant::now() + if self.is_behind { settings.lease.saturating_mul(2) } else { settings.poll };
    }
}
