//! What a receiver checks without a record of its own.

use core::num::NonZeroU16;

use quotapass_circuits::{
    badge::Badge,
    formats::wire::{BadgePass, PostPass},
    identity::IdentitySecret,
    membership::Root,
    post::{Post, PostPublic},
    share::RecoverError,
    signal::Epoch,
    verifier::Verifier,
};

use super::Room;
use crate::relay::{Evidence, Verdict};

/// A post that is accepted by itself. Whether its nullifier was seen before is for the caller to remember.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VerifiedPost {
    /// Length and number of the epoch.
    pub epoch: Epoch,
    /// What was proved.
    pub public: PostPublic,
}

/// Checks a post at `now` (Unix seconds), in the order of a relay: decoding, epoch, requirement, root, signal, proof. A
/// list of roots that is empty accepts nothing.
///
/// # Errors
/// The verdict other than [`Verdict::Accepted`]. Those that a record of what was accepted before would give, such as
/// [`Verdict::Replay`], are not among them.
pub fn verify_post(
    verifier: &Verifier<Post>,
    room: &Room,
    message: &[u8],
    pass: &[u8],
    accepted_roots: &[Root],
    now: u64,
) -> Result<VerifiedPost, Verdict> {
    let pass = PostPass::from_bytes(pass)?;
    let epoch = pass.epoch;
    if !room.policy().is_in_range(epoch, now) {
        return Err(Verdict::EpochOutOfRange { epoch, now });
    }
    room.policies().check_post(&pass, now)?;
    if !accepted_roots.contains(&pass.root) {
        return Err(Verdict::UnknownRoot);
    }
    let public = pass.public(room.scope(), message)?;
    verifier.verify(&public, &pass.proof).map_err(|_| Verdict::InvalidProof)?;
    Ok(VerifiedPost { epoch, public })
}

/// Checks a badge at `now` (Unix seconds): decoding, requirement, root, proof. A list of roots that is empty accepts
/// nothing.
///
/// # Errors
/// The verdict other than [`Verdict::Accepted`].
pub fn verify_badge(
    verifier: &Verifier<Badge>,
    room: &Room,
    pass: &[u8],
    accepted_roots: &[Root],
    now: u64,
) -> Result<BadgePass, Verdict> {
    let pass = BadgePass::from_bytes(pass)?;
    room.policies().check_badge(&pass.requirement, now)?;
    if !accepted_roots.contains(&pass.root) {
        return Err(Verdict::UnknownRoot);
    }
    verifier.verify(&pass.public(room.scope()), &pass.proof).map_err(|_| Verdict::InvalidProof)?;
    Ok(pass)
}

/// Two posts that convict nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecoverFailure {
    /// The shares give no secret.
    #[error(transparent)]
    Shares(#[from] RecoverError),
    /// They give a secret whose nullifier is another.
    #[error("the shares do not belong to the nullifier; check that both posts were verified, in this room and epoch")]
    OtherNullifier,
}

/// The secret of whoever sent two messages under one nullifier. `cap` is the room's cap on messages; costs two hashes
/// for each message id below it.
///
/// # Errors
/// [`RecoverFailure`].
pub fn recover(evidence: &Evidence, cap: NonZeroU16) -> Result<IdentitySecret, RecoverFailure> {
    quotapass_circuits::share::recover(&evidence.recorded, &evidence.second)?;
    evidence.secret_below(cap).ok_or(RecoverFailure::OtherNullifier)
}
