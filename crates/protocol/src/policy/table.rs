//! The scopes that a relay serves.

use std::collections::{BTreeMap, BTreeSet};

use quotapass_circuits::{registry_id::RegistryId, signal::Scope, time::UnixSeconds};
use serde::{Deserialize, Serialize};

use super::{DatedPolicy, PolicyError, PolicyHistory, ScopeView, history::grace, view::find_with_reports};
use crate::{Overload, RequirementMismatch, Verdict};

/// A listed scope, or a pattern of scopes, with its policies.
#[derive(Clone, Debug)]
pub struct ScopePolicy {
    name: String,
    scope: Scope,
    history: PolicyHistory,
    /// The same for the reports of posts.
    reports: PolicyHistory,
    listed: Vec<DatedPolicy>,
}

impl ScopePolicy {
    /// The name that is listed.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns whether the name is a pattern of names.
    pub fn is_pattern(&self) -> bool {
        self.history.all().any(|dated| dated.policy.is_pattern())
    }

    /// The scope of the listed name. A pattern is the scope of no post; see [`PolicyTable::get`].
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// The policies over time, with the times in which each is accepted.
    pub fn history(&self) -> &PolicyHistory {
        &self.history
    }

    /// The policies of the reports of posts.
    pub(super) fn reports(&self) -> &PolicyHistory {
        &self.reports
    }

    /// The policies as listed, ordered by start time. They do not depend on a clock, so relays with the same list
    /// publish the same policies.
    pub fn listed(&self) -> &[DatedPolicy] {
        &self.listed
    }
}

/// The relay has no policy for this scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this relay does not carry the scope `{0}`")]
pub struct UnlistedScope(pub String);

/// The verdict on posts and badges of scopes without a policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnlistedVerdict {
    /// `requirement_mismatch`: the sender is at fault.
    #[default]
    Reject,
    /// `overloaded`: nothing was decided, and the sender's score stays. For networks whose relays serve different
    /// scopes.
    Ignore,
}

impl UnlistedVerdict {
    /// Returns the verdict.
    pub fn verdict(self) -> Verdict {
        match self {
            Self::Reject => RequirementMismatch::UnlistedScope.into(),
            Self::Ignore => Verdict::Overloaded(Overload::UnlistedScope),
        }
    }
}

/// The scopes that a relay serves, by name.
#[derive(Clone, Debug)]
pub struct PolicyTable {
    registry: RegistryId,
    scopes: BTreeMap<String, ScopePolicy>,
    unlisted: UnlistedVerdict,
    shadow: BTreeSet<String>,
    /// Dropped scopes: the last second at which a neighbour may still serve each.
    dropped: BTreeMap<String, UnixSeconds>,
}

impl PolicyTable {
    /// Creates the table of a registry's scopes. A scope is listed once for each of its [dated policies](DatedPolicy).
    ///
    /// # Errors
    /// [`PolicyError`] if a policy is not valid, or the policies of one scope are not consistent.
    pub fn new(
        registry: RegistryId,
        policies: impl IntoIterator<Item = impl Into<DatedPolicy>>,
    ) -> Result<Self, PolicyError> {
        let (unlisted, shadow) = (UnlistedVerdict::default(), BTreeSet::new());
        let mut table = Self { registry, scopes: BTreeMap::new(), unlisted, shadow, dropped: BTreeMap::new() };
        table.change(policies, UnixSeconds(0))?;
        Ok(table)
    }

    /// Replaces the list of policies at time `at`; see [`PolicyHistory::change`]. Scopes that are no longer
    /// listed are dropped at once, with all their policies.
    ///
    /// # Errors
    /// [`PolicyError`] as in [`new`](Self::new); the table then stays unchanged.
    pub fn change(
        &mut self,
        policies: impl IntoIterator<Item = impl Into<DatedPolicy>>,
        at: UnixSeconds,
    ) -> Result<(), PolicyError> {
        let mut lists: BTreeMap<String, Vec<DatedPolicy>> = BTreeMap::new();
        for dated in policies.into_iter().map(Into::into) {
            lists.entry(dated.policy.name.clone()).or_default().push(dated);
        }
        let mut scopes: BTreeMap<String, ScopePolicy> = BTreeMap::new();
        for (name, mut listed) in lists {
            listed.sort_by_key(|dated| dated.from);
            if listed.iter().any(|dated| dated.policy.is_for_reports()) {
                return Err(PolicyError::EndlessEpoch(name));
            }
            let (scope, history) = match self.scopes.get(&name) {
                None => (Scope::new(&self.registry, &name), PolicyHistory::new(listed.iter().cloned())?),
                Some(entry) => {
                    let mut history = entry.history.clone();
                    history.change(listed.iter().cloned(), at)?;
                    (entry.scope, history)
                }
            };
            let reports = history.for_reports();
            scopes.insert(name.clone(), ScopePolicy { name, scope, history, reports, listed });
        }
        let former = core::mem::replace(&mut self.scopes, scopes).into_iter();
        let until = |entry: &ScopePolicy| at.saturating_add(grace(&entry.history.current(at).policy));
        self.dropped.extend(former.map(|(name, entry)| (name, until(&entry))));
        self.dropped.retain(|name, until| at <= *until && !self.scopes.contains_key(name));
        Ok(())
    }

    /// Returns the verdict at `now` on a scope that is not listed. An honest neighbour may still serve a scope that was
    /// dropped a moment ago.
    pub fn unlisted_verdict(&self, name: &str, now: UnixSeconds) -> Verdict {
        match self.unlisted.verdict() {
            Verdict::RequirementMismatch { mismatch, .. } => {
                let dropped = find_with_reports(&self.dropped, name);
                let within_grace = dropped.is_some_and(|(until, _)| now <= *until);
                Verdict::RequirementMismatch { mismatch, within_grace }
            }
            verdict => verdict,
        }
    }

    /// Returns the same table with another verdict on scopes that are not listed.
    pub fn with_unlisted(self, unlisted: UnlistedVerdict) -> Self {
        Self { unlisted, ..self }
    }

    /// The verdict on scopes that are not listed.
    pub fn unlisted(&self) -> UnlistedVerdict {
        self.unlisted
    }

    /// Changes the verdict on scopes that are not listed.
    pub fn set_unlisted(&mut self, unlisted: UnlistedVerdict) {
        self.unlisted = unlisted;
    }

    /// Returns the same table with scopes in shadow mode; see [`is_shadow`](Self::is_shadow).
    pub fn with_shadow(self, names: impl IntoIterator<Item = String>) -> Self {
        Self { shadow: names.into_iter().collect(), ..self }
    }

    /// Changes the scopes in shadow mode.
    pub fn set_shadow(&mut self, names: impl IntoIterator<Item = String>) {
        self.shadow = names.into_iter().collect();
    }

    /// Returns whether a scope is in shadow mode: its passes are judged, recorded and counted as usual, without a
    /// consequence for their authors. The relay's answer accepts all of them and names the verdict that would apply. No
    /// member is convicted, so no evidence is kept and no deposit is taken.
    ///
    /// An operator uses it to test a policy on real posts before the relay refuses any. A policy that honest apps do
    /// not follow yet (a wrong clock, message ids used twice by a faulty update) would otherwise cost their users the
    /// deposits.
    ///
    /// A scope that a pattern stands for, and the reports in a scope, are in shadow mode if the pattern or scope is.
    pub fn is_shadow(&self, name: &str) -> bool {
        self.shadow.contains(find_with_reports(&self.scopes, name).map_or(name, |(listed, _)| listed.name()))
    }

    /// The registry whose members may post.
    pub fn registry(&self) -> RegistryId {
        self.registry
    }

    /// Returns the scope of this name: the one that is listed, or else the one that the pattern with the longest literal
    /// beginning stands for. `room/*` stands for `room/kitchen` and `room/a/b`, not for `room/` and not for `room`.
    /// `report/<scope>/<nullifier>` is the scope of the reports of a post, if `<scope>` is such a scope and a policy of it
    /// takes reports.
    ///
    /// **Attack prevented by callers**: a sender who may name any scope of a pattern has a new quota in each, and a sender
    /// who may name any scope of reports fills the nullifier log. A relay therefore takes names of [pattern
    /// scopes](ScopeView::is_of_pattern) only from programs that derive them from rooms of a network, and [scopes of
    /// reports](ScopeView::report) only for posts that it accepted.
    ///
    /// # Errors
    /// [`UnlistedScope`].
    pub fn get<'a>(&'a self, name: &'a str) -> Result<ScopeView<'a>, UnlistedScope> {
        let found = find_with_reports(&self.scopes, name).filter(|(listed, report)| {
            report.is_none() || listed.history.all().any(|dated| dated.policy.takes_reports())
        });
        let (listed, report) = found.ok_or_else(|| UnlistedScope(name.into()))?;
        let scope = if listed.name == name { listed.scope } else { Scope::new(&self.registry, name) };
        Ok(ScopeView { name, scope, listed, report })
    }

    /// All listed scopes and patterns, by name.
    pub fn iter(&self) -> impl Iterator<Item = &ScopePolicy> {
        self.scopes.values()
    }

    /// Returns the longest root window of all policies that are accepted now, may still be accepted, or start later, in
    /// seconds.
    pub fn longest_root_window(&self) -> u32 {
        self.iter().flat_map(|entry| entry.history.all()).map(|dated| dated.policy.root_window).max().unwrap_or(0)
    }
}
