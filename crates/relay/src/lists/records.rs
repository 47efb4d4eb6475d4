//! Verification of the records of many posts.

use std::sync::atomic::{AtomicU64, Ordering};

use quotapass_circuits::{
    moderation::Entry,
    proof::Proof,
    verifier::{BatchError, RecordToVerify},
};

use super::{
    Lists, Way,
    sums::{RecordVerifiers, SumOfSegment},
};
use crate::Verification;

/// The records of a post whose own proof verified.
#[derive(Debug)]
pub(crate) struct RecordsOfPost {
    /// The entry of the post.
    pub(crate) entry: Entry,
    /// The lists that they are about, under each policy that accepts all else of the pass.
    pub(crate) ways: Vec<Way>,
    /// One proof for each segment of each list.
    pub(crate) proofs: Vec<Proof>,
}

/// The numbers of records that were verified.
#[derive(Debug, Default)]
pub(crate) struct RecordCounts {
    valid: AtomicU64,
    invalid: AtomicU64,
}

impl RecordCounts {
    fn add(&self, all: usize, invalid: usize) {
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        self.valid.fetch_add(number(all - invalid), Ordering::Relaxed);
        self.invalid.fetch_add(number(invalid), Ordering::Relaxed);
    }

    /// Returns the numbers of valid and invalid records.
    pub(crate) fn read(&self) -> (u64, u64) {
        (self.valid.load(Ordering::Relaxed), self.invalid.load(Ordering::Relaxed))
    }
}

impl Lists {
    /// Verifies the records of posts: those of one size together, or each alone. Returns for each post whether all its
    /// records are valid under one of its ways. A way without segments needs no proof.
    ///
    /// Two policies may accept one pass up to its proofs: a former one with another limit on the same list. The proofs
    /// then decide which, as for every other value of a policy.
    pub(crate) fn verify_records(
        &self,
        how: Verification,
        posts: &[RecordsOfPost],
        counts: &RecordCounts,
    ) -> Vec<bool> {
        let mut valid = vec![false; posts.len()];
        // Policies with lists are refused without verifiers, so this refuses only what cannot be verified.
        let Some(verifiers) = &self.verifiers else { return valid };
        for number in 0.. {
            let left = posts.iter().enumerate().filter(|(place, _)| !valid[*place]);
            let tried: Vec<(usize, &RecordsOfPost, &Way)> =
                left.filter_map(|(place, post)| Some((place, post, post.ways.get(number)?))).collect();
            if tried.is_empty() {
                break;
            }
            let failed = self.try_ways(verifiers, how, &tried, counts);
            for ((place, ..), failed) in tried.iter().zip(failed) {
                valid[*place] = !failed;
            }
        }
        valid
    }

    /// Returns for each post whether its records fail under its way.
    fn try_ways(
        &self,
        verifiers: &RecordVerifiers,
        how: Verification,
        tried: &[(usize, &RecordsOfPost, &Way)],
        counts: &RecordCounts,
    ) -> Vec<bool> {
        let sums: Vec<Vec<SumOfSegment>> = tried
            .iter()
            .map(|(_, _, way)| {
                let lists = way.0.iter().filter_map(|of| self.sums_of(&of.list, of.limit));
                lists.flat_map(|sums| sums.to_vec()).collect()
            })
            .collect();
        let mut failed = vec![false; tried.len()];
        let (mut small, mut large) = ((Vec::new(), Vec::new()), (Vec::new(), Vec::new()));
        for (number, ((_, post, _), sums)) in tried.iter().zip(&sums).enumerate() {
            // `Lists::check` compared the numbers; a post that lacks a proof must never pass.
            failed[number] = post.proofs.len() != sums.len();
            for (sum, proof) in sums.iter().zip(&post.proofs) {
                match sum {
                    SumOfSegment::Small(segment) => {
                        small.0.push(number);
                        small.1.push(RecordToVerify { entry: post.entry, segment, proof: proof.clone() });
                    }
                    SumOfSegment::Large(segment) => {
                        large.0.push(number);
                        large.1.push(RecordToVerify { entry: post.entry, segment, proof: proof.clone() });
                    }
                }
            }
        }
        let each = matches!(how, Verification::Each);
        let of_small = match each {
            true => verifiers.small().verify_each_record(&small.1),
            false => verifiers.small().verify_records(&small.1),
        };
        let of_large = match each {
            true => verifiers.large().verify_each_record(&large.1),
            false => verifiers.large().verify_records(&large.1),
        };
        let mut invalid = 0;
        for (numbers, result) in [(&small.0, of_small), (&large.0, of_large)] {
            if let Err(BatchError { invalid: places, .. }) = result {
                invalid += places.len();
                places.into_iter().for_each(|place| failed[numbers[place]] = true);
            }
        }
        counts.add(small.0.len() + large.0.len(), invalid);
        failed
    }
}
