//! The database of a follower: members, nodes of the tree, and block hashes, which identify the chain.
//!
//! One database transaction stores a range of blocks, completely or not at all, so a process may be killed at any
//! moment. The tables:
//!
//! | table | key | value |
//! |---|---|---|
//! | `meta` | `version`, `registry`, `state` | u32, chain id u64 and address 20, [`CopyState`] as JSON |
//! | `members` | index u32 | [`StoredMember`] |
//! | `nodes` | level and place, 32 bits each | hash, 32 bytes big-endian |
//! | `blocks` | number u64 | hash 32, timestamp u64 big-endian |

use std::{
    collections::BTreeMap,
    fs,
    io::ErrorKind,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use alloy_primitives::{B256, BlockNumber};
use quotapass_circuits::{
    membership::{Levels, MemberIndex, MemberTree, Root, TreeNode},
    registry_id::RegistryId,
    time::UnixSeconds,
};
use redb::{
    Builder, Database, DatabaseError, ReadTransaction, ReadableDatabase, ReadableTable, StorageError, Table,
    TableDefinition, WriteTransaction, backends::InMemoryBackend,
};
use serde::{Deserialize, Serialize};

use super::{
    StoreError,
    record::{RECORD_BYTES, StoredMember},
};
use crate::Block;

const VERSION: u32 = 1;
const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");
const MEMBERS: TableDefinition<u32, [u8; RECORD_BYTES]> = TableDefinition::new("members");
const NODES: TableDefinition<u64, [u8; 32]> = TableDefinition::new("nodes");
const BLOCKS: TableDefinition<u64, [u8; 40]> = TableDefinition::new("blocks");

/// Size of the database's cache in memory.
const CACHE_BYTES: usize = 32 << 20;

/// Progress of the copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct CopyState {
    /// The first block that may have events, if it was found; `None` before that, and if the settings give it.
    pub(super) first: Option<BlockNumber>,
    /// The latest block that was read.
    pub(super) read: Option<Block>,
    /// The highest block at which the root is known to match the contract's. Later events are unverified.
    pub(super) verified: Option<BlockNumber>,
    /// The root after all events read.
    pub(super) root: Root,
}

/// An open database.
#[derive(Debug)]
pub(super) struct Store {
    database: Database,
    path: PathBuf,
}

/// A transaction that changes the store.
pub(super) struct Writing<'a> {
    transaction: WriteTransaction,
    store: &'a Store,
}

impl Store {
    /// A new store in memory.
    pub(super) fn in_memory(registry: RegistryId, state: &CopyState) -> Result<Self, StoreError> {
        let path = PathBuf::from("the copy in memory");
        let made = builder().create_with_backend(InMemoryBackend::new());
        let database = made.map_err(|error| failed("create", &path, &error))?;
        Self { database, path }.initialised(registry, state)
    }

    /// Copies the store to memory.
    pub(super) fn to_memory(&self, registry: RegistryId) -> Result<Self, StoreError> {
        let state = self.state()?;
        let copy = Self::in_memory(registry, &state)?;
        let mut members = BTreeMap::new();
        self.for_each_member(|index, stored| {
            members.insert(index, stored);
        })?;
        let writing = copy.write()?;
        writing.put_members(&members)?;
        writing.put_nodes(self.nodes()?)?;
        for block in self.blocks()? {
            writing.put_block(block, 0)?;
        }
        writing.commit(&state)?;
        Ok(copy)
    }

    /// A new store in a file, which appears at its path only when it is complete.
    pub(super) fn create(path: &Path, registry: RegistryId, state: &CopyState) -> Result<Self, StoreError> {
        if path.exists() {
            return Err(StoreError::Exists(path.into()));
        }
        let io = |error: std::io::Error| failed("create", path, &error);
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            fs::create_dir_all(folder).map_err(io)?;
        }
        let mut draft = path.as_os_str().to_owned();
        draft.push(".new");
        let draft = PathBuf::from(draft);
        // A crash may have left this file behind. If another process is creating it right now, the lock below fails.
        let database = match builder().create(&draft) {
            Err(DatabaseError::DatabaseAlreadyOpen) => return Err(StoreError::InUse(path.into())),
            made => made.map_err(|error| failed("create", path, &error))?,
        };
        // Another process may have finished the file before the lock, and must not lose it.
        if path.exists() {
            return Err(StoreError::Exists(path.into()));
        }
        let store = Self { database, path: path.into() }.initialised(registry, state)?;
        fs::rename(&draft, path).map_err(io)?;
        Ok(store)
    }

    /// Opens a file, and checks that its content is unchanged since it was written and that it belongs to the registry.
    pub(super) fn open(path: &Path, registry: RegistryId) -> Result<Self, StoreError> {
        if !path.exists() {
            return Err(StoreError::Missing(path.into()));
        }
        // The database trusts its pages, and panics on some changed ones. It is safe once all pages are checked.
        let opened = catch_unwind(AssertUnwindSafe(|| open_checked(path)));
        let database = opened.unwrap_or_else(|_| Err(damaged(path, &"the database cannot read it")))?;
        let store = Self { database, path: path.into() };
        store.check_meta(registry)?;
        Ok(store)
    }

    /// Moves a file to `FILE.old`, with the last extension replaced. Returns the new path, or `None` without a file.
    pub(super) fn set_aside(path: &Path) -> Result<Option<PathBuf>, StoreError> {
        if !path.exists() {
            return Ok(None);
        }
        // Any other fault of the file is a reason to move it.
        let is_in_use = || matches!(builder().open(path), Err(DatabaseError::DatabaseAlreadyOpen));
        if catch_unwind(AssertUnwindSafe(is_in_use)).unwrap_or(false) {
            return Err(StoreError::InUse(path.into()));
        }
        let aside = path.with_extension("old");
        fs::rename(path, &aside).map_err(|error| failed("move", path, &error))?;
        Ok(Some(aside))
    }

    fn initialised(self, registry: RegistryId, state: &CopyState) -> Result<Self, StoreError> {
        let writing = self.write()?;
        writing.initialise(registry)?;
        writing.commit(state)?;
        Ok(self)
    }

    fn check_meta(&self, registry: RegistryId) -> Result<(), StoreError> {
        let reading = self.read()?;
        let foreign = |_| StoreError::Foreign(self.path.clone());
        let meta = reading.open_table(META).map_err(foreign)?;
        let version = meta.get("version").map_err(|error| self.damaged(&error))?;
        let version = version.and_then(|bytes| bytes.value().try_into().ok()).map(u32::from_be_bytes);
        match version {
            Some(VERSION) => {}
            Some(found) => return Err(StoreError::Version { path: self.path.clone(), found }),
            None => return Err(StoreError::Foreign(self.path.clone())),
        }
        let found = meta.get("registry").map_err(|error| self.damaged(&error))?;
        let found = found.and_then(|bytes| registry_from_bytes(bytes.value()));
        let found = found.ok_or_else(|| self.damaged(&"it does not name its registry"))?;
        if found != registry {
            return Err(StoreError::WrongRegistry { path: self.path.clone(), found, expected: registry });
        }
        Ok(())
    }

    pub(super) fn damaged(&self, reason: &dyn core::fmt::Display) -> StoreError {
        damaged(&self.path, reason)
    }

    fn read(&self) -> Result<ReadTransaction, StoreError> {
        self.database.begin_read().map_err(|error| failed("read", &self.path, &error))
    }

    pub(super) fn write(&self) -> Result<Writing<'_>, StoreError> {
        let transaction = self.database.begin_write().map_err(|error| failed("write", &self.path, &error))?;
        Ok(Writing { transaction, store: self })
    }

    pub(super) fn state(&self) -> Result<CopyState, StoreError> {
        let reading = self.read()?;
        let meta = reading.open_table(META).map_err(|error| self.damaged(&error))?;
        let state = meta.get("state").map_err(|error| self.damaged(&error))?;
        let state = state.ok_or_else(|| self.damaged(&"it has no sync state"))?;
        serde_json::from_slice(state.value()).map_err(|error| self.damaged(&error))
    }

    /// Builds the tree without hashing.
    pub(super) fn tree(&self) -> Result<MemberTree, StoreError> {
        let reading = self.read()?;
        let members = reading.open_table(MEMBERS).map_err(|error| self.damaged(&error))?;
        let mut slots = Vec::new();
        for (expected, entry) in (0u32..).zip(members.iter().map_err(|error| self.damaged(&error))?) {
            let (index, bytes) = entry.map_err(|error| self.damaged(&error))?;
            let member = StoredMember::from_bytes(&bytes.value()).filter(|_| index.value() == expected);
            slots.push(member.ok_or_else(|| self.damaged(&format_args!("member {expected} is missing")))?.slot());
        }
        MemberTree::restore(Levels::STANDARD, slots, self.nodes()?).map_err(|error| self.damaged(&error))
    }

    /// The nodes of the tree, level by level.
    fn nodes(&self) -> Result<Vec<TreeNode>, StoreError> {
        let reading = self.read()?;
        let nodes = reading.open_table(NODES).map_err(|error| self.damaged(&error))?;
        let entries = nodes.iter().map_err(|error| self.damaged(&error))?;
        entries
            .map(|entry| {
                let (key, hash) = entry.map_err(|error| self.damaged(&error))?;
                let hash = Root::from_be_bytes(&hash.value()).map_err(|error| self.damaged(&error))?;
                Ok(TreeNode { level: (key.value() >> 32) as u8, place: key.value() as u32, hash })
            })
            .collect()
    }

    pub(super) fn member(&self, index: MemberIndex) -> Result<Option<StoredMember>, StoreError> {
        let reading = self.read()?;
        let members = reading.open_table(MEMBERS).map_err(|error| self.damaged(&error))?;
        let bytes = members.get(index.0).map_err(|error| self.damaged(&error))?;
        bytes.map(|bytes| self.decode(index, &bytes.value())).transpose()
    }

    /// Calls a function with every member, in order.
    pub(super) fn for_each_member(&self, mut visit: impl FnMut(MemberIndex, StoredMember)) -> Result<(), StoreError> {
        let reading = self.read()?;
        let members = reading.open_table(MEMBERS).map_err(|error| self.damaged(&error))?;
        for entry in members.iter().map_err(|error| self.damaged(&error))? {
            let (index, bytes) = entry.map_err(|error| self.damaged(&error))?;
            let index = MemberIndex(index.value());
            visit(index, self.decode(index, &bytes.value())?);
        }
        Ok(())
    }

    fn decode(&self, index: MemberIndex, bytes: &[u8; RECORD_BYTES]) -> Result<StoredMember, StoreError> {
        StoredMember::from_bytes(bytes).ok_or_else(|| self.damaged(&format_args!("member {index} is not valid")))
    }

    /// The blocks whose hashes identify the chain, oldest first.
    pub(super) fn blocks(&self) -> Result<Vec<Block>, StoreError> {
        let reading = self.read()?;
        let blocks = reading.open_table(BLOCKS).map_err(|error| self.damaged(&error))?;
        let entries = blocks.iter().map_err(|error| self.damaged(&error))?;
        entries
            .map(|entry| {
                let (number, bytes) = entry.map_err(|error| self.damaged(&error))?;
                let (number, bytes) = (number.value(), bytes.value());
                let (Some(hash), Some(timestamp)) = (bytes.first_chunk(), bytes.last_chunk()) else {
                    return Err(self.damaged(&format_args!("block {number} is not valid")));
                };
                Ok(Block { number, hash: B256::new(*hash), timestamp: UnixSeconds(u64::from_be_bytes(*timestamp)) })
            })
            .collect()
    }
}

impl Writing<'_> {
    fn table<K: redb::Key + 'static, V: redb::Value + 'static>(
        &self,
        definition: TableDefinition<'static, K, V>,
    ) -> Result<Table<'_, K, V>, StoreError> {
        self.transaction.open_table(definition).map_err(|error| self.store.damaged(&error))
    }

    fn failed(&self, error: &dyn core::fmt::Display) -> StoreError {
        failed("write", &self.store.path, error)
    }

    fn initialise(&self, registry: RegistryId) -> Result<(), StoreError> {
        let mut meta = self.table(META)?;
        let version = VERSION.to_be_bytes();
        meta.insert("version", &version[..]).map_err(|error| self.failed(&error))?;
        meta.insert("registry", &registry_to_bytes(registry)[..]).map_err(|error| self.failed(&error))?;
        self.table(MEMBERS)?;
        self.table(NODES)?;
        self.table(BLOCKS)?;
        Ok(())
    }

    pub(super) fn put_members<'m>(
        &self,
        members: impl IntoIterator<Item = (&'m MemberIndex, &'m StoredMember)>,
    ) -> Result<(), StoreError> {
        let mut table = self.table(MEMBERS)?;
        for (index, member) in members {
            table.insert(index.0, member.to_bytes()).map_err(|error| self.failed(&error))?;
        }
        Ok(())
    }

    pub(super) fn put_nodes(&self, nodes: impl IntoIterator<Item = TreeNode>) -> Result<(), StoreError> {
        let mut table = self.table(NODES)?;
        for TreeNode { level, place, hash } in nodes {
            table.insert(node_key(level, place), hash.to_be_bytes()).map_err(|error| self.failed(&error))?;
        }
        Ok(())
    }

    /// Removes members and nodes that are not in the tree.
    pub(super) fn truncate_to(&self, tree: &MemberTree) -> Result<(), StoreError> {
        let mut members = self.table(MEMBERS)?;
        let kept = tree.len() as u32;
        members.retain_in(kept.., |_, _| false).map_err(|error| self.failed(&error))?;
        let mut nodes = self.table(NODES)?;
        for level in 0..tree.levels().get() {
            let first = node_key(level as u8, tree.node_count(level) as u32);
            let end = node_key(level as u8 + 1, 0);
            nodes.retain_in(first..end, |_, _| false).map_err(|error| self.failed(&error))?;
        }
        Ok(())
    }

    /// Adds a block that identifies the chain, and removes the blocks before `oldest` except the latest of them.
    pub(super) fn put_block(&self, block: Block, oldest: BlockNumber) -> Result<(), StoreError> {
        let mut blocks = self.table(BLOCKS)?;
        let mut bytes = [0; 40];
        bytes[..32].copy_from_slice(&block.hash[..]);
        bytes[32..].copy_from_slice(&block.timestamp.0.to_be_bytes());
        blocks.insert(block.number, bytes).map_err(|error| self.failed(&error))?;
        let kept = {
            let mut before = blocks.range(..=oldest).map_err(|error| self.failed(&error))?;
            before.next_back().transpose().map_err(|error| self.failed(&error))?.map(|(number, _)| number.value())
        };
        if let Some(kept) = kept {
            blocks.retain_in(..kept, |_, _| false).map_err(|error| self.failed(&error))?;
        }
        Ok(())
    }

    /// Removes blocks that are no longer in the chain: all after `block`, or all.
    pub(super) fn remove_blocks_after(&self, block: Option<BlockNumber>) -> Result<(), StoreError> {
        let first = block.map_or(0, |block| block.saturating_add(1));
        let mut blocks = self.table(BLOCKS)?;
        blocks.retain_in(first.., |_, _| false).map_err(|error| self.failed(&error))
    }

    /// Commits the transaction durably.
    pub(super) fn commit(self, state: &CopyState) -> Result<(), StoreError> {
        let encoded = serde_json::to_vec(state).map_err(|error| self.failed(&error))?;
        {
            let mut meta = self.table(META)?;
            meta.insert("state", &encoded[..]).map_err(|error| self.failed(&error))?;
        }
        let path = &self.store.path;
        self.transaction.commit().map_err(|error| failed("write", path, &error))
    }
}

fn open_checked(path: &Path) -> Result<Database, StoreError> {
    let mut database = builder().open(path).map_err(|error| match error {
        DatabaseError::DatabaseAlreadyOpen => StoreError::InUse(path.into()),
        DatabaseError::UpgradeRequired(version) => StoreError::Version { path: path.into(), found: version.into() },
        DatabaseError::Storage(StorageError::Io(error)) if error.kind() == ErrorKind::InvalidData => {
            StoreError::Foreign(path.into())
        }
        DatabaseError::Storage(StorageError::Io(error)) => failed("open", path, &error),
        other => damaged(path, &other),
    })?;
    if !database.check_integrity().map_err(|error| damaged(path, &error))? {
        return Err(damaged(path, &"its checksums do not match"));
    }
    Ok(database)
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE_BYTES);
    builder
}

fn node_key(level: u8, place: u32) -> u64 {
    u64::from(level) << 32 | u64::from(place)
}

fn registry_to_bytes(registry: RegistryId) -> [u8; 28] {
    let mut bytes = [0; 28];
    bytes[..8].copy_from_slice(&registry.chain_id.to_be_bytes());
    bytes[8..].copy_from_slice(&registry.address);
    bytes
}

fn registry_from_bytes(bytes: &[u8]) -> Option<RegistryId> {
    let (chain_id, address) = bytes.split_first_chunk()?;
    Some(RegistryId { chain_id: u64::from_be_bytes(*chain_id), address: address.try_into().ok()? })
}

fn damaged(path: &Path, reason: &dyn core::fmt::Display) -> StoreError {
    StoreError::Damaged { path: path.into(), reason: reason.to_string() }
}

fn failed(action: &'static str, path: &Path, reason: &dyn core::fmt::Display) -> StoreError {
    StoreError::Failed { action, path: path.into(), reason: reason.to_string() }
}
