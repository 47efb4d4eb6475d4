//! Entries of posts, and the author test.

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, Field, Zero, batch_inversion};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::{
    field::FieldError,
    identity::IdentitySecret,
    poseidon,
    post::PostPublic,
    share::{Nullifier, ShareValue},
    signal::SignalHash,
};

/// Bytes of an entry.
pub const ENTRY_BYTES: usize = 96;

/// The entry of an accepted post: the share and the nullifier that everybody sees.
///
/// `x` is never zero: with x = 0, the equation `t x = y - a0` would hold for every t or for none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    /// The signal hash.
    pub x: SignalHash,
    /// The ordinate of the share.
    pub y: ShareValue,
    /// The nullifier.
    pub nullifier: Nullifier,
}

/// An error of decoding an entry, with its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at byte {offset} of the entry: {error}")]
pub struct EntryError {
    /// Offset of the coordinate in the entry: 0 (x), 32 (y) or 64 (nullifier).
    pub offset: usize,
    /// The fault of the coordinate.
    pub error: FieldError,
}

/// The secret did not write the post.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this identity did not write the post; use the identity that wrote it")]
pub struct NotTheAuthor;

/// The slope `t = (y - a0) / x` of the line through an entry's point and a secret. Together with the entry it reveals
/// the secret, so it is zeroized on drop and never printed.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Slope(Fr);

impl Slope {
    /// The field element. It is not zeroized: the caller must avoid leaving copies of it in memory.
    pub(crate) fn to_field(&self) -> Fr {
        self.0
    }
}

impl core::fmt::Debug for Slope {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Slope(..)")
    }
}

impl Entry {
    /// The neutral entry (1, 0, 0), which fills the unused places of a segment. No secret wrote it, because no preimage
    /// of the nullifier 0 is known.
    pub const NEUTRAL: Self =
        Self { x: SignalHash::ONE, y: ShareValue::from_field(Fr::ZERO), nullifier: Nullifier::from_field(Fr::ZERO) };

    /// Returns the entry of a post.
    pub fn of(post: &PostPublic) -> Self {
        Self { x: post.share.x, y: post.share.y, nullifier: post.nullifier }
    }

    /// The 96 bytes: x, y, nullifier, each big-endian.
    pub fn to_bytes(&self) -> [u8; ENTRY_BYTES] {
        let mut bytes = [0; ENTRY_BYTES];
        bytes[..32].copy_from_slice(&self.x.to_be_bytes());
        bytes[32..64].copy_from_slice(&self.y.to_be_bytes());
        bytes[64..].copy_from_slice(&self.nullifier.to_be_bytes());
        bytes
    }

    /// Reads 96 bytes.
    ///
    /// # Errors
    /// [`EntryError`] if x is zero, or if a coordinate is not below the field's order.
    pub fn from_bytes(bytes: &[u8; ENTRY_BYTES]) -> Result<Self, EntryError> {
        let ([x, y, nullifier], _) = bytes.as_chunks::<32>() else {
            return Err(EntryError { offset: 0, error: FieldError::NotCanonical });
        };
        let at = |offset| move |error| EntryError { offset, error };
        Ok(Self {
            x: SignalHash::from_be_bytes(x).map_err(at(0))?,
            y: ShareValue::from_be_bytes(y).map_err(at(32))?,
            nullifier: Nullifier::from_be_bytes(nullifier).map_err(at(64))?,
        })
    }

    /// The entry as field elements, in the order of the statements.
    pub(crate) fn to_fields(self) -> [Fr; 3] {
        [self.x.to_field(), self.y.to_field(), self.nullifier.to_field()]
    }

    /// The author test: returns the slope if this secret wrote the post.
    ///
    /// The test is exact. `y = a0 + a1 x` and `nullifier = H1(a1)`, so the author's secret gives `t = a1`. Another
    /// secret gives another t, and `H1(t) = nullifier` would be a collision of H1.
    ///
    /// # Errors
    /// [`NotTheAuthor`] if it did not.
    pub fn slope(&self, secret: &IdentitySecret) -> Result<Slope, NotTheAuthor> {
        let inverse = self.x.to_field().inverse().ok_or(NotTheAuthor)?;
        let slope = Slope((self.y.to_field() - secret.to_field()) * inverse);
        if poseidon::hash(&[slope.0]) == self.nullifier.to_field() { Ok(slope) } else { Err(NotTheAuthor) }
    }

    /// Returns whether this secret wrote the post. See [`slope`](Self::slope).
    pub fn is_by(&self, secret: &IdentitySecret) -> bool {
        self.slope(secret).is_ok()
    }

    /// Returns the positions of the entries that this secret wrote, ascending. With the feature `simd` it tests eight
    /// at a time: a wallet tests a whole list before it composes a message, and a relay tests a pass against many
    /// revealed secrets.
    pub fn positions_by(secret: &IdentitySecret, entries: &[Self]) -> Vec<usize> {
        let slopes = slopes(secret, entries);
        let mut hashes = Zeroizing::new(vec![Fr::zero(); entries.len()]);
        poseidon::hash_all(&mut hashes, |n| [slopes[n]]);
        let tested = entries.iter().zip(&*hashes).enumerate();
        tested.filter(|(_, (entry, hash))| entry.nullifier.to_field() == **hash).map(|(at, _)| at).collect()
    }
}

/// Returns the slope of each entry for a secret, whether or not the secret wrote the post.
pub(super) fn slopes(secret: &IdentitySecret, entries: &[Entry]) -> Zeroizing<Vec<Fr>> {
    let mut slopes = Zeroizing::new(entries.iter().map(|entry| entry.x.to_field()).collect::<Vec<_>>());
    batch_inversion(&mut slopes);
    for (slope, entry) in slopes.iter_mut().zip(entries) {
        *slope *= entry.y.to_field() - secret.to_field();
    }
    slopes
}

impl core::fmt::Display for Entry {
    /// Writes 192 lower-case hexadecimal digits.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&hex::encode(self.to_bytes()))
    }
}

impl core::str::FromStr for Entry {
    type Err = EntryError;

    /// Reads 192 hexadecimal digits, without a prefix.
    fn from_str(text: &str) -> Result<Self, EntryError> {
        let mut bytes = [0; ENTRY_BYTES];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| EntryError { offset: 0, error: FieldError::NotHex })?;
        Self::from_bytes(&bytes)
    }
}

impl From<&PostPublic> for Entry {
    fn from(post: &PostPublic) -> Self {
        Self::of(post)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use ark_ff::{BigInteger, PrimeField};
    use proptest::prelude::*;

    use super::*;
    use crate::{share::Line, signal::ExternalNullifier};

    pub(in crate::moderation) fn secret(number: u64) -> IdentitySecret {
        IdentitySecret::from_field(Fr::from(7_000 + number)).unwrap()
    }

    /// Returns the entry of a post by a secret.
    pub(in crate::moderation) fn written(secret: &IdentitySecret, number: u64) -> Entry {
        let line = Line::new(secret, ExternalNullifier::from_field(Fr::from(900 + number)), 3);
        let share = line.share(SignalHash::from_field(Fr::from(number + 5)).unwrap());
        Entry { x: share.x, y: share.y, nullifier: line.nullifier() }
    }

    #[test]
    fn the_author_test_finds_the_author_and_no_other() {
        let entries: Vec<_> = (0..20).map(|number| written(&secret(number % 3), number)).collect();
        for author in 0..4 {
            let secret = secret(author);
            let expected: Vec<_> = (0..20).filter(|number| number % 3 == author as usize).collect();
            assert_eq!(Entry::positions_by(&secret, &entries), if author < 3 { expected } else { Vec::new() });
            for (number, entry) in entries.iter().enumerate() {
                assert_eq!(entry.is_by(&secret), author < 3 && number % 3 == author as usize);
            }
        }
        assert!(Entry::positions_by(&secret(0), &[]).is_empty());
        assert_eq!(Entry::positions_by(&secret(0), &[Entry::NEUTRAL, entries[3]]), [1]);
    }

    #[test]
    fn a_slope_is_not_printed() {
        let slope = written(&secret(1), 1).slope(&secret(1)).unwrap();
        assert_eq!(format!("{slope:?}"), "Slope(..)");
    }

    #[test]
    fn x_zero_and_coordinates_that_are_not_canonical_are_refused() {
        let good = written(&secret(1), 1).to_bytes();
        let mut order = [0; 32];
        order.copy_from_slice(&Fr::MODULUS.to_bytes_be());
        let change = |offset: usize, value: &[u8; 32]| {
            let mut bytes = good;
            bytes[offset..offset + 32].copy_from_slice(value);
            (Entry::from_bytes(&bytes), hex::encode(bytes).parse::<Entry>())
        };
        for (offset, value, error) in [
            (0, [0; 32], FieldError::Zero),
            (0, order, FieldError::NotCanonical),
            (32, order, FieldError::NotCanonical),
            (64, order, FieldError::NotCanonical),
            (64, [255; 32], FieldError::NotCanonical),
        ] {
            let refused = Err(EntryError { offset, error });
            assert_eq!(change(offset, &value), (refused, refused));
        }
        assert!(change(32, &[0; 32]).0.is_ok() && change(64, &[0; 32]).0.is_ok());
        assert_eq!("12".parse::<Entry>(), Err(EntryError { offset: 0, error: FieldError::NotHex }));
    }

    proptest! {
        #[test]
        fn an_entry_returns_and_only_as_it_is_written(bytes: [[u8; 32]; 3], small: [bool; 3]) {
            let mut bytes = bytes;
            for (coordinate, small) in bytes.iter_mut().zip(small) {
                coordinate[0] &= if small { 0x1f } else { 0xff };
            }
            let bytes: [u8; ENTRY_BYTES] = bytes.as_flattened().try_into().unwrap();
            if let Ok(entry) = Entry::from_bytes(&bytes) {
                prop_assert_eq!(entry.to_bytes(), bytes);
                prop_assert_eq!(entry.to_string().parse(), Ok(entry));
                // A random point is on no member's line.
                prop_assert!(!entry.is_by(&secret(1)));
            }
        }
    }
}
