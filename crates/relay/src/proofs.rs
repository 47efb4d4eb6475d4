//! The proofs of a batch: those of the posts, then the records of the posts whose own proof verified.

use quotapass_circuits::{formats::wire::EncodedProof, moderation, post::PostPublic, proof::Proof};
use quotapass_protocol::Verdict;

use super::{
    Relay, Verification,
    lists::{RecordsOfPost, Way},
    pipeline::Candidate,
};

/// A candidate whose proofs are not decoded yet.
pub(super) struct Stated {
    pub(super) candidate: Candidate,
    pub(super) public: PostPublic,
    pub(super) proof: EncodedProof,
    pub(super) records: StatedRecords,
}

/// The records of a pass, and the lists that they are about under each policy that accepts all else of the pass.
pub(super) struct StatedRecords {
    pub(super) ways: Vec<Way>,
    pub(super) proofs: Vec<EncodedProof>,
}

/// A candidate whose own proof verified.
struct Proved {
    position: usize,
    candidate: Candidate,
    entry: moderation::Entry,
    records: StatedRecords,
}

impl Relay {
    /// Verifies the proofs of posts, each with its position, and returns the candidates of which all proofs verified, in
    /// order. The others get their verdicts.
    ///
    /// Records are decoded and verified only for posts whose own proof verified, so a forged post costs the same with
    /// records and without.
    pub(super) fn prove(
        &self,
        how: Verification,
        stated: Vec<(usize, Stated)>,
        verdicts: &mut [Option<Verdict>],
    ) -> Vec<(usize, Candidate)> {
        let encoded: Vec<_> = stated.iter().map(|(_, stated)| stated.proof).collect();
        let mut proved = Vec::with_capacity(stated.len());
        let mut proofs: Vec<(PostPublic, Proof)> = Vec::with_capacity(stated.len());
        for ((position, stated), proof) in stated.into_iter().zip(EncodedProof::decode_many(&encoded)) {
            let Stated { candidate, public, records, .. } = stated;
            match proof {
                Ok(proof) => {
                    let entry = moderation::Entry::of(&public);
                    proved.push(Proved { position, candidate, entry, records });
                    proofs.push((public, proof));
                }
                Err(error) => verdicts[position] = Some(error.into()),
            }
        }
        let verified = match how {
            Verification::Together => self.posts.verify_batch(&proofs),
            Verification::Each => self.posts.verify_each(&proofs),
        };
        if let Err(error) = verified {
            for invalid in error.invalid {
                verdicts[proved[invalid].position] = Some(Verdict::InvalidProof);
            }
            proved.retain(|proved| verdicts[proved.position].is_none());
        }
        self.prove_records(how, &mut proved, verdicts);
        proved.retain(|proved| verdicts[proved.position].is_none());
        proved.into_iter().map(|proved| (proved.position, proved.candidate)).collect()
    }

    /// Verifies the records of posts whose own proof verified. A post whose records fail gets its verdict, and its
    /// nullifier is remembered.
    fn prove_records(&self, how: Verification, proved: &mut [Proved], verdicts: &mut [Option<Verdict>]) {
        let encoded: Vec<EncodedProof> = proved.iter().flat_map(|proved| &proved.records.proofs).copied().collect();
        if encoded.is_empty() {
            return;
        }
        let mut decoded = EncodedProof::decode_many(&encoded).into_iter();
        let mut refuse = |proved: &Proved, verdict| {
            self.failed_records.add(proved.candidate.entry.nullifier);
            verdicts[proved.position] = Some(verdict);
        };
        let (mut places, mut posts) = (Vec::new(), Vec::new());
        for (place, of) in proved.iter_mut().enumerate() {
            // All proofs of a post are taken, also after one that cannot be decoded.
            let read: Vec<_> = decoded.by_ref().take(of.records.proofs.len()).collect();
            match read.into_iter().collect::<Result<Vec<Proof>, _>>() {
                Ok(proofs) if proofs.is_empty() => {}
                Ok(proofs) => {
                    places.push(place);
                    posts.push(RecordsOfPost { entry: of.entry, ways: core::mem::take(&mut of.records.ways), proofs });
                }
                Err(error) => refuse(of, error.into()),
            }
        }
        let valid = self.lists.verify_records(how, &posts, &self.record_counts);
        for (place, is_valid) in places.into_iter().zip(valid) {
            if !is_valid {
                refuse(&proved[place], Verdict::InvalidProof);
            }
        }
    }
}
