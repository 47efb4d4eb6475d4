//! The Merkle tree: growing it, and proofs that an entry is in it and that it only grew.
//!
//! The arithmetic is that of the crate `tlog_tiles`. Its `TileHashReader` is not used: version 0.2 compares no full tile with
//! the root if the tree has an odd end, as with 259 entries, and returns hashes of a server's choice. Here every proof is
//! built from unchecked hashes, and then checked against the roots.

use core::cell::RefCell;
use std::collections::{HashMap, hash_map};

use tlog_tiles::tile::Tile;
use tlog_tiles::tlog::{self, Hash, HashReader};

use crate::{
    TreeHash,
    source::{Source, SourceError},
    store::{LogStore, PlacedHash, StoreError},
    tile::{MAX_SIZE, TILE_HEIGHT, TileId, TileKind, read_hashes},
};

/// The most hashes of a proof in a tree of [`MAX_SIZE`] entries.
const MAX_PROOF: usize = 64;

/// Error: a proof does not prove what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the proof does not match the root; do not use this log before others say the same")]
pub struct ProofError;

/// Checks that the entry with this hash is the entry `index` of the tree with this size and root.
///
/// # Errors
/// [`ProofError`].
pub fn check_inclusion(
    proof: &[TreeHash],
    size: u64,
    root: TreeHash,
    index: u64,
    entry: TreeHash,
) -> Result<(), ProofError> {
    if size > MAX_SIZE || index >= size || proof.len() > MAX_PROOF {
        return Err(ProofError);
    }
    tlog::check_record(&inner(proof), size, root.inner(), index, entry.inner()).map_err(|_| ProofError)
}

/// Checks that the tree with this size and root begins with the tree of the former size and root.
///
/// # Errors
/// [`ProofError`].
pub fn check_consistency(
    proof: &[TreeHash],
    size: u64,
    root: TreeHash,
    former_size: u64,
    former_root: TreeHash,
) -> Result<(), ProofError> {
    if size > MAX_SIZE || former_size > size || proof.len() > MAX_PROOF {
        return Err(ProofError);
    }
    if former_size == 0 {
        // Each tree begins with the tree without entries.
        return if proof.is_empty() && former_root == TreeHash::EMPTY { Ok(()) } else { Err(ProofError) };
    }
    tlog::check_tree(&inner(proof), size, root.inner(), former_size, former_root.inner()).map_err(|_| ProofError)
}

fn inner(proof: &[TreeHash]) -> Vec<Hash> {
    proof.iter().map(|hash| hash.inner()).collect()
}

/// What hashes of tiles are read from.
pub(crate) trait Tiles {
    type Error;

    /// Returns the first `width` hashes of a tile.
    fn hashes(&self, level: u8, index: u64, width: u16) -> Result<Vec<TreeHash>, Self::Error>;
}

/// The tiles of a store.
pub(crate) struct Stored<'a, S: ?Sized>(pub &'a S);

impl<S: LogStore + ?Sized> Tiles for Stored<'_, S> {
    type Error = StoreError;

    fn hashes(&self, level: u8, index: u64, width: u16) -> Result<Vec<TreeHash>, StoreError> {
        let begin = index * u64::from(crate::TILE_WIDTH);
        self.0.hashes(level, begin..begin + u64::from(width))
    }
}

/// The tiles of a tree that a source serves. The source is not trusted.
pub(crate) struct Fetched<'a, S: ?Sized> {
    source: &'a S,
    size: u64,
    cache: RefCell<HashMap<TileId, Vec<TreeHash>>>,
}

impl<'a, S: Source + ?Sized> Fetched<'a, S> {
    pub(crate) fn new(source: &'a S, size: u64) -> Self {
        Self { source, size, cache: RefCell::default() }
    }
}

/// Returns an error for an answer that does not have the form it must have.
pub(crate) fn unreadable(path: &str, reason: &impl core::fmt::Display) -> SourceError {
    SourceError::Unavailable { path: path.into(), reason: reason.to_string() }
}

impl<S: Source + ?Sized> Tiles for Fetched<'_, S> {
    type Error = SourceError;

    fn hashes(&self, level: u8, index: u64, width: u16) -> Result<Vec<TreeHash>, SourceError> {
        let whole = TileId::in_tree(TileKind::Hashes(level), index, self.size).filter(|tile| tile.width() >= width);
        let tile = whole.ok_or_else(|| SourceError::NotFound(format!("tile/{level}/{index}")))?;
        let mut cache = self.cache.borrow_mut();
        let hashes = match cache.entry(tile) {
            hash_map::Entry::Occupied(known) => known.into_mut(),
            hash_map::Entry::Vacant(vacant) => {
                let path = vacant.key().to_string();
                let bytes = self.source.fetch(&path)?;
                let hashes = read_hashes(vacant.key(), &bytes).map_err(|error| unreadable(&path, &error))?;
                vacant.insert(hashes)
            }
        };
        Ok(hashes.get(..usize::from(width)).unwrap_or_default().to_vec())
    }
}

/// Reads hashes of a tree by their place in `tlog_tiles`' order.
struct Reader<'a, T: Tiles> {
    tiles: &'a T,
    /// Hashes of entries that are not stored yet.
    new: RefCell<HashMap<u64, Hash>>,
    failed: RefCell<Option<T::Error>>,
}

impl<'a, T: Tiles> Reader<'a, T> {
    fn new(tiles: &'a T) -> Self {
        Self { tiles, new: RefCell::default(), failed: RefCell::default() }
    }

    /// Turns an error of the arithmetic into the reason for it. Each size is checked before, so that a failed read is the
    /// only one.
    fn reason(&self, broken: impl FnOnce() -> T::Error) -> T::Error {
        self.failed.take().unwrap_or_else(broken)
    }
}

impl<T: Tiles> HashReader for Reader<'_, T> {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<Hash>, tlog::Error> {
        let read = |index: &u64| {
            if let Some(hash) = self.new.borrow().get(index) {
                return Ok(*hash);
            }
            let tile = Tile::from_index(TILE_HEIGHT, *index);
            let width = tile.width() as u16;
            let hashes = self.tiles.hashes(tile.level(), tile.level_index(), width).map_err(|error| {
                self.failed.borrow_mut().get_or_insert(error);
                tlog::Error::InvalidTile
            })?;
            tile.hash_at_index(&crate::tile::write_hashes(&hashes), *index)
        };
        // All are asked for, also after the first that fails: a source then knows all that it lacks.
        let hashes: Vec<_> = indexes.iter().map(read).collect();
        hashes.into_iter().collect()
    }
}

/// What entries add to a tree.
pub(crate) struct Growth {
    /// Hashes of tiles.
    pub hashes: Vec<PlacedHash>,
    /// The root with them.
    pub root: TreeHash,
}

fn broken() -> StoreError {
    StoreError::Damaged("its hashes do not fit".into())
}

/// Computes what entries add to the tree of a store with `size` entries.
pub(crate) fn grow<S: LogStore + ?Sized>(store: &S, size: u64, entries: &[Vec<u8>]) -> Result<Growth, StoreError> {
    let tiles = Stored(store);
    let reader = Reader::new(&tiles);
    let mut placed = Vec::with_capacity(entries.len());
    for (entry, index) in entries.iter().zip(size..) {
        let hash = TreeHash::of_entry(entry).inner();
        let hashes = tlog::stored_hashes_for_record_hash(index, hash, &reader).map_err(|_| reader.reason(broken))?;
        for (hash, level) in hashes.into_iter().zip(0u8..) {
            reader.new.borrow_mut().insert(tlog::stored_hash_index(0, index) + u64::from(level), hash);
            if level.is_multiple_of(TILE_HEIGHT) {
                let hash = TreeHash::of_inner(hash);
                placed.push(PlacedHash { level: level / TILE_HEIGHT, index: index >> level, hash });
            }
        }
    }
    let size = size + entries.len() as u64;
    let root = tlog::tree_hash(size, &reader).map_err(|_| reader.reason(broken))?;
    Ok(Growth { hashes: placed, root: TreeHash::of_inner(root) })
}

/// Returns the root of the first `size` entries of a store.
pub(crate) fn root<S: LogStore + ?Sized>(store: &S, size: u64) -> Result<TreeHash, StoreError> {
    let tiles = Stored(store);
    let reader = Reader::new(&tiles);
    tlog::tree_hash(size, &reader).map(TreeHash::of_inner).map_err(|_| reader.reason(broken))
}

/// Returns the proof that the entry `index` is in the tree of this size. The size must be at most that of the tiles, and
/// the index below it.
pub(crate) fn inclusion<T: Tiles>(
    tiles: &T,
    size: u64,
    index: u64,
    broken: impl FnOnce() -> T::Error,
) -> Result<Vec<TreeHash>, T::Error> {
    let reader = Reader::new(tiles);
    let proof = tlog::prove_record(size, index, &reader).map_err(|_| reader.reason(broken))?;
    Ok(proof.into_iter().map(TreeHash::of_inner).collect())
}

/// Returns the proof that the tree of this size begins with that of the former size, which is not larger.
pub(crate) fn consistency<T: Tiles>(
    tiles: &T,
    size: u64,
    former_size: u64,
    broken: impl FnOnce() -> T::Error,
) -> Result<Vec<TreeHash>, T::Error> {
    if former_size == 0 {
        return Ok(Vec::new());
    }
    let reader = Reader::new(tiles);
    let proof = tlog::prove_tree(size, former_size, &reader).map_err(|_| reader.reason(broken))?;
    Ok(proof.into_iter().map(TreeHash::of_inner).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::store::{Change, MemoryStore};

    /// The root as RFC 6962 defines it.
    fn defined_root(entries: &[Vec<u8>]) -> TreeHash {
        match entries {
            [] => TreeHash::EMPTY,
            [entry] => TreeHash::of_entry(entry),
            _ => {
                let half = entries.len().next_power_of_two() / 2;
                let [left, right] = [&entries[..half], &entries[half..]].map(defined_root);
                let digest =
                    Sha256::new().chain_update([1]).chain_update(left.as_bytes()).chain_update(right.as_bytes());
                TreeHash::from_bytes(digest.finalize().into())
            }
        }
    }

    fn entries(count: usize) -> Vec<Vec<u8>> {
        (0..count).map(|number| format!("entry {number}").into_bytes()).collect()
    }

    fn filled(parts: &[usize]) -> (MemoryStore, Vec<Vec<u8>>) {
        let (store, all) = (MemoryStore::default(), entries(parts.iter().sum()));
        let mut base = 0;
        for part in parts {
            let entries = all[base..base + part].to_vec();
            let growth = grow(&store, base as u64, &entries).unwrap();
            base += part;
            assert_eq!(growth.root, defined_root(&all[..base]));
            let base = (base - part) as u64;
            store.commit(&Change { base, entries, hashes: growth.hashes, ..Change::default() }).unwrap();
        }
        (store, all)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn roots_and_proofs_are_those_of_rfc_6962(parts in prop::collection::vec(0usize..400, 1..4), former: prop::sample::Index, place: prop::sample::Index) {
            let (store, all) = filled(&parts);
            let size = all.len() as u64;
            let former = former.index(all.len() + 1) as u64;
            prop_assert_eq!(root(&store, former).unwrap(), defined_root(&all[..former as usize]));
            let (whole, before) = (root(&store, size).unwrap(), root(&store, former).unwrap());
            let proof = consistency(&Stored(&store), size, former, broken).unwrap();
            prop_assert_eq!(check_consistency(&proof, size, whole, former, before), Ok(()));
            let other = TreeHash::of_entry(b"other");
            prop_assert_eq!(check_consistency(&proof, size, whole, former, other), Err(ProofError));
            if (1..size).contains(&former) {
                prop_assert_eq!(check_consistency(&proof, size, other, former, before), Err(ProofError));
                prop_assert_eq!(check_consistency(&proof[1..], size, whole, former, before), Err(ProofError));
            }
            if size > 0 {
                let index = place.index(all.len()) as u64;
                let proof = inclusion(&Stored(&store), size, index, broken).unwrap();
                let entry = TreeHash::of_entry(&all[index as usize]);
                prop_assert_eq!(check_inclusion(&proof, size, whole, index, entry), Ok(()));
                prop_assert_eq!(check_inclusion(&proof, size, whole, index, other), Err(ProofError));
                prop_assert_eq!(check_inclusion(&proof, size, other, index, entry), Err(ProofError));
                prop_assert_eq!(check_inclusion(&proof, size, whole, size, entry), Err(ProofError));
                prop_assert_eq!(check_inclusion(&[proof, vec![other]].concat(), size, whole, index, entry), Err(ProofError));
            }
        }

        #[test]
        fn proofs_of_strangers_are_refused_without_a_panic(proof in prop::collection::vec(any::<[u8; 32]>(), 0..70), size: u64, other: u64, root: [u8; 32]) {
            let proof: Vec<_> = proof.into_iter().map(TreeHash::from_bytes).collect();
            let root = TreeHash::from_bytes(root);
            prop_assert_eq!(check_inclusion(&proof, size, root, other, TreeHash::EMPTY), Err(ProofError));
            prop_assert_eq!(check_inclusion(&proof, size % MAX_SIZE, root, other % MAX_SIZE, TreeHash::EMPTY), Err(ProofError));
            prop_assert_eq!(check_consistency(&proof, size, root, other, TreeHash::of_entry(b"")), Err(ProofError));
            prop_assert_eq!(check_consistency(&proof, size % MAX_SIZE, root, other % 500, TreeHash::of_entry(b"")), Err(ProofError));
        }
    }

    #[test]
    fn a_store_that_lacks_a_hash_is_damaged() {
        let (store, all) = filled(&[300]);
        let short = MemoryStore::default();
        short.commit(&Change { entries: all, ..Change::default() }).unwrap();
        assert!(matches!(root(&short, 300), Err(StoreError::Damaged(_))));
        assert!(root(&store, 300).is_ok());
    }
}
