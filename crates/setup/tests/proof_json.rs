//! Proofs in snarkjs's JSON: only what snarkjs writes is read.
#![allow(clippy::unwrap_used)]

use std::sync::LazyLock;

use ark_bn254::{Fq, Fr};
use ark_ff::PrimeField;
use ark_std::rand::{SeedableRng, rngs::StdRng};
use proptest::prelude::*;
use quotapass_circuits::{
    identity::IdentitySecret,
    proof::{Proof, ProofError},
    prover::{Prover, development_setup},
    signal::Receiver,
    slash::{Slash, slash},
};
use quotapass_setup::iden3::{ProofJsonError, proof_from_json, proof_json};

static PROOF: LazyLock<Proof> = LazyLock::new(|| {
    let prover = Prover::<Slash>::new(development_setup(Slash).unwrap()).unwrap();
    let secret = IdentitySecret::from_field(Fr::from(5)).unwrap();
    let (public, witness) = slash(&secret, Receiver::from_field(Fr::from(9)));
    prover.prove(&public, &witness, &mut StdRng::seed_from_u64(7)).unwrap()
});

#[test]
fn proofs_of_snarkjs_are_read_only_as_written() {
    let good = proof_json(&PROOF);
    assert_eq!(proof_from_json(&good).as_ref(), Ok(&*PROOF));
    let changed = |path: &str, value: serde_json::Value| {
        let mut json = good.clone();
        *json.pointer_mut(path).unwrap() = value;
        proof_from_json(&json)
    };
    assert_eq!(changed("/protocol", "plonk".into()), Err(ProofJsonError::Protocol));
    assert_eq!(changed("/curve", "bls12381".into()), Err(ProofJsonError::Protocol));
    assert_eq!(changed("/pi_a/2", "2".into()), Err(ProofJsonError::Point("pi_a")));
    assert_eq!(changed("/pi_a/0", 5.into()), Err(ProofJsonError::Point("pi_a")));
    assert_eq!(
        changed("/pi_c/1", format!("0{}", good["pi_c"][1].as_str().unwrap()).into()),
        Err(ProofJsonError::Point("pi_c"))
    );
    assert_eq!(changed("/pi_b/1/0", Fq::MODULUS.to_string().into()), Err(ProofJsonError::Point("pi_b")));
    assert_eq!(changed("/pi_b/2/1", "1".into()), Err(ProofJsonError::Point("pi_b")));
    assert_eq!(changed("/pi_b/0", serde_json::Value::Null), Err(ProofJsonError::Point("pi_b")));
    assert_eq!(changed("/pi_a/0", "1".into()), Err(ProofJsonError::Proof(ProofError::NotOnCurve)));
    assert_eq!(proof_from_json(&serde_json::Value::Null), Err(ProofJsonError::Protocol));
}

proptest! {
    #[test]
    fn changed_proofs_are_read_only_as_written(changes in prop::collection::vec((0..1_000usize, any::<u8>()), 0..4)) {
        let mut bytes = serde_json::to_vec(&proof_json(&PROOF)).unwrap();
        let length = bytes.len();
        for (at, value) in changes {
            bytes[at % length] = value;
        }
        if let Ok(json) = serde_json::from_slice::<serde_json::Value>(&bytes)
            && let Ok(proof) = proof_from_json(&json)
        {
            prop_assert_eq!(&proof_json(&proof)["pi_b"], &json["pi_b"]);
        }
    }
}
