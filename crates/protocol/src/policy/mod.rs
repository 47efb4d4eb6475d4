//! The requirements of a scope on its posts, and how a change of them takes effect.

#[cfg(feature = "notes")]
mod document;
mod history;
mod moderation;
mod report;
mod table;
mod view;

use core::num::{NonZeroU16, NonZeroU32};

use quotapass_circuits::{
    membership::Day,
    moderation::{MAX_LISTS, MAX_SEGMENTS},
    requirement::Requirement,
    signal::Epoch,
    time::UnixSeconds,
};
use serde::{Deserialize, Serialize};

use super::RequirementMismatch;
use report::PREFIX;

#[cfg(feature = "notes")]
pub use document::{
    NotAPolicyHash, POLICY_CONTEXT, POLICY_KEY_NAME, PoliciesStatement, PolicyHash, PolicyStatement, RegistryStatement,
    StatedPoliciesError,
};
pub use history::{DatedPolicy, PolicyHistory, StatedTerms};
pub use moderation::{LogIdentity, ModerationPolicy, NotALogIdentity, PolicyList};
pub use report::{NotAReportScope, REPORT_EPOCH, ReportScope};
pub use table::{PolicyTable, ScopePolicy, UnlistedScope, UnlistedVerdict};
pub use view::ScopeView;

/// The maximum length of a scope's name, in bytes.
const MAX_NAME: usize = 255;

/// The most stake levels of a scope.
const MAX_LEVELS: usize = 16;

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
    /// The scope's name, for example the name of a room. A name that ends in `/*` is a pattern: the policy then holds for
    /// each scope whose name begins with the text before the `*`, unless another policy has that name or a longer
    /// beginning of it. See [`PolicyTable::get`].
    pub name: String,
    /// Length of an epoch in seconds.
    pub epoch_seconds: NonZeroU32,
    /// Cap on messages per epoch, whatever the member's own limit.
    pub limit_cap: NonZeroU16,
    /// Least stake, in the registry's stake units: the lowest of the stake levels.
    pub min_stake: u32,
    /// Least age of a deposit in days.
    pub min_age_days: u16,
    /// The time for which a root is accepted after it was superseded, and this policy after it was replaced; in
    /// seconds. See [`least_exit_delay`](Self::least_exit_delay).
    pub root_window: u32,
    /// Clock difference allowed around an epoch's edges, in seconds; at most one epoch.
    pub max_clock_skew: u32,
    /// The stake levels, ascending, the first being `min_stake`: a pass states one of them. Empty if `min_stake` is the
    /// only one. Readers may hide what has a low level.
    ///
    /// A pass shows its level, and hides its author among the members with at least this stake: a higher level is shared
    /// by fewer members.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stake_levels: Vec<u32>,
    /// How the scope is moderated; none if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moderation: Option<ModerationPolicy>,
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
    /// A name that only scopes of reports have.
    #[error("scope `{0}`: names that begin with `report/` are for the reports of posts; choose another name")]
    ReservedName(String),
    /// The epoch length of reports in another scope.
    #[error("scope `{0}`: epochs of {REPORT_EPOCH} s are for reports alone; choose a shorter length")]
    EndlessEpoch(String),
    /// Stake levels that do not ascend from `min_stake`.
    #[error(
        "scope `{name}`: stake_levels are at most {MAX_LEVELS} different values in ascending order, the first being \
         min_stake ({min_stake})"
    )]
    StakeLevels {
        /// The scope's name.
        name: String,
        /// The least stake.
        min_stake: u32,
    },
    /// Too many lists.
    #[error("scope `{name}`: a scope has at most {MAX_LISTS} moderation lists, this one has {lists}")]
    Lists {
        /// The scope's name.
        name: String,
        /// The number of lists.
        lists: usize,
    },
    /// Two lists of one log.
    #[error(
        "scope `{name}`: two moderation lists are of the log {log}, or of logs with the same first 8 bytes; keep one"
    )]
    DuplicateList {
        /// The scope's name.
        name: String,
        /// The log.
        log: LogIdentity,
    },
    /// A list without entries, or with too many.
    #[error("scope `{name}`: a moderation list has a limit of 1 to 1024 entries, not {limit}")]
    ListLimit {
        /// The scope's name.
        name: String,
        /// The limit.
        limit: u16,
    },
    /// Lists that can grow so long that no pass has room for their records.
    #[error(
        "scope `{name}`: with lists as long as their limits allow, a pass would need {records} records, and it has room \
         for {MAX_SEGMENTS}; lower the limits. A limit of 16 entries needs 1 record, 32 need 2, 128 need 4, 1024 need 8"
    )]
    Records {
        /// The scope's name.
        name: String,
        /// The number of records.
        records: usize,
    },
    /// Too many recipients of reports.
    #[error(
        "scope `{name}`: reports have at most 16 recipients, this scope has {recipients}; give several people one key"
    )]
    Recipients {
        /// The scope's name.
        name: String,
        /// The number of recipients.
        recipients: usize,
    },
    /// Text that is not a recipient of age.
    #[error(
        "scope `{name}`: `{recipient}` is not a recipient of age; print one with `age-keygen -y`, it begins with age1"
    )]
    Recipient {
        /// The scope's name.
        name: String,
        /// The text.
        recipient: String,
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
        let report = self.name.parse::<ReportScope>().ok().filter(|_| self.is_for_reports());
        let length = report.as_ref().map_or(&self.name, |report| &report.scope).len();
        if length > MAX_NAME {
            return Err(PolicyError::LongName(length));
        }
        if report.is_none() && self.name.starts_with(PREFIX) {
            return Err(PolicyError::ReservedName(self.name.clone()));
        }
        if report.is_none() && self.is_for_reports() {
            return Err(PolicyError::EndlessEpoch(self.name.clone()));
        }
        let levels = &self.stake_levels;
        let starts = levels.first().is_none_or(|lowest| *lowest == self.min_stake);
        if !starts || levels.len() > MAX_LEVELS || !levels.is_sorted_by(|lower, higher| lower < higher) {
            return Err(PolicyError::StakeLevels { name: self.name.clone(), min_stake: self.min_stake });
        }
        if let Some(moderation) = &self.moderation {
            moderation.validate(&self.name)?;
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
    ///
    /// A scope of reports fixes the message of a post, so a member cannot send two messages under one id. There it is the
    /// root window and the clock difference.
    pub fn exposure(&self) -> u64 {
        if self.is_for_reports() {
            return u64::from(self.root_window) + u64::from(self.max_clock_skew);
        }
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

    /// Returns the stake levels, lowest first.
    pub fn levels(&self) -> &[u32] {
        match &self.stake_levels[..] {
            [] => core::slice::from_ref(&self.min_stake),
            levels => levels,
        }
    }

    /// Returns whether posts of this scope can be reported.
    pub fn takes_reports(&self) -> bool {
        self.moderation.as_ref().is_some_and(|moderation| moderation.report_days > 0)
    }

    /// Returns the lists that posts of this scope have records for, in their order.
    pub fn lists(&self) -> &[PolicyList] {
        self.moderation.as_ref().map_or(&[], |moderation| &moderation.lists)
    }

    /// Returns the requirement that a post made at `now` must state, at the lowest stake level. In a scope of reports
    /// `since_max` is the day of `now` minus the least age, because the epoch of reports began in 1970; in all other
    /// scopes see [`requirement`](Self::requirement).
    pub fn requirement_at(&self, now: UnixSeconds) -> Requirement {
        if self.is_for_reports() { self.requirement_on(Day::at(now)) } else { self.requirement(self.epoch_at(now)) }
    }

    /// Returns the requirement that a post of this epoch must state, at the lowest stake level: `since_max` is the day on
    /// which the epoch begins (UTC) minus the least age, or day zero if that would be negative.
    pub fn requirement(&self, epoch: Epoch) -> Requirement {
        self.requirement_on(Day::at(epoch.begins()))
    }

    /// Returns the requirement that a badge must state on a day, at the lowest stake level.
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

impl Policy {
    /// Compares a requirement with this policy's at any of its stake levels and on any of these days. The first day is the
    /// expected one in the error.
    fn compare_requirement(&self, stated: &Requirement, days: &[Day]) -> Result<(), RequirementMismatch> {
        if !self.levels().contains(&stated.min_stake) {
            return Err(RequirementMismatch::MinStake { stated: stated.min_stake, expected: self.min_stake });
        }
        let since = |day: &Day| self.requirement_on(*day).since_max;
        if days.iter().any(|day| stated.since_max == since(day)) {
            return Ok(());
        }
        let expected = days.first().map_or(Day(0), since);
        Err(RequirementMismatch::SinceMax { stated: stated.since_max, expected })
    }

    /// Returns the days of the moments within the clock difference of `now`: the day of `now` first.
    fn days_around(&self, now: UnixSeconds) -> [Day; 3] {
        let skew = u64::from(self.max_clock_skew);
        [now, now.saturating_sub(skew), now.saturating_add(skew)].map(Day::at)
    }

    /// Returns whether the name is a pattern.
    pub fn is_pattern(&self) -> bool {
        self.name.ends_with("/*")
    }

    /// Returns how closely this policy's name fits a scope, if it is the policy of this scope; among several policies the
    /// one with the highest value holds. The exact name is the closest, then the pattern with the longest beginning.
    pub fn closeness(&self, scope: &str) -> Option<usize> {
        if scope.len() > MAX_NAME {
            return None;
        }
        if self.name == scope {
            return Some(usize::MAX);
        }
        let beginning = self.name.strip_suffix('*').filter(|_| self.is_pattern())?;
        (scope.len() > beginning.len() && scope.starts_with(beginning)).then_some(beginning.len())
    }
}
