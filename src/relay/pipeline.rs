//! From a pass to its verdict.

use core::num::NonZeroU16;
use std::sync::{RwLock, RwLockReadGuard};

use quotapass_circuits::{
    badge::Badge,
    formats::wire::PostPass,
    identity::{IdentityCommitment, IdentitySecret},
    membership::Root,
    post::{Post, PostPublic},
    proof::Proof,
    share::{Share, recover},
    signal::{Epoch, Scope},
    verifier::Verifier,
};

use super::{
    Entry, Evidence, LogEpoch, LogError, NullifierLog, Outcome, Policy, PolicyError, PolicyTable, QuotaExceeded,
    RequirementMismatch, RootHistory, RootStatus, SlashedMembers, UnlistedScope, Verdict, badges::BadgeBook, read,
    write,
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
            badge_book: BadgeBook::default(),
        }
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
        for (position, request) in requests.iter().enumerate() {
            match self.check_post(request, now) {
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
        let unanswered = || LogError::Unavailable("it gave no answer for an entry".into()).into();
        verdicts.into_iter().map(|verdict| verdict.unwrap_or_else(unanswered)).collect()
    }

    /// The checks that need no pairing.
    fn check_post(&self, request: &PostRequest<'_>, now: u64) -> Result<(Candidate, (PostPublic, Proof)), Verdict> {
        let pass = PostPass::from_bytes(request.pass)?;
        let epoch = pass.epoch;
        let (scope, window, cap) = {
            let policies = self.policies();
            let entry = policies.get(request.scope).map_err(|_| RequirementMismatch::UnlistedScope)?;
            let history = entry.history();
            if !history.current().is_in_range(epoch, now) {
                return Err(Verdict::EpochOutOfRange { epoch, now });
            }
            history.check_post(&pass, now)?;
            (entry.scope(), history.current().root_window, history.highest_cap(now))
        };
        self.check_root(pass.root, now, window)?;
        let public = pass.public(scope, request.message)?;

        let entry = Entry {
            epoch: LogEpoch::with(public.external_nullifier, epoch),
            nullifier: public.nullifier,
            share: public.share,
        };
        if self.slashed.has_nullifier(&entry.epoch, cap, entry.nullifier) {
            return Err(Verdict::SlashedMember);
        }
        match self.log.lookup(&entry.epoch, entry.nullifier) {
            Ok(Some(recorded)) if recorded == entry.share => return Err(Verdict::Replay),
            Ok(_) => {}
            Err(error) => return Err(failed(error, epoch, now)),
        }
        Ok((Candidate { scope, epoch, cap, entry }, (public, pass.proof)))
    }

    /// The verdict on a post whose proof verified and which went to the log.
    fn conclude(&self, candidate: &Candidate, outcome: Result<Outcome, LogError>, now: u64) -> Verdict {
        let Entry { epoch, nullifier, share } = candidate.entry;
        // The secret may have become known since the cheap checks, perhaps from a post of the same batch.
        let is_slashed = || self.slashed.has_nullifier(&epoch, candidate.cap, nullifier);
        match outcome {
            Ok(_) if is_slashed() => Verdict::SlashedMember,
            Ok(Outcome::New) => Verdict::Accepted,
            Ok(Outcome::Replay) => Verdict::Replay,
            Ok(Outcome::Conflict(recorded)) => {
                self.convict(candidate, recorded, share).unwrap_or_else(|| LogError::Damaged.into())
            }
            Err(error) => failed(error, candidate.epoch, now),
        }
    }

    /// Recovers the secret behind two shares of one nullifier and refuses all that it could still say. None if no secret
    /// has both shares and the nullifier: a recorded share then never had a proof, for this one does.
    fn convict(&self, candidate: &Candidate, recorded: Share, second: Share) -> Option<Verdict> {
        let nullifier = candidate.entry.nullifier;
        let secret = recover(&recorded, &second).ok()?;
        let suspect = SlashedMembers::new();
        suspect.insert(secret.clone(), None);
        if !suspect.has_nullifier(&candidate.entry.epoch, candidate.cap, nullifier) {
            return None;
        }
        if !self.slashed.insert(secret.clone(), None) {
            // Another thread was first: a secret is announced once.
            return Some(Verdict::SlashedMember);
        }
        let evidence = Evidence { scope: candidate.scope, epoch: candidate.epoch, nullifier, recorded, second };
        Some(Verdict::QuotaExceeded(Box::new(QuotaExceeded { secret, evidence })))
    }

    /// A root under a window of seconds.
    pub(super) fn check_root(&self, root: Root, now: u64, window: u32) -> Result<(), Verdict> {
        match read(&self.roots).status(root, now, window) {
            RootStatus::Current | RootStatus::Recent { .. } => Ok(()),
            RootStatus::Stale { superseded_at } => Err(Verdict::StaleRoot { superseded_at }),
            RootStatus::Unknown => Err(Verdict::UnknownRoot),
        }
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

    /// Replaces all policies at Unix second `at`; see [`PolicyTable::change`].
    ///
    /// # Errors
    /// [`PolicyError`]; nothing is changed then.
    pub fn change_policies(&self, policies: impl IntoIterator<Item = Policy>, at: u64) -> Result<(), PolicyError> {
        write(&self.policies).change(policies, at)
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
    /// # Errors
    /// [`LogError`] if the log fails.
    pub fn expire(&self, now: u64) -> Result<(), LogError> {
        self.slashed.expire(now);
        self.badge_book.expire(now);
        self.log.expire(now)
    }
}

/// The verdict when the log did not do what was asked.
fn failed(error: LogError, epoch: Epoch, now: u64) -> Verdict {
    match error {
        LogError::Expired => Verdict::EpochOutOfRange { epoch, now },
        error => error.into(),
    }
}
