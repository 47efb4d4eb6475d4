//! Groups of buckets that are requested together.

use quotapass_circuits::membership::{BucketNumber, Levels, MemberIndex};

/// The buckets that a wallet requests: one, or two neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BucketGroup {
    first: BucketNumber,
    last: BucketNumber,
}

impl BucketGroup {
    /// Returns the group of a member in a tree in which `member_count` slots were ever filled.
    ///
    /// If the last bucket is not full, its members and those of the bucket before it request both: 2,048 slots and
    /// those of the last bucket. All other members request one full bucket.
    pub fn of(levels: Levels, member_count: u64, index: MemberIndex) -> Self {
        let capacity = levels.of_bucket().capacity();
        let own = BucketNumber::of(levels, index);
        // An index fits 32 bits, so its bucket number does too.
        let open = (!member_count.is_multiple_of(capacity)).then_some((member_count / capacity) as u32);
        match open {
            Some(open) if open > 0 && (own.0 == open || own.0 + 1 == open) => {
                Self { first: BucketNumber(open - 1), last: BucketNumber(open) }
            }
            _ => Self { first: own, last: own },
        }
    }

    /// Takes one bucket, or two neighbours.
    pub(super) fn from_ends(first: BucketNumber, last: BucketNumber) -> Option<Self> {
        matches!(last.0.checked_sub(first.0), Some(0 | 1)).then_some(Self { first, last })
    }

    /// The first bucket.
    pub fn first(self) -> BucketNumber {
        self.first
    }

    /// The last bucket; it may be the same.
    pub fn last(self) -> BucketNumber {
        self.last
    }

    /// The buckets, in the order of the requests.
    pub fn buckets(self) -> impl Iterator<Item = BucketNumber> {
        (self.first.0..=self.last.0).map(BucketNumber)
    }

    /// Whether a bucket belongs to the group.
    pub fn contains(self, number: BucketNumber) -> bool {
        (self.first..=self.last).contains(&number)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_group_holds_2048_filled_slots_or_all_there_are(count in 1..2_097_153u64, index: prop::sample::Index) {
            let index = MemberIndex(index.index(count as usize) as u32);
            let group = BucketGroup::of(Levels::STANDARD, count, index);
            prop_assert!(group.contains(BucketNumber::of(Levels::STANDARD, index)));
            let slots: u64 = group.buckets().map(|bucket| (count - u64::from(bucket.0) * 2_048).min(2_048)).sum();
            prop_assert!(slots >= count.min(2_048));
            // All members in a group request the same group.
            let first = MemberIndex(group.first().0 * 2_048);
            prop_assert_eq!(BucketGroup::of(Levels::STANDARD, count, first), group);
        }
    }
}
