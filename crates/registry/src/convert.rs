//! Conversion of the contract's integers to typed values.

use alloy_primitives::U256;
use quotapass_circuits::{
    identity::IdentityCommitment,
    membership::{Member, MemberIndex, Root, Terms, Word},
    time::UnixSeconds,
};

/// An answer that a registry of this version never gives.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnexpectedAnswer(pub(super) String);

pub(super) fn index(value: U256) -> Result<MemberIndex, UnexpectedAnswer> {
    u32::try_from(value).map(MemberIndex).map_err(|_| UnexpectedAnswer(format!("a member index of {value}")))
}

pub(super) fn time(value: U256) -> Result<UnixSeconds, UnexpectedAnswer> {
    u64::try_from(value).map(UnixSeconds).map_err(|_| UnexpectedAnswer(format!("a time of {value} seconds")))
}

pub(super) fn count(value: U256) -> Result<u64, UnexpectedAnswer> {
    u64::try_from(value).map_err(|_| UnexpectedAnswer(format!("a count of {value}")))
}

pub(super) fn commitment(value: U256) -> Result<IdentityCommitment, UnexpectedAnswer> {
    IdentityCommitment::from_be_bytes(&value.to_be_bytes())
        .map_err(|error| UnexpectedAnswer(format!("the commitment {value}: {error}")))
}

pub(super) fn root(value: U256) -> Result<Root, UnexpectedAnswer> {
    Root::from_be_bytes(&value.to_be_bytes()).map_err(|error| UnexpectedAnswer(format!("the root {value}: {error}")))
}

/// Converts a slot of the tree: `None` if both numbers are zero.
pub(super) fn member(idc: U256, word: U256) -> Result<Option<Member>, UnexpectedAnswer> {
    if idc.is_zero() && word.is_zero() {
        return Ok(None);
    }
    let unexpected = |error: &dyn core::fmt::Display| UnexpectedAnswer(format!("a member ({idc}, {word}): {error}"));
    let word = Word::from_be_bytes(&word.to_be_bytes()).map_err(|error| unexpected(&error))?;
    let terms = Terms::from_word(word).map_err(|error| unexpected(&error))?;
    if idc.is_zero() {
        return Err(unexpected(&"its commitment is zero"));
    }
    Ok(Some(Member { commitment: commitment(idc)?, terms }))
}

/// Converts a commitment to the contract's number.
pub(super) fn to_u256(value: IdentityCommitment) -> U256 {
    U256::from_be_bytes(value.to_be_bytes())
}
