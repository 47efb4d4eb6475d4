//! Nullifiers and Shamir shares of RLN-V2, and the recovery of a secret from two shares.
//!
//! For message number `message_id` of an epoch and scope, `a1 = H3(a0, ext, message_id)` is the slope of a line
//! through the secret: `y = a0 + a1 * x`. One point says nothing of the secret, two points of one line give it away.

use ark_bn254::Fr;
use ark_ff::Field;
use zeroize::Zeroize;

use crate::{
    field::field_type,
    identity::IdentitySecret,
    poseidon,
    signal::{ExternalNullifier, Scope, SignalHash},
};

field_type! {
    /// The nullifier `H1(a1)`: the same for two messages only if they spend the same message id.
    Nullifier
}

field_type! {
    /// The ordinate `y = a0 + a1 * x` of a share.
    ShareValue
}

field_type! {
    /// A member's only pseudonym in a scope, `H2(a0, scope)`.
    Pseudonym
}

impl Pseudonym {
    /// The pseudonym of a secret in a scope.
    pub fn new(secret: &IdentitySecret, scope: Scope) -> Self {
        Self(poseidon::hash(&[secret.to_field(), scope.to_field()]))
    }
}

/// A point of the secret's line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Share {
    /// The signal hash of the message.
    pub x: SignalHash,
    /// The line's value there.
    pub y: ShareValue,
}

/// The slope of the line of one message id. It is as secret as the identity: with one share it gives it away.
#[derive(Clone, zeroize::Zeroize, zeroize::ZeroizeOnDrop)]
pub struct Line {
    secret: Fr,
    slope: Fr,
}

impl Line {
    /// The line of message id `message_id` in an epoch and scope.
    pub fn new(secret: &IdentitySecret, external: ExternalNullifier, message_id: u16) -> Self {
        let secret = secret.to_field();
        let slope = poseidon::hash(&[secret, external.to_field(), Fr::from(message_id)]);
        Self { secret, slope }
    }

    /// The nullifier of this message id.
    pub fn nullifier(&self) -> Nullifier {
        Nullifier(poseidon::hash(&[self.slope]))
    }

    /// The share of a message.
    pub fn share(&self, x: SignalHash) -> Share {
        Share { x, y: ShareValue(self.secret + self.slope * x.to_field()) }
    }
}

/// Two shares do not give a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecoverError {
    /// Both shares are of the same message: a replay, not an offence.
    #[error("both shares speak of the same message, so they are one point: a replay, not an offence")]
    SameMessage,
    /// The line through the shares goes through zero, which is nobody's secret.
    #[error("the shares do not belong to one secret")]
    NoSecret,
}

/// Recovers the secret from two shares of one nullifier: `a1 = (y1 - y2) / (x1 - x2)`, `a0 = y1 - a1 * x1`.
///
/// Whether the result is a member's secret is for the caller to check, by its commitment.
///
/// # Errors
/// [`RecoverError`] if the shares are of one message, or give zero.
pub fn recover(first: &Share, second: &Share) -> Result<IdentitySecret, RecoverError> {
    let (x1, x2) = (first.x.to_field(), second.x.to_field());
    let difference = (x1 - x2).inverse().ok_or(RecoverError::SameMessage)?;
    let mut slope = (first.y.to_field() - second.y.to_field()) * difference;
    let secret = first.y.to_field() - slope * x1;
    slope.zeroize();
    IdentitySecret::from_field(secret).map_err(|_| RecoverError::NoSecret)
}

#[cfg(test)]
mod tests {
    use core::num::NonZeroU32;

    use super::*;
    use crate::{registry_id::RegistryId, signal::Epoch};

    #[test]
    fn two_shares_of_one_message_id_give_the_secret() {
        let secret = IdentitySecret::from_field(Fr::from(42)).unwrap();
        let registry = RegistryId { chain_id: 1, address: [7; 20] };
        let scope = Scope::new(&registry, "room");
        let epoch = Epoch::at(NonZeroU32::new(600).unwrap(), 1_800_000_000);
        let line = Line::new(&secret, ExternalNullifier::new(scope, epoch), 3);
        let share = |message: &[u8]| line.share(SignalHash::new(scope, epoch, message).unwrap());
        assert_eq!(recover(&share(b"one"), &share(b"two")), Ok(secret));
        assert_eq!(recover(&share(b"one"), &share(b"one")), Err(RecoverError::SameMessage));
    }
}
