//! The policies of one scope over time.

use core::num::{NonZeroU16, NonZeroU32};

use quotapass_circuits::{
    formats::wire::PostHead, membership::Day, requirement::Requirement, signal::Epoch, time::UnixSeconds,
};

use super::{Policy, PolicyError, report::PREFIX};
use crate::{RequirementMismatch, Verdict, formats::moment};

/// The part of the grace time that is added to the clock difference, in seconds.
const GRACE: u64 = 30;

/// Returns the time before and after a change in which a forwarder is not blamed for it, in seconds: one clock
/// difference plus 30 s (protocol, section 7).
pub(super) fn grace(policy: &Policy) -> u64 {
    u64::from(policy.max_clock_skew).saturating_add(GRACE)
}

/// A policy with its version and start time. A [`Policy`] alone has version 1 and starts at time zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatedPolicy {
    /// The policy.
    pub policy: Policy,
    /// The version number within the scope; a later policy has a higher one.
    pub version: u32,
    /// The time from which it is in force; zero if none is stated.
    pub from: UnixSeconds,
}

impl From<Policy> for DatedPolicy {
    fn from(policy: Policy) -> Self {
        Self { policy, version: 1, from: UnixSeconds(0) }
    }
}

/// The policy values that a post states.
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

/// A policy and the period in which it is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    dated: DatedPolicy,
    /// The time from which it is in force.
    begins: UnixSeconds,
    /// The last second at which it is accepted: one root window after it was replaced. None while no policy follows it.
    until: Option<UnixSeconds>,
}

impl Term {
    fn new(dated: DatedPolicy, begins: UnixSeconds) -> Self {
        Self { dated, begins, until: None }
    }

    fn policy(&self) -> &Policy {
        &self.dated.policy
    }

    fn holds(&self, now: UnixSeconds) -> bool {
        self.begins <= now && self.until.is_none_or(|until| now <= until)
    }

    /// Returns whether the policy is accepted now, or begins or ends so close to `now` that an honest neighbour may
    /// judge differently.
    fn nearly_holds(&self, now: UnixSeconds) -> bool {
        let grace = grace(self.policy());
        self.begins <= now.saturating_add(grace) && self.until.is_none_or(|until| now <= until.saturating_add(grace))
    }
}

/// The policies of a scope: the one in force, former ones that are still accepted, and later ones. A policy *holds*
/// while it is accepted.
///
/// **A pass is accepted if one policy that holds accepts it whole**: length of the epoch, range of epochs by the
/// policy's own clock difference, requirement, cap, and the root by the policy's own window. No value of one policy is
/// combined with a value of another. If each value were judged alone, the quota would multiply. Example: epochs of a
/// minute and a clock difference of 20 s changed to epochs of an hour and 600 s. The one-minute epochs were then in
/// range for 600 s around them while the former length still held, and one member could send the quota of 21 minutes at
/// once.
///
/// **Remaining effect of a change**: two policies with *different* epoch lengths have different nullifiers, so a member
/// can use the quota of each. With the *same* length the nullifiers are the same, and the higher cap limits both
/// together. At any moment one policy accepts the epochs within its clock difference of now: two if that difference is
/// at most half an epoch, three at most. If a change gives a scope another epoch length, the scope therefore accepts
/// the sum of both quotas for the former policy's root window, never more.
///
/// **How long policies hold**: a policy is in force from its start time until the start of the next policy. It is
/// accepted for its own root window longer. This end is fixed when the policy is replaced. No later change moves it, so
/// a policy that has ended never holds again.
///
/// The first policy is also in force before its own start time, because no other policy is known.
#[derive(Clone, Debug)]
pub struct PolicyHistory {
    first: Term,
    /// The later policies, ordered by start time.
    rest: Vec<Term>,
}

impl PolicyHistory {
    /// Creates the history from the policies that a scope lists, in any order.
    ///
    /// # Errors
    /// [`PolicyError`] if a policy is not valid, the list is empty, not all policies are of one scope, or start times
    /// and versions do not ascend together.
    pub fn new(policies: impl IntoIterator<Item = impl Into<DatedPolicy>>) -> Result<Self, PolicyError> {
        let mut listed: Vec<DatedPolicy> = policies.into_iter().map(Into::into).collect();
        listed.sort_by_key(|dated| dated.from);
        for dated in &listed {
            dated.policy.validate()?;
            if dated.from > moment::LAST {
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
        let first = Term::new(listed.next().ok_or(PolicyError::NoPolicy)?, UnixSeconds(0));
        let mut history = Self { first, rest: listed.map(|dated| Term::new(dated.clone(), dated.from)).collect() };
        history.set_ends();
        Ok(history)
    }

    /// Returns the policies of the reports of posts of this scope, each in the period of the scope's own policy.
    pub(super) fn for_reports(&self) -> Self {
        let convert = |term: &Term| {
            let policy = term.policy().for_reports(format!("{PREFIX}{}", term.policy().name));
            Term { dated: DatedPolicy { policy, ..term.dated.clone() }, ..term.clone() }
        };
        Self { first: convert(&self.first), rest: self.rest.iter().map(convert).collect() }
    }

    /// Returns the longest time for which a post of this scope can be reported under a policy that holds at `now`, in
    /// days; zero if none takes reports.
    pub fn report_days(&self, now: UnixSeconds) -> u16 {
        let days = |policy: &Policy| policy.moderation.as_ref().map_or(0, |moderation| moderation.report_days);
        self.holding(now).map(days).max().unwrap_or(0)
    }

    /// Fixes the end of each policy that has a successor.
    fn set_ends(&mut self) {
        let followers: Vec<UnixSeconds> = self.rest.iter().map(|term| term.begins).collect();
        let terms = core::iter::once(&mut self.first).chain(&mut self.rest);
        for (term, follower) in terms.zip(followers) {
            let window = u64::from(term.dated.policy.root_window);
            term.until.get_or_insert(follower.saturating_add(window));
        }
    }

    /// Returns the policies, ordered by start time.
    fn terms(&self) -> impl DoubleEndedIterator<Item = &Term> {
        core::iter::once(&self.first).chain(&self.rest)
    }

    fn in_force(&self, now: UnixSeconds) -> &Term {
        self.rest.iter().rfind(|term| term.begins <= now).unwrap_or(&self.first)
    }

    /// Returns the policy in force at `now`.
    pub fn current(&self, now: UnixSeconds) -> &DatedPolicy {
        &self.in_force(now).dated
    }

    /// Returns the time after `now` at which the next policy starts, if one is listed.
    pub fn next_change(&self, now: UnixSeconds) -> Option<UnixSeconds> {
        self.rest.iter().map(|term| term.begins).find(|begins| *begins > now)
    }

    /// Replaces the listed policies of a scope at time `at`. Policies that were in force until then stay in the
    /// history, and end as the [type](Self) describes. Policies that had not started and are no longer listed are
    /// dropped.
    ///
    /// A listed policy whose start time is after the start of the policy in force is in force from its own start time,
    /// even if that is in the past. If the policy in force is listed with other values and without such a start time,
    /// the new values are in force from `at`. Only start times in the list survive a restart: give a policy its own
    /// `from` where that matters.
    ///
    /// # Errors
    /// [`PolicyError`] as in [`new`](Self::new); the history then stays unchanged.
    pub fn change(
        &mut self,
        policies: impl IntoIterator<Item = impl Into<DatedPolicy>>,
        at: UnixSeconds,
    ) -> Result<(), PolicyError> {
        let listed = Self::new(policies)?;
        // Its successors have not begun; they are listed again or dropped.
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

    /// Returns the policies that hold at `now`: the one in force first, then the former ones, latest first.
    pub fn holding(&self, now: UnixSeconds) -> impl Iterator<Item = &Policy> {
        let in_force = self.in_force(now);
        let others = self.terms().rev().filter(move |term| !core::ptr::eq(*term, in_force) && term.holds(now));
        core::iter::once(in_force).chain(others).map(Term::policy)
    }

    /// Returns the longest [exposure](Policy::exposure) among the policies that hold at `now`.
    pub fn exposure(&self, now: UnixSeconds) -> u64 {
        self.holding(now).map(Policy::exposure).fold(0, u64::max)
    }

    /// Returns all policies that hold, may still hold, or start later, ordered by start time.
    pub fn all(&self) -> impl Iterator<Item = &DatedPolicy> {
        self.terms().map(|term| &term.dated)
    }

    /// Judges a post up to its root: it passes if one policy that holds at `now` accepts it whole. `check_root` judges
    /// the post's root under a root window in seconds.
    ///
    /// If no policy accepts it, the verdict is the most helpful one: the verdict on the root, if a policy accepts
    /// everything else; the epoch, if it is out of range for all policies with its length, or for the policy whose
    /// values are stated; otherwise the first value that differs from the policy in force.
    ///
    /// # Errors
    /// [`Verdict::RequirementMismatch`], [`Verdict::EpochOutOfRange`], or what `check_root` says.
    pub fn check_post(
        &self,
        stated: &StatedTerms,
        now: UnixSeconds,
        check_root: impl Fn(u32) -> Result<(), Verdict>,
    ) -> Result<(), Verdict> {
        self.accepting(stated, now, |policy| check_root(policy.root_window)).map(drop)
    }

    /// Judges a post like [`check_post`](Self::check_post), with everything else that a policy asks: its root, and the lists
    /// that its records are about. Returns what `check` found for each policy that accepts the post, the one in force first.
    /// There is at least one.
    ///
    /// # Errors
    /// [`Verdict::RequirementMismatch`], [`Verdict::EpochOutOfRange`], or what `check` says.
    pub fn accepting<T>(
        &self,
        stated: &StatedTerms,
        now: UnixSeconds,
        check: impl Fn(&Policy) -> Result<T, Verdict>,
    ) -> Result<Vec<T>, Verdict> {
        let (mut of_root, mut fits_out_of_range, mut of_length, mut in_range) = (None, false, false, false);
        let mut accepting = Vec::new();
        for policy in self.holding(now).filter(|policy| policy.epoch_seconds == stated.epoch.seconds()) {
            let (fits, reached) = (policy.compare(stated, now).is_ok(), policy.is_in_range(stated.epoch, now));
            match (fits, reached) {
                (true, true) => match check(policy) {
                    Ok(found) => accepting.push(found),
                    Err(verdict) => of_root = of_root.or(Some(verdict)),
                },
                (true, false) => fits_out_of_range = true,
                (false, _) => {}
            }
            of_length = true;
            in_range |= reached;
        }
        if !accepting.is_empty() {
            return Ok(accepting);
        }
        if let Some(verdict) = of_root {
            return Err(verdict);
        }
        match self.in_force(now).policy().compare(stated, now) {
            Err(mismatch) if !fits_out_of_range && (in_range || !of_length) => {
                let within_grace = self.nearly_holds(now, |policy| policy.compare(stated, now).is_ok());
                Err(Verdict::RequirementMismatch { mismatch, within_grace })
            }
            _ => Err(Verdict::EpochOutOfRange { epoch: stated.epoch, now }),
        }
    }

    /// Judges a badge up to its root, like [`check_post`](Self::check_post). A badge has no epoch: its day may be the
    /// day of any moment within the policy's clock difference of `now`.
    ///
    /// # Errors
    /// [`Verdict::RequirementMismatch`], or what `check_root` says.
    pub fn check_badge(
        &self,
        stated: &Requirement,
        now: UnixSeconds,
        check_root: impl Fn(u32) -> Result<(), Verdict>,
    ) -> Result<(), Verdict> {
        let compare = |policy: &Policy| policy.compare_requirement(stated, &policy.days_around(now));
        let fits = |policy: &Policy| compare(policy).is_ok();
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
        compare(self.in_force(now).policy())
            .map_err(|mismatch| Verdict::RequirementMismatch { mismatch, within_grace: self.nearly_holds(now, fits) })
    }

    /// Returns whether a policy that matches holds within the grace time of `now`: one of its clock differences plus 30
    /// s. A neighbour that forwards a pass under this policy may then be honest, because its clock may be on the other
    /// side of the change.
    ///
    /// Without this, one deposit sets honest relays against each other: one relay accepts a pass that is sent at the
    /// moment of a change, and the other relay lowers the score of its forwarder.
    fn nearly_holds(&self, now: UnixSeconds, is_kind: impl Fn(&Policy) -> bool) -> bool {
        self.terms().any(|term| term.nearly_holds(now) && is_kind(term.policy()))
    }

    /// Returns whether a policy that does not hold at `now` begins or ended within its grace time: an honest neighbour may
    /// judge by it.
    pub fn is_near_change(&self, now: UnixSeconds) -> bool {
        self.terms().any(|term| term.nearly_holds(now) && !term.holds(now))
    }

    /// Returns the time after the first evidence against a member in which a forwarder of its posts may be honest, in
    /// seconds: the longest grace time of the policies that hold at `now`.
    pub fn grace(&self, now: UnixSeconds) -> u64 {
        self.holding(now).map(grace).fold(0, u64::max)
    }

    /// Returns the highest cap on messages among the policies that hold at `now`.
    pub fn highest_cap(&self, now: UnixSeconds) -> NonZeroU16 {
        self.holding(now).map(|policy| policy.limit_cap).fold(self.current(now).policy.limit_cap, NonZeroU16::max)
    }
}

impl Policy {
    /// Finds the first value of a post that differs from this policy. In a scope of reports the day may be that of any
    /// moment within the clock difference of `now`, as for badges: the epoch of reports began in 1970.
    fn compare(&self, stated: &StatedTerms, now: UnixSeconds) -> Result<(), RequirementMismatch> {
        let seconds = NonZeroU32::get;
        let (found, expected) = (seconds(stated.epoch.seconds()), seconds(self.epoch_seconds));
        if found != expected {
            return Err(RequirementMismatch::EpochSeconds { stated: found, expected });
        }
        match self.is_for_reports() {
            true => self.compare_requirement(&stated.requirement, &self.days_around(now))?,
            false => self.compare_requirement(&stated.requirement, &[Day::at(stated.epoch.begins())])?,
        }
        let (found, expected) = (stated.limit_cap.get(), self.limit_cap.get());
        if found != expected {
            return Err(RequirementMismatch::LimitCap { stated: found, expected });
        }
        Ok(())
    }
}
