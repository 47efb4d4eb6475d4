//! The names of tiles, and bundles of entries (C2SP `tlog-tiles`).
//!
//! A tile has the hashes of 256 neighbours of one level, or 256 entries. The last tile of a level is *partial*: it has as
//! many as the tree has, and its name says how many.

use core::{fmt, ops::Range, str::FromStr};

use crate::TreeHash;

/// The number of hashes or entries in a full tile.
pub const TILE_WIDTH: u16 = 256;
/// The number of levels of the tree in one tile.
pub(crate) const TILE_HEIGHT: u8 = 8;
/// The largest size of a tree that this crate reads or writes: 2^40 entries.
pub const MAX_SIZE: u64 = 1 << 40;
/// The largest entry, in bytes: a bundle states lengths in 16 bits.
pub const MAX_ENTRY: usize = u16::MAX as usize;
/// The highest level of tiles in a tree of [`MAX_SIZE`].
const MAX_LEVEL: u8 = 5;

/// What a tile has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TileKind {
    /// Hashes of the tree at eight times this level.
    Hashes(u8),
    /// Entries.
    Entries,
}

impl TileKind {
    fn level(self) -> u8 {
        match self {
            Self::Hashes(level) => level,
            Self::Entries => 0,
        }
    }
}

/// The name of a tile. As text it is its path below the log's address, such as `tile/0/x001/234.p/17` or
/// `tile/entries/067`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    kind: TileKind,
    index: u64,
    width: u16,
}

/// Errors of tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TileError {
    /// The text is not the path of a tile.
    #[error("this is not the path of a tile; ask for tile/LEVEL/N or tile/entries/N, with .p/WIDTH for a partial tile")]
    Path,
    /// The tile has another number of bytes than its name says.
    #[error("the tile has {found} bytes, not {expected}; ask another server")]
    Length {
        /// The number of bytes of a tile with this name.
        expected: usize,
        /// The number of bytes it has.
        found: usize,
    },
    /// The bytes are not a bundle of entries.
    #[error("the bundle does not have the entries that its name says; ask another server")]
    Bundle,
    /// An entry is longer than a bundle can state.
    #[error("an entry has at most 65,535 bytes, this one has {0}; shorten it")]
    LongEntry(usize),
}

impl TileId {
    /// Returns the name of a tile in a tree of this size: a full tile, or the last and partial one. None if the tree has
    /// no such tile, or is larger than [`MAX_SIZE`].
    pub fn in_tree(kind: TileKind, index: u64, size: u64) -> Option<Self> {
        if size > MAX_SIZE || kind.level() > MAX_LEVEL {
            return None;
        }
        let at_level = size >> (TILE_HEIGHT * kind.level());
        let begin = index.checked_mul(TILE_WIDTH.into())?;
        let width = at_level.checked_sub(begin)?.min(TILE_WIDTH.into());
        (width > 0).then_some(Self { kind, index, width: width as u16 })
    }

    /// What the tile has.
    pub const fn kind(&self) -> TileKind {
        self.kind
    }

    /// The place of the tile in its level.
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// The number of hashes or entries: 1 to 256.
    pub const fn width(&self) -> u16 {
        self.width
    }

    /// Returns the places of the hashes or entries in their level.
    pub const fn range(&self) -> Range<u64> {
        let begin = self.index * TILE_WIDTH as u64;
        begin..begin + self.width as u64
    }

    /// Returns whether a tree of this size has all of the tile.
    pub fn is_in_tree(&self, size: u64) -> bool {
        Self::in_tree(self.kind, self.index, size).is_some_and(|whole| whole.width >= self.width)
    }
}

impl fmt::Display for TileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Hashes(level) => write!(f, "tile/{level}/")?,
            TileKind::Entries => f.write_str("tile/entries/")?,
        }
        let mut groups = vec![self.index % 1_000];
        let mut rest = self.index / 1_000;
        while rest > 0 {
            groups.push(rest % 1_000);
            rest /= 1_000;
        }
        for group in groups[1..].iter().rev() {
            write!(f, "x{group:03}/")?;
        }
        write!(f, "{:03}", groups[0])?;
        if self.width < TILE_WIDTH { write!(f, ".p/{}", self.width) } else { Ok(()) }
    }
}

impl FromStr for TileId {
    type Err = TileError;

    fn from_str(path: &str) -> Result<Self, TileError> {
        read_path(path).filter(|tile| tile.to_string() == path).ok_or(TileError::Path)
    }
}

/// Reads a path, perhaps one that is written in another way.
fn read_path(path: &str) -> Option<TileId> {
    let rest = path.strip_prefix("tile/")?;
    let (kind, rest) = rest.split_once('/')?;
    let kind = match kind {
        "entries" => TileKind::Entries,
        level => TileKind::Hashes(level.parse().ok().filter(|level| *level <= MAX_LEVEL)?),
    };
    let (groups, width) = match rest.split_once(".p/") {
        Some((groups, width)) => (groups, width.parse().ok().filter(|width| (1..TILE_WIDTH).contains(width))?),
        None => (rest, TILE_WIDTH),
    };
    let mut index = 0u64;
    for group in groups.split('/') {
        let group: u64 = group.strip_prefix('x').unwrap_or(group).parse().ok()?;
        index = index.checked_mul(1_000)?.checked_add(group)?;
    }
    let tile = TileId { kind, index, width };
    (index <= MAX_SIZE && tile.is_in_tree(MAX_SIZE)).then_some(tile)
}

/// Returns the hashes of a tile, from its bytes.
///
/// # Errors
/// [`TileError::Length`].
pub fn read_hashes(tile: &TileId, bytes: &[u8]) -> Result<Vec<TreeHash>, TileError> {
    let expected = usize::from(tile.width) * TreeHash::BYTES;
    if bytes.len() != expected {
        return Err(TileError::Length { expected, found: bytes.len() });
    }
    Ok(bytes.as_chunks::<{ TreeHash::BYTES }>().0.iter().map(|hash| TreeHash::from_bytes(*hash)).collect())
}

/// Returns the bytes of a tile of hashes.
pub fn write_hashes(hashes: &[TreeHash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

/// Returns the entries of a bundle, from its bytes: for each entry its length (u16 BE) and the entry.
///
/// # Errors
/// [`TileError::Bundle`] unless there are exactly as many as the name of the tile says.
pub fn read_entries(tile: &TileId, mut bytes: &[u8]) -> Result<Vec<Vec<u8>>, TileError> {
    let mut entries = Vec::with_capacity(tile.width.into());
    for _ in 0..tile.width {
        let (length, rest) = bytes.split_first_chunk::<2>().ok_or(TileError::Bundle)?;
        let (entry, rest) = rest.split_at_checked(u16::from_be_bytes(*length).into()).ok_or(TileError::Bundle)?;
        entries.push(entry.to_vec());
        bytes = rest;
    }
    if bytes.is_empty() { Ok(entries) } else { Err(TileError::Bundle) }
}

/// Returns the bytes of a bundle.
///
/// # Errors
/// [`TileError::LongEntry`].
pub fn write_entries(entries: &[Vec<u8>]) -> Result<Vec<u8>, TileError> {
    let mut bytes = Vec::with_capacity(entries.iter().map(|entry| entry.len() + 2).sum());
    for entry in entries {
        let length = u16::try_from(entry.len()).map_err(|_| TileError::LongEntry(entry.len()))?;
        bytes.extend(length.to_be_bytes());
        bytes.extend(entry);
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tile(kind: TileKind, index: u64, size: u64) -> TileId {
        TileId::in_tree(kind, index, size).unwrap()
    }

    #[test]
    fn paths_are_those_of_the_specification() {
        let size = 70_000;
        for (kind, index, size, path) in [
            (TileKind::Hashes(0), 0, size, "tile/0/000"),
            (TileKind::Hashes(0), 273, size, "tile/0/273.p/112"),
            (TileKind::Hashes(1), 1, size, "tile/1/001.p/17"),
            (TileKind::Hashes(2), 0, size, "tile/2/000.p/1"),
            (TileKind::Entries, 272, size, "tile/entries/272"),
            (TileKind::Entries, 1_234_067, 1_234_068 * 256, "tile/entries/x001/x234/067"),
        ] {
            assert_eq!(tile(kind, index, size).to_string(), path);
            assert_eq!(path.parse(), Ok(tile(kind, index, size)));
        }
        for (kind, index, size) in [
            (TileKind::Hashes(0), 274, size),
            (TileKind::Hashes(3), 0, size),
            (TileKind::Hashes(6), 0, MAX_SIZE),
            (TileKind::Hashes(0), 0, 0),
            (TileKind::Hashes(0), 0, MAX_SIZE + 1),
            (TileKind::Entries, u64::MAX, size),
        ] {
            assert_eq!(TileId::in_tree(kind, index, size), None);
        }
    }

    #[test]
    fn other_paths_are_refused() {
        for path in [
            "",
            "tile",
            "tile/0",
            "tile/0/",
            "tile/0/0",
            "tile/0/00",
            "tile/0/0000",
            "tile/0/1000",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/01",
            "tile/0/x000/001",
            "tile/0/001/002",
            "tile/00/000",
            "tile/6/000",
            "tile/64/000",
            "tile/8/0/000",
            "tile/data/000",
            "tile/entries/-01",
            "tile/entries/+01",
            "/tile/0/000",
            "tile/0/000/",
            "tile/0/x018/x446/x744/x073/x709/x551/616",
            "tile/entries/x018/x446/x744/x073/x709/x551/615",
        ] {
            assert_eq!(path.parse::<TileId>(), Err(TileError::Path), "{path}");
        }
    }

    proptest! {
        #[test]
        fn names_return(level in 0..=MAX_LEVEL, entries: bool, place: prop::sample::Index, size in 1..=MAX_SIZE) {
            let kind = if entries { TileKind::Entries } else { TileKind::Hashes(level) };
            let count = (size >> (TILE_HEIGHT * kind.level())).div_ceil(256);
            prop_assume!(count > 0);
            let tile = tile(kind, place.index(count as usize) as u64, size);
            prop_assert_eq!(tile.to_string().parse(), Ok(tile));
            prop_assert!(tile.is_in_tree(size) && tile.is_in_tree(MAX_SIZE));
            prop_assert!(!tile.is_in_tree(size - (1 << (TILE_HEIGHT * kind.level()))) || tile.width() == TILE_WIDTH);
        }

        #[test]
        fn text_that_is_read_is_written_the_same(path in "tile/([0-9]{1,2}|entries)/(x[0-9]{3}/){0,4}[0-9]{3}(.p/[0-9]{1,3})?|\\PC{0,30}") {
            prop_assert!(path.parse::<TileId>().map_or(true, |tile| tile.to_string() == path));
        }

        #[test]
        fn bundles_return(entries in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..40), cut: prop::sample::Index) {
            let tile = tile(TileKind::Entries, 0, entries.len() as u64);
            let bytes = write_entries(&entries).unwrap();
            prop_assert_eq!(read_entries(&tile, &bytes), Ok(entries));
            prop_assert_eq!(read_entries(&tile, &bytes[..cut.index(bytes.len())]), Err(TileError::Bundle));
            prop_assert_eq!(read_entries(&tile, &[&bytes[..], &[0]].concat()), Err(TileError::Bundle));
        }
    }

    #[test]
    fn an_entry_has_at_most_65_535_bytes_and_hashes_have_32() {
        assert!(write_entries(&[vec![1; MAX_ENTRY]]).is_ok());
        assert_eq!(write_entries(&[vec![1; MAX_ENTRY + 1]]), Err(TileError::LongEntry(MAX_ENTRY + 1)));
        let two = tile(TileKind::Hashes(0), 0, 2);
        let hashes = [TreeHash::of_entry(b"1"), TreeHash::of_entry(b"2")];
        assert_eq!(read_hashes(&two, &write_hashes(&hashes)), Ok(hashes.to_vec()));
        assert_eq!(read_hashes(&two, &[0; 63]), Err(TileError::Length { expected: 64, found: 63 }));
    }
}
