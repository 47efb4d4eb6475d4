//! Badges.

use quotapass_circuits::{
    badge::{Badge, badge},
    formats::wire::{BadgePass, ChatKeyTooLong},
    membership::{Day, Membership},
    prover::{ProveError, Prover},
    requirement::Ineligible,
    signal::ChatKeyHash,
};
use rand::{CryptoRng, RngCore};

use super::Room;

/// A badge that cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BadgeError {
    /// The member does not meet what the room asks for.
    #[error(transparent)]
    Ineligible(#[from] Ineligible),
    /// There is no proof.
    #[error(transparent)]
    Prove(#[from] ProveError),
    /// The chat key is too long.
    #[error(transparent)]
    ChatKey(#[from] ChatKeyTooLong),
}

/// A badge for a chat key, whatever its kind, made at `now` (Unix seconds). Whoever sees it knows the member's only
/// pseudonym in the room.
///
/// # Errors
/// [`BadgeError`].
pub fn make_badge(
    prover: &Prover<Badge>,
    room: &Room,
    membership: Membership<'_>,
    chat_key: &[u8],
    now: u64,
    rng: &mut (impl RngCore + CryptoRng),
) -> Result<BadgePass, BadgeError> {
    if chat_key.len() > usize::from(u16::MAX) {
        return Err(ChatKeyTooLong(chat_key.len()).into());
    }
    let requirement = room.policy().requirement_on(Day::at(now));
    let (public, witness) = badge(membership, room.scope(), ChatKeyHash::new(chat_key), requirement)?;
    Ok(BadgePass::new(&public, chat_key.to_vec(), prover.prove(&public, &witness, rng)?)?)
}
