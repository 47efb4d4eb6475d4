//! Proofs of snarkjs, read from its `proof.json`.

use ark_bn254::{Fq, Fq2, G1Affine, G2Affine};
use core::str::FromStr;
use serde_json::Value;

use crate::proof::{Proof, ProofError};

/// JSON that is not a proof of snarkjs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofJsonError {
    /// Another proving system, or another curve.
    #[error("not a proof of Groth16 over bn128: `protocol` or `curve` say otherwise")]
    Protocol,
    /// A field that is missing or has another form.
    #[error("`{0}` is missing or no point: expected decimal numbers as strings, the last coordinate one")]
    Point(&'static str),
    /// Points that are none of a proof.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

/// Reads a `proof.json`, its coordinates decimal, canonical and affine.
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

/// A number of at most 77 digits, so that a long text costs nothing, that is written as we would.
fn fq(value: &Value) -> Option<Fq> {
    let text = value.as_str().filter(|text| text.len() <= 77)?;
    let number = Fq::from_str(text).ok()?;
    (number.to_string() == text).then_some(number)
}
