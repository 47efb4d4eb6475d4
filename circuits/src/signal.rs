//! The subjects of a proof as field elements: scope, epoch, message, chat key and receiver.

use core::cell::Cell;

use ark_bn254::Fr;
use ark_ff::{Field, PrimeField, Zero};
use sha3::{Digest, Keccak256};

use crate::{field::field_type, poseidon, registry_id::RegistryId, time::UnixSeconds};

/// Returns `int_be(keccak256(tag || 0x00 || data)) >> 8`: 248 bits, unbiased and always below the field's order.
pub fn hash_to_field(tag: &str, data: &[&[u8]]) -> Fr {
    let mut hasher = Keccak256::new();
    hasher.update(tag.as_bytes());
    hasher.update([0]);
    for part in data {
        hasher.update(part);
    }
    // The shift by eight bits drops the last byte of the digest.
    Fr::from_be_bytes_mod_order(&hasher.finalize()[..31])
}

field_type! {
    /// A scope: the set of messages that a quota applies to, for example all messages of a relay, or of one room.
    Scope
}

impl Scope {
    /// Computes the scope with this name at a registry.
    pub fn new(registry: &RegistryId, name: &str) -> Self {
        Self(hash_to_field("quotapass.scope.v1", &[&registry.to_bytes(), name.as_bytes()]))
    }
}

/// An epoch: its length, and its number counted from the Unix epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Epoch {
    seconds: core::num::NonZeroU32,
    number: u64,
}

impl Epoch {
    /// Creates the epoch with this number.
    pub const fn new(seconds: core::num::NonZeroU32, number: u64) -> Self {
        Self { seconds, number }
    }

    /// Returns the epoch of a time. Its number is `floor(time / seconds)`.
    pub const fn at(seconds: core::num::NonZeroU32, time: UnixSeconds) -> Self {
        Self { seconds, number: time.0 / seconds.get() as u64 }
    }

    /// The epoch's length in seconds.
    pub const fn seconds(self) -> core::num::NonZeroU32 {
        self.seconds
    }

    /// The epoch's number.
    pub const fn number(self) -> u64 {
        self.number
    }

    /// The first second of the epoch. It saturates for numbers that no clock reaches.
    pub const fn begins(self) -> UnixSeconds {
        UnixSeconds(self.number.saturating_mul(self.seconds.get() as u64))
    }

    /// The first second after the epoch. It saturates in the same way.
    pub const fn ends(self) -> UnixSeconds {
        self.begins().saturating_add(self.seconds.get() as u64)
    }
}

field_type! {
    /// The external nullifier `ext = H3(scope, epoch_seconds, epoch)`.
    ExternalNullifier
}

impl ExternalNullifier {
    /// Computes the external nullifier of an epoch in a scope.
    ///
    /// Each thread caches the last result: a relay needs the same external nullifier for many passes in a row, and a
    /// hash of three inputs is a considerable part of the cost of a pass in a batch. Scope and epoch are public, so the
    /// cache holds no secret.
    pub fn new(scope: Scope, epoch: Epoch) -> Self {
        thread_local! {
            static LAST: Cell<Option<(Scope, Epoch, ExternalNullifier)>> = const { Cell::new(None) };
        }
        if let Some((of_scope, of_epoch, last)) = LAST.get()
            && (of_scope, of_epoch) == (scope, epoch)
        {
            return last;
        }
        let new = Self(poseidon::hash(&[scope.0, Fr::from(epoch.seconds.get()), Fr::from(epoch.number)]));
        LAST.set(Some((scope, epoch, new)));
        new
    }
}

/// The signal hash is zero. Its share would be the secret itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the message hashes to zero, which is not a valid signal; change any byte of the message")]
pub struct ZeroSignal;

field_type! {
    /// The signal hash `x` of a message in an epoch and scope. It is never zero: prover and verifier refuse zero.
    SignalHash nonzero
}

impl SignalHash {
    /// The number 1, which stands in the [neutral entry](crate::moderation::Entry::NEUTRAL) of a list.
    pub(crate) const ONE: Self = Self(Fr::ONE);

    /// Hashes a message.
    ///
    /// # Errors
    /// [`ZeroSignal`], with probability 2^-248.
    pub fn new(scope: Scope, epoch: Epoch, message: &[u8]) -> Result<Self, ZeroSignal> {
        let x = hash_to_field(
            "quotapass.signal.v1",
            &[&scope.to_be_bytes(), &epoch.seconds.get().to_be_bytes(), &epoch.number.to_be_bytes(), message],
        );
        if x.is_zero() { Err(ZeroSignal) } else { Ok(Self(x)) }
    }
}

field_type! {
    /// The hash of a badge's chat key.
    ChatKeyHash
}

impl ChatKeyHash {
    /// Hashes a chat key's bytes. They may have any format.
    pub fn new(chat_key: &[u8]) -> Self {
        Self(hash_to_field("quotapass.chat-key.v1", &[chat_key]))
    }
}

field_type! {
    /// The receiver of a slash's reward, at a registry.
    Receiver
}

impl Receiver {
    /// Computes the receiver with this address at a registry.
    pub fn new(registry: &RegistryId, address: &[u8; 20]) -> Self {
        Self(hash_to_field("quotapass.receiver.v1", &[&registry.to_bytes(), address]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::FieldError;

    /// With x = 0 the share would be the secret itself.
    #[test]
    fn no_signal_hash_is_zero() {
        assert_eq!(SignalHash::from_field(Fr::from(0)), Err(FieldError::Zero));
        assert_eq!(SignalHash::from_be_bytes(&[0; 32]), Err(FieldError::Zero));
        let zero = format!("0x{}", "0".repeat(64));
        assert_eq!(zero.parse::<SignalHash>(), Err(FieldError::Zero));
        assert!(serde_json::from_value::<SignalHash>(zero.into()).is_err());
    }

    #[test]
    fn external_nullifiers_do_not_depend_on_what_was_asked_before() {
        let scope = |name| Scope::new(&RegistryId { chain_id: 1, address: [1; 20] }, name);
        let [minute, hour] = [60, 3600].map(|seconds| core::num::NonZeroU32::new(seconds).unwrap());
        let (first, second) = (scope("first"), scope("second"));
        let asked = [(first, minute, 7), (first, minute, 7), (second, minute, 7), (second, hour, 7), (second, hour, 8)];
        for (scope, seconds, number) in asked.into_iter().chain(asked) {
            let expected = poseidon::hash(&[scope.0, Fr::from(seconds.get()), Fr::from(number)]);
            assert_eq!(ExternalNullifier::new(scope, Epoch::new(seconds, number)).0, expected);
        }
    }

    #[test]
    fn an_epoch_is_the_floor_of_time() {
        let ten_minutes = core::num::NonZeroU32::new(600).unwrap();
        for (time, number) in [(0, 0), (599, 0), (600, 1), (1_800_000_599, 3_000_000)] {
            let time = UnixSeconds(time);
            let epoch = Epoch::at(ten_minutes, time);
            assert_eq!(epoch.number(), number);
            assert!(epoch.begins() <= time && time < epoch.ends());
        }
        assert_eq!(Epoch::new(ten_minutes, u64::MAX).ends(), UnixSeconds::MAX, "no overflow");
    }
}
