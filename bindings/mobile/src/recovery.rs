//! What two posts under one message id give away.

use core::num::{NonZeroU16, NonZeroU32};

use quotapass::{client, relay::Evidence};
use quotapass_circuits::{identity::IdentitySecret, share::Share, signal::Epoch};

use crate::{PostFacts, QuotapassError, text::field};

/// The commitment of the member who wrote two messages under one message id, from the facts of both posts.
///
/// # Errors
/// `NoEvidence` if the posts do not have one nullifier, or are of one message (a replay, not an offence), or no secret
/// has both shares; `BadInput` if the facts are none.
#[uniffi::export]
pub fn recover(first: PostFacts, second: PostFacts) -> Result<String, QuotapassError> {
    Ok(secret_of(&first, &second)?.commitment().to_string())
}

/// The identity secret itself: 64 hexadecimal digits after `0x`. **Whoever has it can take the member's deposit.** It
/// serves for slashing, and for nothing else.
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
        let reason = "the posts do not have one nullifier in one epoch and scope, so that they say nothing of a secret";
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
    Ok(client::recover(&evidence, cap)?)
}
