//! The verifiers of records, and the sums of segments.

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
};

use parking_lot::Mutex;
use quotapass_circuits::{
    moderation::{Entry, ListSegment, Segment, SegmentDigest, cut, record::Record},
    verifier::{SegmentSum, Verifier},
};

/// The sum of a segment of either size.
#[derive(Clone, Debug)]
pub(super) enum SumOfSegment {
    /// For `record16`.
    Small(Arc<SegmentSum<16>>),
    /// For `record128`.
    Large(Arc<SegmentSum<128>>),
}

/// The sums of a list, in the order of its segments.
pub(super) type ListSums = Arc<[SumOfSegment]>;

/// The sums of one size that lists in use refer to, by the digest of the segment.
struct Sums<const K: usize> {
    verifier: Verifier<Record<K>>,
    known: Mutex<HashMap<SegmentDigest, Weak<SegmentSum<K>>>>,
}

impl<const K: usize> Sums<K> {
    fn new(verifier: Verifier<Record<K>>) -> Self {
        Self { verifier, known: Mutex::default() }
    }

    /// Returns the sums of segments. Those that no list has yet are computed on all cores, without a lock.
    fn of(&self, segments: &[Segment<K>]) -> Vec<Arc<SegmentSum<K>>> {
        let find = |segment: &Segment<K>| self.known.lock().get(&segment.digest()).and_then(Weak::upgrade);
        let found: Vec<_> = segments.iter().map(find).collect();
        let missing = segments.iter().zip(&found).filter(|(_, found)| found.is_none());
        let missing: Vec<Segment<K>> = missing.map(|(segment, _)| segment.clone()).collect();
        let mut computed = self.verifier.sum_all(&missing).into_iter().map(Arc::new);
        let all: Vec<_> = found.into_iter().filter_map(|found| found.or_else(|| computed.next())).collect();
        if !missing.is_empty() {
            let mut known = self.known.lock();
            known.retain(|_, sum| sum.strong_count() > 0);
            for sum in &all {
                known.insert(sum.segment().digest(), Arc::downgrade(sum));
            }
        }
        all
    }
}

/// The verifiers of records of both sizes.
pub(super) struct RecordVerifiers {
    small: Sums<16>,
    large: Sums<128>,
}

impl RecordVerifiers {
    pub(super) fn new(small: Verifier<Record<16>>, large: Verifier<Record<128>>) -> Self {
        Self { small: Sums::new(small), large: Sums::new(large) }
    }

    pub(super) fn small(&self) -> &Verifier<Record<16>> {
        &self.small.verifier
    }

    pub(super) fn large(&self) -> &Verifier<Record<128>> {
        &self.large.verifier
    }

    pub(super) fn has_development_keys(&self) -> bool {
        self.small().key().is_development() || self.large().key().is_development()
    }

    /// Returns the sums of a list.
    pub(super) fn sums(&self, entries: &[Entry]) -> ListSums {
        let (mut small, mut large) = (Vec::new(), Vec::new());
        // The large segments come first.
        for segment in cut(entries) {
            match segment {
                ListSegment::Small(segment) => small.push(segment),
                ListSegment::Large(segment) => large.push(segment),
            }
        }
        let large = self.large.of(&large).into_iter().map(SumOfSegment::Large);
        large.chain(self.small.of(&small).into_iter().map(SumOfSegment::Small)).collect()
    }

    /// Returns the number of segments whose sums are kept.
    #[cfg(test)]
    pub(super) fn kept(&self) -> usize {
        fn live<const K: usize>(sums: &Sums<K>) -> usize {
            sums.known.lock().values().filter(|sum| sum.strong_count() > 0).count()
        }
        live(&self.small) + live(&self.large)
    }
}
