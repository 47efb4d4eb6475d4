//! `verification_key.json`, `proof.json` and `public.json` as snarkjs writes them: decimal strings, projective points
//! whose last coordinate is one, coordinates of Fq2 as `[c0, c1]`.

use ark_bn254::{Bn254, Fq2, Fr, G1Affine, G2Affine};
use ark_ec::{AffineRepr, pairing::Pairing};
use quotapass_circuits::{proof::Proof, verifier::VerifyingKey};
use serde_json::{Value, json};

fn g1(point: &G1Affine) -> Value {
    match point.xy() {
        Some((x, y)) => json!([x.to_string(), y.to_string(), "1"]),
        None => json!(["0", "1", "0"]),
    }
}

fn fq2(value: &Fq2) -> Value {
    json!([value.c0.to_string(), value.c1.to_string()])
}

fn g2(point: &G2Affine) -> Value {
    match point.xy() {
        Some((x, y)) => json!([fq2(&x), fq2(&y), ["1", "0"]]),
        None => json!([["0", "0"], ["1", "0"], ["0", "0"]]),
    }
}

/// Returns the `proof.json` of a proof.
pub fn proof_json(proof: &Proof) -> Value {
    let proof = proof.as_groth16();
    json!({
        "pi_a": g1(&proof.a),
        "pi_b": g2(&proof.b),
        "pi_c": g1(&proof.c),
        "protocol": "groth16",
        "curve": "bn128",
    })
}

/// Returns a `public.json`: the public inputs in the circuit's order.
pub fn public_json(inputs: &[Fr]) -> Value {
    inputs.iter().map(|input| Value::from(input.to_string())).collect()
}

/// Returns the `verification_key.json` of a key.
pub fn verification_key_json(key: &VerifyingKey) -> Value {
    let key = key.as_groth16();
    let alpha_beta = Bn254::pairing(key.alpha_g1, key.beta_g2).0;
    let alpha_beta: Vec<Vec<Value>> =
        [alpha_beta.c0, alpha_beta.c1].iter().map(|c| [c.c0, c.c1, c.c2].iter().map(fq2).collect()).collect();
    json!({
        "protocol": "groth16",
        "curve": "bn128",
        "nPublic": key.gamma_abc_g1.len() - 1,
        "vk_alpha_1": g1(&key.alpha_g1),
        "vk_beta_2": g2(&key.beta_g2),
        "vk_gamma_2": g2(&key.gamma_g2),
        "vk_delta_2": g2(&key.delta_g2),
        "vk_alphabeta_12": alpha_beta,
        "IC": key.gamma_abc_g1.iter().map(g1).collect::<Vec<_>>(),
    })
}
