//! What a scope asks of its posters, and how a change of it takes effect.

use core::num::{NonZeroU16, NonZeroU32};
use std::collections::BTreeMap;

use quotapass_circuits::{
    formats::wire::PostPass,
    membership::Day,
    registry_id::RegistryId,
    requirement::Requirement,
    signal::{Epoch, Scope},
};
use serde::{Deserialize, Serialize};

use super::{Overload, RequirementMismatch, Verdict, roots::is_over};

/// The longest name of a scope, in bytes.
const MAX_NAME: usize = 255;

/// The policy of one scope: published, and the same for all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// The scope's name, for example that of a room.
    pub name: String,
    /// Length of an epoch in seconds.
    pub epoch_seconds: NonZeroU32,
    /// Cap on messages per epoch, whatever the member's own limit.
    pub limit_cap: NonZeroU16,
    /// Least stake, in the registry's stake units.
    pub min_stake: u32,
    /// Least age of a deposit in days.
    pub min_age_days: u16,
    /// How long a root is accepted after it was superseded, and former requirements after they changed; in seconds. The
    /// registry's exit delay must be longer than this and an epoch.
    pub root_window: u32,
    /// Clock difference allowed around an epoch's edges, in seconds; at most one epoch.
    pub max_clock_skew: u32,
}

/// A policy that cannot be.
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
    /// Two policies of one name.
    #[error("scope `{0}` is listed twice; keep one of them")]
    Duplicate(String),
}

impl Policy {
    /// Checks that the values go together.
    ///
    /// # Errors
    /// [`PolicyError`] says which do not.
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

    /// The epoch that a Unix second lies in.
    pub fn epoch_at(&self, unix_seconds: u64) -> Epoch {
        Epoch::at(self.epoch_seconds, unix_seconds)
    }

    /// What a post of this epoch must state: `since_max` is the day the epoch begins (UTC) less the least age, and the
    /// first of all days if that would lie before it.
    pub fn requirement(&self, epoch: Epoch) -> Requirement {
        self.requirement_on(Day::at(epoch.begins()))
    }

    /// What a badge must state on a day.
    pub fn requirement_on(&self, today: Day) -> Requirement {
        Requirement { min_stake: self.min_stake, since_max: Day(today.0.saturating_sub(self.min_age_days)) }
    }

    /// Whether an epoch is in range at `now`: from `max_clock_skew` before it begins (inclusive) to as long after it
    /// ends (exclusive, as the end itself is).
    pub fn is_in_range(&self, epoch: Epoch, now: u64) -> bool {
        let skew = u64::from(self.max_clock_skew);
        epoch.begins() <= now.saturating_add(skew) && now < epoch.ends().saturating_add(skew)
    }

    /// Finds the first value of a post that is not this policy's.
    fn compare(&self, pass: &PostPass) -> Result<(), RequirementMismatch> {
        let (stated, expected) = (pass.epoch.seconds().get(), self.epoch_seconds.get());
        if stated != expected {
            return Err(RequirementMismatch::EpochSeconds { stated, expected });
        }
        compare_requirement(&pass.requirement, &self.requirement(pass.epoch))?;
        let (stated, expected) = (pass.limit_cap.get(), self.limit_cap.get());
        if stated != expected {
            return Err(RequirementMismatch::LimitCap { stated, expected });
        }
        Ok(())
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

/// A scope's policy in force and those before it that still hold.
///
/// After a change the former values hold for the root window of the policy in force, as a whole: a pass that takes one
/// value from the one policy and one from the other is refused. Root window and clock difference are always those of
/// the policy in force.
#[derive(Clone, Debug)]
pub struct PolicyHistory {
    current: Policy,
    /// Former policies and the time each was replaced, oldest first.
    former: Vec<(Policy, u64)>,
}

impl PolicyHistory {
    /// A history that begins with a policy.
    ///
    /// # Errors
    /// [`PolicyError`] if it is not valid.
    pub fn new(policy: Policy) -> Result<Self, PolicyError> {
        policy.validate()?;
        Ok(Self { current: policy, former: Vec::new() })
    }

    /// The policy in force.
    pub fn current(&self) -> &Policy {
        &self.current
    }

    /// Replaces the policy at Unix second `at`; the same policy again changes nothing.
    ///
    /// # Errors
    /// [`PolicyError`] if it is not valid; the one in force then stays.
    pub fn change(&mut self, policy: Policy, at: u64) -> Result<(), PolicyError> {
        policy.validate()?;
        if policy == self.current {
            return Ok(());
        }
        let window = policy.root_window;
        self.former.retain(|(_, replaced)| !is_over(*replaced, at, window));
        self.former.push((core::mem::replace(&mut self.current, policy), at));
        Ok(())
    }

    /// The policies that hold at `now`: that in force first, then the former ones, latest first.
    pub fn holding(&self, now: u64) -> impl Iterator<Item = &Policy> {
        let window = self.current.root_window;
        let former = self.former.iter().rev().filter(move |(_, replaced)| !is_over(*replaced, now, window));
        core::iter::once(&self.current).chain(former.map(|(policy, _)| policy))
    }

    /// Whether a post states exactly the values of a policy that holds at `now`.
    ///
    /// # Errors
    /// [`RequirementMismatch`] with the first value that is not that of the policy in force.
    pub fn check_post(&self, pass: &PostPass, now: u64) -> Result<(), RequirementMismatch> {
        if self.holding(now).any(|policy| policy.compare(pass).is_ok()) { Ok(()) } else { self.current.compare(pass) }
    }

    /// Whether a badge states exactly the values of a policy that holds at `now`. A badge has no epoch: its day may be
    /// that of any moment within the allowed clock difference of `now`.
    ///
    /// # Errors
    /// [`RequirementMismatch`] with the first value that is not that of the policy in force.
    pub fn check_badge(&self, stated: &Requirement, now: u64) -> Result<(), RequirementMismatch> {
        let skew = u64::from(self.current.max_clock_skew);
        let days = [now, now.saturating_sub(skew), now.saturating_add(skew)].map(Day::at);
        let fits = |policy: &Policy| days.iter().any(|day| *stated == policy.requirement_on(*day));
        if self.holding(now).any(fits) {
            Ok(())
        } else {
            compare_requirement(stated, &self.current.requirement_on(Day::at(now)))
        }
    }

    /// The highest cap on messages among the policies that hold at `now`.
    pub(super) fn highest_cap(&self, now: u64) -> NonZeroU16 {
        self.holding(now).map(|policy| policy.limit_cap).fold(self.current.limit_cap, NonZeroU16::max)
    }
}

/// A scope with its policies.
#[derive(Clone, Debug)]
pub struct ScopePolicy {
    scope: Scope,
    history: PolicyHistory,
}

impl ScopePolicy {
    /// The scope.
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// Its policies.
    pub fn history(&self) -> &PolicyHistory {
        &self.history
    }
}

/// The relay has no policy for this scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this relay does not carry the scope `{0}`")]
pub struct UnlistedScope(pub String);

/// What a relay says to posts and badges of scopes that it has no policy for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnlistedVerdict {
    /// `requirement_mismatch`: whoever sent it is at fault.
    #[default]
    Reject,
    /// `overloaded`: nothing was decided, and nothing is held against the sender. For networks whose relays carry
    /// different scopes.
    Ignore,
}

impl UnlistedVerdict {
    /// The verdict.
    pub fn verdict(self) -> Verdict {
        match self {
            Self::Reject => RequirementMismatch::UnlistedScope.into(),
            Self::Ignore => Verdict::Overloaded(Overload::UnlistedScope),
        }
    }
}

/// The scopes that a relay carries, by name.
#[derive(Clone, Debug)]
pub struct PolicyTable {
    registry: RegistryId,
    scopes: BTreeMap<String, ScopePolicy>,
    unlisted: UnlistedVerdict,
}

impl PolicyTable {
    /// The policies of the scopes of a registry.
    ///
    /// # Errors
    /// [`PolicyError`] if one is not valid, or a name is listed twice.
    pub fn new(registry: RegistryId, policies: impl IntoIterator<Item = Policy>) -> Result<Self, PolicyError> {
        let mut table = Self { registry, scopes: BTreeMap::new(), unlisted: UnlistedVerdict::default() };
        table.change(policies, 0)?;
        Ok(table)
    }

    /// Replaces all policies at Unix second `at`. Scopes that are not listed any more are dropped at once; former values
    /// of the others hold on as [`PolicyHistory`] says.
    ///
    /// # Errors
    /// [`PolicyError`] if one is not valid, or a name is listed twice; nothing is changed then.
    pub fn change(&mut self, policies: impl IntoIterator<Item = Policy>, at: u64) -> Result<(), PolicyError> {
        let mut scopes: BTreeMap<String, ScopePolicy> = BTreeMap::new();
        for policy in policies {
            let name = policy.name.clone();
            let entry = match self.scopes.get(&name) {
                None => ScopePolicy { scope: Scope::new(&self.registry, &name), history: PolicyHistory::new(policy)? },
                Some(entry) => {
                    let mut entry = entry.clone();
                    entry.history.change(policy, at)?;
                    entry
                }
            };
            if let Some(twice) = scopes.insert(name, entry) {
                return Err(PolicyError::Duplicate(twice.history.current.name));
            }
        }
        self.scopes = scopes;
        Ok(())
    }

    /// The same table with another verdict on scopes that are not listed.
    pub fn with_unlisted(self, unlisted: UnlistedVerdict) -> Self {
        Self { unlisted, ..self }
    }

    /// What is said to scopes that are not listed.
    pub fn unlisted(&self) -> UnlistedVerdict {
        self.unlisted
    }

    /// Changes it.
    pub(super) fn set_unlisted(&mut self, unlisted: UnlistedVerdict) {
        self.unlisted = unlisted;
    }

    /// The registry whose members may post.
    pub fn registry(&self) -> RegistryId {
        self.registry
    }

    /// The scope of this name.
    ///
    /// # Errors
    /// [`UnlistedScope`].
    pub fn get(&self, name: &str) -> Result<&ScopePolicy, UnlistedScope> {
        self.scopes.get(name).ok_or_else(|| UnlistedScope(name.into()))
    }

    /// All scopes, by name.
    pub fn iter(&self) -> impl Iterator<Item = &ScopePolicy> {
        self.scopes.values()
    }

    /// The longest root window of all scopes, in seconds.
    pub fn longest_root_window(&self) -> u32 {
        self.iter().map(|entry| entry.history.current.root_window).max().unwrap_or(0)
    }
}
