//! The verification pipeline: from a pass to its verdict.

use core::num::NonZeroU16;
use std::{sync::Arc, time::Duration};

use parking_lot::{RwLock, RwLockReadGuard};
use quotapass_circuits::{
    badge::Badge,
    formats::{
        recorded::RecordedHead,
        wire::{EncodedProof, PassKind, PostHead},
    },
    identity::IdentityCommitment,
    membership::Root,
    moderation::record::Record,
    post::Post,
    share::Nullifier,
    signal::{Epoch, Scope},
    verifier::{Verifier, VerifierCosts},
};
use quotapass_protocol::{
    DatedPolicy, Horizon, ListMismatch, LogError, Malformed, Overload, PolicyError, PolicyTable, RootHistory,
    UnixSeconds, UnlistedScope, UnlistedVerdict, Verdict,
};
use rayon::prelude::*;

use super::{
    Entry, LogEpoch, MessageLimits, RelayStore, SlashedMembers,
    badges::VerifiedBadges,
    convicted::ConvictedMembers,
    lists::{FailedRecords, Lists, NoRecordKeys, RecordCounts, Way},
    moderation::{Moderated, ModerationParts},
    proofs::{Stated, StatedRecords},
    slashed::Quota,
};

/// A post to check.
#[derive(Clone, Copy, Debug)]
pub struct PostRequest<'a> {
    /// The scope's name.
    pub scope: &'a str,
    /// The message.
    pub message: &'a [u8],
    /// The encoded pass: 246 bytes, or a post with records.
    pub pass: &'a [u8],
}

/// Errors of [changing](Relay::change_policies) the policies of a relay.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyChangeError {
    /// The policies are not valid.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// A policy has lists, and the relay has no keys of records.
    #[error(transparent)]
    Keys(#[from] NoRecordKeys),
}

/// The way in which the proofs of a batch of posts are verified. The verdicts are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verification {
    /// All in one batch: for posts of which few are expected to be forged.
    #[default]
    Together,
    /// Each one alone: for posts from sources that send many forgeries. A search for the forgeries in a batch would
    /// take longer; see [`VerifierCosts::prefers_each`].
    Each,
}

/// A relay: verifiers, policies, roots, the nullifier log, and the members whose secret is known.
///
/// It reads no clock and does no input or output itself. The embedding program reports [new roots](Self::advance_root),
/// [changed policies](Self::change_policies) and [secrets learnt elsewhere](Self::slash), and [expires](Self::expire)
/// old epochs from time to time.
pub struct Relay {
    pub(super) posts: Verifier<Post>,
    badges: Verifier<Badge>,
    policies: RwLock<PolicyTable>,
    roots: RwLock<RootHistory>,
    horizon: RwLock<Option<Horizon>>,
    pub(super) log: Arc<dyn RelayStore>,
    pub(super) slashed: SlashedMembers,
    /// The members of the log's convictions; all of them are in `slashed`.
    pub(super) convicted: ConvictedMembers,
    pub(super) limits: RwLock<Option<Arc<dyn MessageLimits>>>,
    verified_badges: VerifiedBadges,
    pub(super) lists: Lists,
    pub(super) failed_records: FailedRecords,
    pub(super) record_counts: RecordCounts,
    moderation: ModerationParts,
}

/// A post that passed the cheap checks.
pub(super) struct Candidate {
    pub(super) scope: Scope,
    pub(super) epoch: Epoch,
    /// The highest cap of the policies that hold in the scope.
    pub(super) cap: NonZeroU16,
    /// The time after the first evidence in which a forwarder of the member's posts may be honest, in seconds.
    pub(super) grace: u64,
    pub(super) entry: Entry,
    /// Whether the scope is in shadow mode, in which no member is convicted.
    pub(super) is_shadow: bool,
    /// Whether its nullifier is recorded, with another share.
    pub(super) is_known: bool,
    /// Whether a pattern stands for its scope.
    pub(super) is_of_pattern: bool,
    /// What moderation needs to know of it.
    pub(super) moderated: Option<Moderated>,
}

impl Candidate {
    fn key(&self) -> (LogEpoch, Nullifier) {
        (self.entry.epoch, self.entry.nullifier)
    }

    pub(super) fn quota(&self) -> Quota {
        (self.entry.epoch, self.cap)
    }
}

impl Relay {
    /// Creates a relay that knows `roots` and records in `log`.
    pub fn new(
        posts: Verifier<Post>,
        badges: Verifier<Badge>,
        policies: PolicyTable,
        roots: RootHistory,
        log: Arc<dyn RelayStore>,
    ) -> Self {
        Self {
            posts,
            badges,
            policies: RwLock::new(policies),
            roots: RwLock::new(roots),
            horizon: RwLock::default(),
            log,
            slashed: SlashedMembers::new(),
            convicted: ConvictedMembers::default(),
            limits: RwLock::default(),
            verified_badges: VerifiedBadges::default(),
            lists: Lists::default(),
            failed_records: FailedRecords::default(),
            record_counts: RecordCounts::default(),
            moderation: ModerationParts::default(),
        }
    }

    /// Returns the same relay with keys to verify records, which policies with lists need. Lists that were published
    /// before are dropped.
    pub fn with_records(self, small: Verifier<Record<16>>, large: Verifier<Record<128>>) -> Self {
        Self { lists: Lists::with_verifiers(small, large), ..self }
    }

    /// Checks that the relay has the keys that its policies need. An [engine](super::Engine) does not start without them.
    ///
    /// # Errors
    /// [`NoRecordKeys`] if a policy has lists and there are no keys of records.
    pub fn check_record_keys(&self) -> Result<(), NoRecordKeys> {
        let policies = self.policies();
        self.lists.check_keys(policies.iter().flat_map(|entry| entry.history().all()).map(|dated| &dated.policy))
    }

    /// Returns the lists that policies enforce.
    pub fn lists(&self) -> &Lists {
        &self.lists
    }

    /// Returns the numbers of valid and of invalid records that were verified.
    pub fn record_counts(&self) -> (u64, u64) {
        self.record_counts.read()
    }

    /// Returns whether a verifying key is a development key, with which anybody can forge passes.
    pub fn has_development_keys(&self) -> bool {
        self.posts.key().is_development()
            || self.badges.key().is_development()
            || self.lists.has_development_keys()
            || self.moderation.has_development_key()
    }

    /// Measures the cost of verifying posts on this machine. It takes about 40 ms; `elapsed` returns the time passed
    /// since some fixed moment.
    pub fn measure_costs(&self, elapsed: impl Fn() -> Duration) -> VerifierCosts {
        VerifierCosts::measure(&self.posts, elapsed)
    }

    /// Judges one post at `now`. See [`verify_posts`](Self::verify_posts).
    pub fn verify_post(&self, request: PostRequest<'_>, now: UnixSeconds) -> Verdict {
        // A batch of one has one verdict.
        self.verify_posts(&[request], now).pop().unwrap_or(Verdict::Overloaded(Overload::Failure))
    }

    /// Judges a batch of posts at `now`, in order, as if each had come alone: a double post within the batch gives an
    /// acceptance and a quota conflict, a duplicate gives an acceptance and a replay.
    ///
    /// The checks go from cheap to costly, and each is made only for posts that passed the checks before: decoding of
    /// the head, scope, epoch, requirement, root, versions of the lists and signal; then slashed members and known
    /// replays; then decoding of the proof's points; then the proofs of all remaining posts at once; then the records of
    /// all posts whose proof verified, at once for each size. Only posts of which all proofs verified are recorded. A flood
    /// of passes for closed epochs, or of copies, therefore costs neither a square root nor a pairing.
    ///
    /// A known replay needs no proof: the same nullifier with exactly the same share *was* proved before, and the
    /// verdict has no consequence, whatever bytes are in place of the proof. For any other share of a known nullifier
    /// the proof decides, because anybody can copy a nullifier and invent a share.
    pub fn verify_posts(&self, requests: &[PostRequest<'_>], now: UnixSeconds) -> Vec<Verdict> {
        self.verify_posts_by(Verification::Together, requests, now)
    }

    /// Returns the same verdicts, with a choice of how the proofs are verified.
    pub fn verify_posts_by(&self, how: Verification, requests: &[PostRequest<'_>], now: UnixSeconds) -> Vec<Verdict> {
        let mut verdicts: Vec<Option<Verdict>> = vec![None; requests.len()];
        let checked: Vec<_> = requests.par_iter().map(|request| self.check_post(request, now)).collect();
        let seen = if checked.iter().any(Result::is_ok) { self.learn_convictions(now) } else { Ok(()) };
        let keys: Vec<_> = checked.iter().flatten().map(|stated| stated.candidate.key()).collect();
        let mut recorded = self.log.lookup_all(&keys).into_iter();
        let quotas = checked.iter().flatten().filter(|stated| !stated.candidate.is_tested());
        let refused = self.slashed.refused(quotas.map(|stated| stated.candidate.quota()));
        let mut left = Vec::new();
        for (position, checked) in checked.into_iter().enumerate() {
            let known = checked.and_then(|mut stated| {
                let candidate = &mut stated.candidate;
                let answer = recorded.next().unwrap_or_else(|| Err(unanswered()));
                let failed = |error| failed(error, candidate.epoch, now);
                seen.clone().map_err(failed)?;
                if let Some(offender) = refused.offender(&candidate.quota(), candidate.entry.nullifier) {
                    return Err(candidate.slashed(offender, now));
                }
                match answer.map_err(failed)? {
                    Some(recorded) if recorded.share == candidate.entry.share => Err(Verdict::Replay),
                    recorded => {
                        candidate.is_known = recorded.is_some();
                        Ok(stated)
                    }
                }
            });
            match known {
                Ok(stated) => left.push((position, stated)),
                Err(verdict) => verdicts[position] = Some(verdict),
            }
        }
        drop(refused);

        let mut proved = self.prove(how, left, &mut verdicts);
        proved.retain_mut(|(position, candidate)| {
            let checked = self.check_report(candidate, now).and_then(|()| self.check_author(candidate, now));
            verdicts[*position] = checked.err();
            verdicts[*position].is_none()
        });
        let (positions, candidates): (Vec<usize>, Vec<Candidate>) = proved.into_iter().unzip();
        let concluded = self.conclude(&candidates, self.record_all(&candidates, now), now);
        for (position, verdict) in positions.into_iter().zip(concluded) {
            verdicts[position] = Some(verdict);
        }
        verdicts.into_iter().map(|verdict| verdict.unwrap_or_else(|| unanswered().into())).collect()
    }

    /// Makes the checks that need neither the log nor the decoding of points.
    fn check_post(&self, request: &PostRequest<'_>, now: UnixSeconds) -> Result<Stated, Verdict> {
        let (head, proof, lists) = match PassKind::of(request.pass)? {
            PassKind::Recorded => {
                let RecordedHead { post, proof, lists } = RecordedHead::from_bytes(request.pass)?;
                (post, proof, lists)
            }
            PassKind::Post | PassKind::Badge => {
                let (head, proof) = PostHead::from_bytes(request.pass)?;
                (head, proof, Vec::new())
            }
        };
        let epoch = head.epoch;
        let policies = self.policies();
        let unlisted = || policies.unlisted_verdict(request.scope, now);
        let view = policies.get(request.scope).map_err(|_| unlisted())?;
        let (scope, cap, grace, is_shadow, ways) = {
            // A second message under the one id of this scope would give away the member's secret.
            if view.report_scope().is_some_and(|report| request.message != report.message()) {
                let reason = "the message of a report is the nullifier of the reported post";
                return Err(Malformed::Unreadable(reason).into());
            }
            let history = view.history();
            // Reports have the lists of the scope that they are about.
            let name = view.report_scope().map_or(view.name(), |report| report.scope.as_str());
            let ways = history.accepting(&(&head).into(), now, |policy| {
                self.check_root(head.root, now, policy.root_window)?;
                match self.lists.check(policy, (policies.registry(), name), &lists, now) {
                    // A relay whose clock is on the other side of a change may have forwarded it.
                    Err(Verdict::InvalidProof) if history.is_near_change(now) => {
                        let expected = self.lists.expected(policy);
                        Err(Verdict::ListMismatch(Box::new(ListMismatch { expected })))
                    }
                    checked => checked,
                }
            })?;
            self.check_horizon(history.exposure(now), now)?;
            (view.scope(), history.highest_cap(now), history.grace(now), policies.is_shadow(request.scope), ways)
        };
        let public = head.public(scope, request.message)?;
        let log_epoch = LogEpoch::with(public.external_nullifier, epoch);
        let entry = Entry::new(log_epoch, public.nullifier, public.share);
        // **Attack prevented**: a scope of reports exists for each nullifier that a sender invents. A post in one is accepted
        // only as a report, which is about a post that was accepted and has a body.
        let moderated = Moderated::of(self, &view, request, &entry, epoch, now);
        if moderated.as_ref().is_some_and(Moderated::is_stray) {
            return Err(unlisted());
        }
        let (is_known, is_of_pattern) = (false, view.is_of_pattern());
        let candidate = Candidate { scope, epoch, cap, grace, entry, is_shadow, is_known, is_of_pattern, moderated };
        let records: Vec<EncodedProof> = lists.into_iter().flat_map(|list| list.proofs).collect();
        Ok(Stated { candidate, public, proof, records: StatedRecords { ways: distinct(ways), proofs: records } })
    }

    /// Checks that the newest known block is recent enough for passes of an [exposure](quotapass_protocol::Policy::exposure).
    pub(super) fn check_horizon(&self, exposure: u64, now: UnixSeconds) -> Result<(), Verdict> {
        match self.horizon() {
            Some(horizon) if now > horizon.accepts_until(exposure) => Err(Verdict::UnknownRoot),
            _ => Ok(()),
        }
    }

    /// Sets the time of the chain's newest block and the registry's exit delay. After the first call, passes get
    /// `unknown_root` when that block is too old; see [`Horizon`].
    pub fn see(&self, horizon: Horizon) {
        *self.horizon.write() = Some(horizon);
    }

    /// Returns the relay's view of its chain; none if it was never set. The caller is then responsible for fresh roots.
    pub fn horizon(&self) -> Option<Horizon> {
        *self.horizon.read()
    }

    /// Checks a root under a root window in seconds.
    pub(super) fn check_root(&self, root: Root, now: UnixSeconds, window: u32) -> Result<(), Verdict> {
        self.roots.read().status(root, now, window).check()
    }

    /// Records that the tree has a new root since time `at`.
    pub fn advance_root(&self, root: Root, at: UnixSeconds) {
        let window = self.policies().longest_root_window();
        let mut roots = self.roots.write();
        roots.advance(root, at);
        roots.prune(at, window);
    }

    /// Records a reorganisation of the chain; see [`RootHistory::reorganise`].
    pub fn reorganise_roots(&self, undone: usize, branch: impl IntoIterator<Item = (Root, UnixSeconds)>) {
        self.roots.write().reorganise(undone, branch);
    }

    /// Returns the roots.
    pub fn roots(&self) -> RwLockReadGuard<'_, RootHistory> {
        self.roots.read()
    }

    /// Replaces the list of policies at time `at`; see [`PolicyTable::change`].
    ///
    /// # Errors
    /// [`PolicyChangeError`]; the policies then stay unchanged.
    pub fn change_policies(
        &self,
        policies: impl IntoIterator<Item = impl Into<DatedPolicy>>,
        at: UnixSeconds,
    ) -> Result<(), PolicyChangeError> {
        let policies: Vec<DatedPolicy> = policies.into_iter().map(Into::into).collect();
        self.lists.check_keys(policies.iter().map(|dated| &dated.policy))?;
        Ok(self.policies.write().change(policies, at)?)
    }

    /// Changes the verdict on scopes without a policy.
    pub fn change_unlisted(&self, unlisted: UnlistedVerdict) {
        self.policies.write().set_unlisted(unlisted);
    }

    /// Changes which scopes are in shadow mode; see [`PolicyTable::is_shadow`].
    pub fn change_shadow(&self, names: impl IntoIterator<Item = String>) {
        self.policies.write().set_shadow(names);
    }

    /// Returns the policies.
    pub fn policies(&self) -> RwLockReadGuard<'_, PolicyTable> {
        self.policies.read()
    }

    /// Returns the scope of a name.
    pub(super) fn scope(&self, name: &str) -> Result<Scope, UnlistedScope> {
        self.policies().get(name).map(|entry| entry.scope())
    }

    /// Forgets a slashed member. Its slot must have been zeroed longer ago than the longest root window; see
    /// [`SlashedMembers::forget`].
    pub fn forget_slashed(&self, commitment: IdentityCommitment) -> bool {
        self.slashed.forget(commitment)
    }

    /// Returns the members whose secret is known.
    pub fn slashed(&self) -> &SlashedMembers {
        &self.slashed
    }

    /// Returns the store: the nullifier log, and the cases and badges that belong to it.
    pub fn log(&self) -> &dyn RelayStore {
        &*self.log
    }

    pub(super) fn moderation_parts(&self) -> &ModerationParts {
        &self.moderation
    }

    pub(super) fn badge_verifier(&self) -> &Verifier<Badge> {
        &self.badges
    }

    pub(super) fn verified_badges(&self) -> &VerifiedBadges {
        &self.verified_badges
    }

    /// Drops the nullifiers of epochs that no policy accepts any more at `now`, restrictions that have ended, and records
    /// of moderation whose time is over; and finishes changes of moderation that a crash left unfinished.
    /// Dropped epochs stay closed, so call it with the correct time.
    ///
    /// The set of these epochs does not depend on the policies: see [`LogEpoch::keep_until`].
    ///
    /// # Errors
    /// [`LogError`] if the log fails.
    pub fn expire(&self, now: UnixSeconds) -> Result<(), LogError> {
        self.slashed.expire(now);
        self.lists.prune(&self.policies(), now);
        self.log.expire(now)?;
        self.moderation().tend(now)
    }
}

/// Returns the ways without those that are equal to an earlier one. Few policies hold at a time.
fn distinct(ways: Vec<Way>) -> Vec<Way> {
    ways.into_iter().fold(Vec::new(), |mut kept, way| {
        if !kept.contains(&way) {
            kept.push(way);
        }
        kept
    })
}

/// Returns the error for a log that gave fewer answers than requested.
pub(super) fn unanswered() -> LogError {
    LogError::Unavailable("it gave no answer for an entry".into())
}

/// Returns the verdict for a failure of the log.
pub(super) fn failed(error: LogError, epoch: Epoch, now: UnixSeconds) -> Verdict {
    match error {
        LogError::Expired => Verdict::EpochOutOfRange { epoch, now },
        error => error.into(),
    }
}
