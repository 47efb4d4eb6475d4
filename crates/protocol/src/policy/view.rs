//! A scope as a name resolves to it.

use std::collections::BTreeMap;

use quotapass_circuits::{share::Nullifier, signal::Scope};

use super::{MAX_NAME, PolicyHistory, ReportScope, ScopePolicy};

/// A scope of a relay, as [`PolicyTable::get`](super::PolicyTable::get) finds it: listed by its own name, one of those that
/// a pattern stands for, or the reports of a post in one of both.
#[derive(Clone, Debug)]
pub struct ScopeView<'a> {
    pub(super) name: &'a str,
    pub(super) scope: Scope,
    pub(super) listed: &'a ScopePolicy,
    pub(super) report: Option<ReportScope>,
}

impl<'a> ScopeView<'a> {
    /// The scope's full name.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// The scope of the full name.
    pub fn scope(&self) -> Scope {
        self.scope
    }

    /// The policies over time, with the times in which each is accepted. For reports they are those of
    /// [`Policy::for_report`](super::Policy::for_report), without the nullifier in their names.
    pub fn history(&self) -> &'a PolicyHistory {
        if self.report.is_some() { self.listed.reports() } else { self.listed.history() }
    }

    /// The nullifier of the reported post; none unless this is a scope of reports.
    pub fn report(&self) -> Option<Nullifier> {
        self.report.as_ref().map(|report| report.nullifier)
    }

    /// The scope of reports; none if this is another scope.
    pub fn report_scope(&self) -> Option<&ReportScope> {
        self.report.as_ref()
    }

    /// The policies under the name by which they are listed, which may be a pattern. Unlike the full name, it is one of a
    /// few: use it where each name takes memory.
    pub fn listed(&self) -> &'a ScopePolicy {
        self.listed
    }

    /// Returns whether a pattern stands for this scope, or for the scope of the reported post. The sender does not choose
    /// such a name: see [`PolicyTable::get`](super::PolicyTable::get).
    pub fn is_of_pattern(&self) -> bool {
        self.listed.is_pattern()
    }
}

/// Finds the value of a scope by its exact name, or by the pattern with the longest literal beginning.
pub(super) fn find<'a, T>(scopes: &'a BTreeMap<String, T>, name: &str) -> Option<&'a T> {
    if name.len() > MAX_NAME {
        return None;
    }
    if let Some(exact) = scopes.get(name) {
        return Some(exact);
    }
    let mut pattern = name.to_owned();
    name.rmatch_indices('/').filter(|(at, _)| at + 1 < name.len()).find_map(|(at, _)| {
        pattern.truncate(at + 1);
        pattern.push('*');
        scopes.get(&pattern)
    })
}

/// Finds the value of a scope as [`find`] does, or of the scope that the reports with this name are about.
pub(super) fn find_with_reports<'a, T>(
    scopes: &'a BTreeMap<String, T>,
    name: &str,
) -> Option<(&'a T, Option<ReportScope>)> {
    match name.parse::<ReportScope>() {
        Ok(report) => find(scopes, &report.scope).map(|found| (found, Some(report))),
        Err(_) => find(scopes, name).map(|found| (found, None)),
    }
}

#[cfg(test)]
mod tests {
    use quotapass_circuits::{
        membership::Day,
        requirement::Requirement,
        signal::{Epoch, Scope},
        time::UnixSeconds,
    };

    use crate::{
        DatedPolicy, ModerationPolicy, Policy, PolicyError, PolicyTable, REPORT_EPOCH, ReportScope,
        RequirementMismatch, StatedTerms, UnlistedScope, Verdict,
        samples::{REGISTRY, evidence, policy},
    };

    const NOW: UnixSeconds = UnixSeconds(1_795_176_000);

    fn named(name: &str) -> Policy {
        Policy { name: name.into(), ..policy() }
    }

    fn moderated(name: &str) -> Policy {
        Policy { moderation: Some(ModerationPolicy::default()), ..named(name) }
    }

    fn report_of(scope: &str) -> String {
        ReportScope { scope: scope.into(), nullifier: evidence().nullifier }.to_string()
    }

    #[test]
    fn the_closest_policy_is_that_of_a_scope() {
        let names = ["lobby", "room/*", "room/kitchen", "room/upstairs/*"];
        let table = PolicyTable::new(REGISTRY, names.map(named)).unwrap();
        for (name, listed, is_of_pattern) in [
            ("lobby", "lobby", false),
            ("room/kitchen", "room/kitchen", false),
            ("room/kitchens", "room/*", true),
            ("room/upstairs", "room/*", true),
            ("room/upstairs/bath", "room/upstairs/*", true),
            ("room/upstairs/", "room/*", true),
            ("room/a/b", "room/*", true),
            ("room/*", "room/*", true),
        ] {
            let found = table.get(name).unwrap();
            assert_eq!((found.listed().name(), found.is_of_pattern()), (listed, is_of_pattern), "{name}");
            // Each room has its own scope, and so its own quota and nullifiers.
            assert_eq!((found.name(), found.scope()), (name, Scope::new(&REGISTRY, name)));
            assert_eq!(found.report(), None);
            // Relays and wallets choose the same policy.
            let closest = table.iter().max_by_key(|entry| entry.history().current(NOW).policy.closeness(name));
            assert_eq!(closest.unwrap().name(), listed);
        }
        let long = format!("room/{}", "x".repeat(251));
        for name in ["", "room", "room/", "lobby/", "rooms/kitchen", "Room/kitchen", "/", "/room/kitchen", &long] {
            assert_eq!(table.get(name).err(), Some(UnlistedScope(name.into())), "{name}");
            assert!(table.iter().all(|entry| entry.history().current(NOW).policy.closeness(name).is_none()), "{name}");
        }
        assert!(table.get(&long[..255]).is_ok());
    }

    #[test]
    fn shadow_mode_and_grace_are_those_of_the_pattern() {
        let mut table = PolicyTable::new(REGISTRY, [moderated("room/*"), named("lobby")]).unwrap();
        table.set_shadow(["room/*".into()]);
        let report = report_of("room/kitchen");
        assert!(table.is_shadow("room/kitchen") && table.is_shadow(&report));
        assert!(!table.is_shadow("lobby") && !table.is_shadow("elsewhere"));
        table.change([named("lobby")], NOW).unwrap();
        for name in ["room/kitchen", &report] {
            let within = |now| {
                matches!(table.unlisted_verdict(name, now), Verdict::RequirementMismatch { within_grace: true, .. })
            };
            assert!(within(NOW + 50) && !within(NOW + 51), "{name}");
        }
    }

    #[test]
    fn reports_are_taken_of_posts_in_scopes_that_take_them() {
        let none = ModerationPolicy { report_days: 0, ..ModerationPolicy::default() };
        let quiet = Policy { moderation: Some(none), ..named("quiet") };
        let table =
            PolicyTable::new(REGISTRY, [moderated("lobby"), moderated("room/*"), named("attic"), quiet]).unwrap();
        for (scope, is_of_pattern) in [("lobby", false), ("room/kitchen", true), ("room/a/b", true)] {
            let name = report_of(scope);
            let found = table.get(&name).unwrap();
            assert_eq!((found.report(), found.scope()), (Some(evidence().nullifier), Scope::new(&REGISTRY, &name)));
            assert_eq!(found.is_of_pattern(), is_of_pattern);
            let DatedPolicy { policy, .. } = found.history().current(NOW);
            let expected = named(scope).for_report(evidence().nullifier);
            assert_eq!((policy.epoch_seconds, policy.limit_cap), (REPORT_EPOCH, expected.limit_cap));
            assert_eq!(expected.name, name);
            assert!(Policy { moderation: policy.moderation.clone(), ..expected }.validate().is_ok());
            // The rule on exit delays leaves reports out: the scope's own exposure decides.
            assert_eq!(found.history().exposure(NOW), 3_620);
        }
        // A report cannot be reported, and of an unlisted scope there are none.
        let nested = report_of(&report_of("lobby"));
        let upper = report_of("lobby").to_uppercase().replace("REPORT/LOBBY", "report/lobby");
        for name in
            [report_of("attic"), report_of("quiet"), report_of("elsewhere"), nested, upper, "report/lobby".into()]
        {
            assert!(table.get(&name).is_err(), "{name}");
        }
        assert_eq!(table.iter().map(|entry| entry.history().exposure(NOW)).max(), Some(policy().exposure()));
    }

    #[test]
    fn a_report_states_the_day_on_which_it_is_made() {
        let base = Policy { stake_levels: vec![10, 50], ..moderated("lobby") };
        let table = PolicyTable::new(REGISTRY, [base.clone()]).unwrap();
        let (name, midnight) = (report_of("lobby"), UnixSeconds((NOW.0 / 86_400 + 1) * 86_400));
        let history = table.get(&name).unwrap().history();
        let report = base.for_report(evidence().nullifier);
        let at = |now: UnixSeconds, min_stake: u32, since_max: Day| {
            let requirement = Requirement { min_stake, since_max };
            let stated = StatedTerms { epoch: report.epoch_at(now), requirement, limit_cap: report.limit_cap };
            history.check_post(&stated, now, |_| Ok(()))
        };
        let today = Day::at(midnight);
        assert_eq!(report.requirement_at(midnight), Requirement { min_stake: 10, since_max: Day(today.0 - 7) });
        assert_eq!(report.epoch_at(midnight), Epoch::new(REPORT_EPOCH, 0));
        for (now, day, is_accepted) in [
            (midnight, today.0, true),
            (midnight, today.0 - 1, true),
            (midnight + 19, today.0 - 1, true),
            (midnight + 21, today.0 - 1, false),
            (midnight - 20, today.0, true),
            (midnight - 21, today.0, false),
            (midnight, today.0 + 1, false),
        ] {
            let verdict = at(now, 10, Day(day - 7));
            assert_eq!(verdict.is_ok(), is_accepted, "{now} {day}: {verdict:?}");
        }
        // A report states the lowest level alone.
        let mismatch = RequirementMismatch::MinStake { stated: 50, expected: 10 };
        assert_eq!(at(midnight, 50, Day(today.0 - 7)), Err(mismatch.into()));
    }

    #[test]
    fn a_pass_states_one_of_the_levels() {
        let levels = Policy { stake_levels: vec![10, 50, 200], ..policy() };
        let table = PolicyTable::new(REGISTRY, [levels.clone()]).unwrap();
        let history = table.get("room").unwrap().history();
        let epoch = levels.epoch_at(NOW);
        let at = |min_stake| {
            let requirement = Requirement { min_stake, ..levels.requirement(epoch) };
            let stated = StatedTerms { epoch, requirement, limit_cap: levels.limit_cap };
            let badge = Requirement { min_stake, ..levels.requirement_on(Day::at(NOW)) };
            [history.check_post(&stated, NOW, |_| Ok(())), history.check_badge(&badge, NOW, |_| Ok(()))]
        };
        for level in [10, 50, 200] {
            assert_eq!(at(level), [Ok(()), Ok(())]);
        }
        for stated in [0, 9, 11, 49, 51, 201, u32::MAX] {
            let mismatch = RequirementMismatch::MinStake { stated, expected: 10 };
            assert_eq!(at(stated), [Err(mismatch.into()), Err(mismatch.into())]);
        }
        for wrong in [vec![11, 50], vec![10, 10], vec![10, 50, 20], (10..27).collect()] {
            let refused = Policy { stake_levels: wrong, ..policy() }.validate();
            assert_eq!(refused, Err(PolicyError::StakeLevels { name: "room".into(), min_stake: 10 }));
        }
        assert_eq!(Policy { stake_levels: (10..26).collect(), ..policy() }.validate(), Ok(()));
    }

    #[test]
    fn names_and_epochs_of_reports_are_reserved() {
        for name in ["report/lobby", "report/*", "report/lobby/*", &report_of("lobby")] {
            let refused = PolicyTable::new(REGISTRY, [named(name)]).err();
            assert_eq!(refused, Some(PolicyError::ReservedName(name.into())));
        }
        for name in ["room".to_owned(), report_of("lobby")] {
            let endless = Policy { epoch_seconds: REPORT_EPOCH, ..named(&name) };
            assert_eq!(PolicyTable::new(REGISTRY, [endless]).err(), Some(PolicyError::EndlessEpoch(name)));
        }
    }
}
