//! The byte formats of records in durable logs.

use core::num::NonZeroU32;

use quotapass_circuits::{
    share::{Nullifier, Share, ShareValue},
    signal::{ChatKeyHash, Epoch, Scope, SignalHash},
};
use quotapass_protocol::{Evidence, LogError, UnixSeconds};

use super::Fields;
use crate::{BoundKey, Case, Conviction, LATEST_END, Recorded, Restriction};

/// The version of records that this program writes and reads.
///
/// Records from the time before versions begin with a scope or a signal hash. Those have 248 bits in 32 bytes, so that
/// their first byte is zero and is read as version 0.
pub const VERSION: u8 = 1;

/// Errors of reading a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// The record has another version.
    #[error("the record has version {0}, and this program reads version {VERSION}; use the program that wrote it")]
    Version(u8),
    /// The bytes do not decode.
    #[error("the record does not decode; restore the log")]
    Malformed,
}

impl From<RecordError> for LogError {
    fn from(error: RecordError) -> Self {
        match error {
            RecordError::Version(found) => Self::Version(found),
            RecordError::Malformed => Self::Damaged,
        }
    }
}

/// A value of a durable log as bytes. Numbers and field elements are big-endian, and each value has exactly one form.
///
/// Records of nullifiers and convictions begin with their [version](VERSION) and end with optional [`Fields`], which
/// later programs may add without a new version.
pub trait Record: Sized {
    /// Returns the bytes.
    fn to_bytes(&self) -> Vec<u8>;

    /// Reads the value from its bytes.
    ///
    /// # Errors
    /// [`RecordError`].
    fn from_bytes(bytes: &[u8]) -> Result<Self, RecordError>;
}

/// Version 1, x 32, y 32, fields.
impl Record for Recorded {
    fn to_bytes(&self) -> Vec<u8> {
        let Self { share, fields } = self;
        let mut bytes = Vec::with_capacity(1 + SHARE_BYTES);
        bytes.push(VERSION);
        write_share(&mut bytes, share);
        fields.write(&mut bytes);
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut rest = versioned(bytes)?;
        let share = take_share(&mut rest).ok_or(RecordError::Malformed)?;
        Ok(Self { share, fields: Fields::read(rest).ok_or(RecordError::Malformed)? })
    }
}

/// Version 1, scope 32, length of the epoch in seconds 4, its number 8, nullifier 32, the recorded share 64, the second
/// one 64, the Unix second of the conviction 8, fields.
impl Record for Conviction {
    fn to_bytes(&self) -> Vec<u8> {
        let Self { evidence: Evidence { scope, epoch, nullifier, recorded, second }, at, fields } = self;
        let mut bytes = vec![VERSION];
        bytes.extend(scope.to_be_bytes());
        bytes.extend(epoch.seconds().get().to_be_bytes());
        bytes.extend(epoch.number().to_be_bytes());
        bytes.extend(nullifier.to_be_bytes());
        write_share(&mut bytes, recorded);
        write_share(&mut bytes, second);
        bytes.extend(at.0.to_be_bytes());
        fields.write(&mut bytes);
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, RecordError> {
        read_conviction(versioned(bytes)?).ok_or(RecordError::Malformed)
    }
}

fn read_conviction(mut bytes: &[u8]) -> Option<Conviction> {
    let rest = &mut bytes;
    let scope = Scope::from_be_bytes(&take(rest)?).ok()?;
    let seconds = NonZeroU32::new(u32::from_be_bytes(take(rest)?))?;
    let epoch = Epoch::new(seconds, u64::from_be_bytes(take(rest)?));
    let nullifier = Nullifier::from_be_bytes(&take(rest)?).ok()?;
    let (recorded, second) = (take_share(rest)?, take_share(rest)?);
    let at = UnixSeconds(u64::from_be_bytes(take(rest)?));
    let evidence = Evidence { scope, epoch, nullifier, recorded, second };
    Some(Conviction { evidence, at, fields: Fields::read(rest)? })
}

/// Version 1, hash of the chat key 32, fields.
impl Record for BoundKey {
    fn to_bytes(&self) -> Vec<u8> {
        let Self { chat_key, fields } = self;
        let mut bytes = vec![VERSION];
        bytes.extend(chat_key.to_be_bytes());
        fields.write(&mut bytes);
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, RecordError> {
        let read = |mut rest: &[u8]| {
            let chat_key = ChatKeyHash::from_be_bytes(&take(&mut rest)?).ok()?;
            Some(Self { chat_key, fields: Fields::read(rest)? })
        };
        read(versioned(bytes)?).ok_or(RecordError::Malformed)
    }
}

/// Version 1, the last second 8 (all bits set: without end), fields.
impl Record for Restriction {
    fn to_bytes(&self) -> Vec<u8> {
        let Self { until, fields } = self;
        let mut bytes = vec![VERSION];
        bytes.extend(until.unwrap_or(UnixSeconds::MAX).0.to_be_bytes());
        fields.write(&mut bytes);
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, RecordError> {
        let read = |mut rest: &[u8]| {
            let until =
                Some(UnixSeconds(u64::from_be_bytes(take(&mut rest)?))).filter(|until| *until != UnixSeconds::MAX);
            let fields = Fields::read(rest)?;
            until.is_none_or(|until| until <= LATEST_END).then_some(Self { until, fields })
        };
        read(versioned(bytes)?).ok_or(RecordError::Malformed)
    }
}

impl Case {
    /// Returns the case as JSON, the form in which logs keep it.
    ///
    /// # Errors
    /// [`LogError::Unavailable`] if it has no JSON form; each case has one.
    pub fn to_json(&self) -> Result<Vec<u8>, LogError> {
        serde_json::to_vec(self).map_err(|error| LogError::Unavailable(format!("it cannot write a case: {error}")))
    }

    /// Reads a case from its JSON.
    ///
    /// # Errors
    /// [`RecordError::Malformed`].
    pub fn from_json(bytes: &[u8]) -> Result<Self, RecordError> {
        let case: Self = serde_json::from_slice(bytes).map_err(|_| RecordError::Malformed)?;
        if case.to_json().is_ok_and(|written| written == bytes) { Ok(case) } else { Err(RecordError::Malformed) }
    }
}

const SHARE_BYTES: usize = 64;

/// Returns the bytes after the version.
fn versioned(bytes: &[u8]) -> Result<&[u8], RecordError> {
    match bytes.split_first() {
        Some((&VERSION, rest)) => Ok(rest),
        Some((&other, _)) => Err(RecordError::Version(other)),
        None => Err(RecordError::Malformed),
    }
}

fn write_share(bytes: &mut Vec<u8>, Share { x, y }: &Share) {
    bytes.extend(x.to_be_bytes());
    bytes.extend(y.to_be_bytes());
}

fn take_share(rest: &mut &[u8]) -> Option<Share> {
    let x = SignalHash::from_be_bytes(&take(rest)?).ok()?;
    Some(Share { x, y: ShareValue::from_be_bytes(&take(rest)?).ok()? })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use quotapass_circuits::registry_id::RegistryId;

    use super::*;
    use crate::{Settlement, WorkerId};

    fn field() -> impl Strategy<Value = [u8; 32]> {
        any::<[u8; 31]>().prop_map(|low| {
            let mut bytes = [0; 32];
            bytes[1..].copy_from_slice(&low);
            bytes[31] |= 1;
            bytes
        })
    }

    fn share() -> impl Strategy<Value = Share> {
        (field(), field()).prop_map(|(x, y)| Share {
            x: SignalHash::from_be_bytes(&x).unwrap(),
            y: ShareValue::from_be_bytes(&y).unwrap(),
        })
    }

    fn case() -> impl Strategy<Value = Case> {
        prop_oneof![
            (any::<String>(), any::<u64>())
                .prop_map(|(worker, until)| Case::Claimed { worker: WorkerId(worker), until: UnixSeconds(until) }),
            (any::<String>(), any::<u64>(), any::<String>()).prop_map(|(transaction, block, reward)| {
                Case::Settled(Settlement::Slashed { transaction, block, reward })
            }),
            Just(Case::Settled(Settlement::Gone)),
            Just(Case::Settled(Settlement::NoMember)),
        ]
    }

    fn fields() -> impl Strategy<Value = Fields> {
        prop::collection::btree_map(any::<u8>(), prop::collection::vec(any::<u8>(), 0..40), 0..4).prop_map(|values| {
            let mut fields = Fields::new();
            values.into_iter().for_each(|(tag, value)| fields.set(tag, value).unwrap());
            fields
        })
    }

    fn returns<T: Record + PartialEq + core::fmt::Debug>(value: &T) -> Result<(), TestCaseError> {
        let bytes = value.to_bytes();
        let read = T::from_bytes(&bytes);
        prop_assert_eq!(read.as_ref(), Ok(value));
        prop_assert_eq!(T::from_bytes(&[&bytes[..], &[0]].concat()), Err(RecordError::Malformed));
        Ok(())
    }

    /// Truncation is noticed, except of whole fields; every other version is refused as such.
    fn is_versioned<T: Record + PartialEq + core::fmt::Debug>(value: &T, fixed: usize) -> Result<(), TestCaseError> {
        returns(value)?;
        let bytes = value.to_bytes();
        for length in 0..fixed {
            prop_assert_eq!(T::from_bytes(&bytes[..length]), Err(RecordError::Malformed));
        }
        // A missing field is not noticed, but half a field is.
        let read = (fixed..bytes.len()).filter(|length| T::from_bytes(&bytes[..*length]).is_ok()).count();
        prop_assert!(read <= 4, "{} of {} prefixes were read", read, bytes.len() - fixed);
        for version in (0..=u8::MAX).filter(|version| *version != VERSION) {
            let other = [&[version], &bytes[1..]].concat();
            prop_assert_eq!(T::from_bytes(&other), Err(RecordError::Version(version)));
        }
        Ok(())
    }

    fn evidence() -> impl Strategy<Value = Evidence> {
        (field(), any::<NonZeroU32>(), any::<u64>(), field(), share(), share()).prop_map(
            |(scope, seconds, number, nullifier, recorded, second)| Evidence {
                scope: Scope::from_be_bytes(&scope).unwrap(),
                epoch: Epoch::new(seconds, number),
                nullifier: Nullifier::from_be_bytes(&nullifier).unwrap(),
                recorded,
                second,
            },
        )
    }

    proptest! {
        #[test]
        fn shares_return(share in share(), fields in fields()) {
            is_versioned(&Recorded { share, fields }, 65)?;
        }

        #[test]
        fn convictions_return(evidence in evidence(), at: u64, fields in fields()) {
            is_versioned(&Conviction { evidence, at: UnixSeconds(at), fields }, 213)?;
        }

        #[test]
        fn records_without_a_version_are_never_misread(message: Vec<u8>, share in share(), evidence in evidence()) {
            let epoch = evidence.epoch;
            let scope = Scope::new(&RegistryId { chain_id: 1, address: [1; 20] }, "room");
            let x = SignalHash::new(scope, epoch, &message).unwrap();
            let mut former = Vec::new();
            write_share(&mut former, &Share { x, ..share });
            prop_assert_eq!(Recorded::from_bytes(&former), Err(RecordError::Version(0)));
            let recorded = Conviction { evidence: Evidence { scope, ..evidence }, at: UnixSeconds(0), fields: Fields::new() };
            let bytes = recorded.to_bytes();
            let former = &bytes[1..bytes.len() - 8];
            prop_assert_eq!(Conviction::from_bytes(former), Err(RecordError::Version(0)));
        }

        #[test]
        fn chat_keys_return(chat_key in field(), fields in fields()) {
            is_versioned(&BoundKey { chat_key: ChatKeyHash::from_be_bytes(&chat_key).unwrap(), fields }, 33)?;
        }

        #[test]
        fn restrictions_return(until: Option<u64>, fields in fields()) {
            is_versioned(&Restriction { fields, ..Restriction::new(until.map(UnixSeconds)) }, 9)?;
        }

        #[test]
        fn cases_return(case in case()) {
            let bytes = case.to_json().unwrap();
            prop_assert_eq!(Case::from_json(&bytes), Ok(case));
            prop_assert_eq!(Case::from_json(&[&bytes[..], &[0]].concat()), Err(RecordError::Malformed));
        }

        #[test]
        fn other_bytes_are_refused_or_return(bytes in prop::collection::vec(any::<u8>(), 0..240)) {
            // Version 1, and elements small enough to be canonical.
            let low = |(i, byte): (usize, &u8)| match i { 0 => VERSION, i if i % 32 == 1 => 0, _ => *byte };
            let low: Vec<u8> = bytes.iter().enumerate().map(low).collect();
            for bytes in [bytes, low] {
                prop_assert!(Recorded::from_bytes(&bytes).map_or(true, |share| share.to_bytes() == bytes));
                prop_assert!(Conviction::from_bytes(&bytes).map_or(true, |kept| kept.to_bytes() == bytes));
                prop_assert!(BoundKey::from_bytes(&bytes).map_or(true, |key| key.to_bytes() == bytes));
                prop_assert!(Restriction::from_bytes(&bytes).map_or(true, |kept| kept.to_bytes() == bytes));
                prop_assert!(Case::from_json(&bytes).map_or(true, |case| case.to_json() == Ok(bytes)));
            }
        }
    }
}
