//! A copy of a registry: its tree and the record of each member, read from the registry's events, checked against its
//! root, and stored in memory or in a file.
//!
//! A sync reads the events block by block, in ranges as wide as the endpoint allows, and writes each range in one
//! database transaction, so a killed process resumes where it stopped. At the latest block, the root is compared with
//! the contract's root at that block; the copy answers queries only after this check. If the chain was reorganised, the
//! stored block hashes give the latest common block, everything after it is undone, and the new branch is read. An
//! endpoint whose chain merely ends earlier is waited for.
//!
//! ```no_run
//! use quotapass_registry::{
//!     Follower, FollowerSettings, Observer, RegistryContract, RegistryReader,
//!     rpc::{JsonRpcNode, RpcSettings},
//! };
//!
//! # let commitment = quotapass_circuits::identity::IdentitySecret::from_seed(b"a seed", &quotapass_circuits::
//! #     registry_id::RegistryId { chain_id: 1, address: [0; 20] }, 0)?.commitment();
//! let node = JsonRpcNode::connect("http://127.0.0.1:8545", RpcSettings::default())?;
//! let registry = RegistryContract::connect(node, "0x5fbdb2315678afecb367f032d93f642f64180aa3".parse()?)?;
//! let settings = FollowerSettings {
//!     progress: Observer::new(|at: quotapass_registry::SyncProgress| {
//!         eprintln!("block {} of {}, {} members, {:?} left", at.block, at.head, at.members, at.remaining());
//!     }),
//!     ..FollowerSettings::default()
//! };
//! let mut follower = Follower::open_or_create("members.redb".as_ref(), registry.id(), settings)?;
//! let synced = follower.sync(&registry)?;
//! println!("{} members at block {}", synced.head.member_count, synced.head.block.number);
//! // Anybody can deposit for a commitment: a wallet uses the membership of its own deposit.
//! for (index, depositor) in follower.slots_of(commitment)? {
//!     println!("member {index}, deposited by {depositor}: {:?}", follower.path(index)?);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A relay sets [`FollowerSettings::history`] to its longest root window, and passes the result of each sync to its
//! root history: `relay.reorganise_roots(undone, roots)`, where `undone` is
//! `synced.undone.map_or(0, |undone| undone.roots)` and `roots` are pairs of `root` and `since` of [`SyncedMembers::roots`].

mod change;
mod error;
mod first;
mod history;
mod range;
mod record;
mod rewind;
mod store;
mod sync;

use core::time::Duration;
use std::path::{Path, PathBuf};

use alloy_primitives::{Address, BlockNumber};
use quotapass_circuits::{
    identity::IdentityCommitment,
    membership::{Levels, Member, MemberIndex, MemberPath, MemberTree, Root},
    registry_id::RegistryId,
};

pub use change::{Change, RootChange, SyncProgress, SyncedMembers, Undone};
pub use error::{FollowError, StoreError};

use self::{
    store::{CopyState, Store},
    sync::Pending,
};
use super::{Head, MemberRecord, Observer};

/// Settings of a follower.
#[derive(Clone, Debug)]
pub struct FollowerSettings {
    /// The first block to read, which must not be later than the registry's first deposit. If `None`, it is found by the
    /// day of this deposit, which the contract records.
    pub first_block: Option<BlockNumber>,
    /// Maximum number of blocks that a reorganisation may undo.
    pub reorganisation_limit: u64,
    /// Events of blocks up to this much older than the latest block are applied and reported one by one, with the root
    /// after each; older events are applied in bulk, which is much faster.
    pub history: Duration,
    /// Observer of the progress of a sync.
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
    state: CopyState,
    /// The tree of the store's members.
    tree: MemberTree,
    /// Changes that were made but not reported yet, because a sync failed after them.
    pending: Pending,
}

impl Follower {
    /// A copy in memory.
    ///
    /// # Errors
    /// [`FollowError::Store`] if the store cannot be made.
    pub fn in_memory(registry: RegistryId, settings: FollowerSettings) -> Result<Self, FollowError> {
        Self::of_store(registry, settings, Store::in_memory(registry, &Self::blank())?)
    }

    /// A new copy in a file.
    ///
    /// # Errors
    /// [`StoreError::Exists`] if the file exists, and others if it cannot be written.
    pub fn create(path: &Path, registry: RegistryId, settings: FollowerSettings) -> Result<Self, FollowError> {
        Self::of_store(registry, settings, Store::create(path, registry, &Self::blank())?)
    }

    /// Opens the file of a copy and locks it: nothing else can open it at the same time. Opening hashes nothing;
    /// instead, each path is checked when it is requested.
    ///
    /// # Errors
    /// [`StoreError`] if the file is missing, in use, of another kind, version or registry, or damaged.
    pub fn open(path: &Path, registry: RegistryId, settings: FollowerSettings) -> Result<Self, FollowError> {
        Self::of_store(registry, settings, Store::open(path, registry)?)
    }

    /// Opens the file of a copy, or creates it if it does not exist.
    ///
    /// # Errors
    /// As [`open`](Self::open): an existing file that cannot be opened is not replaced.
    pub fn open_or_create(path: &Path, registry: RegistryId, settings: FollowerSettings) -> Result<Self, FollowError> {
        if !path.exists() {
            match Self::create(path, registry, settings.clone()) {
                // Another process has just made it.
                Err(FollowError::Store(StoreError::Exists(_))) => {}
                made => return made,
            }
        }
        Self::open(path, registry, settings)
    }

    /// Continues in memory and closes the file, which other programs can then open. The file keeps its content.
    ///
    /// # Errors
    /// [`FollowError::Store`] if the file cannot be read.
    pub fn into_memory(mut self) -> Result<Self, FollowError> {
        self.store = self.store.to_memory(self.registry)?;
        Ok(self)
    }

    /// Moves the file of a copy aside, to the same name with the extension `old`, so that a new copy can be made.
    /// Returns the new path; `None` if there is no file. A file of an earlier call is replaced.
    ///
    /// # Errors
    /// [`StoreError::InUse`], and [`StoreError::Failed`] if the file cannot be renamed.
    pub fn set_aside(path: &Path) -> Result<Option<PathBuf>, StoreError> {
        Store::set_aside(path)
    }

    fn blank() -> CopyState {
        let root = MemberTree::new(Levels::STANDARD).root();
        CopyState { first: None, read: None, verified: None, root }
    }

    fn of_store(registry: RegistryId, settings: FollowerSettings, store: Store) -> Result<Self, FollowError> {
        let tree = MemberTree::new(Levels::STANDARD);
        let state = store.state()?;
        let mut follower = Self { registry, settings, store, state, tree, pending: Pending::default() };
        follower.load()?;
        Ok(follower)
    }

    /// Loads tree and state from the store.
    fn load(&mut self) -> Result<(), StoreError> {
        self.state = self.store.state()?;
        self.tree = self.store.tree()?;
        if self.tree.root() != self.state.root {
            return Err(self.store.damaged(&"its nodes do not hash to its root"));
        }
        Ok(())
    }

    /// The registry of the copy.
    pub fn registry(&self) -> RegistryId {
        self.registry
    }

    /// The latest block that was read, with root and member count; `None` before the first sync and while a sync is
    /// incomplete.
    pub fn head(&self) -> Option<Head> {
        let block = self.state.read.filter(|read| self.state.verified == Some(read.number))?;
        Some(Head { block, root: self.tree.root(), member_count: self.tree.len() as u64 })
    }

    /// The latest block that was read, also while a sync is incomplete.
    pub fn read_to(&self) -> Option<BlockNumber> {
        self.state.read.map(|block| block.number)
    }

    /// The first block that it reads; `None` before the first sync, unless the settings give it.
    pub fn first_block(&self) -> Option<BlockNumber> {
        self.settings.first_block.or(self.state.first)
    }

    fn synced(&self) -> Result<(), FollowError> {
        if self.head().is_some() { Ok(()) } else { Err(FollowError::NotSynced) }
    }

    /// The tree as of [`head`](Self::head). A clone of it is a snapshot, which shares memory with the copy's tree.
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

    /// The member in a slot of the tree; `None` if the slot is empty or its member has left.
    ///
    /// # Errors
    /// [`FollowError::NotSynced`].
    pub fn member(&self, index: MemberIndex) -> Result<Option<Member>, FollowError> {
        Ok(self.tree()?.member(index))
    }

    /// The record of a member, present or gone; `None` if no member ever had this index.
    ///
    /// # Errors
    /// [`FollowError::NotSynced`], and [`FollowError::Store`] if the store cannot be read.
    pub fn record(&self, index: MemberIndex) -> Result<Option<MemberRecord>, FollowError> {
        self.synced()?;
        Ok(self.store.member(index)?.map(|member| member.record()))
    }

    /// All indices at which a commitment was added, with the depositors, in the order of the deposits, whether or not
    /// the members have left. Each depositor appears once. This scans the store.
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

    /// The path of a member to [`root`](Self::root). It is checked, so a changed store is detected.
    ///
    /// # Errors
    /// [`FollowError::Tree`] if the member does not exist or has left, [`StoreError::Damaged`] if the path does not
    /// lead to the root.
    pub fn path(&self, index: MemberIndex) -> Result<MemberPath, FollowError> {
        let tree = self.tree()?;
        let path = tree.path(index)?;
        let leads = tree.member(index).is_some_and(|member| path.root(&member) == tree.root());
        if leads { Ok(path) } else { Err(self.store.damaged(&format_args!("the path of member {index}")).into()) }
    }
}
