//! A copy of a registry: its members, its tree and what became of each, read from its events, checked against its root,
//! and kept in memory or in a file.
//!
//! A sync reads the events block by block, in ranges as wide as the endpoint bears, and writes each range with one
//! transaction of the database: whoever is killed in the middle goes on where he was. Once the latest block is reached,
//! the root is compared with the contract's at that block; only then does the copy answer. If the chain was reorganised,
//! the latest block that both have is found by the hashes that were stored, everything after it is taken back, and the
//! new branch is read.
//!
//! ```no_run
//! use quotapass::registry::{
//!     Follower, FollowerSettings, Observer, Registry, RegistryContract,
//!     rpc::{JsonRpcNode, RpcSettings},
//! };
//!
//! # let commitment = quotapass::circuits::identity::IdentitySecret::from_seed(b"a seed", &quotapass::circuits::
//! #     registry_id::RegistryId { chain_id: 1, address: [0; 20] }, 0)?.commitment();
//! let node = JsonRpcNode::connect("http://127.0.0.1:8545", RpcSettings::default())?;
//! let registry = RegistryContract::connect(node, "0x5fbdb2315678afecb367f032d93f642f64180aa3".parse()?)?;
//! let settings = FollowerSettings {
//!     progress: Observer::new(|at: quotapass::registry::SyncProgress| {
//!         eprintln!("block {} of {}, {} members, {:?} left", at.block, at.head, at.members, at.remaining());
//!     }),
//!     ..FollowerSettings::default()
//! };
//! let mut follower = Follower::open_or_create("members.redb".as_ref(), registry.id(), settings)?;
//! let synced = follower.sync(&registry)?;
//! println!("{} members at block {}", synced.head.member_count, synced.head.block.number);
//! // Anybody can deposit for a commitment: a wallet takes the membership of its own deposit.
//! for (index, depositor) in follower.slots_of(commitment)? {
//!     println!("member {index}, deposited by {depositor}: {:?}", follower.path(index)?);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A relay gives [`FollowerSettings::history`] the length of its longest root window, and its root history what a sync
//! tells: `relay.reorganise_roots(undone, roots)`, where `undone` is `synced.undone.map_or(0, |undone| undone.roots)` and
//! `roots` are pairs of `root` and `since` of [`Synced::roots`].

mod change;
mod error;
mod history;
mod range;
mod record;
mod rewind;
mod store;
mod sync;

use core::time::Duration;
use std::path::Path;

use alloy_primitives::{Address, BlockNumber};
use quotapass_circuits::{
    identity::IdentityCommitment,
    membership::{Levels, Member, MemberIndex, MemberPath, MemberTree, Root},
    registry_id::RegistryId,
};

pub use change::{Change, RootChange, SyncProgress, Synced, Undone};
pub use error::{FollowError, StoreError};

use self::{
    store::{State, Store},
    sync::Pending,
};
use super::{Head, MemberRecord, Observer};

/// How a registry is followed.
#[derive(Clone, Debug)]
pub struct FollowerSettings {
    /// The first block that may have events of the registry. Without one, the registry's node is asked for the block of
    /// the deployment, and if it cannot tell, all blocks are read.
    pub first_block: Option<BlockNumber>,
    /// How many blocks a reorganisation may take back at most.
    pub reorganisation_limit: u64,
    /// Events of blocks at most this much older than the latest are applied and told one by one, with the root after
    /// each; earlier ones are applied at once, which is much faster.
    pub history: Duration,
    /// Who is told how a sync goes on.
    pub progress: Observer<SyncProgress>,
}

impl Default for FollowerSettings {
    fn default() -> Self {
        Self { first_block: None, reorganisation_limit: 256, history: Duration::ZERO, progress: Observer::default() }
    }
}

/// A copy of a registry.
#[derive(Debug)]
pub struct Follower {
    registry: RegistryId,
    settings: FollowerSettings,
    store: Store,
    state: State,
    /// The tree of the store's members.
    tree: MemberTree,
    /// What was done and not told yet, since a sync failed after it.
    pending: Pending,
}

impl Follower {
    /// A copy in memory.
    ///
    /// # Errors
    /// [`FollowError::Store`] if there is none to be had.
    pub fn in_memory(registry: RegistryId, settings: FollowerSettings) -> Result<Self, FollowError> {
        let state = Self::blank(&settings);
        Self::of_store(registry, settings, Store::in_memory(registry, &state)?)
    }

    /// A new copy in a file.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if there is such a file, and others if it cannot be written.
    pub fn create(path: &Path, registry: RegistryId, settings: FollowerSettings) -> Result<Self, FollowError> {
        let state = Self::blank(&settings);
        Self::of_store(registry, settings, Store::create(path, registry, &state)?)
    }

    /// Opens the file of a copy. Nobody else can open it meanwhile. Nothing is hashed: the paths that it gives are
    /// checked one by one.
    ///
    /// # Errors
    /// [`StoreError`] if it is not there, in use, of another kind, version or registry, or damaged.
    pub fn open(path: &Path, registry: RegistryId, settings: FollowerSettings) -> Result<Self, FollowError> {
        Self::of_store(registry, settings, Store::open(path, registry)?)
    }

    /// Opens the file of a copy, or starts a new one if there is no such file.
    ///
    /// # Errors
    /// As [`open`](Self::open): a file that is there and cannot be opened is not replaced.
    pub fn open_or_create(path: &Path, registry: RegistryId, settings: FollowerSettings) -> Result<Self, FollowError> {
        if path.exists() { Self::open(path, registry, settings) } else { Self::create(path, registry, settings) }
    }

    fn blank(settings: &FollowerSettings) -> State {
        let root = MemberTree::new(Levels::STANDARD).root();
        State { first: settings.first_block, read: None, verified: None, root }
    }

    fn of_store(registry: RegistryId, settings: FollowerSettings, store: Store) -> Result<Self, FollowError> {
        let tree = MemberTree::new(Levels::STANDARD);
        let state = store.state()?;
        let mut follower = Self { registry, settings, store, state, tree, pending: Pending::default() };
        follower.load()?;
        Ok(follower)
    }

    /// Takes tree and state from the store.
    fn load(&mut self) -> Result<(), StoreError> {
        self.state = self.store.state()?;
        self.tree = self.store.tree()?;
        if self.tree.root() != self.state.root {
            return Err(self.store.damaged(&"its nodes do not lead to its root"));
        }
        Ok(())
    }

    /// Whose copy it is.
    pub fn registry(&self) -> RegistryId {
        self.registry
    }

    /// The latest block that was read, with root and member count; none before the first sync and in the middle of one.
    pub fn head(&self) -> Option<Head> {
        let block = self.state.read.filter(|read| self.state.verified == Some(read.number))?;
        Some(Head { block, root: self.tree.root(), member_count: self.tree.len() as u64 })
    }

    /// How far it has read, also in the middle of a sync.
    pub fn read_to(&self) -> Option<BlockNumber> {
        self.state.read.map(|block| block.number)
    }

    /// The first block that it reads; none before the first sync, unless it was given.
    pub fn first_block(&self) -> Option<BlockNumber> {
        self.state.first
    }

    fn synced(&self) -> Result<(), FollowError> {
        if self.head().is_some() { Ok(()) } else { Err(FollowError::NotSynced) }
    }

    /// The tree as of [`head`](Self::head).
    ///
    /// # Errors
    /// [`FollowError::NotSynced`].
    pub fn tree(&self) -> Result<&MemberTree, FollowError> {
        self.synced().map(|()| &self.tree)
    }

    /// The root as of [`head`](Self::head).
    ///
    /// # Errors
    /// [`FollowError::NotSynced`].
    pub fn root(&self) -> Result<Root, FollowError> {
        Ok(self.tree()?.root())
    }

    /// Members ever added.
    ///
    /// # Errors
    /// [`FollowError::NotSynced`].
    pub fn member_count(&self) -> Result<u64, FollowError> {
        Ok(self.tree()?.len() as u64)
    }

    /// A slot of the tree; none if it is empty or its member has left.
    ///
    /// # Errors
    /// [`FollowError::NotSynced`].
    pub fn member(&self, index: MemberIndex) -> Result<Option<Member>, FollowError> {
        Ok(self.tree()?.member(index))
    }

    /// What is known of a member, gone or not; none if there never was one of this index.
    ///
    /// # Errors
    /// [`FollowError::NotSynced`], and [`FollowError::Store`] if the store cannot be read.
    pub fn record(&self, index: MemberIndex) -> Result<Option<MemberRecord>, FollowError> {
        self.synced()?;
        Ok(self.store.member(index)?.map(|member| member.record()))
    }

    /// Where a commitment was added and by whom, in the order of the deposits, whether or not the members have left. A
    /// depositor is in it once. It goes through the store.
    ///
    /// # Errors
    /// [`FollowError::NotSynced`], and [`FollowError::Store`] if the store cannot be read.
    pub fn slots_of(&self, commitment: IdentityCommitment) -> Result<Vec<(MemberIndex, Address)>, FollowError> {
        self.synced()?;
        let mut found = Vec::new();
        self.store.for_each_member(|index, stored| {
            if stored.member.commitment == commitment {
                found.push((index, stored.depositor));
            }
        })?;
        Ok(found)
    }

    /// The members that have left the tree, each with the block that zeroed its slot, by index.
    ///
    /// # Errors
    /// [`FollowError::NotSynced`], and [`FollowError::Store`] if the store cannot be read.
    pub fn departures(&self) -> Result<Vec<(IdentityCommitment, BlockNumber)>, FollowError> {
        self.synced()?;
        let mut departures = Vec::new();
        self.store.for_each_member(|_, stored| {
            departures.extend(stored.zeroed.map(|block| (stored.member.commitment, block)));
        })?;
        Ok(departures)
    }

    /// The path of a member to [`root`](Self::root), checked: a store that was changed does not go unnoticed.
    ///
    /// # Errors
    /// [`FollowError::Tree`] if there is no such member or it has left, [`StoreError::Damaged`] if the path does not
    /// lead to the root.
    pub fn path(&self, index: MemberIndex) -> Result<MemberPath, FollowError> {
        let tree = self.tree()?;
        let path = tree.path(index)?;
        let leads = tree.member(index).is_some_and(|member| path.root(&member) == tree.root());
        if leads { Ok(path) } else { Err(self.store.damaged(&format_args!("the path of member {index}")).into()) }
    }
}
