//! The terms of a membership, and the word that encodes them in the tree.

use ark_bn254::Fr;

use crate::{field::field_type, time::UnixSeconds};

/// A day: whole days since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Day(pub u16);

impl Day {
    /// Returns the day of a time. It saturates in the year 2149.
    pub fn at(time: UnixSeconds) -> Self {
        Self(u16::try_from(time.0 / 86_400).unwrap_or(u16::MAX))
    }
}

/// Errors of terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TermsError {
    /// The message limit is zero.
    #[error("a message limit is at least 1")]
    NoMessages,
    /// The word has bits in the gaps between its fields, or above them.
    #[error("the word does not encode terms: it has bits outside its fields")]
    NotAWord,
}

/// The terms of a membership, fixed by its deposit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Stake, in whole stake units of the registry.
    pub stake: u32,
    /// Messages per epoch and scope, at least 1.
    pub message_limit: u16,
    /// The day of the deposit.
    pub since: Day,
}

const LIMIT_SHIFT: u32 = 40;
const SINCE_SHIFT: u32 = 64;

impl Terms {
    /// # Errors
    /// [`TermsError::NoMessages`] for a message limit of 0.
    pub fn new(stake: u32, message_limit: u16, since: Day) -> Result<Self, TermsError> {
        if message_limit == 0 { Err(TermsError::NoMessages) } else { Ok(Self { stake, message_limit, since }) }
    }

    /// Encodes the terms as `stake + 2^40 * message_limit + 2^64 * since`. The gaps between the fields make the
    /// circuit's decoding unique without further range checks.
    pub fn word(self) -> Word {
        Word(Fr::from(self.to_u128()))
    }

    fn to_u128(self) -> u128 {
        u128::from(self.stake) | u128::from(self.message_limit) << LIMIT_SHIFT | u128::from(self.since.0) << SINCE_SHIFT
    }

    /// Decodes a word.
    ///
    /// # Errors
    /// [`TermsError`] for a word that encodes no valid terms.
    pub fn from_word(word: Word) -> Result<Self, TermsError> {
        let bytes = word.to_be_bytes();
        let (high, low) = bytes.split_at(16);
        let value = low.iter().fold(0u128, |value, byte| value << 8 | u128::from(*byte));
        let terms = Self {
            stake: value as u32,
            message_limit: (value >> LIMIT_SHIFT) as u16,
            since: Day((value >> SINCE_SHIFT) as u16),
        };
        if high.iter().any(|byte| *byte != 0) || terms.to_u128() != value {
            return Err(TermsError::NotAWord);
        }
        Self::new(terms.stake, terms.message_limit, terms.since)
    }

    /// Packs the terms into 64 bits, because a tree keeps millions of them.
    pub(crate) fn pack(self) -> u64 {
        u64::from(self.stake) | u64::from(self.message_limit) << 32 | u64::from(self.since.0) << 48
    }

    /// Unpacks terms. `packed` must come from [`pack`](Self::pack).
    pub(crate) fn unpack(packed: u64) -> Self {
        Self { stake: packed as u32, message_limit: (packed >> 32) as u16, since: Day((packed >> 48) as u16) }
    }

    /// Unpacks untrusted packed terms.
    pub(crate) fn try_unpack(packed: u64) -> Result<Self, TermsError> {
        let Self { stake, message_limit, since } = Self::unpack(packed);
        Self::new(stake, message_limit, since)
    }
}

field_type! {
    /// The terms as one field element, as the tree hashes them.
    Word
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn words_and_packed_terms_return(stake: u32, limit in 1..=u16::MAX, since: u16) {
            let terms = Terms::new(stake, limit, Day(since)).unwrap();
            prop_assert_eq!(Terms::from_word(terms.word()), Ok(terms));
            prop_assert_eq!(Terms::unpack(terms.pack()), terms);
        }

        #[test]
        fn a_bit_in_a_gap_is_refused(bit in prop_oneof![32u32..40, 56u32..64, 80u32..128]) {
            let terms = Terms::new(5, 6, Day(7)).unwrap();
            let word = Word(Fr::from(terms.to_u128() | 1 << bit));
            prop_assert_eq!(Terms::from_word(word), Err(TermsError::NotAWord));
        }
    }

    #[test]
    fn a_limit_of_zero_is_refused() {
        assert_eq!(Terms::new(1, 0, Day(1)), Err(TermsError::NoMessages));
        assert_eq!(Terms::from_word(Word(Fr::from(0))), Err(TermsError::NoMessages));
        assert_eq!(Terms::from_word(Word(-Fr::from(1))), Err(TermsError::NotAWord));
    }
}
