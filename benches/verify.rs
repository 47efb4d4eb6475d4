//! Time to verify one pass, and a pass of a batch.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{Run, ours::Ours, theirs::Theirs};
use quotapass_circuits::membership::Levels;

/// Number of different passes. Larger batches repeat them, which saves the verifier nothing.
const PASSES: usize = 64;

fn main() {
    let mut run = Run::new("verify");
    let (mut ours, mut theirs) = (Ours::new(Levels::STANDARD, true), Theirs::new());
    let passes = ours.passes(if run.is_short() { 4 } else { PASSES });
    let message = theirs.message();
    let verifier = ours.prover.verifier().unwrap();

    let (public, proof) = ours.decode(&passes[0]);
    let (their_proof, their_values) = theirs.prove();
    run.compare("verify one", 1, &mut || verifier.verify(&public, &proof).unwrap(), &mut || {
        assert!(theirs.rln.verify(&their_proof, &their_values).unwrap());
    });
    run.compare(
        "decode and verify one",
        1,
        &mut || {
            let (public, proof) = ours.decode(&passes[0]);
            verifier.verify(&public, &proof).unwrap();
        },
        &mut || theirs.decode_and_verify(&message),
    );

    let batch = |size: usize| {
        let taken: Vec<_> = passes.iter().cycle().take(size).map(Vec::as_slice).collect();
        verifier.verify_batch(&ours.decode_many(&taken)).unwrap();
    };
    // `rln` verifies no batches, so it verifies one message after another.
    for size in if run.is_short() { vec![4] } else { vec![64, 1024] } {
        run.compare(&format!("decode and verify a batch of {size}, each"), size, &mut || batch(size), &mut || {
            for _ in 0..size {
                theirs.decode_and_verify(&message);
            }
        });
    }
    if run.with_growth() {
        for power in if run.is_short() { 0..=2 } else { 0..=12 } {
            let size = 1 << power;
            run.point("decode and verify a batch, each", size, size, Some(&mut || batch(size)), None);
        }
    }
    run.finish();
}
