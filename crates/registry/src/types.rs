//! Types that describe a registry, its members and its chain.

use alloy_primitives::{Address, BlockHash, BlockNumber, TxHash, U256};
use quotapass_circuits::{
    identity::IdentityCommitment,
    membership::{Day, MemberIndex, Root},
    time::UnixSeconds,
};
use serde::{Deserialize, Serialize, Serializer};

use super::event::{LoggedEvent, RegistryEvent};

/// Writes an amount in decimal digits, as text, because JSON numbers have too few bits.
fn decimal<S: Serializer>(amount: &U256, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(amount)
}

/// The number of a tier, from 0, in the order fixed at deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TierNumber(pub u8);

impl core::fmt::Display for TierNumber {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}

/// Price and rights of one kind of membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tier {
    /// Tokens locked, in the token's smallest unit.
    #[serde(serialize_with = "decimal")]
    pub amount: U256,
    /// Stake units that the member can prove.
    pub stake: u32,
    /// Messages per epoch and scope.
    pub message_limit: u16,
}

/// The ERC-20 token that deposits are made in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenInfo {
    /// The token's contract.
    pub address: Address,
    /// Its symbol.
    pub symbol: String,
    /// Number of decimals that its amounts are shown with.
    pub decimals: u8,
}

/// A contract that decides who may join a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gate {
    /// The contract.
    pub address: Address,
    /// Tokens locked per unit of the stake that the gate gives, in the token's smallest unit.
    #[serde(serialize_with = "decimal")]
    pub stake_price: U256,
}

/// The terms of a registry, fixed at deployment, and its present totals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryInfo {
    /// The token of its deposits.
    pub token: TokenInfo,
    /// Its tiers; a [`TierNumber`] is the index in this list. Empty for a registry with a gate.
    pub tiers: Vec<Tier>,
    /// Paid to the treasury with every deposit and never paid back, in the token's smallest unit.
    #[serde(serialize_with = "decimal")]
    pub fee: U256,
    /// The gate, which decides who may join, and with which stake and limit.
    pub gate: Option<Gate>,
    /// Seconds between the request to exit and the withdrawal.
    pub exit_delay: u32,
    /// Part of a slashed deposit that goes to the slasher, in 1/10,000.
    pub reward_bps: u16,
    /// Receiver of the fees and of the rest of a slashed deposit: the treasury, or the burn address.
    pub treasury: Address,
    /// The contract that verifies slash proofs.
    pub verifier: Address,
    /// Members ever added; the next index.
    pub member_count: u64,
    /// Sum of all deposits that are neither withdrawn nor slashed, in the token's smallest unit.
    #[serde(serialize_with = "decimal")]
    pub total_owed: U256,
}

impl RegistryInfo {
    /// The tier with this number, if any.
    pub fn tier(&self, number: TierNumber) -> Option<&Tier> {
        self.tiers.get(usize::from(number.0))
    }

    /// The deposit of a member, in the token's smallest unit.
    pub fn deposit_of(&self, record: &MemberRecord) -> Option<U256> {
        match &self.gate {
            Some(gate) => U256::from(record.stake).checked_mul(gate.stake_price),
            None => self.tier(record.tier).map(|tier| tier.amount),
        }
    }
}

/// Status of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberStatus {
    /// In the tree.
    Active,
    /// Out of the tree; the deposit is still locked and can still be slashed.
    Exiting {
        /// When the deposit can be withdrawn.
        withdrawable_at: UnixSeconds,
    },
    /// Out of the tree; the deposit was paid back.
    Withdrawn,
    /// Out of the tree; the deposit was slashed.
    Slashed,
}

/// The registry's record of a member, present or gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRecord {
    /// The commitment it was added with; it stays here when the slot is zeroed.
    pub commitment: IdentityCommitment,
    /// The depositor, who can withdraw the deposit.
    pub depositor: Address,
    /// The tier of the deposit; 0 in a registry with a gate.
    pub tier: TierNumber,
    /// Stake units that the member can prove.
    pub stake: u32,
    /// Messages per epoch and scope.
    pub message_limit: u16,
    /// The day of the deposit.
    pub since: Day,
    /// Its status.
    pub status: MemberStatus,
}

/// A block of the chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Its height.
    pub number: BlockNumber,
    /// Its hash.
    pub hash: BlockHash,
    /// Its time.
    pub timestamp: UnixSeconds,
}

/// The state of the tree at the latest block, all read at that block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The latest block.
    pub block: Block,
    /// The root as of this block.
    pub root: Root,
    /// Members ever added as of this block.
    pub member_count: u64,
}

/// A transaction that was included in a block and succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The transaction's hash.
    pub transaction: TxHash,
    /// The block it was included in.
    pub block: BlockNumber,
    /// Gas used, intrinsic gas included and refunds deducted.
    pub gas_used: u64,
    /// The registry's events in it.
    pub events: Vec<LoggedEvent>,
}

impl Receipt {
    /// The index of the member that the transaction added, if any. A transaction of an account that is not a contract
    /// adds at most one member, for this account.
    pub fn added(&self) -> Option<MemberIndex> {
        self.events.iter().find_map(|logged| match logged.event {
            RegistryEvent::MemberAdded { index, .. } => Some(index),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_written_in_decimal_and_read_back() {
        let tier = Tier { amount: U256::from(10).pow(U256::from(20)), stake: 1, message_limit: 5 };
        let text = serde_json::to_string(&tier).unwrap();
        assert_eq!(text, "{\"amount\":\"100000000000000000000\",\"stake\":1,\"message_limit\":5}");
        assert_eq!(serde_json::from_str::<Tier>(&text).unwrap(), tier);
    }
}
