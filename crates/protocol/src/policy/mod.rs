//! The requirements of a scope on its posts, and how a change of them takes effect.

#[cfg(feature = "notes")]
mod document;
mod history;
mod table;

use core::num::{NonZeroU16, NonZeroU32};

use quotapass_circuits::{membership::Day, requirement::Requirement, signal::Epoch, time::UnixSeconds};
use serde::{Deserialize, Serialize};

use super::RequirementMismatch;

#[cfg(feature = "notes")]
pub use document::{
    NotAPolicyHash, POLICY_CONTEXT, POLICY_KEY_NAME, PoliciesStatement, PolicyHash, PolicyStatement, RegistryStatement,
    StatedPoliciesError,
};
pub use history::{DatedPolicy, PolicyHistory, StatedTerms};
pub use table::{PolicyTable, ScopePolicy, UnlistedScope, UnlistedVerdict};

/// The maximum length of a scope's name, in bytes.
const MAX_NAME: usize = 255;

/// The minimum time that a relay needs to slash, in seconds: to get its transaction included, even on a busy chain,
/// after the last post with which a member can reveal its secret.
pub const SLASH_SECONDS: u32 = 3_600;
/// The age in seconds that the newest known block may have without a consequence. It covers the time between two
/// blocks, the time between two polls, and the restart of an endpoint.
pub const HEAD_SECONDS: u32 = 600;

/// The policy of one scope: public, and the same for all members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// The scope's name, for example the name of a room.
    pub name: String,
    /// Length of an epoch in seconds.
    pub epoch_seconds: NonZeroU32,
    /// Cap on messages per epoch, whatever the member's own limit.
    pub limit_cap: NonZeroU16,
    /// Least stake, in the registry's stake units.
    pub min_stake: u32,
    /// Least age of a deposit in days.
    pub min_age_days: u16,
    /// The time for which a root is accepted after it was superseded, and this policy after it was replaced; in
    /// seconds. See [`least_exit_delay`](Self::least_exit_delay).
    pub root_window: u32,
    /// Clock difference allowed around an epoch's edges, in seconds; at most one epoch.
    pub max_clock_skew: u32,
}

/// Errors of policies.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// A scope without a name.
    #[error("a scope needs a name")]
    NoName,
    /// A name that is too long.
    #[error("a scope's name has at most {MAX_NAME} bytes, this one has {0}")]
    LongName(usize),
    /// The allowed clock difference is longer than an epoch.
    #[error(
        "scope `{name}`: max_clock_skew of {skew} s is longer than its epoch of {epoch} s, so that a member could spend \
         the quota of more than three epochs at once; lower it, or take longer epochs"
    )]
    SkewAboveEpoch {
        /// The scope's name.
        name: String,
        /// The clock difference.
        skew: u32,
        /// The epoch's length.
        epoch: u32,
    },
    /// A scope without a policy.
    #[error("the scope has no policy; list one")]
    NoPolicy,
    /// Policies of two scopes where one scope is expected.
    #[error("expected policies of the scope `{expected}` only, found a policy of `{found}`")]
    OtherScope {
        /// The expected scope.
        expected: String,
        /// The other scope.
        found: String,
    },
    /// Two policies of one scope with the same start time.
    #[error(
        "scope `{0}` is listed twice for the same time; keep one of them, or give the later one its own start time \
         `from` and a higher `version`"
    )]
    Duplicate(String),
    /// A start time that RFC 3339 cannot express.
    #[error("scope `{name}`: the start time of a policy, Unix second {from}, is after the year 9999")]
    Time {
        /// The scope's name.
        name: String,
        /// The start time.
        from: UnixSeconds,
    },
    /// A later policy without a higher version.
    #[error(
        "scope `{name}`: version {later} starts after version {earlier}; give each policy a higher `version` than the \
         policies before it"
    )]
    Version {
        /// The scope's name.
        name: String,
        /// The version of the earlier policy.
        earlier: u32,
        /// The version of the later policy.
        later: u32,
    },
}

impl Policy {
    /// Checks that the values are consistent.
    ///
    /// # Errors
    /// [`PolicyError`] names the inconsistent values.
    pub fn validate(&self) -> Result<(), PolicyError> {
        if self.name.is_empty() {
            return Err(PolicyError::NoName);
        }
        if self.name.len() > MAX_NAME {
            return Err(PolicyError::LongName(self.name.len()));
        }
        let (skew, epoch) = (self.max_clock_skew, self.epoch_seconds.get());
        if skew > epoch {
            return Err(PolicyError::SkewAboveEpoch { name: self.name.clone(), skew, epoch });
        }
        Ok(())
    }

    /// Returns the seconds from the block in which a member leaves until the slash for its last accepted post is
    /// included: its last root is accepted for the root window, its last epoch for its length and the clock difference,
    /// and then the slash needs [its time](SLASH_SECONDS).
    ///
    /// Attack: a member requests its exit, posts twice under one message id at the last moment at which its root is
    /// accepted, and withdraws the deposit before the slash is included.
    pub fn exposure(&self) -> u64 {
        [self.root_window, self.epoch_seconds.get(), self.max_clock_skew, SLASH_SECONDS]
            .into_iter()
            .map(u64::from)
            .sum()
    }

    /// Returns the shortest exit delay, in seconds, of a registry whose members may post in this scope: the
    /// [exposure](Self::exposure) and the [age of the newest block](HEAD_SECONDS).
    pub fn least_exit_delay(&self) -> u64 {
        self.exposure() + u64::from(HEAD_SECONDS)
    }

    /// Returns the epoch of a time.
    pub fn epoch_at(&self, time: UnixSeconds) -> Epoch {
        Epoch::at(self.epoch_seconds, time)
    }

    /// Returns the requirement that a post of this epoch must state: `since_max` is the day on which the epoch begins
    /// (UTC) minus the least age, or day zero if that would be negative.
    pub fn requirement(&self, epoch: Epoch) -> Requirement {
        self.requirement_on(Day::at(epoch.begins()))
    }

    /// Returns the requirement that a badge must state on a day.
    pub fn requirement_on(&self, today: Day) -> Requirement {
        Requirement { min_stake: self.min_stake, since_max: Day(today.0.saturating_sub(self.min_age_days)) }
    }

    /// Returns whether an epoch is in range at `now`: from `max_clock_skew` before its beginning (inclusive) to
    /// `max_clock_skew` after its end (exclusive, like the end itself).
    pub fn is_in_range(&self, epoch: Epoch, now: UnixSeconds) -> bool {
        let skew = u64::from(self.max_clock_skew);
        epoch.begins() <= now.saturating_add(skew) && now < epoch.ends().saturating_add(skew)
    }
}

fn compare_requirement(stated: &Requirement, expected: &Requirement) -> Result<(), RequirementMismatch> {
    if stated.min_stake != expected.min_stake {
        return Err(RequirementMismatch::MinStake { stated: stated.min_stake, expected: expected.min_stake });
    }
    if stated.since_max != expected.since_max {
        return Err(RequirementMismatch::SinceMax { stated: stated.since_max, expected: expected.since_max });
    }
    Ok(())
}
