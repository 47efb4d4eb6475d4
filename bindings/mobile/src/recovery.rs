//! Recovery of the secret from two posts with the same message id.

use core::num::{NonZeroU16, NonZeroU32};

use quotapass_circuits::{identity::IdentitySecret, share::Share, signal::Epoch};
use quotapass_protocol::Evidence;

use crate::{PostFacts, QuotapassError, text::field};

/// Returns the commitment of the member who sent two messages with the same message id, from the facts of both posts.
///
/// # Errors
/// `NoEvidence` if the posts have different nullifiers, or the same message (a replay, not an offence), or no secret
/// has both shares; `BadInput` if the facts are not valid.
#[uniffi::export]
pub fn recover(first: PostFacts, second: PostFacts) -> Result<String, QuotapassError> {
    Ok(secret_of(&first, &second)?.commitment().to_string())
}

/// Returns the identity secret itself: 64 hexadecimal digits after `0x`. **Anyone who has it can take the member's
/// deposit.** Its only use is slashing.
///
/// # Errors
/// As `recover`.
#[uniffi::export]
pub fn recover_secret(first: PostFacts, second: PostFacts) -> Result<String, QuotapassError> {
    Ok(format!("0x{}", hex::encode(*secret_of(&first, &second)?.to_be_bytes())))
}

fn secret_of(first: &PostFacts, second: &PostFacts) -> Result<IdentitySecret, QuotapassError> {
    let place = |facts: &PostFacts| (facts.scope.clone(), facts.epoch_seconds, facts.epoch, facts.nullifier.clone());
    if place(first) != place(second) {
        let reason = "the posts have different nullifiers, epochs or scopes, so they reveal no secret";
        return Err(QuotapassError::NoEvidence { reason: reason.into() });
    }
    let zero = |argument| QuotapassError::bad_input(argument, "must not be zero");
    let seconds = NonZeroU32::new(first.epoch_seconds).ok_or_else(|| zero("epoch_seconds"))?;
    let cap = NonZeroU16::new(first.limit_cap.max(second.limit_cap)).ok_or_else(|| zero("limit_cap"))?;
    let share =
        |facts: &PostFacts| Ok::<_, QuotapassError>(Share { x: field("x", &facts.x)?, y: field("y", &facts.y)? });
    let evidence = Evidence {
        scope: field("scope", &first.scope)?,
        epoch: Epoch::new(seconds, first.epoch),
        nullifier: field("nullifier", &first.nullifier)?,
        recorded: share(first)?,
        second: share(second)?,
    };
    Ok(quotapass_wallet::recover(&evidence, cap)?)
}
