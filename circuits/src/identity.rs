//! A member's identity: a secret, and the commitment to it that the registry stores.

use ark_bn254::Fr;
use ark_ff::{PrimeField, UniformRand, Zero};
use ark_std::rand::{CryptoRng, RngCore};
use hkdf::Hkdf;
use sha2::Sha512;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{
    field::{self, FieldError, field_type},
    poseidon,
    registry_id::RegistryId,
};

const SALT: &[u8] = b"quotapass.identity.v1";

/// The identity secret `a0`: a nonzero field element. It is zeroized on drop and never printed.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct IdentitySecret(Fr);

impl IdentitySecret {
    /// Generates a uniformly random secret.
    pub fn generate(rng: &mut (impl RngCore + CryptoRng)) -> Self {
        loop {
            let secret = Fr::rand(rng);
            if !secret.is_zero() {
                return Self(secret);
            }
        }
    }

    /// Derives the secret of one account at one registry from a seed, with HKDF-SHA512 (RFC 5869). The same seed can be
    /// used for any number of registries without linking them.
    ///
    /// # Errors
    /// [`FieldError::Zero`] if the derived number is zero. The probability is 2^-254, so this does not happen in
    /// practice.
    pub fn from_seed(seed: &[u8], registry: &RegistryId, account: u32) -> Result<Self, FieldError> {
        let mut output = Zeroizing::new([0u8; 64]);
        let info = [&registry.to_bytes()[..], &account.to_be_bytes()].concat();
        Hkdf::<Sha512>::new(Some(SALT), seed).expand(&info, &mut *output).map_err(|_| FieldError::NotCanonical)?;
        Self::from_field(Fr::from_be_bytes_mod_order(&*output))
    }

    /// Converts a field element to a secret.
    ///
    /// # Errors
    /// [`FieldError::Zero`] for zero.
    pub fn from_field(secret: Fr) -> Result<Self, FieldError> {
        if secret.is_zero() { Err(FieldError::Zero) } else { Ok(Self(secret)) }
    }

    /// Reads 32 canonical big-endian bytes.
    ///
    /// # Errors
    /// [`FieldError`] if the number is zero or not below the field's order.
    pub fn from_be_bytes(bytes: &[u8; 32]) -> Result<Self, FieldError> {
        Self::from_field(field::from_be_bytes(bytes)?)
    }

    /// The 32 bytes, big-endian, zeroized when dropped.
    pub fn to_be_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(field::to_be_bytes(self.0))
    }

    /// The field element. It is not zeroized: the caller must avoid leaving copies of it in memory.
    pub fn to_field(&self) -> Fr {
        self.0
    }

    /// The commitment `idc = H1(a0)` that the registry stores.
    pub fn commitment(&self) -> IdentityCommitment {
        IdentityCommitment(poseidon::hash(&[self.0]))
    }
}

impl core::fmt::Debug for IdentitySecret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("IdentitySecret(..)")
    }
}

field_type! {
    /// The identity commitment `idc = H1(a0)`.
    IdentityCommitment
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_printed() {
        let secret = IdentitySecret::from_field(Fr::from(123_456_789)).unwrap();
        assert_eq!(format!("{secret:?}"), "IdentitySecret(..)");
    }

    #[test]
    fn zero_is_no_secret() {
        assert_eq!(IdentitySecret::from_be_bytes(&[0; 32]), Err(FieldError::Zero));
    }
}
