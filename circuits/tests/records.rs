//! Tests proving and verifying authors and records, of single proofs and of batches over several segments.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::{cell::Cell, sync::LazyLock, time::Duration};

use ark_bn254::{Bn254, Fr};
use ark_groth16::Groth16;
use ark_snark::SNARK;
use common::*;
use proptest::prelude::*;
use quotapass_circuits::{
    constraints::Circuit,
    identity::IdentitySecret,
    moderation::{
        Action, ActionHash, Entry, ListSegment, NotTheAuthor, Segment,
        author::{Author, AuthorPublic, author},
        cut,
        record::{Record, RecordError, RecordPublic, record},
    },
    proof::Proof,
    prover::{PreparedList, ProveError, Prover, ProvingKey, RecordProvers, development_setup},
    share::{Line, Nullifier},
    signal::{ExternalNullifier, SignalHash},
    time::UnixSeconds,
    verifier::{BatchError, RecordToVerify, SegmentSum, Verifier, VerifierCosts},
};
use sha2::{Digest, Sha256};

static AUTHOR: LazyLock<Prover<Author>> = LazyLock::new(|| Prover::new(development_setup(Author).unwrap()).unwrap());
static RECORD: LazyLock<Prover<Record<16>>> =
    LazyLock::new(|| Prover::new(development_setup(Record::<16>).unwrap()).unwrap());
static VERIFIER: LazyLock<Verifier<Record<16>>> = LazyLock::new(|| RECORD.verifier().unwrap());

/// Returns the entry of a post.
fn entry(author: u64, number: u64) -> Entry {
    let line = Line::new(&secret(author), ExternalNullifier::new(scope(), epoch()), number as u16);
    let x = SignalHash::new(scope(), epoch(), &number.to_be_bytes()).unwrap();
    Entry { x, y: line.share(x).y, nullifier: line.nullifier() }
}

/// Returns a segment of posts by members 10, 11 and 12.
fn segment<const K: usize>(count: u64) -> Segment<K> {
    Segment::new(&(0..count).map(|number| entry(10 + number % 3, number)).collect::<Vec<_>>()).unwrap()
}

fn delete() -> ActionHash {
    Action::Delete.hash(scope(), UnixSeconds(1_800_000_000))
}

/// Checks that `verify` and plain ark-groth16 agree, and that both refuse a change of each of some public inputs.
fn verifies<C: Circuit>(prover: &Prover<C>, public: &C::Public, proof: &Proof, changed: &[usize]) {
    prover.verifier().unwrap().verify(public, proof).unwrap();
    let key = prover.verifying_key();
    let inputs = C::public_inputs(public);
    assert_eq!(inputs.len(), C::public_names().len());
    assert!(Groth16::<Bn254>::verify(key.as_groth16(), &inputs, proof.as_groth16()).unwrap());
    for input in changed {
        let mut changed = inputs.clone();
        changed[*input] += Fr::from(1);
        assert!(!Groth16::<Bn254>::verify(key.as_groth16(), &changed, proof.as_groth16()).unwrap(), "input {input}");
    }
}

#[test]
fn authors_prove_their_actions_and_no_other() {
    let own = entry(1, 7);
    let (public, witness) = author(&secret(1), own, delete()).unwrap();
    let proof = AUTHOR.prove(&public, &witness, &mut rng()).unwrap();
    verifies(&AUTHOR, &public, &proof, &[0, 1, 2, 3]);
    let verifier = AUTHOR.verifier().unwrap();
    let later = Action::Delete.hash(scope(), UnixSeconds(1_800_000_001));
    for other in [
        AuthorPublic { action: later, ..public },
        AuthorPublic { entry: entry(1, 8), ..public },
        AuthorPublic { entry: entry(2, 7), ..public },
    ] {
        assert!(verifier.verify(&other, &proof).is_err());
    }
    assert_eq!(author(&secret(2), own, delete()).err(), Some(NotTheAuthor));
    let batch =
        vec![(public, proof.clone()), (AuthorPublic { action: later, ..public }, proof.clone()), (public, proof)];
    assert_eq!(verifier.verify_batch(&batch), Err(BatchError { invalid: vec![1] }));
}

#[test]
fn records_of_both_sizes_prove_and_verify() {
    let (public, witness) = record(&secret(1), entry(1, 40), segment(9)).unwrap();
    let proof = RECORD.prove(&public, &witness, &mut rng()).unwrap();
    verifies(&RECORD, &public, &proof, &(0..51).collect::<Vec<_>>());

    let large = Prover::<Record<128>>::new(development_setup(Record::<128>).unwrap()).unwrap();
    let (public, witness) = record(&secret(1), entry(1, 40), segment(100)).unwrap();
    let proof = large.prove(&public, &witness, &mut rng()).unwrap();
    verifies(&large, &public, &proof, &[0, 1, 2, 3, 4, 5, 200, 384, 385, 386]);
    let verifier = large.verifier().unwrap();
    let sum = verifier.sum(&public.segment);
    verifier.verify_record(&RecordToVerify { entry: public.entry, segment: &sum, proof: proof.clone() }).unwrap();
    let prepared = large.prepare_record(&secret(1), &public.segment).unwrap();
    let (again, prepared_proof) = prepared.prove(entry(1, 40), &mut rng()).unwrap();
    assert_eq!(again, public);
    let batch = [(public.clone(), proof), (again, prepared_proof)];
    assert_eq!(verifier.verify_batch(&batch), Ok(()));
}

/// An honest author passes each segment of a list; a listed author fails in the segment that has their post.
#[test]
fn a_list_is_passed_by_authors_who_are_not_on_it() {
    let mut entries: Vec<_> = (0..37).map(|number| entry(10 + number % 3, number)).collect();
    let small = |entries: &[Entry]| -> Vec<Segment<16>> {
        let segments = cut(entries).into_iter().map(|segment| match segment {
            ListSegment::Small(segment) => segment,
            ListSegment::Large(_) => panic!("a list of 37 is cut into small segments"),
        });
        segments.collect()
    };
    assert_eq!(small(&entries).len(), 3);
    for segment in small(&entries) {
        assert!(record(&secret(1), entry(1, 50), segment).is_ok());
    }
    entries[20] = entry(1, 49);
    let errors: Vec<_> =
        small(&entries).into_iter().map(|segment| record(&secret(1), entry(1, 50), segment).err()).collect();
    assert_eq!(errors, [None, Some(RecordError::Listed { position: 4 }), None]);
}

/// A prepared list makes the proofs of all segments, whatever the list was before.
#[test]
fn a_prepared_list_follows_every_version() {
    let large = Prover::<Record<128>>::new(development_setup(Record::<128>).unwrap()).unwrap();
    let small_alone = RecordProvers { small: RECORD.clone(), large: None };
    let provers = RecordProvers { large: Some(large.clone()), ..small_alone.clone() };
    let entries: Vec<_> = (0..150).map(|number| entry(10 + number % 3, number)).collect();
    let of_large = large.verifier().unwrap();
    let mut rng = rng();
    let own = entry(1, 200);

    let mut prepared = PreparedList::new(&small_alone, &secret(1), &entries[..20]).unwrap();
    assert!(matches!(prepared.update(&small_alone, &entries), Err(ProveError::LargeKeyMissing)));
    for list in [&entries[..20], &entries[1..30], &entries, &entries[3..5], &[]] {
        assert_eq!(RecordProvers::needs_large(list.len()), list.len() > 64);
        prepared.update(&provers, list).unwrap();
        let proofs = prepared.prove(own, &mut rng).unwrap();
        let segments = cut(list);
        assert_eq!(proofs.len(), segments.len());
        for (segment, proof) in segments.into_iter().zip(proofs) {
            match segment {
                ListSegment::Small(segment) => VERIFIER.verify(&RecordPublic { entry: own, segment }, &proof).unwrap(),
                ListSegment::Large(segment) => of_large.verify(&RecordPublic { entry: own, segment }, &proof).unwrap(),
            }
        }
    }
    // The author is listed in the second segment, and the prepared list stays as it was.
    let mut listed = entries[..40].to_vec();
    listed[33] = entry(1, 201);
    let error = prepared.update(&provers, &listed).unwrap_err();
    assert!(matches!(error, ProveError::Record(RecordError::Listed { position: 33 })), "{error}");
    assert!(prepared.prove(own, &mut rng).unwrap().is_empty());
    assert!(prepared.prove(entry(2, 1), &mut rng).unwrap().is_empty(), "an empty list asks for no proof");
}

#[test]
fn a_record_is_valid_for_its_post_and_its_segment_only() {
    let (public, witness) = record(&secret(1), entry(1, 40), segment(9)).unwrap();
    let proof = RECORD.prove(&public, &witness, &mut rng()).unwrap();
    let verify = |entry, segment: &Segment<16>| {
        let sum = VERIFIER.sum(segment);
        let with_sum = VERIFIER.verify_record(&RecordToVerify { entry, segment: &sum, proof: proof.clone() });
        let plain = VERIFIER.verify(&RecordPublic { entry, segment: segment.clone() }, &proof);
        assert_eq!(with_sum, plain);
        plain.is_ok()
    };
    assert!(verify(public.entry, &segment(9)));
    assert!(!verify(entry(1, 41), &segment(9)));
    assert!(!verify(Entry { nullifier: Nullifier::from_field(Fr::from(1)), ..public.entry }, &segment(9)));
    // Another version of the list, and the same posts in another order.
    assert!(!verify(public.entry, &segment(10)));
    let mut turned = segment::<16>(9).entries().to_vec();
    turned.swap(0, 1);
    assert!(!verify(public.entry, &Segment::new(&turned).unwrap()));
}

/// A sum of another key gives the same verdicts as one of the verifier's own key.
#[test]
fn a_sum_of_another_key_is_computed_anew() {
    // Another key is the same key file with two points of listed posts exchanged, and a checksum that matches.
    let mut file = RECORD.key().to_bytes();
    let lists: usize = file[57..69].chunks(4).map(|n| u32::from_be_bytes(n.try_into().unwrap()) as usize).sum();
    let first = 69 + 4 * lists + 64 * (1 + 4);
    let (one, two) = (file[first..first + 64].to_vec(), file[first + 64..first + 128].to_vec());
    file[first..first + 128].copy_from_slice(&[two, one].concat());
    let end = file.len() - 32;
    let checksum = Sha256::digest(&file[..end]);
    file[end..].copy_from_slice(&checksum);
    let key = ProvingKey::from_bytes_standard::<Record<16>>(&file).unwrap();
    let other = Prover::<Record<16>>::new(key).unwrap().verifier().unwrap();
    assert_ne!(other.key(), VERIFIER.key());
    let (public, witness) = record(&secret(1), entry(1, 40), segment(9)).unwrap();
    let proof = RECORD.prove(&public, &witness, &mut rng()).unwrap();
    let sum = other.sum(&public.segment);
    let record = RecordToVerify { entry: public.entry, segment: &sum, proof };
    assert_eq!(VERIFIER.verify_record(&record), Ok(()));
    assert_eq!(VERIFIER.verify_records(&[record.clone(), record.clone()]), Ok(()));
    assert!(other.verify_record(&record).is_err());
}

/// Valid records of several authors over three segments.
static MANY: LazyLock<Vec<(RecordPublic<16>, Proof)>> = LazyLock::new(|| {
    let mut rng = rng();
    let segments = [segment(0), segment(9), segment(16)];
    let prove = |number: u64| {
        let segment = segments[number as usize % 3].clone();
        let (public, witness) = record(&secret(number % 5), entry(number % 5, 100 + number), segment).unwrap();
        let proof = RECORD.prove(&public, &witness, &mut rng).unwrap();
        (public, proof)
    };
    (0..12).map(prove).collect()
});

/// Verifies a batch in every way, and returns the positions of the invalid records.
fn invalid(batch: &[(RecordPublic<16>, Proof)]) -> Vec<usize> {
    let sums: Vec<SegmentSum<16>> =
        VERIFIER.sum_all(&batch.iter().map(|(public, _)| public.segment.clone()).collect::<Vec<_>>());
    let records: Vec<_> = batch
        .iter()
        .zip(&sums)
        .map(|((public, proof), segment)| RecordToVerify { entry: public.entry, segment, proof: proof.clone() })
        .collect();
    let found = VERIFIER.verify_records(&records);
    assert_eq!(VERIFIER.verify_each_record(&records), found);
    assert_eq!(VERIFIER.verify_batch(batch), found);
    found.err().map(|error| error.invalid).unwrap_or_default()
}

#[test]
fn batches_over_several_segments_name_each_invalid_record() {
    assert!(invalid(&[]).is_empty());
    assert!(invalid(&MANY).is_empty());
    for size in 1..MANY.len() {
        assert!(invalid(&MANY[..size]).is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn a_batch_of_records_is_the_same_as_its_records_one_by_one(
        size in 1..40usize,
        forgeries in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), 0..5u8), 0..6),
    ) {
        let mut batch: Vec<_> = MANY.iter().cycle().take(size).cloned().collect();
        for (at, other, way) in forgeries {
            let (at, other) = (at.index(size), other.index(size));
            let another = batch[other].clone();
            let (public, proof) = &mut batch[at];
            let mut points = proof.as_groth16().clone();
            match way {
                0 => points.a = -points.a,
                1 => points.c = points.a,
                2 => public.segment = another.0.segment,
                3 => public.entry = another.0.entry,
                _ => points = another.1.as_groth16().clone(),
            }
            *proof = Proof::new(points).unwrap();
        }
        let is_invalid = |at: &usize| {
            batch[*at] != MANY[at % MANY.len()] && VERIFIER.verify(&batch[*at].0, &batch[*at].1).is_err()
        };
        let expected: Vec<_> = (0..size).filter(is_invalid).collect();
        prop_assert_eq!(invalid(&batch), expected);
    }

    /// Every list of other members' posts is passed, and no list with a post of the author.
    #[test]
    fn only_authors_of_listed_posts_fail(
        authors in prop::collection::vec(0..4u64, 0..16),
        own in 0..4u64,
    ) {
        let entries: Vec<_> = authors.iter().zip(0..).map(|(author, number)| entry(*author, number)).collect();
        let stated = record(&secret(own), entry(own, 60), Segment::<16>::new(&entries).unwrap());
        match authors.iter().position(|author| *author == own) {
            Some(position) => prop_assert_eq!(stated.err(), Some(RecordError::Listed { position })),
            None => {
                let (public, witness) = stated.unwrap();
                let proof = RECORD.prove(&public, &witness, &mut rng()).unwrap();
                prop_assert!(VERIFIER.verify(&public, &proof).is_ok());
            }
        }
    }
}

#[test]
fn no_secret_wrote_the_neutral_entry() {
    for number in 0..50 {
        assert!(!Entry::NEUTRAL.is_by(&IdentitySecret::from_field(Fr::from(number + 1u64)).unwrap()));
        assert!(!Entry::NEUTRAL.is_by(&IdentitySecret::from_field(-Fr::from(number + 1u64)).unwrap()));
    }
}

#[test]
fn the_costs_of_records_are_measured() {
    let ticks = Cell::new(0);
    let costs = VerifierCosts::measure(&VERIFIER, || {
        ticks.set(ticks.get() + 1);
        Duration::from_millis(64 * ticks.get())
    });
    let (each, whole) = (Duration::from_millis(4), Duration::from_millis(64));
    assert_eq!(costs, VerifierCosts { proof: each, suspect: each, question: whole, single: whole });
}
