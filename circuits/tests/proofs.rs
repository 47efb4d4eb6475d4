//! Tests proving and verifying, of single proofs and of batches.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::{num::NonZeroU16, sync::LazyLock};

use ark_bn254::{Bn254, Fr};
use ark_groth16::Groth16;
use ark_snark::SNARK;
use common::*;
use proptest::prelude::*;
use quotapass_circuits::{
    badge::{Badge, badge},
    constraints::{Circuit, shape::Shape},
    identity::IdentitySecret,
    membership::{Day, Levels, MemberIndex},
    post::{Post, PostError, post},
    proof::Proof,
    prover::{ProveError, Prover, development_setup},
    requirement::{Ineligible, Requirement},
    share::ShareValue,
    signal::{ChatKeyHash, ExternalNullifier, Receiver, SignalHash},
    slash::{Slash, SlashPublic, slash},
    verifier::{BatchError, InvalidProof},
};

/// The speed of `post` depends on its domain. One constraint too many would double the domain.
#[test]
fn post_fits_its_domain() {
    let shape = Shape::of(Post::STANDARD).unwrap();
    let public_inputs = shape.public - 1;
    println!("post at 11 levels: {} constraints, {public_inputs} public inputs", shape.constraints());
    assert!(shape.constraints() + public_inputs < 4096);
    assert_eq!((shape.constraints(), public_inputs, shape.domain()), (4086, 8, 4096));
}

/// Checks that `verify` and plain ark-groth16 agree, and that a changed public input makes the proof invalid.
fn verifies<C: Circuit>(prover: &Prover<C>, public: &C::Public, proof: &Proof) {
    prover.verifier().unwrap().verify(public, proof).unwrap();
    let key = prover.verifying_key();
    let inputs = C::public_inputs(public);
    assert_eq!(inputs.len(), C::public_names().len());
    assert!(Groth16::<Bn254>::verify(key.as_groth16(), &inputs, proof.as_groth16()).unwrap());
    for i in 0..inputs.len() {
        let mut changed = inputs.clone();
        changed[i] += Fr::from(1);
        assert!(!Groth16::<Bn254>::verify(key.as_groth16(), &changed, proof.as_groth16()).unwrap(), "input {i}");
    }
}

#[test]
fn each_circuit_proves_and_verifies() {
    let (public, proof) = prove_post(2, 0, b"hello");
    verifies(&POST, &public, &proof);
    let (public, proof) = prove_badge();
    verifies(&BADGE, &public, &proof);
    let (public, proof) = prove_slash();
    verifies(&SLASH, &public, &proof);
}

#[test]
fn sixteen_levels_prove_too() {
    let levels = Levels::new(16).unwrap();
    let prover = Prover::<Post>::new(development_setup(Post { levels }).unwrap()).unwrap();
    let path = tree(levels).path(MemberIndex(6)).unwrap();
    let external = ExternalNullifier::new(scope(), epoch());
    let x = SignalHash::new(scope(), epoch(), b"deep").unwrap();
    let (public, witness) =
        post(membership(&secret(6), &member(6), &path), external, x, REQUIREMENT, NonZeroU16::MAX, 19).unwrap();
    let proof = prover.prove(&public, &witness, &mut rng()).unwrap();
    prover.verifier().unwrap().verify(&public, &proof).unwrap();

    let standard = tree(Levels::STANDARD).path(MemberIndex(6)).unwrap();
    let (public, witness) =
        post(membership(&secret(6), &member(6), &standard), external, x, REQUIREMENT, NonZeroU16::MAX, 19).unwrap();
    assert!(matches!(prover.prove(&public, &witness, &mut rng()), Err(ProveError::Unsatisfied(_))));
}

#[test]
fn two_proofs_of_one_statement_differ() {
    let (public, witness) = slash(&secret(1), Receiver::new(&REGISTRY, &[9; 20]));
    let mut rng = rng();
    let [first, second] = [0, 1].map(|_| SLASH.prove(&public, &witness, &mut rng).unwrap());
    let [f, s] = [first.as_groth16(), second.as_groth16()];
    assert!(f.a != s.a && f.b != s.b && f.c != s.c);
}

#[test]
fn a_statement_that_is_not_true_is_refused_with_the_reason() {
    let tree = tree(Levels::STANDARD);
    let path = tree.path(MemberIndex(3)).unwrap();
    let external = ExternalNullifier::new(scope(), epoch());
    let x = SignalHash::new(scope(), epoch(), b"hello").unwrap();
    let attempt = |secret: &IdentitySecret, requirement, cap, id| {
        post(membership(secret, &member(3), &path), external, x, requirement, NonZeroU16::new(cap).unwrap(), id)
            .err()
            .unwrap()
    };
    assert_eq!(attempt(&secret(4), REQUIREMENT, 15, 0), PostError::Ineligible(Ineligible::NotTheMember));
    assert_eq!(attempt(&secret(3), REQUIREMENT, 15, 15), PostError::OverQuota { message_id: 15, limit: 15 });
    assert_eq!(attempt(&secret(3), REQUIREMENT, 50, 20), PostError::OverQuota { message_id: 20, limit: 20 });
    let rich = Requirement { min_stake: 11, ..REQUIREMENT };
    let too_low = Ineligible::StakeTooLow { stake: 10, required: 11 };
    assert_eq!(attempt(&secret(3), rich, 15, 0), PostError::Ineligible(too_low));
    let old = Requirement { since_max: Day(20_699), ..REQUIREMENT };
    let too_young = Ineligible::TooYoung { since: Day(20_700), required: Day(20_699) };
    assert_eq!(attempt(&secret(3), old, 15, 0), PostError::Ineligible(too_young));
    let refused = badge(membership(&secret(3), &member(3), &path), scope(), ChatKeyHash::new(b""), old);
    assert_eq!(refused.err().unwrap(), too_young);

    // A statement that was changed afterwards.
    let cap = NonZeroU16::new(15).unwrap();
    let (mut public, witness) =
        post(membership(&secret(3), &member(3), &path), external, x, REQUIREMENT, cap, 0).unwrap();
    public.share.y = ShareValue::from_field(Fr::from(1));
    let error = POST.prove(&public, &witness, &mut rng()).err().unwrap();
    assert_eq!(error.to_string(), "the witness does not satisfy the clause `share: y = a0 + a1 * x`");
}

#[test]
fn a_key_of_another_circuit_is_refused() {
    let key = || development_setup(Slash).unwrap();
    assert!(matches!(Prover::<Badge>::new(key()), Err(ProveError::WrongCircuit { .. })));
    let error = quotapass_circuits::verifier::Verifier::<Badge>::new(key().verifying_key()).err().unwrap();
    assert_eq!((error.found, error.expected), (2, 6));
}

#[test]
fn batches_name_each_invalid_proof_and_no_other() {
    let verifier = SLASH.verifier().unwrap();
    let mut rng = rng();
    let good: Vec<_> = (0..13)
        .map(|i| {
            let (public, witness) = slash(&secret(i), Receiver::new(&REGISTRY, &[i as u8; 20]));
            let proof = SLASH.prove(&public, &witness, &mut rng).unwrap();
            (public, proof)
        })
        .collect();
    assert_eq!(verifier.verify_batch(&[]), Ok(()));
    assert_eq!(verifier.verify_batch(&good), Ok(()));
    assert_eq!(verifier.verify_batch(&good[..1]), Ok(()));

    let patterns: [&[usize]; 7] =
        [&[0], &[12], &[5], &[0, 12], &[3, 4, 5], &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], &[6, 7]];
    for invalid in patterns {
        let mut batch = good.clone();
        for &i in invalid {
            batch[i].0.receiver = Receiver::from_field(Fr::from(i as u64));
        }
        assert_eq!(verifier.verify_batch(&batch), Err(BatchError { invalid: invalid.to_vec() }));
    }

    // Errors that cancel in a plain sum without random coefficients: a point is added to C in one proof and subtracted
    // from C in the other.
    let mut batch = good[..2].to_vec();
    let shift = batch[0].1.as_groth16().a;
    for (entry, shift) in batch.iter_mut().zip([shift, -shift]) {
        let mut proof = entry.1.as_groth16().clone();
        proof.c = (proof.c + shift).into();
        entry.1 = Proof::new(proof).unwrap();
    }
    assert_eq!(verifier.verify_batch(&batch), Err(BatchError { invalid: vec![0, 1] }));
    assert_eq!(verifier.verify_batch(&batch[..1]), Err(BatchError { invalid: vec![0] }));
}

/// Valid proofs of many statements.
static MANY: LazyLock<Vec<(SlashPublic, Proof)>> = LazyLock::new(|| {
    let mut rng = rng();
    let prove = |i: u64| {
        let (public, witness) = slash(&secret(i % 5), Receiver::new(&REGISTRY, &[i as u8; 20]));
        let proof = SLASH.prove(&public, &witness, &mut rng).unwrap();
        (public, proof)
    };
    (0..70).map(prove).collect()
});

/// Makes the proof at a position invalid, in one of eight ways. Some ways use a second proof.
fn forge(batch: &mut [(SlashPublic, Proof)], at: usize, other: usize, way: u8) {
    let another = batch[other].clone();
    let (public, proof) = &mut batch[at];
    let mut points = proof.as_groth16().clone();
    match way {
        0 => points.a = -points.a,
        1 => points.b = -points.b,
        2 => points.c = points.a,
        3 => public.receiver = Receiver::from_field(Fr::from(1)),
        // The proof of the other statement. The next way exchanges both proofs.
        4 => points = another.1.as_groth16().clone(),
        5 if at != other => {
            batch.swap(at, other);
            let (first, second) = (batch[at].0, batch[other].0);
            (batch[at].0, batch[other].0) = (second, first);
            return;
        }
        // Errors that cancel in a plain sum.
        6 if at != other => {
            let mut others = another.1.as_groth16().clone();
            others.c = (others.c - points.a).into();
            points.c = (points.c + points.a).into();
            let Ok(others) = Proof::new(others) else { return };
            batch[other].1 = others;
        }
        // Errors that cancel in a product of A and B.
        _ => (points.a, points.b) = (-points.a, (points.b + points.b).into()),
    }
    // Earlier forgeries may give the point at infinity, which is not a proof.
    if let Ok(points) = Proof::new(points) {
        batch[at].1 = points;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// For all forgeries, a batch gives the same result for each proof as verifying the proof alone.
    #[test]
    fn a_batch_is_the_same_as_its_proofs_one_by_one(
        size in 1..140usize,
        forgeries in prop_oneof![
            4 => prop::collection::vec(any::<(prop::sample::Index, prop::sample::Index, u8)>(), 0..6),
            1 => prop::collection::vec(any::<(prop::sample::Index, prop::sample::Index, u8)>(), 0..120),
        ],
    ) {
        let verifier = SLASH.verifier().unwrap();
        let mut batch: Vec<_> = MANY.iter().cycle().take(size).cloned().collect();
        for (at, other, way) in forgeries {
            forge(&mut batch, at.index(size), other.index(size), way % 8);
        }
        let is_invalid = |at: &usize| {
            // Unchanged proofs are known to be valid.
            batch[*at] != MANY[at % MANY.len()] && verifier.verify(&batch[*at].0, &batch[*at].1).is_err()
        };
        let invalid: Vec<_> = (0..size).filter(is_invalid).collect();
        let expected = if invalid.is_empty() { Ok(()) } else { Err(BatchError { invalid }) };
        prop_assert_eq!(verifier.verify_batch(&batch), expected.clone());
        prop_assert_eq!(verifier.verify_each(&batch), expected);
    }
}

#[test]
fn batches_of_every_size_find_an_invalid_proof_at_every_position() {
    let verifier = SLASH.verifier().unwrap();
    let good = &*MANY;
    for size in 0..good.len() {
        assert_eq!(verifier.verify_batch(&good[..size]), Ok(()), "{size}");
    }
    for position in 0..good.len() {
        // Each size again, with a changed point of a proof, or a changed statement, in turn.
        let mut batch = good[..good.len().min(position + 1 + position % 7)].to_vec();
        let mut proof = batch[position].1.as_groth16().clone();
        match position % 4 {
            0 => proof.a = -proof.a,
            1 => proof.b = -proof.b,
            2 => proof.c = proof.a,
            _ => batch[position].0.receiver = Receiver::from_field(Fr::from(1)),
        }
        batch[position].1 = Proof::new(proof).unwrap();
        assert_eq!(verifier.verify_batch(&batch), Err(BatchError { invalid: vec![position] }));
    }
}

#[test]
fn a_proof_of_another_statement_is_invalid() {
    let (public, _) = prove_post(2, 0, b"hello");
    let (_, other) = prove_post(2, 0, b"other");
    assert_eq!(POST.verifier().unwrap().verify(&public, &other), Err(InvalidProof));
}
