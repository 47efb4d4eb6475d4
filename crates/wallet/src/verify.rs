//! Checks of a receiver that need no record of earlier posts.

use core::num::NonZeroU16;

use quotapass_circuits::{
    badge::Badge,
    formats::{
        recorded::RecordedHead,
        wire::{BadgePass, PassKind, PostHead},
    },
    identity::IdentitySecret,
    membership::Root,
    moderation::Entry,
    post::{Post, PostPublic},
    share::RecoverError,
    signal::Epoch,
    verifier::Verifier,
};
use quotapass_protocol::{Evidence, RootHistory, UnixSeconds, Verdict};

use super::BoundPolicy;
use crate::moderation::{VerifiedLists, check_versions};

/// The roots that passes may be proved against.
///
/// A list of roots accepts the roots in it; an empty list accepts none. A [`RootHistory`] accepts its current root, and
/// each earlier root for the policy's window after it was superseded.
pub trait AcceptedRoots {
    /// Checks that a root is accepted at `now` in a scope with a window of `window` seconds.
    ///
    /// # Errors
    /// The verdict on passes that are proved against the root: [`Verdict::UnknownRoot`] or [`Verdict::StaleRoot`].
    fn check(&self, root: Root, window: u32, now: UnixSeconds) -> Result<(), Verdict>;
}

impl AcceptedRoots for [Root] {
    fn check(&self, root: Root, _window: u32, _now: UnixSeconds) -> Result<(), Verdict> {
        if self.contains(&root) { Ok(()) } else { Err(Verdict::UnknownRoot) }
    }
}

impl AcceptedRoots for RootHistory {
    fn check(&self, root: Root, window: u32, now: UnixSeconds) -> Result<(), Verdict> {
        self.status(root, now, window).check()
    }
}

/// A post that is valid on its own. The caller must remember nullifiers and check whether this one was seen before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VerifiedPost {
    /// Length and number of the epoch.
    pub epoch: Epoch,
    /// The public inputs of the proof.
    pub public: PostPublic,
}

/// Checks a post at `now`, in the order of a relay: head, epoch, requirement, root, signal, the proof's points, the
/// proof. For scopes with lists, see [`verify_message`].
///
/// # Errors
/// A verdict other than [`Verdict::Accepted`]. Verdicts that need a record of earlier posts, such as
/// [`Verdict::Replay`], are not given here.
pub fn verify_post(
    verifier: &Verifier<Post>,
    policy: &BoundPolicy,
    message: &[u8],
    pass: &[u8],
    accepted_roots: &(impl AcceptedRoots + ?Sized),
    now: UnixSeconds,
) -> Result<VerifiedPost, Verdict> {
    verify(verifier, None, policy, message, pass, accepted_roots, now)
}

/// Checks a post with or without records at `now`, as [`verify_post`] does, and then its records. In a scope with lists it
/// must have records for all of them, in versions that are accepted here; in a scope without lists it must have none.
///
/// # Errors
/// A verdict other than [`Verdict::Accepted`]; [`Verdict::ListMismatch`] among them.
pub fn verify_message(
    verifier: &Verifier<Post>,
    lists: &VerifiedLists,
    policy: &BoundPolicy,
    message: &[u8],
    pass: &[u8],
    accepted_roots: &(impl AcceptedRoots + ?Sized),
    now: UnixSeconds,
) -> Result<VerifiedPost, Verdict> {
    verify(verifier, Some(lists), policy, message, pass, accepted_roots, now)
}

fn verify(
    verifier: &Verifier<Post>,
    lists: Option<&VerifiedLists>,
    policy: &BoundPolicy,
    message: &[u8],
    pass: &[u8],
    accepted_roots: &(impl AcceptedRoots + ?Sized),
    now: UnixSeconds,
) -> Result<VerifiedPost, Verdict> {
    let (pass, proof, records) = match PassKind::of(pass)? {
        PassKind::Recorded => {
            let head = RecordedHead::from_bytes(pass)?;
            (head.post, head.proof, head.lists)
        }
        _ => {
            let (head, proof) = PostHead::from_bytes(pass)?;
            (head, proof, Vec::new())
        }
    };
    let epoch = pass.epoch;
    policy.history().check_post(&(&pass).into(), now, |window| accepted_roots.check(pass.root, window, now))?;
    check_versions(lists, policy.values().lists(), &records)?;
    let public = pass.public(policy.scope(), message)?;
    verifier.verify(&public, &proof.decode()?).map_err(|_| Verdict::InvalidProof)?;
    if let Some(lists) = lists {
        lists.verify(Entry::of(&public), &records)?;
    }
    Ok(VerifiedPost { epoch, public })
}

/// Checks a badge at `now`: decoding, requirement, root, proof.
///
/// # Errors
/// A verdict other than [`Verdict::Accepted`].
pub fn verify_badge(
    verifier: &Verifier<Badge>,
    policy: &BoundPolicy,
    pass: &[u8],
    accepted_roots: &(impl AcceptedRoots + ?Sized),
    now: UnixSeconds,
) -> Result<BadgePass, Verdict> {
    let pass = BadgePass::from_bytes(pass)?;
    let check_root = |window| accepted_roots.check(pass.root, window, now);
    policy.history().check_badge(&pass.requirement, now, check_root)?;
    verifier.verify(&pass.public(policy.scope()), &pass.proof).map_err(|_| Verdict::InvalidProof)?;
    Ok(pass)
}

/// Error of [`recover`]: the two posts do not give the secret of the nullifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecoverFailure {
    /// The shares give no secret.
    #[error(transparent)]
    Shares(#[from] RecoverError),
    /// The shares give a secret that has another nullifier.
    #[error("the shares do not belong to the nullifier; check that both posts were verified, in this room and epoch")]
    OtherNullifier,
}

/// Recovers the secret of the member who sent two messages under one nullifier. `cap` is the policy's cap on messages;
/// the call costs two hashes for each message id below it.
///
/// # Errors
/// [`RecoverFailure`].
pub fn recover(evidence: &Evidence, cap: NonZeroU16) -> Result<IdentitySecret, RecoverFailure> {
    quotapass_circuits::share::recover(&evidence.recorded, &evidence.second)?;
    evidence.secret_below(cap).ok_or(RecoverFailure::OtherNullifier)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_accepted_by_lists_and_for_the_window_by_histories() {
        let [first, second, third] = [1, 2, 3].map(|number| {
            let mut bytes = [0; 32];
            bytes[31] = number;
            Root::from_be_bytes(&bytes).unwrap()
        });
        let list: &[Root] = &[first, second];
        assert_eq!(list.check(second, 0, UnixSeconds(0)), Ok(()));
        assert_eq!(list.check(third, u32::MAX, UnixSeconds(0)), Err(Verdict::UnknownRoot));
        assert_eq!(list[..0].check(first, u32::MAX, UnixSeconds(0)), Err(Verdict::UnknownRoot));

        let mut history = RootHistory::starting_at(first);
        history.advance(second, UnixSeconds(1_000));
        let at = |root, now| history.check(root, 100, UnixSeconds(now));
        assert_eq!(at(second, 9_999), Ok(()));
        assert_eq!(at(first, 1_100), Ok(()));
        assert_eq!(at(first, 1_101), Err(Verdict::StaleRoot { superseded_at: UnixSeconds(1_000) }));
        assert_eq!(at(third, 1_000), Err(Verdict::UnknownRoot));
        assert_eq!(RootHistory::new().check(first, 100, UnixSeconds(0)), Err(Verdict::UnknownRoot));
    }
}
