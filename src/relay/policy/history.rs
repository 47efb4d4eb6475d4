//! The policies of one scope over time.

use core::num::{NonZeroU16, NonZeroU32};

use quotapass_circuits::{formats::wire::PostHead, membership::Day, requirement::Requirement, signal::Epoch};

use super::{Policy, PolicyError, compare_requirement};
use crate::relay::{RequirementMismatch, Verdict};

/// What the grace time has beside a clock difference, in seconds.
const GRACE: u64 = 30;

/// The last Unix second of the year 9999, after which RFC 3339 has no times.
pub(super) const LAST_MOMENT: u64 = 253_402_300_799;

/// How long before and after a change a forwarder is not blamed for it, in seconds: one clock difference and 30 s
/// (protocol, section 7).
pub(super) fn grace(policy: &Policy) -> u64 {
    u64::from(policy.max_clock_skew).saturating_add(GRACE)
}

/// A policy with its version and the time from which it holds. A [`Policy`] alone is version 1 and holds from the
/// beginning of time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatedPolicy {
    /// What is asked for.
    pub policy: Policy,
    /// The number of the policy among those of its scope; a later policy has a higher one.
    pub version: u32,
    /// The Unix second from which it holds; zero if nothing is stated.
    pub from: u64,
}

impl From<Policy> for DatedPolicy {
    fn from(policy: Policy) -> Self {
        Self { policy, version: 1, from: 0 }
    }
}

/// What a post states of the policy that it was made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatedTerms {
    /// Length and number of the epoch.
    pub epoch: Epoch,
    /// Least stake and latest day of the deposit.
    pub requirement: Requirement,
    /// Cap on messages per epoch.
    pub limit_cap: NonZeroU16,
}

impl From<&PostHead> for StatedTerms {
    fn from(head: &PostHead) -> Self {
        Self { epoch: head.epoch, requirement: head.requirement, limit_cap: head.limit_cap }
    }
}

/// A policy and the time in which it is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    dated: DatedPolicy,
    /// The Unix second from which it is in force.
    begins: u64,
    /// The last Unix second at which it is accepted: one window after it was replaced. None while no policy follows it.
    until: Option<u64>,
}

impl Term {
    fn new(dated: DatedPolicy, begins: u64) -> Self {
        Self { dated, begins, until: None }
    }

    fn policy(&self) -> &Policy {
        &self.dated.policy
    }

    fn holds(&self, now: u64) -> bool {
        self.begins <= now && self.until.is_none_or(|until| now <= until)
    }

    /// Whether it holds, has ceased to hold or will hold within so short a time that an honest neighbour may differ.
    fn nearly_holds(&self, now: u64) -> bool {
        let grace = grace(self.policy());
        self.begins <= now.saturating_add(grace) && self.until.is_none_or(|until| now <= until.saturating_add(grace))
    }
}

/// The policies of a scope: the one in force, those before it that still hold, and those that are to come.
///
/// **A pass is accepted if one policy that holds accepts it whole**: length of the epoch, range of epochs by the policy's
/// own clock difference, requirement, cap, and the root by the policy's own window. No value of one policy is combined
/// with a value of another. Judged apart, they multiply the quota: when epochs of a minute and a clock difference of 20 s
/// changed to epochs of an hour and 600 s, minutes were in range for 600 s around them while the former length still
/// held, and one member could send the quota of 21 minutes at once.
///
/// **What remains during a change**: two policies with *different* epoch lengths have different nullifiers, so that a
/// member can use up the quota of each. With *one* length the nullifiers are the same, and the higher cap bounds both
/// together. At any moment one policy accepts the epochs that lie within its clock difference of now: two if that
/// difference is at most half an epoch, three at most. A scope whose epochs have another length after a change therefore accepts
/// the sum of both for the former policy's window, never more.
///
/// **How long policies hold**: a policy is in force from its time until that of the next one, and is accepted for its own
/// root window longer. This end is fixed when the policy is replaced. No later change moves it, so that a policy that has
/// ended never holds again.
///
/// The first policy is in force before its own time, too: no other one is known.
#[derive(Clone, Debug)]
pub struct PolicyHistory {
    first: Term,
    /// By the time from which they are in force.
    rest: Vec<Term>,
}

impl PolicyHistory {
    /// The history of the policies that a scope lists, in any order.
    ///
    /// # Errors
    /// [`PolicyError`] if one is not valid, there is none, they are not all of one scope, or times and versions do not
    /// ascend together.
    pub fn new(policies: impl IntoIterator<Item = impl Into<DatedPolicy>>) -> Result<Self, PolicyError> {
        let mut listed: Vec<DatedPolicy> = policies.into_iter().map(Into::into).collect();
        listed.sort_by_key(|dated| dated.from);
        for dated in &listed {
            dated.policy.validate()?;
            if dated.from > LAST_MOMENT {
                return Err(PolicyError::Time { name: dated.policy.name.clone(), from: dated.from });
            }
        }
        for pair in listed.windows(2) {
            let [earlier, later] = pair else { continue };
            let name = || later.policy.name.clone();
            if earlier.policy.name != later.policy.name {
                return Err(PolicyError::OtherScope { expected: earlier.policy.name.clone(), found: name() });
            }
            if earlier.from == later.from {
                return Err(PolicyError::Duplicate(name()));
            }
            if earlier.version >= later.version {
                return Err(PolicyError::Version { name: name(), earlier: earlier.version, later: later.version });
            }
        }
        let mut listed = listed.into_iter();
        let first = Term::new(listed.next().ok_or(PolicyError::NoPolicy)?, 0);
        let mut history = Self { first, rest: listed.map(|dated| Term::new(dated.clone(), dated.from)).collect() };
        history.set_ends();
        Ok(history)
    }

    /// Fixes the end of each policy that another one follows.
    fn set_ends(&mut self) {
        let followers: Vec<u64> = self.rest.iter().map(|term| term.begins).collect();
        let terms = core::iter::once(&mut self.first).chain(&mut self.rest);
        for (term, follower) in terms.zip(followers) {
            let window = u64::from(term.dated.policy.root_window);
            term.until.get_or_insert(follower.saturating_add(window));
        }
    }

    /// By the time from which they are in force.
    fn terms(&self) -> impl DoubleEndedIterator<Item = &Term> {
        core::iter::once(&self.first).chain(&self.rest)
    }

    fn in_force(&self, now: u64) -> &Term {
        self.rest.iter().rfind(|term| term.begins <= now).unwrap_or(&self.first)
    }

    /// The policy in force at `now`.
    pub fn current(&self, now: u64) -> &DatedPolicy {
        &self.in_force(now).dated
    }

    /// The Unix second after `now` from which another policy is in force, if one is listed.
    pub fn next_change(&self, now: u64) -> Option<u64> {
        self.rest.iter().map(|term| term.begins).find(|begins| *begins > now)
    }

    /// Changes to the policies that a scope lists now, at Unix second `at`. What was in force until then stays part of the
    /// history, and ends as the [type](Self) says; what was to come and is not listed any more is dropped.
    ///
    /// A listed policy with a time after that of the policy in force is in force from its own time, even if that is past.
    /// If the policy in force is listed with other values and without such a time, the new values are in force from `at`.
    /// Only times in the list survive a restart: give a policy its own `from` where that matters.
    ///
    /// # Errors
    /// [`PolicyError`] as in [`new`](Self::new); nothing is changed then.
    pub fn change(
        &mut self,
        policies: impl IntoIterator<Item = impl Into<DatedPolicy>>,
        at: u64,
    ) -> Result<(), PolicyError> {
        let listed = Self::new(policies)?;
        // What follows it has not begun, and is listed again or dropped.
        let current = Term { until: None, ..self.in_force(at).clone() };
        let former = self.terms().filter(|term| term.begins <= current.begins && term.dated != current.dated);
        let former: Vec<Term> = former.filter(|term| term.nearly_holds(at)).cloned().collect();
        let mut followers: Vec<Term> = listed
            .terms()
            .filter(|term| term.dated.from > current.begins && term.dated != current.dated)
            .map(|term| Term::new(term.dated.clone(), term.dated.from))
            .collect();
        let stated = listed.terms().rfind(|term| term.dated.from <= at);
        if let Some(stated) = stated.filter(|term| term.dated.from <= current.begins && term.dated != current.dated) {
            followers.insert(0, Term::new(stated.dated.clone(), at));
        }
        let mut terms = former.into_iter().chain([current]).chain(followers);
        if let Some(first) = terms.next() {
            *self = Self { first, rest: terms.collect() };
            self.set_ends();
        }
        Ok(())
    }

    /// The policies that hold at `now`: the one in force first, then the former ones, latest first.
    pub fn holding(&self, now: u64) -> impl Iterator<Item = &Policy> {
        let in_force = self.in_force(now);
        let others = self.terms().rev().filter(move |term| !core::ptr::eq(*term, in_force) && term.holds(now));
        core::iter::once(in_force).chain(others).map(Term::policy)
    }

    /// The longest [exposure](Policy::exposure) among the policies that hold at `now`.
    pub fn exposure(&self, now: u64) -> u64 {
        self.holding(now).map(Policy::exposure).fold(0, u64::max)
    }

    /// All policies that hold, may still hold, or are to come, by the time from which they are in force.
    pub fn all(&self) -> impl Iterator<Item = &DatedPolicy> {
        self.terms().map(|term| &term.dated)
    }

    /// The verdict on a post up to its root: whether one policy that holds at `now` accepts it whole. `check_root` says
    /// whether the post's root is accepted under a window of so many seconds.
    ///
    /// If no policy does, the verdict is the one that helps most: that on the root, if a policy accepts all else; the
    /// epoch, if it is out of the range of all policies with its length, or of the policy whose values are stated;
    /// otherwise the first value that is not that of the policy in force.
    ///
    /// # Errors
    /// [`Verdict::RequirementMismatch`], [`Verdict::EpochOutOfRange`], or what `check_root` says.
    pub fn check_post(
        &self,
        stated: &StatedTerms,
        now: u64,
        check_root: impl Fn(u32) -> Result<(), Verdict>,
    ) -> Result<(), Verdict> {
        let (mut of_root, mut fits_out_of_range, mut of_length, mut in_range) = (None, false, false, false);
        for policy in self.holding(now).filter(|policy| policy.epoch_seconds == stated.epoch.seconds()) {
            let (fits, reached) = (policy.compare(stated).is_ok(), policy.is_in_range(stated.epoch, now));
            match (fits, reached) {
                (true, true) => match check_root(policy.root_window) {
                    Ok(()) => return Ok(()),
                    Err(verdict) => of_root = of_root.or(Some(verdict)),
                },
                (true, false) => fits_out_of_range = true,
                (false, _) => {}
            }
            of_length = true;
            in_range |= reached;
        }
        if let Some(verdict) = of_root {
            return Err(verdict);
        }
        match self.in_force(now).policy().compare(stated) {
            Err(mismatch) if !fits_out_of_range && (in_range || !of_length) => {
                let within_grace = self.nearly_holds(now, |policy| policy.compare(stated).is_ok());
                Err(Verdict::RequirementMismatch { mismatch, within_grace })
            }
            _ => Err(Verdict::EpochOutOfRange { epoch: stated.epoch, now }),
        }
    }

    /// The verdict on a badge up to its root, as [`check_post`](Self::check_post). A badge has no epoch: its day may be
    /// that of any moment within the policy's clock difference of `now`.
    ///
    /// # Errors
    /// [`Verdict::RequirementMismatch`], or what `check_root` says.
    pub fn check_badge(
        &self,
        stated: &Requirement,
        now: u64,
        check_root: impl Fn(u32) -> Result<(), Verdict>,
    ) -> Result<(), Verdict> {
        let fits = |policy: &Policy| {
            let skew = u64::from(policy.max_clock_skew);
            let days = [now, now.saturating_sub(skew), now.saturating_add(skew)].map(Day::at);
            days.iter().any(|day| *stated == policy.requirement_on(*day))
        };
        let mut of_root = None;
        for policy in self.holding(now).filter(|policy| fits(policy)) {
            match check_root(policy.root_window) {
                Ok(()) => return Ok(()),
                Err(verdict) => of_root = of_root.or(Some(verdict)),
            }
        }
        if let Some(verdict) = of_root {
            return Err(verdict);
        }
        let expected = self.in_force(now).policy().requirement_on(Day::at(now));
        compare_requirement(stated, &expected)
            .map_err(|mismatch| Verdict::RequirementMismatch { mismatch, within_grace: self.nearly_holds(now, fits) })
    }

    /// Whether a policy of this kind holds within the grace time of `now`: one of its clock differences and 30 s. A
    /// neighbour that forwards what it accepts is then honest, for its clock may be on the other side of the change.
    ///
    /// Without this, one deposit sets honest relays against each other: a pass that is sent at the moment of a change is
    /// accepted by one of them, and lowers the score of its forwarder at the other.
    fn nearly_holds(&self, now: u64, is_kind: impl Fn(&Policy) -> bool) -> bool {
        self.terms().any(|term| term.nearly_holds(now) && is_kind(term.policy()))
    }

    /// How long after the first evidence against a member whoever forwards its posts may be honest, in seconds: the longest
    /// grace time of the policies that hold at `now`.
    pub(in crate::relay) fn grace(&self, now: u64) -> u64 {
        self.holding(now).map(grace).fold(0, u64::max)
    }

    /// The highest cap on messages among the policies that hold at `now`.
    pub(in crate::relay) fn highest_cap(&self, now: u64) -> NonZeroU16 {
        self.holding(now).map(|policy| policy.limit_cap).fold(self.current(now).policy.limit_cap, NonZeroU16::max)
    }
}

impl Policy {
    /// Finds the first value of a post that is not this policy's.
    fn compare(&self, stated: &StatedTerms) -> Result<(), RequirementMismatch> {
        let seconds = NonZeroU32::get;
        let (found, expected) = (seconds(stated.epoch.seconds()), seconds(self.epoch_seconds));
        if found != expected {
            return Err(RequirementMismatch::EpochSeconds { stated: found, expected });
        }
        compare_requirement(&stated.requirement, &self.requirement(stated.epoch))?;
        let (found, expected) = (stated.limit_cap.get(), self.limit_cap.get());
        if found != expected {
            return Err(RequirementMismatch::LimitCap { stated: found, expected });
        }
        Ok(())
    }
}
