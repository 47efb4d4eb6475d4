//! The registry's events. They are all that a client needs to maintain a copy of the tree.

use alloy_primitives::{Address, BlockNumber, Log, TxHash, U256};
use alloy_sol_types::SolEventInterface;
use quotapass_circuits::{
    identity::IdentityCommitment,
    membership::{Member, MemberIndex},
    time::UnixSeconds,
};

use super::{
    TierNumber,
    bindings::RegistryAbi::{self, RegistryAbiEvents},
    convert::{self, UnexpectedAnswer},
};

/// An event of the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegistryEvent {
    /// A member was appended to the tree.
    MemberAdded {
        /// Its position: the number of members before it.
        index: MemberIndex,
        /// Its commitment and terms.
        member: Member,
        /// The depositor.
        depositor: Address,
        /// The tier of the deposit.
        tier: TierNumber,
    },
    /// A member's slot of the tree became (0, 0); sent once for every zeroed slot.
    SlotZeroed {
        /// The member's position.
        index: MemberIndex,
        /// The commitment that the slot held.
        commitment: IdentityCommitment,
    },
    /// The depositor asked for the deposit back.
    ExitRequested {
        /// The member's position.
        index: MemberIndex,
        /// When the deposit can be withdrawn.
        withdrawable_at: UnixSeconds,
    },
    /// The deposit was paid back.
    Withdrawn {
        /// The member's position.
        index: MemberIndex,
        /// The receiver.
        to: Address,
        /// The amount, in the token's smallest unit.
        amount: U256,
    },
    /// The deposit was slashed.
    Slashed {
        /// The member's position.
        index: MemberIndex,
        /// The commitment whose secret became known.
        commitment: IdentityCommitment,
        /// The receiver of the reward.
        receiver: Address,
        /// The amount paid or credited to the receiver, in the token's smallest unit.
        reward: U256,
        /// The amount paid or credited to the treasury, or burnt.
        rest: U256,
    },
    /// The token refused a payment of a slash; the amount can be claimed.
    Credited {
        /// The account that can claim the amount.
        account: Address,
        /// The amount, in the token's smallest unit.
        amount: U256,
    },
    /// Credits or fees were paid.
    Claimed {
        /// The account that they belonged to.
        account: Address,
        /// The receiver.
        to: Address,
        /// The amount, in the token's smallest unit.
        amount: U256,
    },
}

impl RegistryEvent {
    /// The member that the event concerns; `None` if the event concerns only payments.
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
                withdrawable_at: convert::time(exit.withdrawableAt)?,
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

/// An event and its position in the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoggedEvent {
    /// The block's height.
    pub block: BlockNumber,
    /// Its index among all logs of the block.
    pub log_index: u64,
    /// The transaction that emitted it.
    pub transaction: TxHash,
    /// The event.
    pub event: RegistryEvent,
}
