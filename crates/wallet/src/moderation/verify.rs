//! Verification of records by a receiver.

use std::collections::BTreeMap;

use quotapass_circuits::{
    formats::{
        recorded::{ListRecords, ListVersion},
        wire::EncodedProof,
    },
    moderation::{Entry, ListSegment, cut, record::Record},
    prover::ProveError,
    verifier::{RecordToVerify, SegmentSum, Verifier},
};
use quotapass_protocol::{ListMismatch, PolicyList, Verdict};

use super::CurrentList;

/// The verifiers of records.
#[derive(Clone)]
pub struct RecordVerifiers {
    /// The verifier of segments of 16 entries.
    pub small: Verifier<Record<16>>,
    /// The verifier of segments of 128 entries, if it is loaded.
    pub large: Option<Verifier<Record<128>>>,
}

/// One segment of a list.
enum Sum {
    Small(SegmentSum<16>),
    Large(SegmentSum<128>),
}

/// The versions of lists that a receiver accepts, prepared for the verification of any number of passes.
pub struct VerifiedLists {
    verifiers: RecordVerifiers,
    versions: BTreeMap<ListVersion, Vec<Sum>>,
}

impl VerifiedLists {
    /// Accepts no list yet.
    pub fn new(verifiers: RecordVerifiers) -> Self {
        Self { verifiers, versions: BTreeMap::new() }
    }

    /// Accepts a version of a list, beside those that are accepted already. The receiver decides for how long.
    ///
    /// # Errors
    /// [`ProveError::LargeKeyMissing`] if the list is so long that it needs the verifier of large segments.
    pub fn accept(&mut self, list: &CurrentList) -> Result<(), ProveError> {
        let RecordVerifiers { small, large } = &self.verifiers;
        let sum = |segment: ListSegment| match segment {
            ListSegment::Small(segment) => Ok(Sum::Small(small.sum(&segment))),
            ListSegment::Large(segment) => {
                let large = large.as_ref().ok_or(ProveError::LargeKeyMissing)?;
                Ok(Sum::Large(large.sum(&segment)))
            }
        };
        let sums = cut(&list.entries).into_iter().map(sum).collect::<Result<_, ProveError>>()?;
        self.versions.insert(list.version(), sums);
        Ok(())
    }

    /// Stops accepting a version.
    pub fn remove(&mut self, version: &ListVersion) {
        self.versions.remove(version);
    }

    /// Verifies the records of a post. Their versions were checked.
    pub(crate) fn verify(&self, entry: Entry, stated: &[ListRecords<EncodedProof>]) -> Result<(), Verdict> {
        for ListRecords { version, proofs } in stated {
            let sums = self.versions.get(version).filter(|sums| sums.len() == proofs.len());
            for (sum, proof) in sums.ok_or(Verdict::InvalidProof)?.iter().zip(proofs) {
                let proof = proof.decode()?;
                let verified = match (sum, &self.verifiers.large) {
                    (Sum::Small(segment), _) => {
                        self.verifiers.small.verify_record(&RecordToVerify { entry, segment, proof })
                    }
                    (Sum::Large(segment), Some(large)) => {
                        large.verify_record(&RecordToVerify { entry, segment, proof })
                    }
                    (Sum::Large(_), None) => return Err(Verdict::InvalidProof),
                };
                verified.map_err(|_| Verdict::InvalidProof)?;
            }
        }
        Ok(())
    }
}

/// Checks that a pass has records for exactly the lists of a policy, in its order, and in versions that are accepted. A
/// receiver that knows no version of a list states it with the size zero.
pub(crate) fn check_versions(
    known: Option<&VerifiedLists>,
    lists: &[PolicyList],
    stated: &[ListRecords<EncodedProof>],
) -> Result<(), Verdict> {
    let is_accepted = |list: &PolicyList, version: &ListVersion| {
        version.log == list.log.to_short_bytes() && known.is_some_and(|known| known.versions.contains_key(version))
    };
    let fits = lists.len() == stated.len()
        && lists.iter().zip(stated).all(|(list, records)| is_accepted(list, &records.version));
    if fits {
        return Ok(());
    }
    let newest = |list: &PolicyList| {
        let log = list.log.to_short_bytes();
        let versions = known.into_iter().flat_map(|known| known.versions.keys());
        let newest = versions.filter(|version| version.log == log).max_by_key(|version| version.size);
        newest.copied().unwrap_or(ListVersion { log, size: 0, root: [0; 8] })
    };
    Err(Verdict::ListMismatch(Box::new(ListMismatch { expected: lists.iter().map(newest).collect() })))
}
