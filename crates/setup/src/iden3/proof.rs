//! Reads proofs of snarkjs from its `proof.json`.

use core::str::FromStr;

use ark_bn254::{Fq, Fq2, G1Affine, G2Affine};
use quotapass_circuits::proof::{Proof, ProofError};
use serde_json::Value;

/// Errors of reading a proof of snarkjs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofJsonError {
    /// The proof is of another proving system, or over another curve.
    #[error("not a Groth16 proof over bn128: `protocol` must be \"groth16\" and `curve` \"bn128\"")]
    Protocol,
    /// A field is missing or is not a point.
    #[error("`{0}` is missing or not a point: expected decimal numbers as strings, with a last coordinate of 1")]
    Point(&'static str),
    /// The points are not a valid proof.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

/// Reads a `proof.json`. The coordinates must be decimal, canonical and affine.
///
/// # Errors
/// [`ProofJsonError`] says what is wrong.
pub fn proof_from_json(json: &Value) -> Result<Proof, ProofJsonError> {
    if json["protocol"] != "groth16" || json["curve"] != "bn128" {
        return Err(ProofJsonError::Protocol);
    }
    let a = g1(&json["pi_a"]).ok_or(ProofJsonError::Point("pi_a"))?;
    let b = g2(&json["pi_b"]).ok_or(ProofJsonError::Point("pi_b"))?;
    let c = g1(&json["pi_c"]).ok_or(ProofJsonError::Point("pi_c"))?;
    Ok(Proof::new(ark_groth16::Proof { a, b, c })?)
}

fn g1(point: &Value) -> Option<G1Affine> {
    let [x, y, z] = &point.as_array()?[..] else { return None };
    (z == "1").then_some(())?;
    Some(G1Affine::new_unchecked(fq(x)?, fq(y)?))
}

fn g2(point: &Value) -> Option<G2Affine> {
    let [x, y, z] = &point.as_array()?[..] else { return None };
    (*z == serde_json::json!(["1", "0"])).then_some(())?;
    Some(G2Affine::new_unchecked(fq2(x)?, fq2(y)?))
}

fn fq2(value: &Value) -> Option<Fq2> {
    let [c0, c1] = &value.as_array()?[..] else { return None };
    Some(Fq2::new(fq(c0)?, fq(c1)?))
}

/// Reads a number in canonical decimal form. It has at most 77 digits, so that a long text costs no time.
fn fq(value: &Value) -> Option<Fq> {
    let text = value.as_str().filter(|text| text.len() <= 77)?;
    let number = Fq::from_str(text).ok()?;
    (number.to_string() == text).then_some(number)
}
