//! The chain: who has deposited, on what terms, and who has left.
//!
//! [`Registry`] is what relays, wallets and the command line know of it. [`RegistryContract`] implements it over any
//! EVM chain that is a [`Node`](node::Node); [`embedded`] is such a chain in process. [`Follower`] keeps a copy of the
//! member tree from the registry's events and checks it against the contract's root.

pub mod bindings;
mod contract;
mod convert;
pub mod deployment;
pub mod embedded;
mod error;
mod event;
pub mod follower;
pub mod node;
mod observer;
pub mod provenance;
#[cfg(feature = "rpc")]
pub mod rpc;
mod types;

use core::ops::{Range, RangeInclusive};

use alloy_primitives::{Address, B256, BlockNumber, Bytes, Signature, U256};
use quotapass_circuits::{
    identity::IdentityCommitment,
    membership::{Member, MemberIndex, Root},
    proof::Proof,
    registry_id::RegistryId,
};

pub use alloy_primitives;
pub use contract::RegistryContract;
pub use convert::UnexpectedAnswer;
pub use error::{Refusal, RegistryError};
pub use event::{LoggedEvent, RegistryEvent};
pub use follower::{Change, FollowError, Follower, FollowerSettings, StoreError, SyncProgress, Synced};
pub use observer::Observer;
pub use provenance::{CodeHash, Distrust, Provenance};
pub use types::{Block, Gate, Head, MemberRecord, MemberStatus, Receipt, RegistryInfo, Tier, TierNumber, TokenInfo};

/// The EIP-712 digest of an ERC-2612 permit, which the owner of the tokens signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PermitDigest(pub B256);

/// An ERC-2612 permit for the tier's amount and the fee, signed by the depositor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permit {
    /// Until when it may be used, in Unix seconds.
    pub deadline: u64,
    /// The signature of [`Registry::permit_digest`].
    pub signature: Signature,
}

/// A registry contract on some chain.
///
/// Transactions are sent from an account that the backend can send for; they return once they are included in a block,
/// and fail with [`RegistryError::Refused`], nothing changed, when the contract says no. Amounts are in the token's
/// smallest unit.
pub trait Registry: Send + Sync {
    /// Which registry this is.
    fn id(&self) -> RegistryId;

    /// Its terms, and how much it holds.
    ///
    /// # Errors
    /// [`RegistryError`] if the chain or the contract does not answer as expected.
    fn info(&self) -> Result<RegistryInfo, RegistryError>;

    /// Root, member count and latest block, read at one moment.
    ///
    /// # Errors
    /// [`RegistryError`] likewise.
    fn head(&self) -> Result<Head, RegistryError>;

    /// The root of the member tree.
    ///
    /// # Errors
    /// [`RegistryError`] likewise.
    fn root(&self) -> Result<Root, RegistryError> {
        Ok(self.head()?.root)
    }

    /// The latest block.
    ///
    /// # Errors
    /// [`RegistryError`] likewise.
    fn latest_block(&self) -> Result<Block, RegistryError> {
        Ok(self.head()?.block)
    }

    /// A block of the chain as it now stands; none if it is not that long.
    ///
    /// # Errors
    /// [`RegistryError`] likewise.
    fn block(&self, number: BlockNumber) -> Result<Option<Block>, RegistryError>;

    /// A slot of the tree; none if it is empty or its member has left.
    ///
    /// # Errors
    /// [`RegistryError`] likewise.
    fn member_at(&self, index: MemberIndex) -> Result<Option<Member>, RegistryError>;

    /// Slots of the tree; the range must end at the member count or before.
    ///
    /// # Errors
    /// [`Refusal::RangeInvalid`] if it does not.
    fn members_in(&self, range: Range<MemberIndex>) -> Result<Vec<Option<Member>>, RegistryError>;

    /// What is known of a member, gone or not.
    ///
    /// # Errors
    /// [`Refusal::UnknownMember`] if there never was one of this index.
    fn record(&self, index: MemberIndex) -> Result<MemberRecord, RegistryError>;

    /// Where a depositor added a commitment, whether or not its member has left; none if the depositor never did.
    ///
    /// A commitment is public before its deposit is in a block, and anybody can deposit for it first. The membership of
    /// that deposit is the stranger's, in a tier and for a time of the stranger's choice: so a wallet looks for its own.
    ///
    /// # Errors
    /// [`RegistryError`] if the chain or the contract does not answer as expected.
    fn index_of(
        &self,
        commitment: IdentityCommitment,
        depositor: Address,
    ) -> Result<Option<MemberIndex>, RegistryError>;

    /// Where a commitment was added, by all depositors in the order of their deposits, whether or not the members have
    /// left. A known secret takes the deposit of each.
    ///
    /// # Errors
    /// [`RegistryError`] likewise.
    fn slots_of(&self, commitment: IdentityCommitment) -> Result<Vec<MemberIndex>, RegistryError>;

    /// Whether the contracts run the code of this version, and which key slashes are checked with. See
    /// [`provenance`].
    ///
    /// # Errors
    /// [`RegistryError`] likewise.
    fn provenance(&self) -> Result<Provenance, RegistryError>;

    /// What the registry recorded in these blocks, oldest first.
    ///
    /// # Errors
    /// [`RegistryError`] likewise.
    fn events(&self, blocks: RangeInclusive<BlockNumber>) -> Result<Vec<LoggedEvent>, RegistryError>;

    /// The block that the registry was deployed in, or one before; none if the chain's node cannot tell.
    ///
    /// # Errors
    /// [`RegistryError`] likewise.
    fn deployment_block(&self) -> Result<Option<BlockNumber>, RegistryError> {
        Ok(None)
    }

    /// How much of the token an account holds.
    ///
    /// # Errors
    /// [`RegistryError`] likewise.
    fn balance_of(&self, account: Address) -> Result<U256, RegistryError>;

    /// How much of an account's tokens the registry may take.
    ///
    /// # Errors
    /// [`RegistryError`] likewise.
    fn allowance(&self, owner: Address) -> Result<U256, RegistryError>;

    /// What an owner signs to permit the registry to take an amount until a deadline (Unix seconds), with the owner's
    /// current nonce at the token (ERC-2612).
    ///
    /// # Errors
    /// [`RegistryError`] if the token knows no permits.
    fn permit_digest(&self, owner: Address, amount: U256, deadline: u64) -> Result<PermitDigest, RegistryError>;

    /// Allows the registry to take an amount of the caller's tokens.
    ///
    /// # Errors
    /// [`RegistryError`] if the token refuses.
    fn approve(&self, from: Address, amount: U256) -> Result<Receipt, RegistryError>;

    /// Locks the tier's amount and pays the fee, both approved before, and appends a member; [`Receipt::added`] has its
    /// index.
    ///
    /// # Errors
    /// [`Refusal`] for an unknown tier, a commitment that this depositor has used or that was slashed, or tokens that are
    /// not there or not approved.
    fn deposit(
        &self,
        from: Address,
        commitment: IdentityCommitment,
        tier: TierNumber,
    ) -> Result<Receipt, RegistryError>;

    /// [`deposit`](Self::deposit) and approval in one transaction. A permit that somebody else has sent before does no
    /// harm: the allowance decides.
    ///
    /// # Errors
    /// As [`deposit`](Self::deposit); a permit that is not valid shows as [`Refusal::InsufficientAllowance`].
    fn deposit_with_permit(
        &self,
        from: Address,
        commitment: IdentityCommitment,
        tier: TierNumber,
        permit: &Permit,
    ) -> Result<Receipt, RegistryError>;

    /// Joins a registry with a gate: locks what the gate's stake costs, at most `max_amount`, and pays the fee, both
    /// approved before. `data` is what the gate wants to see.
    ///
    /// # Errors
    /// As [`deposit`](Self::deposit); [`Refusal::NotAdmitted`], or the gate's own reason.
    fn deposit_gated(
        &self,
        from: Address,
        commitment: IdentityCommitment,
        max_amount: U256,
        data: Bytes,
    ) -> Result<Receipt, RegistryError>;

    /// Zeroes the member's slot at once and starts the delay after which the deposit can be withdrawn.
    ///
    /// # Errors
    /// [`Refusal`] unless the caller is the depositor and the member is active.
    fn request_exit(&self, from: Address, index: MemberIndex) -> Result<Receipt, RegistryError>;

    /// Pays the deposit back after the delay.
    ///
    /// # Errors
    /// [`Refusal`] unless the caller is the depositor and the delay is over.
    fn withdraw(&self, from: Address, index: MemberIndex, to: Address) -> Result<Receipt, RegistryError>;

    /// Takes the deposit of a member whose identity secret is known, active or waiting to withdraw. Anybody may send
    /// it; the proof is bound to the receiver of the reward.
    ///
    /// # Errors
    /// [`Refusal::ProofInvalid`] if the proof does not hold for this member and receiver, [`Refusal::MemberGone`] if
    /// there is nothing left to take.
    fn slash(
        &self,
        from: Address,
        index: MemberIndex,
        receiver: Address,
        proof: &Proof,
    ) -> Result<Receipt, RegistryError>;

    /// What an account can claim: payments of slashes that the token refused, and the fees if it is the treasury.
    ///
    /// # Errors
    /// [`RegistryError`] if the chain or the contract does not answer as expected.
    fn claimable(&self, account: Address) -> Result<U256, RegistryError>;

    /// Pays what an account can claim, to the account or, if it is the caller, to whom it likes.
    ///
    /// # Errors
    /// [`Refusal::NothingToClaim`], [`Refusal::NotClaimant`].
    fn claim(&self, from: Address, account: Address, to: Address) -> Result<Receipt, RegistryError>;
}
