//! Nullifiers and Shamir shares of RLN-V2, and the recovery of a secret from two shares.
//!
//! For message number `message_id` of an epoch and scope, `a1 = H3(a0, ext, message_id)` is the slope of a line
//! through the secret: `y = a0 + a1 * x`. One point says nothing of the secret, two points of one line give it away.

use core::ops::Range;

use ark_bn254::Fr;
use ark_ff::Field;
use zeroize::{Zeroize, Zeroizing};

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

    /// The nullifiers of many message ids, in order: as [`nullifier`](Self::nullifier) of the line of each, but eight at
    /// a time where the processor can.
    pub fn nullifiers(secret: &IdentitySecret, external: ExternalNullifier, ids: Range<u16>) -> Vec<Nullifier> {
        let slopes = Self::slopes(secret, external, ids);
        let mut hashes = vec![Fr::default(); slopes.len()];
        poseidon::hash_all(&mut hashes, |n| [slopes[n]]);
        hashes.into_iter().map(Nullifier).collect()
    }

    fn slopes(secret: &IdentitySecret, external: ExternalNullifier, ids: Range<u16>) -> Zeroizing<Vec<Fr>> {
        let mut slopes = Zeroizing::new(vec![Fr::default(); ids.len()]);
        let (first, external) = (u64::from(ids.start), external.to_field());
        poseidon::hash_all(&mut slopes, |n| [secret.to_field(), external, Fr::from(first + n as u64)]);
        slopes
    }

    /// The message id of this line in an epoch and scope, if it is one of these. Costs a hash for each.
    pub fn message_id(&self, external: ExternalNullifier, ids: Range<u16>) -> Option<u16> {
        /// A small id is found soon.
        const AT_ONCE: usize = 64;
        let secret = IdentitySecret::from_field(self.secret).ok()?;
        ids.clone().step_by(AT_ONCE).find_map(|first| {
            let slopes = Self::slopes(&secret, external, first..first.saturating_add(AT_ONCE as u16).min(ids.end));
            let place = slopes.iter().position(|slope| *slope == self.slope)?;
            u16::try_from(place).ok().map(|place| first + place)
        })
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
    recover_line(first, second).map(|(secret, _)| secret)
}

/// As [`recover`], with the line through both shares.
///
/// If a proof verified that the second share is one of a nullifier, and the line has this nullifier, then the secret is
/// the prover's: its slope is the proof's, for a nullifier is the slope's hash, and so is the line. For shares without a
/// proof, [`Line::message_id`] says whether the line is one of the secret's.
///
/// # Errors
/// As [`recover`].
pub fn recover_line(first: &Share, second: &Share) -> Result<(IdentitySecret, Line), RecoverError> {
    let (x1, x2) = (first.x.to_field(), second.x.to_field());
    let difference = (x1 - x2).inverse().ok_or(RecoverError::SameMessage)?;
    let mut slope = (first.y.to_field() - second.y.to_field()) * difference;
    let line = Line { secret: first.y.to_field() - slope * x1, slope };
    slope.zeroize();
    let secret = IdentitySecret::from_field(line.secret).map_err(|_| RecoverError::NoSecret)?;
    Ok((secret, line))
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

    #[test]
    fn many_nullifiers_are_those_of_each_and_a_line_knows_its_id() {
        let secret = IdentitySecret::from_field(Fr::from(42)).unwrap();
        let external = ExternalNullifier::new(
            Scope::new(&RegistryId { chain_id: 1, address: [7; 20] }, "room"),
            Epoch::at(NonZeroU32::new(600).unwrap(), 1_800_000_000),
        );
        for ids in [0..0, 0..1, 3..20, 100..167, 65_530..65_535] {
            let each: Vec<_> = ids.clone().map(|id| Line::new(&secret, external, id).nullifier()).collect();
            assert_eq!(Line::nullifiers(&secret, external, ids), each);
        }
        let share = |id, x| Line::new(&secret, external, id).share(SignalHash::from_field(Fr::from(x)).unwrap());
        for id in [0, 63, 64, 65, 200, 65_534] {
            let (recovered, line) = recover_line(&share(id, 1), &share(id, 2)).unwrap();
            assert_eq!(recovered, secret);
            assert_eq!(line.nullifier(), Line::new(&secret, external, id).nullifier());
            assert_eq!(line.message_id(external, 0..u16::MAX), Some(id));
            assert_eq!(line.message_id(external, 0..id), None);
        }
        // Shares of two lines give a third one, of nobody.
        let (_, made_up) = recover_line(&share(1, 1), &share(2, 2)).unwrap();
        assert_eq!(made_up.message_id(external, 0..300), None);
    }
}
