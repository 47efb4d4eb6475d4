//! Time of a record beside a post: whole, prepared, and verified in a batch; and time of a new version of a list.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::hint::black_box;

use ark_bn254::Fr;
use ark_std::rand::{SeedableRng, rngs::StdRng};
use common::{Run, ours::Ours};
use quotapass_circuits::{
    formats::{
        recorded::{ListRecords, ListVersion, RecordedHead, RecordedPass},
        wire::{EncodedProof, PostPass},
    },
    identity::IdentitySecret,
    membership::Levels,
    moderation::{
        Entry, Segment,
        record::{Record, record},
        segment_sizes,
    },
    prover::{Prover, Tables, development_setup},
    share::Line,
    signal::{ExternalNullifier, SignalHash},
    verifier::{RecordToVerify, Verifier},
};

/// Number of passes in a batch.
const BATCH: usize = 64;
/// Number of large segments of the longest list.
const SEGMENTS: u64 = 8;

fn secret(number: u64) -> IdentitySecret {
    IdentitySecret::from_field(Fr::from(5_000 + number)).unwrap()
}

fn entry(author: u64, number: u64) -> Entry {
    let line = Line::new(&secret(author), ExternalNullifier::from_field(Fr::from(number)), 0);
    let x = SignalHash::from_field(-Fr::from(number + 1)).unwrap();
    Entry { x, y: line.share(x).y, nullifier: line.nullifier() }
}

/// Returns a full segment of posts by other members.
fn segment<const K: usize>(version: u64) -> Segment<K> {
    Segment::new(&(0..K as u64).map(|number| entry(1 + number, version * 1_000 + number)).collect::<Vec<_>>()).unwrap()
}

/// Measures the proofs of one size, prepared and whole, beside a prepared post.
fn prove<const K: usize>(run: &mut Run, prover: &Prover<Record<K>>, post: &mut dyn FnMut()) {
    let mut rng = StdRng::seed_from_u64(2);
    let (first, second) = (segment::<K>(1), segment::<K>(2));
    let mut changed = first.entries().to_vec();
    changed[K / 2] = second.entries()[0];
    let changed = Segment::new(&changed).unwrap();
    let prepared = prover.prepare_record(&secret(0), &first).unwrap();
    let mut number = 0;
    let mut own = || {
        number += 1;
        entry(0, 1_000_000 + number)
    };
    let name = format!("record{K}, prepared");
    run.beside(
        1,
        [(&name, &mut || drop(black_box(prepared.prove(own(), &mut rng).unwrap()))), ("post, prepared", post)],
    );
    run.alone(&format!("record{K}, nothing prepared"), &mut || {
        let (public, witness) = record(&secret(0), entry(0, 1), first.clone()).unwrap();
        black_box(prover.prove(&public, &witness, &mut rng).unwrap());
    });
    run.alone(&format!("record{K}, prepare"), &mut || {
        black_box(prover.prepare_record(&secret(0), &first).unwrap());
    });
    let mut following = prover.prepare_record(&secret(0), &first).unwrap();
    let mut versions = [changed, first].into_iter().cycle();
    run.alone(&format!("record{K}, follow a list of which one entry changes"), &mut || {
        following.update(&versions.next().unwrap()).unwrap();
    });
}

/// Measures a batch of records, decoded and verified, beside a batch of posts.
fn verify<const K: usize>(run: &mut Run, ours: &mut Ours, prover: &Prover<Record<K>>) {
    let size = if run.is_short() { 2 } else { BATCH };
    let posts = ours.passes(size);
    let post = PostPass::from_bytes(&posts[0]).unwrap();
    let (mut rng, segment) = (StdRng::seed_from_u64(3), segment::<K>(1));
    let prepared = prover.prepare_record(&secret(0), &segment).unwrap();
    let entries: Vec<_> = (0..size as u64).map(|number| entry(0, 2_000_000 + number)).collect();
    let records: Vec<_> = entries
        .iter()
        .map(|entry| {
            let (_, proof) = prepared.prove(*entry, &mut rng).unwrap();
            let version = ListVersion { log: [1; 8], size: 1, root: [2; 8] };
            RecordedPass::new(post.clone(), vec![ListRecords { version, proofs: vec![proof] }]).unwrap().to_bytes()
        })
        .collect();
    let of_posts = ours.prover.verifier().unwrap();
    let verifier = prover.verifier().unwrap();
    let sum = verifier.sum(&segment);
    let mut batch_of_records = || {
        let encoded: Vec<EncodedProof> = records
            .iter()
            .map(|bytes| RecordedHead::from_bytes(bytes).unwrap().lists.remove(0).proofs.remove(0))
            .collect();
        let proofs = EncodedProof::decode_many(&encoded).into_iter().map(Result::unwrap);
        let records = entries.iter().zip(proofs);
        let records: Vec<_> =
            records.map(|(entry, proof)| RecordToVerify { entry: *entry, segment: &sum, proof }).collect();
        verifier.verify_records(&records).unwrap();
    };
    let taken: Vec<_> = posts.iter().map(Vec::as_slice).collect();
    let mut batch_of_posts = || of_posts.verify_batch(&ours.decode_many(&taken)).unwrap();
    let name = format!("record{K}, decode and verify in a batch of {size}, each");
    run.beside(
        size,
        [(&name, &mut batch_of_records), (&format!("post, in a batch of {size}, each"), &mut batch_of_posts)],
    );
}

/// Measures the work of a relay when the longest list changes: in every entry, as when a new one ends the oldest, and in one
/// segment.
fn change_version(run: &mut Run, verifier: &Verifier<Record<128>>) {
    let count = if run.is_short() { 1 } else { SEGMENTS };
    let segments: Vec<_> = (0..count).map(segment::<128>).collect();
    run.alone(&format!("relay: all segments of a list of {} change", 128 * count), &mut || {
        black_box(verifier.sum_all(&segments));
    });
    run.alone("relay: one segment of 128 changes", &mut || {
        black_box(verifier.sum_all(&segments[..1]));
    });
}

/// Adds the bytes of passes with the records of one list.
fn bytes(run: &mut Run, ours: &mut Ours) {
    let post = PostPass::from_bytes(&ours.passes(1)[0]).unwrap();
    for count in [16, 64, 128, 1_024] {
        let proofs = vec![post.proof.clone(); segment_sizes(count).len()];
        let version = ListVersion { log: [1; 8], size: 1, root: [2; 8] };
        let pass = RecordedPass::new(post.clone(), vec![ListRecords { version, proofs }]).unwrap();
        run.row(&format!("pass, a list of {count} posts"), "bytes", Some(pass.to_bytes().len() as f64), None);
    }
}

fn main() {
    let mut run = Run::new("record");
    let mut ours = Ours::new(Levels::STANDARD, true);
    let prepared = ours.prepare();
    let key = development_setup(Record::<16>).unwrap();
    let tables = Tables::build(&key);
    let small = Prover::<Record<16>>::new(key).unwrap().with_tables(tables).unwrap();
    prove(&mut run, &small, &mut || {
        black_box(ours.finish(&prepared));
    });
    verify(&mut run, &mut ours, &small);
    let key = development_setup(Record::<128>).unwrap();
    run.row("key of record128", "MB", Some(key.to_bytes().len() as f64 / 1e6), None);
    let large = Prover::<Record<128>>::new(key).unwrap();
    prove(&mut run, &large, &mut || {
        black_box(ours.finish(&prepared));
    });
    verify(&mut run, &mut ours, &large);
    change_version(&mut run, &large.verifier().unwrap());
    bytes(&mut run, &mut ours);
    run.finish();
}
