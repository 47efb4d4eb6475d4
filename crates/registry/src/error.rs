//! Registry errors, with messages that say what to do.

use alloy_primitives::{Address, Bytes, U256};
use alloy_sol_types::{Panic, Revert, SolError, SolInterface};
use quotapass_circuits::membership::MemberIndex;

use super::{
    bindings::{RegistryAbi::RegistryAbiErrors, SlashVerifierAbi, TokenAbi::TokenAbiErrors},
    convert::UnexpectedAnswer,
    node::NodeError,
};

/// Errors of a registry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// A contract refused.
    #[error(transparent)]
    Refused(#[from] ContractRefusal),
    /// The chain failed before the contract could answer.
    #[error(transparent)]
    Node(NodeError),
    /// The registry cannot use the permits of its token.
    #[error(
        "the token {0} takes permits of another form than ERC-2612's, as DAI does, which this registry cannot use; \
         approve the amount in a separate transaction (--approve)"
    )]
    OtherPermit(Address),
    /// The contract gave an answer that a registry of this version never gives.
    #[error("this contract is not a registry that this version of quotapass understands: it answered with {0}")]
    Unexpected(#[from] UnexpectedAnswer),
}

impl From<NodeError> for RegistryError {
    fn from(error: NodeError) -> Self {
        match error {
            NodeError::Reverted(data) => Self::Refused(ContractRefusal::decode(&data)),
            other => Self::Node(other),
        }
    }
}

/// A contract's reason to revert.
///
/// One variant for each custom error of the registry, and for the errors of its token that a depositor can meet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ContractRefusal {
    /// Deployment: no tiers, or too many.
    #[error("a registry has 1 to 255 tiers, or none and a gate, not {0}")]
    TierCountInvalid(U256),
    /// Deployment: a fee or price beyond 128 bits.
    #[error("{0} is too high for a fee or the price of a stake unit; it must be below 2^128")]
    AmountTooHigh(U256),
    /// Deployment: a stake price without a gate.
    #[error("the price of a stake unit is for registries with a gate; name the gate, or leave the price at zero")]
    StakePriceWithoutGate,
    /// Deployment: a tier whose amount, stake or limit is zero, or whose amount has more than 128 bits.
    #[error("tier {0} is not valid: amount, stake and message limit must be above zero, the amount below 2^128")]
    TierInvalid(U256),
    /// Deployment: no delay.
    #[error("the exit delay must be above zero, otherwise a spammer can withdraw before being slashed")]
    ExitDelayZero,
    /// Deployment: the slasher would get the whole deposit.
    #[error(
        "a reward of {reward_bps}/10000 is too high, at most {max}/10000: otherwise a spammer slashes their own \
         deposit for free"
    )]
    RewardTooHigh {
        /// The reward asked for, in 1/10,000.
        reward_bps: U256,
        /// The highest that is allowed.
        max: U256,
    },
    /// Deployment: the address of the token or verifier has no contract.
    #[error("there is no contract at {0}; deploy it first, or correct the address")]
    NoCode(Address),
    /// Deployment: the verifier does not accept the verifying key.
    #[error("the verifying key has a point that is not in its group; generate the key again")]
    KeyInvalid,
    /// The registry has no such tier.
    #[error("this registry has no tier {0}; choose one that it lists")]
    UnknownTier(U256),
    /// The commitment is zero, or not a field element.
    #[error(
        "{0:#066x} is not an identity commitment: it must be above zero and below the order of the BN254 scalar field"
    )]
    CommitmentOutOfRange(U256),
    /// The depositor has, or had, a membership with this commitment.
    #[error(
        "{depositor} has deposited for the commitment {commitment:#066x} here before; look for that deposit, and use a \
         new identity (another account of the same seed) only for one more"
    )]
    CommitmentUsed {
        /// The commitment.
        commitment: U256,
        /// The depositor.
        depositor: Address,
    },
    /// The secret of the commitment is known.
    #[error("the commitment {0:#066x} was slashed here, so its secret is known; deposit with a new identity")]
    CommitmentSlashed(U256),
    /// All slots are used.
    #[error("the registry is full; deposit at another")]
    TreeFull,
    /// The token takes a fee on transfer.
    #[error("the token took a fee ({received} of {expected} arrived), which this registry does not accept")]
    TokenTookFee {
        /// The tier's amount.
        expected: U256,
        /// What arrived.
        received: U256,
    },
    /// Members can join only through the gate.
    #[error(
        "this registry has a gate, which decides who joins; deposit with the data that the gate asks for (--gate-data)"
    )]
    HasGate,
    /// The registry has no gate.
    #[error("this registry has no gate; deposit for one of its tiers")]
    HasNoGate,
    /// The gate does not admit the account.
    #[error("the registry's gate does not admit {0}; check what it asks for")]
    NotAdmitted(Address),
    /// The stake that the gate gives costs more than the depositor allows.
    #[error(
        "the stake that the gate gives costs {amount} of the token's smallest unit, more than the maximum {max}; raise \
         the maximum"
    )]
    DepositAboveMaximum {
        /// The cost.
        amount: U256,
        /// The depositor's maximum.
        max: U256,
    },
    /// Fewer members have this commitment.
    #[error("the commitment {commitment:#066x} has no membership number {number}; ask how many it has")]
    UnknownSlot {
        /// The commitment.
        commitment: U256,
        /// The requested number.
        number: U256,
    },
    /// The payments of a slash might run out of gas.
    #[error("the transaction has too little gas for its payments: {0} are needed before each; send it with more")]
    GasTooLow(U256),
    /// The account has nothing to claim.
    #[error("there is nothing for {0} to claim")]
    NothingToClaim(Address),
    /// The caller names a receiver for another account's credits.
    #[error("{caller} cannot choose the receiver of {account}'s credits; claim them to the account itself")]
    NotClaimant {
        /// The owner of the credits.
        account: Address,
        /// The sender of the transaction.
        caller: Address,
    },
    /// No member has this index.
    #[error("no member was ever added at index {0}; check the index")]
    UnknownMember(U256),
    /// Another account made the deposit.
    #[error("{caller} did not make the deposit of member {index}; send this from the depositor's account")]
    NotDepositor {
        /// The member.
        index: U256,
        /// The sender of the transaction.
        caller: Address,
    },
    /// The exit is already under way.
    #[error("the exit of member {0} was already requested; wait for its delay, then withdraw")]
    ExitAlreadyRequested(U256),
    /// The exit must be requested before a withdrawal.
    #[error("the exit of member {0} was not requested yet; request it first")]
    ExitNotRequested(U256),
    /// The delay is not over.
    #[error("member {index} can withdraw at Unix time {withdrawable_at}, not before")]
    ExitPending {
        /// The member.
        index: U256,
        /// When `withdraw` opens, in Unix seconds.
        withdrawable_at: U256,
    },
    /// The deposit was withdrawn or slashed.
    #[error("member {0} is gone: its deposit was withdrawn or slashed before")]
    MemberGone(U256),
    /// The receiver is the zero address.
    #[error("the receiver is the zero address; name an account that can be paid")]
    ReceiverZero,
    /// The slash proof does not hold for this member and this receiver.
    #[error(
        "the slash proof does not hold for this member, receiver, registry and verifying key; generate a new proof"
    )]
    ProofInvalid,
    /// The range is not valid.
    #[error("the range {from}..{to} of members is not within the registry; ask for one that ends at its member count")]
    RangeInvalid {
        /// First index.
        from: U256,
        /// Index after the last.
        to: U256,
    },
    /// The depositor does not have the tokens.
    #[error("{account} holds {balance} of the token's smallest unit and needs {needed}; get more tokens first")]
    InsufficientBalance {
        /// The paying account.
        account: Address,
        /// Its balance.
        balance: U256,
        /// The price of the tier.
        needed: U256,
    },
    /// The registry may not take the tokens.
    #[error("{spender} may take {allowance} of the token's smallest unit and needs {needed}; approve the amount first")]
    InsufficientAllowance {
        /// The registry.
        spender: Address,
        /// The depositor's allowance.
        allowance: U256,
        /// The price of the tier.
        needed: U256,
    },
    /// The token refused a transfer without a reason.
    #[error("the token {0} refused the transfer without a reason; check balance and allowance")]
    TokenFailed(Address),
    /// A contract called back into the registry.
    #[error("the registry was called again during its own transfer, which it does not allow")]
    Reentrancy,
    /// A contract, such as a token or gate, gave its reason as text.
    #[error("the contract refused: {0}")]
    Message(String),
    /// A Solidity panic, which is a bug in the contract.
    #[error("the contract panicked with code {0:#x}, which is a bug in it; please report it")]
    Panic(U256),
    /// No reason was given.
    #[error("the contract reverted without a reason; check that the address is that of a registry")]
    NoReason,
    /// An error that this version of quotapass does not know.
    #[error("the contract refused with an error unknown to this version of quotapass: {0}")]
    Unknown(Bytes),
}

impl ContractRefusal {
    /// Decodes the revert data.
    pub fn decode(data: &Bytes) -> Self {
        if data.is_empty() {
            return Self::NoReason;
        }
        if let Ok(Revert { reason }) = Revert::abi_decode(data) {
            return Self::Message(reason);
        }
        if let Ok(Panic { code }) = Panic::abi_decode(data) {
            return Self::Panic(code);
        }
        if SlashVerifierAbi::KeyInvalid::abi_decode(data).is_ok() {
            return Self::KeyInvalid;
        }
        Self::of_registry(data).or_else(|| Self::of_token(data)).unwrap_or_else(|| Self::Unknown(data.clone()))
    }

    fn of_registry(data: &[u8]) -> Option<Self> {
        use RegistryAbiErrors as E;
        Some(match E::abi_decode(data).ok()? {
            E::TierCountInvalid(error) => Self::TierCountInvalid(error.count),
            E::TierInvalid(error) => Self::TierInvalid(error.tier),
            E::ExitDelayZero(_) => Self::ExitDelayZero,
            E::RewardTooHigh(error) => Self::RewardTooHigh { reward_bps: error.rewardBps, max: error.maxRewardBps },
            E::NoCode(error) => Self::NoCode(error.account),
            E::UnknownTier(error) => Self::UnknownTier(error.tier),
            E::CommitmentOutOfRange(error) => Self::CommitmentOutOfRange(error.idc),
            E::CommitmentUsed(error) => Self::CommitmentUsed { commitment: error.idc, depositor: error.depositor },
            E::CommitmentSlashed(error) => Self::CommitmentSlashed(error.idc),
            E::AmountTooHigh(error) => Self::AmountTooHigh(error.amount),
            E::StakePriceWithoutGate(_) => Self::StakePriceWithoutGate,
            E::HasGate(_) => Self::HasGate,
            E::HasNoGate(_) => Self::HasNoGate,
            E::NotAdmitted(error) => Self::NotAdmitted(error.account),
            E::DepositAboveMaximum(error) => Self::DepositAboveMaximum { amount: error.amount, max: error.maxAmount },
            E::UnknownSlot(error) => Self::UnknownSlot { commitment: error.idc, number: error.number },
            E::GasTooLow(error) => Self::GasTooLow(error.needed),
            E::NothingToClaim(error) => Self::NothingToClaim(error.account),
            E::NotClaimant(error) => Self::NotClaimant { account: error.account, caller: error.caller },
            E::TreeFull(_) => Self::TreeFull,
            E::TokenTookFee(error) => Self::TokenTookFee { expected: error.expected, received: error.received },
            E::UnknownMember(error) => Self::UnknownMember(error.index),
            E::NotDepositor(error) => Self::NotDepositor { index: error.index, caller: error.caller },
            E::ExitAlreadyRequested(error) => Self::ExitAlreadyRequested(error.index),
            E::ExitNotRequested(error) => Self::ExitNotRequested(error.index),
            E::ExitPending(error) => Self::ExitPending { index: error.index, withdrawable_at: error.withdrawableAt },
            E::MemberGone(error) => Self::MemberGone(error.index),
            E::ReceiverZero(_) => Self::ReceiverZero,
            E::ProofInvalid(_) => Self::ProofInvalid,
            E::RangeInvalid(error) => Self::RangeInvalid { from: error.from, to: error.to },
            E::SafeERC20FailedOperation(error) => Self::TokenFailed(error.token),
            E::ReentrancyGuardReentrantCall(_) => Self::Reentrancy,
        })
    }

    fn of_token(data: &[u8]) -> Option<Self> {
        use TokenAbiErrors as E;
        match E::abi_decode(data).ok()? {
            E::ERC20InsufficientBalance(error) => {
                Some(Self::InsufficientBalance { account: error.sender, balance: error.balance, needed: error.needed })
            }
            E::ERC20InsufficientAllowance(error) => Some(Self::InsufficientAllowance {
                spender: error.spender,
                allowance: error.allowance,
                needed: error.needed,
            }),
            _ => None,
        }
    }

    /// The member that the refusal concerns, if any.
    pub fn member(&self) -> Option<MemberIndex> {
        match self {
            Self::UnknownMember(index)
            | Self::NotDepositor { index, .. }
            | Self::ExitAlreadyRequested(index)
            | Self::ExitNotRequested(index)
            | Self::ExitPending { index, .. }
            | Self::MemberGone(index) => u32::try_from(*index).ok().map(MemberIndex),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commitment_is_shown_as_everywhere_else() {
        let commitment = quotapass_circuits::identity::IdentityCommitment::from_be_bytes(&[7; 32]).unwrap();
        let number = U256::from_be_bytes(commitment.to_be_bytes());
        for refusal in [
            ContractRefusal::CommitmentOutOfRange(number),
            ContractRefusal::CommitmentUsed { commitment: number, depositor: Address::ZERO },
            ContractRefusal::CommitmentSlashed(number),
            ContractRefusal::UnknownSlot { commitment: number, number: U256::ZERO },
        ] {
            assert!(refusal.to_string().contains(&commitment.to_string()), "{refusal}");
        }
    }
}
