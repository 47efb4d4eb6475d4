//! Keys by other programs: first keys of former versions of snarkjs, and contributions in bellman's format.

use ark_bn254::G1Projective;
use ark_poly::{EvaluationDomain, Radix2EvaluationDomain};

use super::*;
use crate::ceremony::initial::Infinity;

/// The first key as snarkjs before 0.7.0 makes it: the circuit hash differs, and nothing else.
fn former_first_key() -> Zkey {
    let circuit_hash = INITIAL.zkey().computed_hash(Infinity::Flagged).unwrap();
    Zkey { circuit_hash, ..INITIAL.zkey().clone() }
}

/// Changes the component i of a list of points of the quotient in the basis `tau^i (tau^n - 1)`.
fn with_component(points: &[G1Affine], i: usize, change: impl Fn(&mut G1Projective)) -> Vec<G1Affine> {
    let domain = Radix2EvaluationDomain::<Fr>::new(points.len()).unwrap();
    let mut components: Vec<G1Projective> = points.iter().map(|point| point.into_group()).collect();
    domain.fft_in_place(&mut components);
    change(&mut components[i]);
    domain.ifft_in_place(&mut components);
    G1Projective::normalize_batch(&components)
}

#[test]
fn the_circuit_hash_follows_from_the_points_of_the_first_key() {
    let first = INITIAL.zkey();
    assert_eq!(first.computed_hash(Infinity::Zeros).unwrap(), first.circuit_hash);
    // The circuit has variables that do not occur in A or B, so the two encodings differ.
    assert_ne!(former_first_key().circuit_hash, first.circuit_hash);
}

#[test]
fn a_first_key_by_a_former_version_is_refused_at_the_first_contribution() {
    let entropy = || Entropy::new(&mut rng(), b"");
    let former = former_first_key();
    assert!(matches!(contribute(&former, None, &entropy()), Err(CeremonyError::FormerCircuitHash)));
    assert!(matches!(apply_beacon(&former, None, BEACON, 10), Err(CeremonyError::FormerCircuitHash)));
    let text = contribute(&former, None, &entropy()).unwrap_err().to_string();
    assert!(text.contains("snarkjs before 0.7.0") && text.contains("0.7.0 or later"), "{text}");
    let changed = Zkey { circuit_hash: TranscriptHash([1; 64]), ..INITIAL.zkey().clone() };
    assert!(matches!(contribute(&changed, None, &entropy()), Err(CeremonyError::CircuitHash)));
    let changed = Zkey { a: KEYS.1.b_g1.clone(), ..INITIAL.zkey().clone() };
    assert!(matches!(contribute(&changed, None, &entropy()), Err(CeremonyError::CircuitHash)));
}

#[test]
fn later_contributors_see_it_with_the_powers_of_tau() {
    INITIAL.check_so_far(INITIAL.zkey(), &mut rng()).unwrap();
    INITIAL.check_so_far(&KEYS.0, &mut rng()).unwrap();
    INITIAL.check_so_far(&KEYS.1, &mut rng()).unwrap();
    assert!(matches!(INITIAL.check(&KEYS.0, &mut rng()), Err(CeremonyError::NoBeacon)));
    let former = Zkey { circuit_hash: former_first_key().circuit_hash, ..KEYS.0.clone() };
    assert!(matches!(INITIAL.check_so_far(&former, &mut rng()), Err(CeremonyError::FormerCircuitHash)));
    let mut damaged = KEYS.0.clone();
    damaged.c.swap(1, 2);
    assert!(matches!(INITIAL.check_so_far(&damaged, &mut rng()), Err(CeremonyError::KeyDoesNotFit(_))));
    damaged = KEYS.0.clone();
    damaged.contributions.remove(0);
    assert!(matches!(INITIAL.check_so_far(&damaged, &mut rng()), Err(CeremonyError::Contribution { number: 1, .. })));
}

#[test]
fn a_contribution_through_bellmans_format_is_accepted_and_its_key_proves() {
    let (larger, last) = (PowersOfTau::new(9, 1).to_bytes(), shape().domain() - 1);
    // The component that bellman's files leave out is not zero in a first key from larger powers.
    let initial = InitialKey::new(&shape(), &Ptau::from_bytes(&larger).unwrap(), &mut rng()).unwrap();
    let one = contribute(initial.zkey(), None, &Entropy::new(&mut rng(), b"one")).unwrap().0;
    let imported = Zkey { h: with_component(&one.h, last, |point| *point = G1Projective::default()), ..one.clone() };
    assert_ne!(imported.h, one.h);
    initial.check_so_far(&imported, &mut rng()).unwrap();

    let key = apply_beacon(&imported, None, BEACON, 10).unwrap().0;
    initial.check(&key, &mut rng()).unwrap();
    // A file of another size of the same powers serves for the check, too.
    check(&key).unwrap();
    let prover = Prover::<Slash>::new(proving_key(Slash, &key.to_bytes()).unwrap()).unwrap();
    let secret = IdentitySecret::from_field(Fr::from(5)).unwrap();
    let (public, witness) = slash(&secret, Receiver::from_field(Fr::from(9)));
    let proof = prover.prove(&public, &witness, &mut rng()).unwrap();
    prover.verifier().unwrap().verify(&public, &proof).unwrap();

    // Each other component is compared.
    let generator = G1Projective::from(G1Affine::generator());
    for i in [0, 1, last - 1] {
        let changed = Zkey { h: with_component(&key.h, i, |point| *point += generator), ..key.clone() };
        let error = initial.check(&changed, &mut rng()).unwrap_err().to_string();
        assert!(error.contains("the points of the quotient"), "component {i}: {error}");
    }
}
