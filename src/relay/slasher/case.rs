//! A convicted member whose case is open.

use std::time::Instant;

use alloy_primitives::BlockNumber;
use quotapass_circuits::identity::{IdentityCommitment, IdentitySecret};

use super::{SlasherError, SlasherSettings};
use crate::registry::{RegistryError, node::NodeError};

/// How often in a row the chain must say that somebody never was a member. An endpoint may be behind.
const LOOKS: u32 = 3;

/// What is remembered of a case from one attempt to the next.
pub(super) struct Case {
    pub(super) secret: IdentitySecret,
    pub(super) commitment: IdentityCommitment,
    /// When it is looked at again.
    pub(super) due: Instant,
    /// Failures in a row.
    pub(super) failures: u32,
    /// How often in a row the chain knew no such member.
    absences: u32,
    /// The block at the first look: a slash of ours is not in one before, unless this process was started in between.
    pub(super) first_seen: Option<BlockNumber>,
    /// Whether it was said that nobody slashes here.
    pub(super) is_announced: bool,
}

impl Case {
    pub(super) fn new(secret: IdentitySecret) -> Self {
        let commitment = secret.commitment();
        Self {
            secret,
            commitment,
            due: Instant::now(),
            failures: 0,
            absences: 0,
            first_seen: None,
            is_announced: false,
        }
    }

    /// The chain knows no such member. Returns whether that is certain.
    pub(super) fn is_absent(&mut self) -> bool {
        self.absences += 1;
        self.absences >= LOOKS
    }

    /// The chain knows it.
    pub(super) fn is_known(&mut self) {
        self.absences = 0;
    }

    /// Puts it off after a failure. A transaction that may be on its way gets the longest pause to arrive.
    pub(super) fn failed(&mut self, error: &SlasherError, settings: &SlasherSettings) {
        self.failures += 1;
        let on_its_way = matches!(
            error,
            SlasherError::Registry(RegistryError::Node(NodeError::Unconfirmed { .. } | NodeError::NotIncluded { .. }))
        );
        let pause = if on_its_way { settings.backoff.longest } else { settings.backoff.pause(self.failures) };
        self.due = Instant::now() + pause;
    }

    /// Puts it off without a failure.
    pub(super) fn wait(&mut self, settings: &SlasherSettings) {
        self.failures = 0;
        self.due = Instant::now() + settings.poll;
    }
}
