//! Nullifiers and Shamir shares of RLN-V2, and the recovery of a secret from two shares.
//!
//! For the message with number `message_id` in an epoch and scope, `a1 = H3(a0, ext, message_id)` is the slope of the
//! line `y = a0 + a1 * x`. Its value at zero is the secret. One point reveals nothing about the secret; two points of
//! one line reveal it.

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
    /// The nullifier `H1(a1)`. Two messages have the same nullifier only if they use the same message id.
    Nullifier
}

field_type! {
    /// The ordinate `y = a0 + a1 * x` of a share.
    ShareValue
}

field_type! {
    /// The pseudonym of a member in a scope, `H2(a0, scope)`. A member has only one in each scope.
    Pseudonym
}

impl Pseudonym {
    /// Computes the pseudonym of a secret in a scope.
    pub fn new(secret: &IdentitySecret, scope: Scope) -> Self {
        Self(poseidon::hash(&[secret.to_field(), scope.to_field()]))
    }
}

/// A Shamir share of the secret: a point of the line of a message id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Share {
    /// The signal hash of the message.
    pub x: SignalHash,
    /// The line's value at `x`.
    pub y: ShareValue,
}

/// The line of one message id. Its slope must be kept as secret as the identity: together with one share it reveals the
/// identity secret.
#[derive(Clone, zeroize::Zeroize, zeroize::ZeroizeOnDrop)]
pub struct Line {
    secret: Fr,
    slope: Fr,
}

impl Line {
    /// Computes the line of a message id in an epoch and scope.
    pub fn new(secret: &IdentitySecret, external: ExternalNullifier, message_id: u16) -> Self {
        let secret = secret.to_field();
        let slope = poseidon::hash(&[secret, external.to_field(), Fr::from(message_id)]);
        Self { secret, slope }
    }

    /// Computes the nullifiers of many message ids, in order. Each is the [`nullifier`](Self::nullifier) of the id's
    /// line. They are computed eight at a time if the processor supports it.
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

    /// Returns the message id of this line in an epoch and scope, if it is in the range. It costs a hash for each id
    /// that is tried.
    pub fn message_id(&self, external: ExternalNullifier, ids: Range<u16>) -> Option<u16> {
        /// Ids are tried in batches of this size, so that a small id is found early.
        const AT_ONCE: usize = 64;
        let secret = IdentitySecret::from_field(self.secret).ok()?;
        ids.clone().step_by(AT_ONCE).find_map(|first| {
            let slopes = Self::slopes(&secret, external, first..first.saturating_add(AT_ONCE as u16).min(ids.end));
            let place = slopes.iter().position(|slope| *slope == self.slope)?;
            u16::try_from(place).ok().map(|place| first + place)
        })
    }

    /// The nullifier of this line's message id.
    pub fn nullifier(&self) -> Nullifier {
        Nullifier(poseidon::hash(&[self.slope]))
    }

    /// The share of a message.
    pub fn share(&self, x: SignalHash) -> Share {
        Share { x, y: ShareValue(self.secret + self.slope * x.to_field()) }
    }
}

/// Reasons why two shares give no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecoverError {
    /// Both shares are of the same message: a replay, not an offence.
    #[error("both shares are of the same message, so they are the same point: a replay, not an offence")]
    SameMessage,
    /// The line through the shares gives the secret zero, which is not a valid secret.
    #[error("the shares do not belong to one secret")]
    NoSecret,
}

/// Recovers the secret from two shares of one nullifier: `a1 = (y1 - y2) / (x1 - x2)`, `a0 = y1 - a1 * x1`.
///
/// The caller must check that the result is a member's secret, by its commitment.
///
/// # Errors
/// [`RecoverError`] if both shares are of the same message, or if the secret is zero.
pub fn recover(first: &Share, second: &Share) -> Result<IdentitySecret, RecoverError> {
    recover_line(first, second).map(|(secret, _)| secret)
}

/// Recovers the secret as [`recover`] does, and the line through both shares.
///
/// Suppose that a verified proof shows that the second share belongs to a nullifier, and that the recovered line has
/// this nullifier. Then the secret is the prover's. The nullifier is the hash of the slope, so the line has the same
/// slope as the line of the proof. Both lines contain the second share, so they are the same line. For shares without a
/// proof, [`Line::message_id`] checks whether the line belongs to the secret.
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
    use crate::{registry_id::RegistryId, signal::Epoch, time::UnixSeconds};

    #[test]
    fn two_shares_of_one_message_id_give_the_secret() {
        let secret = IdentitySecret::from_field(Fr::from(42)).unwrap();
        let registry = RegistryId { chain_id: 1, address: [7; 20] };
        let scope = Scope::new(&registry, "room");
        let epoch = Epoch::at(NonZeroU32::new(600).unwrap(), UnixSeconds(1_800_000_000));
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
            Epoch::at(NonZeroU32::new(600).unwrap(), UnixSeconds(1_800_000_000)),
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
        // Shares of two different lines give a third line, which belongs to no member.
        let (_, made_up) = recover_line(&share(1, 1), &share(2, 2)).unwrap();
        assert_eq!(made_up.message_id(external, 0..300), None);
    }
}
