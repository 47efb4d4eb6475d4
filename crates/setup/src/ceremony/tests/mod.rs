//! Valid and invalid ceremonies, over powers of tau whose secrets the test knows.

mod files;
mod former;
mod powers_of_tau;

use std::sync::LazyLock;

use ark_bn254::{Fr, G1Affine, G2Affine};
use ark_ec::{AffineRepr, CurveGroup};
use ark_std::rand::{SeedableRng, rngs::StdRng};
use quotapass_circuits::{
    badge::Badge,
    constraints::shape::Shape,
    identity::IdentitySecret,
    key_id::KeyId,
    membership::Levels,
    moderation::{author::Author, record::Record},
    prover::{CeremonyHash, KeyOrigin, Prover, ProvingKey},
    signal::Receiver,
    slash::{Slash, slash},
};
use sha2::{Digest, Sha256};

use super::*;
use crate::{
    ZkeyError,
    iden3::{ContributionKind, Ptau, TranscriptHash, Zkey},
    proving_key,
};
use powers_of_tau::PowersOfTau;

const BEACON: &[u8] = b"a block hash announced beforehand";

fn rng() -> StdRng {
    StdRng::seed_from_u64(11)
}

fn shape() -> Shape {
    Shape::of(Slash).unwrap()
}

/// The smallest powers that suffice for `slash`.
static PTAU: LazyLock<Vec<u8>> = LazyLock::new(|| PowersOfTau::new(8, 1).to_bytes());
static INITIAL: LazyLock<InitialKey> =
    LazyLock::new(|| InitialKey::new(&shape(), &Ptau::from_bytes(&PTAU).unwrap(), &mut rng()).unwrap());
/// The key after two contributors, and after the beacon.
static KEYS: LazyLock<(Zkey, Zkey)> = LazyLock::new(|| {
    let one = contribute(INITIAL.zkey(), Some("one"), &Entropy::new(&mut rng(), b"typed")).unwrap().0;
    let two = contribute(&one, None, &Entropy::new(&mut rng(), b"typed otherwise")).unwrap().0;
    let last = apply_beacon(&two, Some("block 1"), BEACON, 10).unwrap().0;
    (two, last)
});

fn check(key: &Zkey) -> Result<(), String> {
    INITIAL.check(key, &mut rng()).map_err(|error| error.to_string())
}

#[track_caller]
fn refused(key: &Zkey, reason: &str) {
    let error = check(key).unwrap_err();
    assert!(error.contains(reason), "{error}");
}

#[test]
fn a_ceremony_gives_a_key_that_proves() {
    let key = &KEYS.1;
    check(key).unwrap();
    let file = key.to_bytes();
    assert_eq!(Zkey::from_bytes(&file).as_ref(), Ok(key));
    let imported = proving_key(Slash, &file).unwrap();
    assert_eq!(imported.origin(), KeyOrigin::Ceremony(imported.id()));
    assert_eq!(imported.ceremony(), Some(CeremonyHash(Sha256::digest(&file).into())));

    // Our own key format keeps the key's origin and identifier.
    let own = imported.to_bytes();
    let read = ProvingKey::from_bytes(Slash, &own).unwrap();
    assert_eq!((read.id(), read.ceremony(), read.to_bytes()), (imported.id(), imported.ceremony(), own));

    let prover = Prover::<Slash>::new(read).unwrap();
    let secret = IdentitySecret::from_field(Fr::from(5)).unwrap();
    let (public, witness) = slash(&secret, Receiver::from_field(Fr::from(9)));
    let proof = prover.prove(&public, &witness, &mut rng()).unwrap();
    prover.verifier().unwrap().verify(&public, &proof).unwrap();
    let (other, _) = slash(&secret, Receiver::from_field(Fr::from(10)));
    assert!(prover.verifier().unwrap().verify(&other, &proof).is_err());
}

#[test]
fn a_key_has_one_identifier_in_every_file() {
    let id = |key: &Zkey| proving_key(Slash, &key.to_bytes()).unwrap().id();
    let key = proving_key(Slash, &KEYS.1.to_bytes()).unwrap();
    assert_eq!(id(&KEYS.1), key.id());
    // Other programs can compute it: it is the hash of the key file without the two hashes at its end.
    let file = key.to_bytes();
    assert_eq!(key.id(), KeyId(Sha256::digest(&file[..file.len() - 64]).into()));
    assert_eq!(ProvingKey::from_bytes(Slash, &file).unwrap().id(), key.id());

    // Another encoding of the ceremony has another hash, and the same key. No hash covers a contributor's name.
    let mut renamed = KEYS.1.clone();
    renamed.contributions[0].name = None;
    let renamed = proving_key(Slash, &renamed.to_bytes()).unwrap();
    assert!(renamed.ceremony() != key.ceremony() && renamed.id() == key.id());

    // Each point that proofs are computed from changes the identifier.
    let g2 = G2Affine::generator();
    let changes: [&dyn Fn(&mut Zkey); 6] = [
        &|k| k.alpha_g1 = (k.alpha_g1 + k.alpha_g1).into_affine(),
        &|k| k.ic.swap(0, 1),
        &|k| k.a.reverse(),
        &|k| *k.b_g2.iter_mut().find(|point| !point.is_zero()).unwrap() = g2,
        &|k| k.c.swap(1, 2),
        &|k| k.h.swap(0, 1),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut changed = KEYS.1.clone();
        change(&mut changed);
        assert_ne!(id(&changed), key.id(), "change {number}");
    }
    assert_ne!(id(&KEYS.0), key.id(), "the key before the beacon is another one");
}

#[test]
fn the_initial_key_is_the_same_from_larger_powers_of_one_secret() {
    // The larger file has the power 2n - 1, and the points of the quotient contain it. It changes only the component of
    // these points that no proof uses.
    let larger = PowersOfTau::new(9, 1).to_bytes();
    let larger = InitialKey::new(&shape(), &Ptau::from_bytes(&larger).unwrap(), &mut rng()).unwrap();
    let (larger, exact) = (larger.zkey(), INITIAL.zkey());
    assert_ne!(larger.h, exact.h);
    assert_eq!(Zkey { h: exact.h.clone(), ..larger.clone() }, *exact);
}

#[test]
fn a_transcript_with_a_gap_another_order_or_another_secret_is_refused() {
    let key = &KEYS.1;
    let changed = |change: &dyn Fn(&mut Zkey)| {
        let mut key = key.clone();
        change(&mut key);
        key
    };
    refused(&changed(&|k| drop(k.contributions.remove(0))), "contribution 1 of the key");
    refused(&changed(&|k| drop(k.contributions.remove(1))), "contribution 2 of the key");
    refused(&changed(&|k| k.contributions.swap(0, 1)), "contribution 1 of the key");
    refused(&changed(&|k| drop(k.contributions.pop())), "the last contribution is not a beacon");
    refused(&changed(&|k| k.contributions.swap(1, 2)), "others follow it");
    refused(&changed(&|k| k.contributions.clear()), "the key has no contribution");
    refused(&changed(&|k| drop(k.contributions.drain(..2))), "the key has no contribution");
    refused(&changed(&|k| k.contributions[1].g1_s = G1Affine::generator()), "its transcript hash differs");
    refused(&changed(&|k| k.contributions[1].g2_spx = G2Affine::generator()), "its proof of knowledge is wrong");
    refused(&changed(&|k| k.contributions[1].delta_after = G1Affine::generator()), "delta was not multiplied");
    let beacon = |value: &[u8], exponent| {
        let kind = ContributionKind::Beacon { value: value.to_vec(), iterations_exponent: exponent };
        changed(&|k| k.contributions[2].kind = kind.clone())
    };
    refused(&beacon(b"another block", 10), "its secret does not follow from the beacon's value");
    refused(&beacon(BEACON, 11), "its secret does not follow from the beacon's value");
    refused(&beacon(BEACON, 63), "asks for 2^63 hashes");
    refused(&changed(&|k| k.delta_g1 = G1Affine::generator()), "delta differs from the last contribution's delta");
    refused(&changed(&|k| k.delta_g2 = G2Affine::generator()), "delta differs between G1 and G2");
}

#[test]
fn each_list_of_points_is_compared() {
    let changed = |change: &dyn Fn(&mut Zkey)| {
        let mut key = KEYS.1.clone();
        change(&mut key);
        key
    };
    let (g1, g2) = (G1Affine::generator(), G2Affine::generator());
    refused(&changed(&|k| k.alpha_g1 = g1), "alpha");
    refused(&changed(&|k| k.beta_g1 = g1), "beta");
    refused(&changed(&|k| k.beta_g2 = g2), "beta");
    refused(&changed(&|k| k.gamma_g2 = k.beta_g2), "gamma");
    refused(&changed(&|k| k.ic[1] = g1), "public inputs");
    refused(&changed(&|k| k.a[3] = g1), "of A");
    refused(&changed(&|k| k.b_g1[3] = g1), "of B in G1");
    refused(&changed(&|k| k.b_g2[3] = g2), "of B in G2");
    refused(&changed(&|k| k.c[7] = g1), "private variables");
    refused(&changed(&|k| k.h[255] = g1), "quotient");
    refused(&changed(&|k| k.coefficients[5].value += Fr::from(1)), "another circuit");
    refused(&changed(&|k| k.circuit_hash = TranscriptHash([1; 64])), "circuit hash");
    refused(&changed(&|k| k.c.swap(1, 2)), "private variables");
}

#[test]
fn a_key_from_other_powers_or_another_circuit_is_refused() {
    let ptau = PowersOfTau::new(8, 2).to_bytes();
    let other = InitialKey::new(&shape(), &Ptau::from_bytes(&ptau).unwrap(), &mut rng()).unwrap();
    assert!(matches!(other.check(&KEYS.1, &mut rng()), Err(CeremonyError::KeyDoesNotFit("alpha differs"))));

    let levels = Levels::new(1).unwrap();
    let shape = Shape::of(Badge { levels }).unwrap();
    let ptau = PowersOfTau::new(shape.domain().trailing_zeros(), 1).to_bytes();
    let badge = InitialKey::new(&shape, &Ptau::from_bytes(&ptau).unwrap(), &mut rng()).unwrap();
    refused(badge.zkey(), "another size");
    let (key, _) = contribute(badge.zkey(), None, &Entropy::new(&mut rng(), b"")).unwrap();
    let file = key.to_bytes();
    assert!(proving_key(Badge { levels }, &file).is_ok());
    let refused = proving_key(Slash, &file);
    assert!(matches!(refused, Err(ZkeyError::OtherCircuit { .. })));
    let refused = proving_key(Badge { levels: Levels::new(2).unwrap() }, &file);
    assert!(matches!(refused, Err(ZkeyError::OtherCircuit { .. })));

    let error = InitialKey::new(&shape, &Ptau::from_bytes(&PTAU).unwrap(), &mut rng()).unwrap_err();
    assert!(matches!(error, CeremonyError::TooFewPowers { found: 8, .. }), "{error}");
}

#[test]
fn the_power_of_the_file_is_that_of_the_domain_and_one_more_for_record128() {
    let needed = [
        InitialKey::powers_needed(&shape()),
        InitialKey::powers_needed(&Shape::of(Author).unwrap()),
        InitialKey::powers_needed(&Shape::of(Record::<16>).unwrap()),
        InitialKey::powers_needed(&Shape::of(Record::<128>).unwrap()),
    ];
    assert_eq!(needed, [8, 8, 12, 16]);
}

#[test]
fn the_import_takes_only_keys_with_contributions() {
    let import = |key: &Zkey| proving_key(Slash, &key.to_bytes()).map(|_| ());
    assert!(matches!(import(INITIAL.zkey()), Err(ZkeyError::NoContribution)));
    let mut key = KEYS.1.clone();
    key.coefficients[9].row += 1;
    assert!(matches!(import(&key), Err(ZkeyError::OtherCircuit { .. })));
    let mut key = KEYS.1.clone();
    key.delta_g1 = (key.delta_g1 + key.delta_g1).into_affine();
    assert!(matches!(import(&key), Err(ZkeyError::Damaged(_))));
    let mut key = KEYS.1.clone();
    key.gamma_g2 = key.delta_g2;
    assert!(matches!(import(&key), Err(ZkeyError::Damaged(_))));
    let mut key = KEYS.1.clone();
    key.h[0] = G1Affine::zero();
    assert!(matches!(import(&key), Err(ZkeyError::Damaged(_))));
}

#[test]
fn contributions_to_what_is_broken_or_ended_are_refused() {
    let entropy = || Entropy::new(&mut rng(), b"");
    assert!(matches!(contribute(&KEYS.1, None, &entropy()), Err(CeremonyError::BeaconNotLast(3))));
    let mut broken = KEYS.0.clone();
    broken.contributions.swap(0, 1);
    assert!(matches!(contribute(&broken, None, &entropy()), Err(CeremonyError::Contribution { number: 1, .. })));
    let long = "x".repeat(65);
    for name in ["", "a\nb", &long] {
        assert!(matches!(contribute(&KEYS.0, Some(name), &entropy()), Err(CeremonyError::Name)), "{name:?}");
    }
    for (value, exponent) in [(&b""[..], 10), (&[1; 256], 10), (b"x", 9), (b"x", 33)] {
        assert!(matches!(apply_beacon(&KEYS.0, None, value, exponent), Err(CeremonyError::Beacon)));
    }
}

#[test]
fn either_source_of_entropy_makes_another_secret() {
    let delta = |seed, typed: &[u8]| {
        let entropy = Entropy::new(&mut StdRng::seed_from_u64(seed), typed);
        contribute(INITIAL.zkey(), None, &entropy).unwrap().0.delta_g1
    };
    let first = delta(1, b"typed");
    assert_ne!(first, delta(2, b"typed"));
    assert_ne!(first, delta(1, b"typed otherwise"));
}

#[test]
fn powers_that_are_no_powers_are_refused() {
    let refused = |change: &dyn Fn(&mut PowersOfTau), reason: &str| {
        let mut powers = PowersOfTau::new(8, 1);
        change(&mut powers);
        let file = powers.to_bytes();
        let error = InitialKey::new(&shape(), &Ptau::from_bytes(&file).unwrap(), &mut rng()).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
    };
    let (g1, g2) = (G1Affine::generator(), G2Affine::generator());
    refused(&|p| p.tau_g1[0] = p.tau_g1[1], "not the generator");
    refused(&|p| p.tau_g2[0] = p.tau_g2[1], "not the generator");
    refused(&|p| p.tau_g1[1] = g1, "last contribution");
    refused(&|p| p.alpha_g1[0] = g1, "last contribution");
    refused(&|p| p.beta_g2 = g2, "last contribution");
    refused(&|p| (p.beta_g2, p.last.4) = (g2, g2), "beta differs between G1 and G2");
    refused(&|p| p.tau_g1[510] = g1, "in G1 are not a geometric series");
    refused(&|p| p.tau_g2[255] = g2, "in G2 are not a geometric series");
    refused(&|p| p.alpha_g1[100] = g1, "times alpha");
    refused(&|p| p.beta_g1[100] = g1, "times beta");
    refused(&|p| p.lagrange_tau_g1[8][3] = g1, "Lagrange basis in G1");
    refused(&|p| p.lagrange_tau_g1[9][3] = g1, "double domain");
    refused(&|p| p.lagrange_tau_g2[8][3] = g2, "Lagrange basis in G2");
    refused(&|p| p.lagrange_alpha_g1[8][3] = g1, "Lagrange basis times alpha");
    refused(&|p| p.lagrange_beta_g1[8][3] = g1, "Lagrange basis times beta");
    refused(&|p| p.contributions = 0, "the powers of tau have no contribution");
}
