//! Segments of a list.

use std::sync::Arc;

use ark_bn254::Fr;
use sha2::{Digest, Sha256};

use super::Entry;

/// Maximum number of lists of a scope.
pub const MAX_LISTS: usize = 4;
/// Maximum number of segments of all lists of a scope.
pub const MAX_SEGMENTS: usize = 8;

/// Number of entries of a small segment, and of a large one.
const SMALL: usize = 16;
const LARGE: usize = 128;
/// The longest rest that is cut into small segments.
const LONGEST_SMALL_REST: usize = 64;

/// The sizes of segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SegmentSize {
    /// 16 entries.
    Small,
    /// 128 entries.
    Large,
}

impl SegmentSize {
    /// Number of entries.
    pub const fn entries(self) -> usize {
        match self {
            Self::Small => SMALL,
            Self::Large => LARGE,
        }
    }
}

/// Returns the sizes of the segments of a list, in their order: 128 entries each; a rest of at most 64 entries in
/// segments of 16, a longer rest in one of 128. Each post carries one proof for each segment. A list of up to 1,024 entries
/// has at most [`MAX_SEGMENTS`]: a rest that would need more in segments of 16 is in one of 128, too.
pub fn segment_sizes(entries: usize) -> impl ExactSizeIterator<Item = SegmentSize> + Clone {
    let (whole, rest) = (entries / LARGE, entries % LARGE);
    let small = rest.div_ceil(SMALL);
    let fits = rest <= LONGEST_SMALL_REST && whole + small <= MAX_SEGMENTS;
    let (large, small) = if rest == 0 || fits { (whole, small) } else { (whole + 1, 0) };
    (0..large + small).map(move |at| if at < large { SegmentSize::Large } else { SegmentSize::Small })
}

/// A segment has too few places for the entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{entries} entries do not fit in a segment of {places}")]
pub struct TooManyEntries {
    /// The number of entries.
    pub entries: usize,
    /// The segment's places.
    pub places: usize,
}

/// SHA-256 of the [bytes](Entry::to_bytes) of all entries of a segment, the neutral ones included. It identifies the
/// segment's content.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentDigest(pub [u8; 32]);

impl core::fmt::Display for SegmentDigest {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl core::fmt::Debug for SegmentDigest {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "SegmentDigest({self})")
    }
}

/// A segment of a list: `K` entries, 16 or 128. Unused places hold the [neutral entry](Entry::NEUTRAL). Clones share the
/// entries.
#[derive(Clone, Debug)]
pub struct Segment<const K: usize> {
    entries: Arc<[Entry]>,
    digest: SegmentDigest,
}

impl<const K: usize> Segment<K> {
    /// Creates a segment, and fills the unused places with neutral entries.
    ///
    /// # Errors
    /// [`TooManyEntries`] if there are more entries than places.
    pub fn new(entries: &[Entry]) -> Result<Self, TooManyEntries> {
        const { assert!(K == SMALL || K == LARGE, "a segment has 16 or 128 entries") }
        if entries.len() > K {
            return Err(TooManyEntries { entries: entries.len(), places: K });
        }
        Ok(Self::of_first(entries))
    }

    /// Creates a segment of the first entries, at most `K`.
    fn of_first(entries: &[Entry]) -> Self {
        let filled = entries.iter().copied().chain(core::iter::repeat(Entry::NEUTRAL));
        let entries: Arc<[Entry]> = filled.take(K).collect();
        let mut hasher = Sha256::new();
        entries.iter().for_each(|entry| hasher.update(entry.to_bytes()));
        Self { entries, digest: SegmentDigest(hasher.finalize().into()) }
    }

    /// The entries of all `K` places.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The digest of the entries.
    pub fn digest(&self) -> SegmentDigest {
        self.digest
    }

    /// The entries as field elements, in the order of the statement.
    pub(crate) fn to_fields(&self) -> impl Iterator<Item = Fr> + '_ {
        self.entries.iter().flat_map(|entry| entry.to_fields())
    }
}

/// Segments are equal if their entries are.
impl<const K: usize> PartialEq for Segment<K> {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl<const K: usize> Eq for Segment<K> {}

/// A segment of either size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListSegment {
    /// A segment of 16 entries, for the circuit `record16`.
    Small(Segment<SMALL>),
    /// A segment of 128 entries, for the circuit `record128`.
    Large(Segment<LARGE>),
}

impl ListSegment {
    /// The size.
    pub fn size(&self) -> SegmentSize {
        match self {
            Self::Small(_) => SegmentSize::Small,
            Self::Large(_) => SegmentSize::Large,
        }
    }

    /// The entries of all places.
    pub fn entries(&self) -> &[Entry] {
        match self {
            Self::Small(segment) => segment.entries(),
            Self::Large(segment) => segment.entries(),
        }
    }

    /// The digest of the entries.
    pub fn digest(&self) -> SegmentDigest {
        match self {
            Self::Small(segment) => segment.digest(),
            Self::Large(segment) => segment.digest(),
        }
    }
}

/// Cuts a list into segments of the [sizes](segment_sizes) that prover and verifier use.
pub fn cut(entries: &[Entry]) -> Vec<ListSegment> {
    let mut rest = entries;
    let segments = segment_sizes(entries.len()).map(|size| {
        let (taken, after) = rest.split_at(rest.len().min(size.entries()));
        rest = after;
        match size {
            SegmentSize::Small => ListSegment::Small(Segment::of_first(taken)),
            SegmentSize::Large => ListSegment::Large(Segment::of_first(taken)),
        }
    });
    segments.collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        super::entry::tests::{secret, written},
        *,
    };

    #[test]
    fn unused_places_are_neutral_and_too_many_entries_are_refused() {
        let entries: Vec<_> = (0..17).map(|number| written(&secret(1), number)).collect();
        let segment = Segment::<16>::new(&entries[..3]).unwrap();
        assert_eq!(segment.entries()[..3], entries[..3]);
        assert!(segment.entries()[3..].iter().all(|entry| *entry == Entry::NEUTRAL));
        assert_eq!(Segment::<16>::new(&entries), Err(TooManyEntries { entries: 17, places: 16 }));
        let mut other = entries[..3].to_vec();
        other.swap(0, 1);
        assert_ne!(segment, Segment::new(&other).unwrap());
        assert_eq!(segment, Segment::new(&entries[..3]).unwrap());
    }

    #[test]
    fn a_list_within_the_limit_has_at_most_the_segments_of_a_pass() {
        assert_eq!([1_152, 1_153].map(|count| segment_sizes(count).len()), [9, 10]);
        assert!((0..=1_024).all(|count| segment_sizes(count).len() <= MAX_SEGMENTS));
        assert_eq!(
            [0, 16, 17, 64, 65, 128, 129, 1_024].map(|count| segment_sizes(count).len()),
            [0, 1, 2, 4, 1, 1, 2, 8]
        );
        // Seven large segments leave place for one small segment, and not for four.
        assert_eq!([896, 897, 912, 913, 960, 961].map(|count| segment_sizes(count).len()), [7, 8, 8, 8, 8, 8]);
        let last = |count| segment_sizes(count).last();
        assert_eq!([912, 913].map(last), [Some(SegmentSize::Small), Some(SegmentSize::Large)]);
    }

    proptest! {
        #[test]
        fn segments_hold_a_list_in_its_order(count in prop_oneof![0..400usize, 800..1_025usize]) {
            let entries: Vec<_> = (0..count as u64).map(|number| written(&secret(1), number % 5)).collect();
            let segments = cut(&entries);
            let held: Vec<_> = segments.iter().flat_map(|segment| segment.entries()).copied().collect();
            prop_assert_eq!(&held[..count], &entries[..]);
            prop_assert!(held[count..].iter().all(|entry| *entry == Entry::NEUTRAL));
            let most = if count < 800 { 64 } else { 112 };
            prop_assert!(held.len() - count < most);
            let sizes: Vec<_> = segments.iter().map(ListSegment::size).collect();
            prop_assert!(sizes.is_sorted_by(|a, b| a >= b), "the large ones come first");
            prop_assert_eq!(sizes, segment_sizes(count).collect::<Vec<_>>());
        }
    }
}
