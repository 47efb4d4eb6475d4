//! The membership registry on the chain: deposits, their terms, and exits.
//!
//! [`RegistryReader`] is the interface that relays, wallets and the command line read with, and [`RegistryWriter`] the
//! one that deposits, exits and slashes go through. [`RegistryContract`] implements both over any EVM chain that is a
//! [`Node`](node::Node); [`embedded`] is an in-process chain. [`Follower`] builds a copy of the member tree from the
//! registry's events and checks it against the contract's root.
//!
//! # A member, from the deposit to the withdrawal
//!
#![cfg_attr(feature = "embedded", doc = "```")]
#![cfg_attr(not(feature = "embedded"), doc = "```ignore")]
//! use quotapass_circuits::{identity::IdentitySecret, prover::development_setup, slash::Slash, time::UnixSeconds};
//! use quotapass_registry::{
//!     Follower, FollowerSettings, RegistryReader, RegistryWriter, Tier, TierNumber,
//!     alloy_primitives::{Address, U256},
//!     deployment::RegistryConfig,
//!     embedded::{ChainSettings, EmbeddedChain},
//! };
//!
//! // A chain in memory, with a token and the contracts. Development keys are insecure.
//! let chain = EmbeddedChain::in_memory(ChainSettings { chain_id: 31_337, timestamp: UnixSeconds(1_795_176_000) });
//! let alice = Address::repeat_byte(0xa1);
//! let token = chain.deploy_token(alice)?;
//! let key = development_setup(Slash)?.verifying_key();
//! let config = RegistryConfig {
//!     token,
//!     tiers: vec![Tier { amount: U256::from(1_000), stake: 1, message_limit: 10 }],
//!     fee: U256::from(10),
//!     exit_delay: 3_600,
//!     reward_bps: 5_000,
//!     treasury: None,
//!     verifier: chain.deploy_slash_verifier(alice, &key)?,
//!     gate: None,
//! };
//! let registry = chain.deploy_registry(alice, &config)?;
//!
//! // Alice pays the deposit and the fee, and becomes a member.
//! chain.mint(token, alice, U256::from(1_010))?;
//! registry.approve(alice, U256::from(1_010))?;
//! let secret = IdentitySecret::from_seed(b"a seed", &registry.id(), 0)?;
//! let index = registry.deposit(alice, secret.commitment(), TierNumber(0))?.added().expect("a deposit adds a member");
//!
//! // A wallet or a relay follows the events with a copy of the tree.
//! let mut follower = Follower::in_memory(registry.id(), FollowerSettings::default())?;
//! follower.sync(&registry)?;
//! assert_eq!(follower.root()?, registry.root()?);
//!
//! // Alice leaves, and gets the deposit back after the delay.
//! registry.request_exit(alice, index)?;
//! chain.advance(3_600)?;
//! registry.withdraw(alice, index, alice)?;
//! assert_eq!(registry.balance_of(alice)?, U256::from(1_000));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Modules
//!
//! - [`follower`]: the copy of the members, in memory or in a file.
//! - `embedded`, `rpc`: chains in process, and chains behind an endpoint with the keys that pay there.
//! - [`deployment`], [`provenance`]: terms and code of a new registry, and the check of a registry's code.
//! - [`bindings`], [`node`]: the contracts' interface, and what a chain must offer.
//!
//! # Features
//!
//! - `embedded`: an EVM in process that runs the contracts' bytecode.
//! - `rpc`: chains behind a JSON-RPC endpoint, and the wallet keys that pay there.
//! - `ledger`: wallet keys on a Ledger.

// docs.rs shows which feature an item needs.
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod bindings;
mod contract;
mod convert;
pub mod deployment;
#[cfg(feature = "embedded")]
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
    time::UnixSeconds,
};

pub use alloy_primitives;
pub use contract::RegistryContract;
pub use convert::UnexpectedAnswer;
pub use error::{ContractRefusal, RegistryError};
pub use event::{LoggedEvent, RegistryEvent};
pub use follower::{Change, FollowError, Follower, FollowerSettings, StoreError, SyncProgress, SyncedMembers};
pub use observer::Observer;
pub use provenance::{CodeHash, Distrust, Provenance};
pub use types::{Block, Gate, Head, MemberRecord, MemberStatus, Receipt, RegistryInfo, Tier, TierNumber, TokenInfo};

/// The EIP-712 digest of an ERC-2612 permit, which the owner of the tokens signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PermitDigest(pub B256);

/// An ERC-2612 permit for the tier's amount and the fee, signed by the depositor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permit {
    /// Time until which it may be used.
    pub deadline: UnixSeconds,
    /// The signature of [`RegistryReader::permit_digest`].
    pub signature: Signature,
}

/// The reading half of a registry: its terms, members, events and accounts. Followers, relays and wallets need no more.
/// Amounts are in the token's smallest unit.
pub trait RegistryReader: Send + Sync {
    /// Identifies the registry.
    fn id(&self) -> RegistryId;

    /// Reads its terms and the total of its deposits.
    ///
    /// # Errors
    /// [`RegistryError`] if the chain or the contract does not answer as expected.
    fn info(&self) -> Result<RegistryInfo, RegistryError>;

    /// Reads root, member count and latest block, all of the same block.
    ///
    /// # Errors
    /// As [`info`](Self::info).
    fn head(&self) -> Result<Head, RegistryError>;

    /// Reads the root of the member tree.
    ///
    /// # Errors
    /// As [`info`](Self::info).
    fn root(&self) -> Result<Root, RegistryError> {
        Ok(self.head()?.root)
    }

    /// Reads the latest block.
    ///
    /// # Errors
    /// As [`info`](Self::info).
    fn latest_block(&self) -> Result<Block, RegistryError> {
        Ok(self.head()?.block)
    }

    /// Reads a block of the current chain; `None` if the chain is shorter.
    ///
    /// # Errors
    /// As [`info`](Self::info).
    fn block(&self, number: BlockNumber) -> Result<Option<Block>, RegistryError>;

    /// Reads a slot of the tree; `None` if it is empty or its member has left.
    ///
    /// # Errors
    /// As [`info`](Self::info).
    fn member_at(&self, index: MemberIndex) -> Result<Option<Member>, RegistryError>;

    /// Reads slots of the tree; the range must end at the member count or before.
    ///
    /// # Errors
    /// [`ContractRefusal::RangeInvalid`] if it does not.
    fn members_in(&self, range: Range<MemberIndex>) -> Result<Vec<Option<Member>>, RegistryError>;

    /// Reads the record of a member, present or gone.
    ///
    /// # Errors
    /// [`ContractRefusal::UnknownMember`] if no member ever had this index.
    fn record(&self, index: MemberIndex) -> Result<MemberRecord, RegistryError>;

    /// Reads the index at which a depositor added a commitment, whether or not the member has left; `None` if the
    /// depositor never added it.
    ///
    /// A commitment is public before its deposit is in a block, and an attacker can deposit for it first. The
    /// membership of that deposit belongs to the attacker, who chooses its tier and duration. So a wallet must look for
    /// its own deposit.
    ///
    /// # Errors
    /// [`RegistryError`] if the chain or the contract does not answer as expected.
    fn index_of(
        &self,
        commitment: IdentityCommitment,
        depositor: Address,
    ) -> Result<Option<MemberIndex>, RegistryError>;

    /// Reads all indices at which a commitment was added, by any depositor, in the order of the deposits, whether or
    /// not the members have left. When the secret becomes known, each of these deposits can be slashed.
    ///
    /// # Errors
    /// As [`info`](Self::info).
    fn slots_of(&self, commitment: IdentityCommitment) -> Result<Vec<MemberIndex>, RegistryError>;

    /// Reads whether the contracts run the code of this version, and which key they verify slash proofs with. See
    /// [`provenance`].
    ///
    /// # Errors
    /// As [`info`](Self::info).
    fn provenance(&self) -> Result<Provenance, RegistryError>;

    /// Reads the registry's events in these blocks, oldest first.
    ///
    /// # Errors
    /// As [`info`](Self::info).
    fn events(&self, blocks: RangeInclusive<BlockNumber>) -> Result<Vec<LoggedEvent>, RegistryError>;

    /// Reads an account's balance of the token.
    ///
    /// # Errors
    /// As [`info`](Self::info).
    fn balance_of(&self, account: Address) -> Result<U256, RegistryError>;

    /// Reads the amount of an account's tokens that the registry may take.
    ///
    /// # Errors
    /// As [`info`](Self::info).
    fn allowance(&self, owner: Address) -> Result<U256, RegistryError>;

    /// Returns the digest that an owner signs to permit the registry to take an amount until a deadline,
    /// with the owner's current nonce at the token (ERC-2612).
    ///
    /// # Errors
    /// [`RegistryError::OtherPermit`] if the token has permits of another form, and others if it has none.
    fn permit_digest(&self, owner: Address, amount: U256, deadline: UnixSeconds)
    -> Result<PermitDigest, RegistryError>;

    /// Reads the amount that an account can claim: slash payments that the token refused, and the fees if the account
    /// is the treasury.
    ///
    /// # Errors
    /// [`RegistryError`] if the chain or the contract does not answer as expected.
    fn claimable(&self, account: Address) -> Result<U256, RegistryError>;
}

/// The writing half of a registry: deposits, exits and slashes.
///
/// Transactions are sent from an account whose key the backend holds. The methods return once the transaction is
/// included in a block. If the contract refuses, they fail with [`RegistryError::Refused`] and nothing is changed.
/// Amounts are in the token's smallest unit.
pub trait RegistryWriter: RegistryReader {
    /// Allows the registry to take an amount of the caller's tokens.
    ///
    /// # Errors
    /// [`RegistryError`] if the token refuses.
    fn approve(&self, from: Address, amount: U256) -> Result<Receipt, RegistryError>;

    /// Locks the tier's amount, pays the fee, and appends a member. Both amounts must be approved before.
    /// [`Receipt::added`] returns the member's index.
    ///
    /// # Errors
    /// [`ContractRefusal`] for an unknown tier, a commitment that this depositor has used or that was slashed, or missing or
    /// unapproved tokens.
    fn deposit(
        &self,
        from: Address,
        commitment: IdentityCommitment,
        tier: TierNumber,
    ) -> Result<Receipt, RegistryError>;

    /// Approves and [deposits](Self::deposit) in one transaction. If another account has already sent the permit, the
    /// deposit still works, because only the allowance counts.
    ///
    /// # Errors
    /// As [`deposit`](Self::deposit); a permit that is not valid shows as [`ContractRefusal::InsufficientAllowance`].
    fn deposit_with_permit(
        &self,
        from: Address,
        commitment: IdentityCommitment,
        tier: TierNumber,
        permit: &Permit,
    ) -> Result<Receipt, RegistryError>;

    /// Joins a registry with a gate: locks the price of the stake that the gate gives, at most `max_amount`, and pays
    /// the fee. Both amounts must be approved before. `data` is the data that the gate asks for.
    ///
    /// # Errors
    /// As [`deposit`](Self::deposit); [`ContractRefusal::NotAdmitted`], or the gate's own reason.
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
    /// [`ContractRefusal`] unless the caller is the depositor and the member is active.
    fn request_exit(&self, from: Address, index: MemberIndex) -> Result<Receipt, RegistryError>;

    /// Pays the deposit back after the delay.
    ///
    /// # Errors
    /// [`ContractRefusal`] unless the caller is the depositor and the delay is over.
    fn withdraw(&self, from: Address, index: MemberIndex, to: Address) -> Result<Receipt, RegistryError>;

    /// Takes the deposit of a member whose identity secret is known. The member may be active or waiting to withdraw.
    /// Any account may send this; the proof is bound to the receiver of the reward.
    ///
    /// # Errors
    /// [`ContractRefusal::ProofInvalid`] if the proof does not hold for this member and receiver, [`ContractRefusal::MemberGone`] if
    /// the deposit is already gone.
    fn slash(
        &self,
        from: Address,
        index: MemberIndex,
        receiver: Address,
        proof: &Proof,
    ) -> Result<Receipt, RegistryError>;

    /// Pays the claimable amount of an account to that account. If the caller is the account itself, it may choose
    /// another receiver.
    ///
    /// # Errors
    /// [`ContractRefusal::NothingToClaim`], [`ContractRefusal::NotClaimant`].
    fn claim(&self, from: Address, account: Address, to: Address) -> Result<Receipt, RegistryError>;
}
