//! Badges.

use quotapass_circuits::{
    badge::{Badge, badge},
    formats::wire::{BadgePass, ChatKeyTooLong},
    membership::{Day, Membership},
    prover::{ProveError, Prover},
    requirement::Ineligible,
    signal::ChatKeyHash,
};
use quotapass_protocol::UnixSeconds;
use rand::{CryptoRng, RngCore};

use super::BoundPolicy;

/// Error of [`make_badge`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BadgeError {
    /// The member does not meet the policy's requirement.
    #[error(transparent)]
    Ineligible(#[from] Ineligible),
    /// The proof failed.
    #[error(transparent)]
    Prove(#[from] ProveError),
    /// The chat key is too long.
    #[error(transparent)]
    ChatKey(#[from] ChatKeyTooLong),
}

/// Makes a badge for a chat key of any kind at `now`. The badge shows the pseudonym of the member in the scope; a member
/// has only one there.
///
/// # Errors
/// [`BadgeError`].
pub fn make_badge(
    prover: &Prover<Badge>,
    policy: &BoundPolicy,
    membership: Membership<'_>,
    chat_key: &[u8],
    now: UnixSeconds,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<BadgePass, BadgeError> {
    if chat_key.len() > usize::from(u16::MAX) {
        return Err(ChatKeyTooLong(chat_key.len()).into());
    }
    let requirement = policy.requirement_on(Day::at(now));
    let (public, witness) = badge(membership, policy.scope(), ChatKeyHash::new(chat_key), requirement)?;
    Ok(BadgePass::new(&public, chat_key.to_vec(), prover.prove(&public, &witness, rng)?)?)
}
