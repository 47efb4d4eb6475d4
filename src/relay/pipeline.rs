//! From a pass to its verdict.

use core::num::NonZeroU16;
use std::sync::{Mutex, RwLock, RwLockReadGuard};

use quotapass_circuits::{
    badge::Badge,
    formats::wire::PostPass,
    identity::{IdentityCommitment, IdentitySecret},
    membership::Root,
    post::{Post, PostPublic},
    proof::Proof,
    share::{Nullifier, Share},
    signal::{Epoch, Scope},
    verifier::Verifier,
};
use rayon::prelude::*;

use super::{
    DatedPolicy, Entry, Evidence, LogEpoch, LogError, NullifierLog, Outcome, PolicyError, PolicyTable, QuotaExceeded,
    RootHistory, SlashedMembers, UnlistedScope, UnlistedVerdict, Verdict, badges::BadgeBook, lock, read, write,
};

/// A post to check.
#[derive(Clone, Copy, Debug)]
pub struct PostRequest<'a> {
    /// The scope's name.
    pub scope: &'a str,
    /// The message.
    pub message: &'a [u8],
    /// The pass as it is sent: 246 bytes.
    pub pass: &'a [u8],
}

/// A relay: verifiers, policies, roots, the nullifier log, and the members whose secret is known.
///
/// It reads no clock and does no input or output of its own. Whoever embeds it tells it of [new
/// roots](Self::advance_root), [changed policies](Self::change_policies) and [secrets learnt elsewhere](Self::slash),
/// and lets old epochs [expire](Self::expire) from time to time.
pub struct Relay<L> {
    posts: Verifier<Post>,
    badges: Verifier<Badge>,
    policies: RwLock<PolicyTable>,
    roots: RwLock<RootHistory>,
    log: L,
    slashed: SlashedMembers,
    /// How many of the log's convictions are in `slashed`.
    convictions_seen: Mutex<u64>,
    badge_book: BadgeBook,
}

/// A post that passed the cheap checks.
struct Candidate {
    scope: Scope,
    epoch: Epoch,
    /// The highest cap that holds in the scope.
    cap: NonZeroU16,
    entry: Entry,
}

impl Candidate {
    fn key(&self) -> (LogEpoch, Nullifier) {
        (self.entry.epoch, self.entry.nullifier)
    }
}

impl<L: NullifierLog> Relay<L> {
    /// A relay that knows `roots` and records in `log`.
    pub fn new(
        posts: Verifier<Post>,
        badges: Verifier<Badge>,
        policies: PolicyTable,
        roots: RootHistory,
        log: L,
    ) -> Self {
        Self {
            posts,
            badges,
            policies: RwLock::new(policies),
            roots: RwLock::new(roots),
            log,
            slashed: SlashedMembers::new(),
            convictions_seen: Mutex::default(),
            badge_book: BadgeBook::default(),
        }
    }

    /// Whether the posts' or the badges' keys are development keys, with which everybody can forge passes.
    pub fn has_development_keys(&self) -> bool {
        self.posts.key().is_development() || self.badges.key().is_development()
    }

    /// The verdict on one post at Unix second `now`. See [`verify_posts`](Self::verify_posts).
    pub fn verify_post(&self, request: PostRequest<'_>, now: u64) -> Verdict {
        // A batch of one has one verdict.
        self.verify_posts(&[request], now).pop().unwrap_or(Verdict::InvalidProof)
    }

    /// The verdicts on a batch of posts at Unix second `now`, in order, as if each had come alone: a double post within
    /// the batch is an acceptance and a quota conflict, a duplicate an acceptance and a replay.
    ///
    /// Each goes through the cheap checks in this order: decoding, scope, epoch, requirement, root, signal, slashed
    /// members, known replay. The proofs of all that are left are verified at once, and only those that verified are
    /// recorded. A known replay needs no pairing: the same nullifier with exactly the same share *was* proved before, and
    /// nothing follows from the verdict. For any other share of a known nullifier the proof decides, as anybody can copy
    /// a nullifier and invent a share.
    pub fn verify_posts(&self, requests: &[PostRequest<'_>], now: u64) -> Vec<Verdict> {
        let mut verdicts: Vec<Option<Verdict>> = vec![None; requests.len()];
        let mut candidates = Vec::new();
        let mut proofs: Vec<(PostPublic, Proof)> = Vec::new();
        let passes: Vec<_> = requests.iter().map(|request| request.pass).collect();
        let checked: Vec<_> = PostPass::from_bytes_many(&passes)
            .into_par_iter()
            .zip(requests)
            .map(|(pass, request)| self.check_post(pass?, request, now))
            .collect();
        let seen = if checked.iter().any(Result::is_ok) { self.learn_convictions() } else { Ok(()) };
        let keys: Vec<_> = checked.iter().flatten().map(|(candidate, _)| candidate.key()).collect();
        let mut recorded = self.log.lookup_all(&keys).into_iter();
        for (position, checked) in checked.into_iter().enumerate() {
            let known = checked.and_then(|(candidate, statement)| {
                let answer = recorded.next().unwrap_or_else(|| Err(unanswered()));
                let failed = |error| failed(error, candidate.epoch, now);
                seen.clone().map_err(failed)?;
                if self.is_slashed(&candidate) {
                    return Err(Verdict::SlashedMember);
                }
                match answer.map_err(failed)? {
                    Some(recorded) if recorded == candidate.entry.share => Err(Verdict::Replay),
                    _ => Ok((candidate, statement)),
                }
            });
            match known {
                Ok((candidate, statement)) => {
                    candidates.push((position, candidate));
                    proofs.push(statement);
                }
                Err(verdict) => verdicts[position] = Some(verdict),
            }
        }

        if let Err(error) = self.posts.verify_batch(&proofs) {
            for invalid in error.invalid {
                verdicts[candidates[invalid].0] = Some(Verdict::InvalidProof);
            }
            candidates.retain(|(position, _)| verdicts[*position].is_none());
        }

        let entries: Vec<Entry> = candidates.iter().map(|(_, candidate)| candidate.entry).collect();
        for ((position, candidate), outcome) in candidates.into_iter().zip(self.log.record_all(&entries)) {
            verdicts[position] = Some(self.conclude(&candidate, outcome, now));
        }
        // A log that answers for fewer entries than it was given has recorded an unknown part of them.
        verdicts.into_iter().map(|verdict| verdict.unwrap_or_else(|| unanswered().into())).collect()
    }

    /// The checks that need neither the log nor a pairing.
    fn check_post(
        &self,
        pass: PostPass,
        request: &PostRequest<'_>,
        now: u64,
    ) -> Result<(Candidate, (PostPublic, Proof)), Verdict> {
        let epoch = pass.epoch;
        let (scope, cap) = {
            let policies = self.policies();
            let entry = policies.get(request.scope).map_err(|_| policies.unlisted_verdict(request.scope, now))?;
            let history = entry.history();
            history.check_post(&(&pass).into(), now, |window| self.check_root(pass.root, now, window))?;
            (entry.scope(), history.highest_cap(now))
        };
        let public = pass.public(scope, request.message)?;
        let entry = Entry {
            epoch: LogEpoch::with(public.external_nullifier, epoch),
            nullifier: public.nullifier,
            share: public.share,
        };
        Ok((Candidate { scope, epoch, cap, entry }, (public, pass.proof)))
    }

    fn is_slashed(&self, candidate: &Candidate) -> bool {
        self.slashed.has_nullifier(&candidate.entry.epoch, candidate.cap, candidate.entry.nullifier)
    }

    /// The verdict on a post whose proof verified and which went to the log.
    fn conclude(&self, candidate: &Candidate, outcome: Result<Outcome, LogError>, now: u64) -> Verdict {
        match outcome {
            // The secret may have become known since the cheap checks, perhaps from a post of the same batch.
            Ok(_) if self.is_slashed(candidate) => Verdict::SlashedMember,
            Ok(Outcome::New) => Verdict::Accepted,
            Ok(Outcome::Replay) => Verdict::Replay,
            Ok(Outcome::Conflict(recorded)) => {
                self.convict(candidate, recorded).unwrap_or_else(|error| failed(error, candidate.epoch, now))
            }
            Err(error) => failed(error, candidate.epoch, now),
        }
    }

    /// Recovers the secret behind two shares of one nullifier, keeps the evidence, and refuses all that the member could
    /// still say.
    ///
    /// # Errors
    /// [`LogError::Damaged`] if no secret has both shares and the nullifier: the recorded share then never had a proof,
    /// for this one does. Others if the evidence cannot be kept; nothing follows from it then, and the next post of the
    /// nullifier gives it again.
    fn convict(&self, candidate: &Candidate, recorded: Share) -> Result<Verdict, LogError> {
        let Entry { nullifier, share, .. } = candidate.entry;
        let Candidate { scope, epoch, cap, .. } = *candidate;
        let evidence = Evidence { scope, epoch, nullifier, recorded, second: share };
        let secret = evidence.secret_below(cap).ok_or(LogError::Damaged)?;
        let is_first = self.log.convict(&evidence)?;
        self.slashed.insert(secret.clone(), None);
        Ok(if is_first {
            Verdict::QuotaExceeded(Box::new(QuotaExceeded { secret, evidence }))
        } else {
            // Another thread, or another relay, was first: a secret is announced once.
            Verdict::SlashedMember
        })
    }

    /// Refuses all that members could still say whose evidence was kept since the last time, here or by another relay
    /// that shares the log. Every batch begins with it.
    ///
    /// # Errors
    /// [`LogError`].
    pub fn learn_convictions(&self) -> Result<(), LogError> {
        let mut seen = lock(&self.convictions_seen);
        for evidence in self.log.convictions(*seen)? {
            if let Some(secret) = evidence.secret() {
                self.slashed.insert(secret, None);
            }
            *seen += 1;
        }
        Ok(())
    }

    /// Keeps evidence that was found elsewhere, and refuses all that the member could still say. Returns whether it is
    /// the first against its member.
    ///
    /// Whether it is a member's secret at all is for the caller to check, by its commitment: see
    /// [`Evidence::secret_below`].
    ///
    /// # Errors
    /// [`LogError`]; [`LogError::Damaged`] if the shares give no secret.
    pub fn import(&self, evidence: &Evidence) -> Result<bool, LogError> {
        let secret = evidence.secret().ok_or(LogError::Damaged)?;
        let is_first = self.log.convict(evidence)?;
        self.slashed.insert(secret, None);
        Ok(is_first)
    }

    /// A root under a window of seconds.
    pub(super) fn check_root(&self, root: Root, now: u64, window: u32) -> Result<(), Verdict> {
        read(&self.roots).status(root, now, window).check()
    }

    /// The tree has a new root since Unix second `at`.
    pub fn advance_root(&self, root: Root, at: u64) {
        let window = self.policies().longest_root_window();
        let mut roots = write(&self.roots);
        roots.advance(root, at);
        roots.prune(at, window);
    }

    /// The chain was reorganised; see [`RootHistory::reorganise`].
    pub fn reorganise_roots(&self, undone: usize, branch: impl IntoIterator<Item = (Root, u64)>) {
        write(&self.roots).reorganise(undone, branch);
    }

    /// The roots.
    pub fn roots(&self) -> RwLockReadGuard<'_, RootHistory> {
        read(&self.roots)
    }

    /// Replaces the list of policies at Unix second `at`; see [`PolicyTable::change`].
    ///
    /// # Errors
    /// [`PolicyError`]; nothing is changed then.
    pub fn change_policies(
        &self,
        policies: impl IntoIterator<Item = impl Into<DatedPolicy>>,
        at: u64,
    ) -> Result<(), PolicyError> {
        write(&self.policies).change(policies, at)
    }

    /// Changes what is said to scopes that have no policy.
    pub fn change_unlisted(&self, unlisted: UnlistedVerdict) {
        write(&self.policies).set_unlisted(unlisted);
    }

    /// The policies.
    pub fn policies(&self) -> RwLockReadGuard<'_, PolicyTable> {
        read(&self.policies)
    }

    /// The scope of a name.
    pub(super) fn scope(&self, name: &str) -> Result<Scope, UnlistedScope> {
        self.policies().get(name).map(|entry| entry.scope())
    }

    /// A member's secret became known elsewhere. It takes effect at once, whatever the root; those recovered here already
    /// have. Returns whether it is news.
    ///
    /// Whether it is a member's secret at all is for the caller to check, by its commitment.
    pub fn slash(&self, secret: IdentitySecret, message_limit: Option<NonZeroU16>) -> bool {
        self.slashed.insert(secret, message_limit)
    }

    /// Forgets a slashed member whose slot was zeroed longer ago than the longest root window; see
    /// [`SlashedMembers::forget`].
    pub fn forget_slashed(&self, commitment: IdentityCommitment) -> bool {
        self.slashed.forget(commitment)
    }

    /// The members whose secret is known.
    pub fn slashed(&self) -> &SlashedMembers {
        &self.slashed
    }

    /// The nullifier log.
    pub fn log(&self) -> &L {
        &self.log
    }

    pub(super) fn badge_verifier(&self) -> &Verifier<Badge> {
        &self.badges
    }

    pub(super) fn badge_book(&self) -> &BadgeBook {
        &self.badge_book
    }

    /// Drops nullifiers of epochs that no policy lets in any more at `now`, and restrictions that are over. Epochs
    /// dropped stay closed, so call it with a clock that is right.
    ///
    /// Which epochs these are does not depend on the policies: see [`LogEpoch::keep_until`].
    ///
    /// # Errors
    /// [`LogError`] if the log fails.
    pub fn expire(&self, now: u64) -> Result<(), LogError> {
        self.slashed.expire(now);
        self.badge_book.expire(now);
        self.log.expire(now)
    }
}

/// A log that gave fewer answers than it was asked for.
fn unanswered() -> LogError {
    LogError::Unavailable("it gave no answer for an entry".into())
}

/// The verdict when the log did not do what was asked.
fn failed(error: LogError, epoch: Epoch, now: u64) -> Verdict {
    match error {
        LogError::Expired => Verdict::EpochOutOfRange { epoch, now },
        error => error.into(),
    }
}
