//! The registry's events: all that a client needs to keep its own copy of the tree.

use alloy_primitives::{Address, BlockNumber, Log, TxHash, U256};
use alloy_sol_types::SolEventInterface;
use quotapass_circuits::{
    identity::IdentityCommitment,
    membership::{Member, MemberIndex},
};

use super::{
    TierNumber,
    bindings::RegistryAbi::{self, RegistryAbiEvents},
    convert::{self, UnexpectedAnswer},
};

/// Something the registry recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegistryEvent {
    /// A member was appended to the tree.
    MemberAdded {
        /// Its position: the number of members before it.
        index: MemberIndex,
        /// Its commitment and terms.
        member: Member,
        /// Who made the deposit.
        depositor: Address,
        /// The tier it bought.
        tier: TierNumber,
    },
    /// A member's slot of the tree became (0, 0); sent once for every zeroed slot.
    SlotZeroed {
        /// The member's position.
        index: MemberIndex,
        /// The commitment that stood there.
        commitment: IdentityCommitment,
    },
    /// The depositor asked for the deposit back.
    ExitRequested {
        /// The member's position.
        index: MemberIndex,
        /// When the deposit can be withdrawn, in Unix seconds.
        withdrawable_at: u64,
    },
    /// The deposit was paid back.
    Withdrawn {
        /// The member's position.
        index: MemberIndex,
        /// Who got it.
        to: Address,
        /// How much, in the token's smallest unit.
        amount: U256,
    },
    /// The deposit was taken.
    Slashed {
        /// The member's position.
        index: MemberIndex,
        /// The commitment whose secret became known.
        commitment: IdentityCommitment,
        /// Who got the reward.
        receiver: Address,
        /// What the receiver got or was credited, in the token's smallest unit.
        reward: U256,
        /// What the treasury got or was credited, or was burnt.
        rest: U256,
    },
    /// The token refused a payment of a slash, which can be claimed.
    Credited {
        /// Whose it is.
        account: Address,
        /// How much, in the token's smallest unit.
        amount: U256,
    },
    /// Credits or fees were paid.
    Claimed {
        /// Whose they were.
        account: Address,
        /// Who got them.
        to: Address,
        /// How much, in the token's smallest unit.
        amount: U256,
    },
}

impl RegistryEvent {
    /// The member it is about; none if it is about money alone.
    pub fn index(&self) -> Option<MemberIndex> {
        match self {
            Self::MemberAdded { index, .. }
            | Self::SlotZeroed { index, .. }
            | Self::ExitRequested { index, .. }
            | Self::Withdrawn { index, .. }
            | Self::Slashed { index, .. } => Some(*index),
            Self::Credited { .. } | Self::Claimed { .. } => None,
        }
    }

    /// Decodes a log that the registry's contract wrote.
    pub(super) fn decode(log: &Log) -> Result<Self, UnexpectedAnswer> {
        let event = RegistryAbi::RegistryAbiEvents::decode_log(log)
            .map_err(|error| UnexpectedAnswer(format!("an event that this version does not know: {error}")))?;
        Ok(match event.data {
            RegistryAbiEvents::MemberAdded(added) => Self::MemberAdded {
                index: convert::index(added.index)?,
                member: convert::member(added.idc, added.word)?
                    .ok_or_else(|| UnexpectedAnswer("an added member that is empty".into()))?,
                depositor: added.depositor,
                tier: TierNumber(added.tier),
            },
            RegistryAbiEvents::SlotZeroed(zeroed) => {
                Self::SlotZeroed { index: convert::index(zeroed.index)?, commitment: convert::commitment(zeroed.idc)? }
            }
            RegistryAbiEvents::ExitRequested(exit) => Self::ExitRequested {
                index: convert::index(exit.index)?,
                withdrawable_at: convert::seconds(exit.withdrawableAt)?,
            },
            RegistryAbiEvents::Withdrawn(withdrawn) => {
                Self::Withdrawn { index: convert::index(withdrawn.index)?, to: withdrawn.to, amount: withdrawn.amount }
            }
            RegistryAbiEvents::Slashed(slashed) => Self::Slashed {
                index: convert::index(slashed.index)?,
                commitment: convert::commitment(slashed.idc)?,
                receiver: slashed.receiver,
                reward: slashed.reward,
                rest: slashed.rest,
            },
            RegistryAbiEvents::Credited(credited) => {
                Self::Credited { account: credited.account, amount: credited.amount }
            }
            RegistryAbiEvents::Claimed(claimed) => {
                Self::Claimed { account: claimed.account, to: claimed.to, amount: claimed.amount }
            }
        })
    }
}

/// An event and where it stands in the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoggedEvent {
    /// The block's height.
    pub block: BlockNumber,
    /// Its place among all logs of the block.
    pub log_index: u64,
    /// The transaction it came from.
    pub transaction: TxHash,
    /// What happened.
    pub event: RegistryEvent,
}
