//! What durable logs keep, in bytes.

use core::num::NonZeroU32;

use quotapass_circuits::{
    share::{Nullifier, Share, ShareValue},
    signal::{Epoch, Scope, SignalHash},
};

use crate::relay::{Case, Evidence};

/// A value of a durable log as bytes. Numbers and field elements are big-endian, and there is one form only.
pub trait Record: Sized {
    /// The bytes.
    fn to_bytes(&self) -> Vec<u8>;

    /// Reads them back; none if they are not those of such a value.
    fn from_bytes(bytes: &[u8]) -> Option<Self>;
}

/// 64 bytes: x, y.
impl Record for Share {
    fn to_bytes(&self) -> Vec<u8> {
        [self.x.to_be_bytes(), self.y.to_be_bytes()].concat()
    }

    fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        let share = take_share(&mut bytes)?;
        bytes.is_empty().then_some(share)
    }
}

/// 204 bytes: scope 32, length of the epoch in seconds 4, its number 8, nullifier 32, the recorded share 64, the second
/// one 64.
impl Record for Evidence {
    fn to_bytes(&self) -> Vec<u8> {
        let Self { scope, epoch, nullifier, recorded, second } = self;
        [
            &scope.to_be_bytes()[..],
            &epoch.seconds().get().to_be_bytes(),
            &epoch.number().to_be_bytes(),
            &nullifier.to_be_bytes(),
            &recorded.to_bytes(),
            &second.to_bytes(),
        ]
        .concat()
    }

    fn from_bytes(mut bytes: &[u8]) -> Option<Self> {
        let rest = &mut bytes;
        let scope = Scope::from_be_bytes(&take(rest)?).ok()?;
        let seconds = NonZeroU32::new(u32::from_be_bytes(take(rest)?))?;
        let epoch = Epoch::new(seconds, u64::from_be_bytes(take(rest)?));
        let nullifier = Nullifier::from_be_bytes(&take(rest)?).ok()?;
        let (recorded, second) = (take_share(rest)?, take_share(rest)?);
        rest.is_empty().then_some(Self { scope, epoch, nullifier, recorded, second })
    }
}

/// JSON.
impl Record for Case {
    fn to_bytes(&self) -> Vec<u8> {
        // Strings and numbers always serialize.
        serde_json::to_vec(self).unwrap_or_default()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let case: Self = serde_json::from_slice(bytes).ok()?;
        (case.to_bytes() == bytes).then_some(case)
    }
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

    use super::*;
    use crate::relay::{Settlement, WorkerId};

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
                .prop_map(|(worker, until)| Case::Claimed { worker: WorkerId(worker), until }),
            (any::<String>(), any::<u64>(), any::<String>()).prop_map(|(transaction, block, reward)| {
                Case::Settled(Settlement::Slashed { transaction, block, reward })
            }),
            Just(Case::Settled(Settlement::Gone)),
            Just(Case::Settled(Settlement::NoMember)),
        ]
    }

    fn returns<T: Record + PartialEq + core::fmt::Debug>(value: &T) -> Result<(), TestCaseError> {
        let bytes = value.to_bytes();
        let read = T::from_bytes(&bytes);
        prop_assert_eq!(read.as_ref(), Some(value));
        prop_assert_eq!(T::from_bytes(&bytes[..bytes.len() - 1]), None);
        prop_assert_eq!(T::from_bytes(&[&bytes[..], &[0]].concat()), None);
        Ok(())
    }

    proptest! {
        #[test]
        fn shares_return(share in share()) {
            returns(&share)?;
        }

        #[test]
        fn evidence_returns(
            scope in field(), seconds in any::<NonZeroU32>(), number: u64, nullifier in field(),
            recorded in share(), second in share(),
        ) {
            let epoch = Epoch::new(seconds, number);
            let scope = Scope::from_be_bytes(&scope).unwrap();
            let nullifier = Nullifier::from_be_bytes(&nullifier).unwrap();
            returns(&Evidence { scope, epoch, nullifier, recorded, second })?;
        }

        #[test]
        fn cases_return(case in case()) {
            returns(&case)?;
        }

        #[test]
        fn other_bytes_are_refused_or_return(bytes in prop::collection::vec(any::<u8>(), 0..210)) {
            let low: Vec<u8> = bytes.iter().enumerate().map(|(i, byte)| if i % 32 == 0 { 0 } else { *byte }).collect();
            for bytes in [bytes, low] {
                prop_assert!(Share::from_bytes(&bytes).is_none_or(|share| share.to_bytes() == bytes));
                prop_assert!(Evidence::from_bytes(&bytes).is_none_or(|evidence| evidence.to_bytes() == bytes));
                prop_assert!(Case::from_bytes(&bytes).is_none_or(|case| case.to_bytes() == bytes));
            }
        }
    }
}
