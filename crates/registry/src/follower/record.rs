//! A stored member: its terms, and the block of each change, so that blocks can be undone.

use alloy_primitives::{Address, BlockNumber};
use quotapass_circuits::{
    identity::IdentityCommitment,
    membership::{Day, Member, Terms},
    time::UnixSeconds,
};

use crate::{MemberRecord, MemberStatus, TierNumber};

/// Size of a stored member in bytes.
pub(super) const RECORD_BYTES: usize = 102;

/// All data about a member from the events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StoredMember {
    pub(super) member: Member,
    pub(super) depositor: Address,
    pub(super) tier: TierNumber,
    /// The block that added it.
    pub(super) added: BlockNumber,
    /// The block that zeroed its slot.
    pub(super) zeroed: Option<BlockNumber>,
    /// The block of the request to exit, and when the deposit can be withdrawn.
    pub(super) exit: Option<(BlockNumber, UnixSeconds)>,
    /// The block in which the deposit left the registry, and the way it left.
    pub(super) end: Option<(BlockNumber, End)>,
}

/// Ways in which a deposit leaves the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Withdrawn,
    Slashed,
}

impl StoredMember {
    /// The content of the member's slot.
    pub(super) fn slot(&self) -> Option<Member> {
        self.zeroed.is_none().then_some(self.member)
    }

    /// Removes the changes of later blocks.
    pub(super) fn rewind(&mut self, block: BlockNumber) {
        self.zeroed = self.zeroed.filter(|zeroed| *zeroed <= block);
        self.exit = self.exit.filter(|(exit, _)| *exit <= block);
        self.end = self.end.filter(|(end, _)| *end <= block);
    }

    /// Converts to the record that the registry returns.
    pub(super) fn record(&self) -> MemberRecord {
        let status = match (self.end, self.exit) {
            (Some((_, End::Withdrawn)), _) => MemberStatus::Withdrawn,
            (Some((_, End::Slashed)), _) => MemberStatus::Slashed,
            (None, Some((_, withdrawable_at))) => MemberStatus::Exiting { withdrawable_at },
            (None, None) => MemberStatus::Active,
        };
        MemberRecord {
            commitment: self.member.commitment,
            depositor: self.depositor,
            tier: self.tier,
            stake: self.member.terms.stake,
            message_limit: self.member.terms.message_limit,
            since: self.member.terms.since,
            status,
        }
    }

    /// Commitment 32, stake 4, message limit 2, day 2, depositor 20, tier 1, blocks 8 each of addition, zeroing, exit
    /// and end, time of withdrawal 8, kind of end 1; numbers big-endian, 2^64 - 1 for an absent block.
    pub(super) fn to_bytes(self) -> [u8; RECORD_BYTES] {
        let mut bytes = Vec::with_capacity(RECORD_BYTES);
        let number = |block: Option<BlockNumber>| block.unwrap_or(BlockNumber::MAX).to_be_bytes();
        bytes.extend(self.member.commitment.to_be_bytes());
        bytes.extend(self.member.terms.stake.to_be_bytes());
        bytes.extend(self.member.terms.message_limit.to_be_bytes());
        bytes.extend(self.member.terms.since.0.to_be_bytes());
        bytes.extend(self.depositor);
        bytes.push(self.tier.0);
        bytes.extend(self.added.to_be_bytes());
        bytes.extend(number(self.zeroed));
        bytes.extend(number(self.exit.map(|(block, _)| block)));
        bytes.extend(self.exit.map_or(0, |(_, at)| at.0).to_be_bytes());
        bytes.extend(number(self.end.map(|(block, _)| block)));
        bytes.push(match self.end {
            None => 0,
            Some((_, End::Withdrawn)) => 1,
            Some((_, End::Slashed)) => 2,
        });
        let mut fixed = [0; RECORD_BYTES];
        fixed.copy_from_slice(&bytes);
        fixed
    }

    /// Reads it back; `None` if the bytes are not a valid member.
    pub(super) fn from_bytes(bytes: &[u8; RECORD_BYTES]) -> Option<Self> {
        let mut rest = &bytes[..];
        let commitment = IdentityCommitment::from_be_bytes(&take(&mut rest)?).ok()?;
        let stake = u32::from_be_bytes(take(&mut rest)?);
        let message_limit = u16::from_be_bytes(take(&mut rest)?);
        let since = Day(u16::from_be_bytes(take(&mut rest)?));
        let depositor = Address::from(take::<20>(&mut rest)?);
        let [tier] = take(&mut rest)?;
        let mut number = || take(&mut rest).map(u64::from_be_bytes);
        let (added, zeroed, exit, withdrawable_at, end) = (number()?, number()?, number()?, number()?, number()?);
        let some = |block: BlockNumber| (block != BlockNumber::MAX).then_some(block);
        let [kind] = take(&mut rest)?;
        let end = match (some(end), kind) {
            (None, 0) => None,
            (Some(block), 1) => Some((block, End::Withdrawn)),
            (Some(block), 2) => Some((block, End::Slashed)),
            _ => return None,
        };
        Some(Self {
            member: Member { commitment, terms: Terms::new(stake, message_limit, since).ok()? },
            depositor,
            tier: TierNumber(tier),
            added,
            zeroed: some(zeroed),
            exit: some(exit).map(|block| (block, UnixSeconds(withdrawable_at))),
            end,
        })
    }
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

    fn block() -> impl Strategy<Value = Option<BlockNumber>> {
        prop::option::of(0..BlockNumber::MAX)
    }

    proptest! {
        #[test]
        fn members_return(
            (commitment, stake, limit, since) in any::<(u64, u32, u16, u16)>(),
            (depositor, tier) in any::<([u8; 20], u8)>(),
            added in 0..BlockNumber::MAX, zeroed in block(), exit in block(), at in any::<u64>(),
            end in block(), slashed in any::<bool>(),
        ) {
            let mut bytes = [0; 32];
            bytes[24..].copy_from_slice(&commitment.to_be_bytes());
            let kind = if slashed { End::Slashed } else { End::Withdrawn };
            let member = StoredMember {
                member: Member {
                    commitment: IdentityCommitment::from_be_bytes(&bytes).unwrap(),
                    terms: Terms::new(stake, limit.max(1), Day(since)).unwrap(),
                },
                depositor: depositor.into(),
                tier: TierNumber(tier),
                added,
                zeroed,
                exit: exit.map(|block| (block, UnixSeconds(at))),
                end: end.map(|block| (block, kind)),
            };
            prop_assert_eq!(StoredMember::from_bytes(&member.to_bytes()), Some(member));
        }

        #[test]
        fn other_bytes_are_refused_and_never_panic(bytes in prop::collection::vec(any::<u8>(), RECORD_BYTES)) {
            let bytes: [u8; RECORD_BYTES] = bytes.try_into().unwrap();
            if let Some(member) = StoredMember::from_bytes(&bytes) {
                let again = StoredMember::from_bytes(&member.to_bytes());
                prop_assert_eq!(again, Some(member));
            }
        }
    }
}
