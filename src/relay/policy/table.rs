//! The scopes that a relay carries.

use std::collections::{BTreeMap, BTreeSet};

use quotapass_circuits::{registry_id::RegistryId, signal::Scope};
use serde::{Deserialize, Serialize};

use super::{DatedPolicy, PolicyError, PolicyHistory, history::grace};
use crate::relay::{Overload, RequirementMismatch, Verdict};

/// A scope with its policies.
#[derive(Clone, Debug)]
pub struct ScopePolicy {
    name: String,
    scope: Scope,
    history: PolicyHistory,
    listed: Vec<DatedPolicy>,
}

impl ScopePolicy {
    /// The scope's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The scope.
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// Its policies as they hold.
    pub fn history(&self) -> &PolicyHistory {
        &self.history
    }

    /// Its policies as they are listed, by the time from which they hold. They do not depend on a clock, so that relays
    /// with the same list publish the same.
    pub fn listed(&self) -> &[DatedPolicy] {
        &self.listed
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
    shadow: BTreeSet<String>,
    /// Scopes that are not carried any more: the last Unix second at which a neighbour may not have heard of it.
    dropped: BTreeMap<String, u64>,
}

impl PolicyTable {
    /// The policies of the scopes of a registry. A scope is listed once for each of its [dated policies](DatedPolicy).
    ///
    /// # Errors
    /// [`PolicyError`] if one is not valid, or those of a scope do not go together.
    pub fn new(
        registry: RegistryId,
        policies: impl IntoIterator<Item = impl Into<DatedPolicy>>,
    ) -> Result<Self, PolicyError> {
        let (unlisted, shadow) = (UnlistedVerdict::default(), BTreeSet::new());
        let mut table = Self { registry, scopes: BTreeMap::new(), unlisted, shadow, dropped: BTreeMap::new() };
        table.change(policies, 0)?;
        Ok(table)
    }

    /// Replaces the list of policies at Unix second `at`; see [`PolicyHistory::change`]. Scopes that are not listed any
    /// more are dropped at once, with all their policies.
    ///
    /// # Errors
    /// [`PolicyError`] as in [`new`](Self::new); nothing is changed then.
    pub fn change(
        &mut self,
        policies: impl IntoIterator<Item = impl Into<DatedPolicy>>,
        at: u64,
    ) -> Result<(), PolicyError> {
        let mut lists: BTreeMap<String, Vec<DatedPolicy>> = BTreeMap::new();
        for dated in policies.into_iter().map(Into::into) {
            lists.entry(dated.policy.name.clone()).or_default().push(dated);
        }
        let mut scopes: BTreeMap<String, ScopePolicy> = BTreeMap::new();
        for (name, mut listed) in lists {
            listed.sort_by_key(|dated| dated.from);
            let (scope, history) = match self.scopes.get(&name) {
                None => (Scope::new(&self.registry, &name), PolicyHistory::new(listed.iter().cloned())?),
                Some(entry) => {
                    let mut history = entry.history.clone();
                    history.change(listed.iter().cloned(), at)?;
                    (entry.scope, history)
                }
            };
            scopes.insert(name.clone(), ScopePolicy { name, scope, history, listed });
        }
        let former = core::mem::replace(&mut self.scopes, scopes).into_iter();
        let until = |entry: &ScopePolicy| at.saturating_add(grace(&entry.history.current(at).policy));
        self.dropped.extend(former.map(|(name, entry)| (name, until(&entry))));
        self.dropped.retain(|name, until| at <= *until && !self.scopes.contains_key(name));
        Ok(())
    }

    /// What is said at `now` to a scope that is not listed. One that was dropped a moment ago may still be carried by an
    /// honest neighbour.
    pub(in crate::relay) fn unlisted_verdict(&self, name: &str, now: u64) -> Verdict {
        match self.unlisted.verdict() {
            Verdict::RequirementMismatch { mismatch, .. } => {
                let within_grace = self.dropped.get(name).is_some_and(|until| now <= *until);
                Verdict::RequirementMismatch { mismatch, within_grace }
            }
            verdict => verdict,
        }
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
    pub(in crate::relay) fn set_unlisted(&mut self, unlisted: UnlistedVerdict) {
        self.unlisted = unlisted;
    }

    /// The same table with scopes in shadow mode; see [`is_shadow`](Self::is_shadow).
    pub fn with_shadow(self, names: impl IntoIterator<Item = String>) -> Self {
        Self { shadow: names.into_iter().collect(), ..self }
    }

    /// Changes the scopes in shadow mode.
    pub(in crate::relay) fn set_shadow(&mut self, names: impl IntoIterator<Item = String>) {
        self.shadow = names.into_iter().collect();
    }

    /// Whether a scope is in shadow mode: its passes are judged, recorded and counted as ever, and nothing follows for
    /// their authors. Whoever answers for the relay accepts them all and says what the verdict would be; nobody is
    /// convicted, so that no evidence is kept and no deposit is taken.
    ///
    /// An operator tries a policy on real posts with it, before it refuses any. A policy that honest apps do not follow yet
    /// (a clock that is off, message ids used twice by a faulty update) would otherwise cost its users their deposits.
    pub fn is_shadow(&self, name: &str) -> bool {
        self.shadow.contains(name)
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

    /// The longest root window of all policies that hold, may still hold, or are to come, in seconds.
    pub fn longest_root_window(&self) -> u32 {
        self.iter().flat_map(|entry| entry.history.all()).map(|dated| dated.policy.root_window).max().unwrap_or(0)
    }
}
