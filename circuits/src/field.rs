//! Typed field elements, and their canonical bytes.

use ark_bn254::Fr;
use ark_ff::{BigInteger, PrimeField};

/// Errors of decoding a field element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FieldError {
    /// The number is not below the field's order.
    #[error("not a canonical field element: the number is not below the order of the BN254 scalar field")]
    NotCanonical,
    /// The text is not 32 bytes of hex.
    #[error("expected 64 hexadecimal digits, with or without the prefix 0x")]
    NotHex,
    /// The value is zero, and the type does not allow zero.
    #[error("zero is not a valid value here")]
    Zero,
}

/// Returns the canonical big-endian bytes of a field element.
pub(crate) fn to_be_bytes(value: Fr) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(&value.into_bigint().to_bytes_be());
    bytes
}

/// Reads canonical big-endian bytes. A number that is not below the order is an error; it is never reduced.
pub(crate) fn from_be_bytes(bytes: &[u8; 32]) -> Result<Fr, FieldError> {
    let mut limbs = [0u64; 4];
    for (limb, chunk) in limbs.iter_mut().rev().zip(bytes.chunks_exact(8)) {
        *limb = chunk.iter().fold(0, |limb, byte| limb << 8 | u64::from(*byte));
    }
    Fr::from_bigint(ark_ff::BigInt::new(limbs)).ok_or(FieldError::NotCanonical)
}

/// Reads 64 hexadecimal digits, most significant first, with or without `0x`.
pub(crate) fn bytes_from_hex(text: &str) -> Result<[u8; 32], FieldError> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let mut bytes = [0; 32];
    hex::decode_to_slice(digits, &mut bytes).map_err(|_| FieldError::NotHex)?;
    Ok(bytes)
}

/// Writes `0x` and 64 digits.
pub(crate) fn to_hex(value: Fr) -> String {
    format!("0x{}", hex::encode(to_be_bytes(value)))
}

/// Reads the only hex form that JSON allows: `0x` and lower-case digits.
pub(crate) fn deserialize_hex<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    use serde::de::{Deserialize, Error};
    let text = String::deserialize(deserializer)?;
    let digits = text.strip_prefix("0x").filter(|digits| !digits.bytes().any(|byte| byte.is_ascii_uppercase()));
    digits
        .and_then(|digits| hex::decode(digits).ok())
        .ok_or_else(|| D::Error::custom("expected 0x and lower-case hexadecimal digits"))
}

/// Defines a public field element type: 32 canonical big-endian bytes, hex in text and JSON. With `nonzero`, no value
/// of the type is zero.
macro_rules! field_type {
    ($(#[$doc:meta])* $name:ident) => {
        crate::field::field_type!(@common $(#[$doc])* $name);

        impl $name {
            /// Converts a field element to this type.
            pub const fn from_field(value: ark_bn254::Fr) -> Self {
                Self(value)
            }

            /// Reads canonical big-endian bytes.
            ///
            /// # Errors
            /// [`FieldError::NotCanonical`](crate::field::FieldError::NotCanonical) if the number is not below the
            /// field's order.
            pub fn from_be_bytes(bytes: &[u8; 32]) -> Result<Self, crate::field::FieldError> {
                crate::field::from_be_bytes(bytes).map(Self)
            }
        }
    };
    ($(#[$doc:meta])* $name:ident nonzero) => {
        crate::field::field_type!(@common $(#[$doc])* $name);

        impl $name {
            /// Converts a field element to this type.
            ///
            /// # Errors
            /// [`FieldError::Zero`](crate::field::FieldError::Zero) for zero.
            pub fn from_field(value: ark_bn254::Fr) -> Result<Self, crate::field::FieldError> {
                use ark_ff::Zero;
                if value.is_zero() { Err(crate::field::FieldError::Zero) } else { Ok(Self(value)) }
            }

            /// Reads canonical big-endian bytes.
            ///
            /// # Errors
            /// [`FieldError`](crate::field::FieldError) if the number is zero or not below the field's order.
            pub fn from_be_bytes(bytes: &[u8; 32]) -> Result<Self, crate::field::FieldError> {
                Self::from_field(crate::field::from_be_bytes(bytes)?)
            }
        }
    };
    (@common $(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(ark_bn254::Fr);

        impl $name {
            /// The field element.
            pub const fn to_field(self) -> ark_bn254::Fr {
                self.0
            }

            /// The canonical 32 bytes, big-endian.
            pub fn to_be_bytes(self) -> [u8; 32] {
                crate::field::to_be_bytes(self.0)
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(&crate::field::to_hex(self.0))
            }
        }

        impl core::fmt::Debug for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl core::str::FromStr for $name {
            type Err = crate::field::FieldError;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::from_be_bytes(&crate::field::bytes_from_hex(text)?)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let bytes = crate::field::deserialize_hex(deserializer)?;
                bytes.as_slice().try_into().map_err(|_| crate::field::FieldError::NotHex).and_then(Self::from_be_bytes)
                    .map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use field_type;

#[cfg(test)]
mod tests {
    use ark_ff::UniformRand;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_order_and_what_is_above_are_refused() {
        let mut order = [0u8; 32];
        order.copy_from_slice(&Fr::MODULUS.to_bytes_be());
        assert_eq!(from_be_bytes(&order), Err(FieldError::NotCanonical));
        assert_eq!(from_be_bytes(&[0xff; 32]), Err(FieldError::NotCanonical));
        order[31] -= 1;
        assert_eq!(from_be_bytes(&order), Ok(-Fr::from(1)));
        assert_eq!(bytes_from_hex("0x12"), Err(FieldError::NotHex));
    }

    #[test]
    fn bytes_and_hex_return() {
        let value = Fr::rand(&mut ark_std::test_rng());
        assert_eq!(from_be_bytes(&to_be_bytes(value)), Ok(value));
        assert_eq!(bytes_from_hex(&to_hex(value)), Ok(to_be_bytes(value)));
    }

    proptest! {
        #[test]
        fn only_canonical_bytes_are_read(bytes: [u8; 32]) {
            if let Ok(value) = from_be_bytes(&bytes) {
                prop_assert_eq!(to_be_bytes(value), bytes);
            }
        }
    }
}
