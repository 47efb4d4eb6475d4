//! Groth16 proofs and their encoding of 128 bytes.

use core::ops::Range;

use ark_bn254::{Bn254, Fq, Fq2, G1Affine, G2Affine, g1, g2};
use ark_ec::{
    AffineRepr,
    short_weierstrass::{Affine, SWCurveConfig},
};
use ark_ff::{BigInteger, Field, PrimeField};
use quotapass_bn254::{
    powers::{sqrt, sqrt_all, sqrt_fq2, sqrt_fq2_all},
    subgroup::{are_in_g2, is_in_g2},
};

/// Bytes of a compressed proof.
pub const PROOF_BYTES: usize = 128;

/// A Groth16 proof. Its points are on their curves and in the subgroups of order r. None is the point at infinity.
#[derive(Clone, Debug, PartialEq)]
pub struct Proof(ark_groth16::Proof<Bn254>);

/// Reasons why points or bytes are not a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// The two flag bits of a point are not the flags of a compressed point other than infinity.
    #[error("a point's flag bits are invalid: expected a compressed point other than infinity")]
    Flags,
    /// A coordinate is not below the base field's order.
    #[error("a coordinate is not below the order of the base field")]
    NotCanonical,
    /// A point is not on its curve: no point has this coordinate.
    #[error("a point is not on its curve")]
    NotOnCurve,
    /// A point is outside the subgroup of order r.
    #[error("a point is outside the subgroup of order r")]
    NotInSubgroup,
    /// A point is the point at infinity.
    #[error("a point is the point at infinity")]
    Infinity,
}

/// An invalid point in the encoding of a proof, with its position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at byte {offset} of the proof: {error}")]
pub struct ProofDecodeError {
    /// Offset of the point in the proof: 0 (A), 32 (B) or 96 (C).
    pub offset: usize,
    /// The fault of the point.
    pub error: ProofError,
}

/// The places of the points in the encoding.
const A: Range<usize> = 0..32;
const B: Range<usize> = 32..96;
const C: Range<usize> = 96..PROOF_BYTES;

const FLAG_MASK: u8 = 0b1100_0000;
const SMALLER: u8 = 0b1000_0000;
const LARGER: u8 = 0b1100_0000;

impl Proof {
    /// Converts a proof of arkworks, after checking its points.
    ///
    /// # Errors
    /// [`ProofError`] if a point is not on its curve, is outside the subgroup, or is the point at infinity.
    pub fn new(proof: ark_groth16::Proof<Bn254>) -> Result<Self, ProofError> {
        let ark_groth16::Proof { a, b, c } = &proof;
        if a.is_zero() || b.is_zero() || c.is_zero() {
            return Err(ProofError::Infinity);
        }
        if !(a.is_on_curve() && b.is_on_curve() && c.is_on_curve()) {
            return Err(ProofError::NotOnCurve);
        }
        if !is_in_g2(b) {
            return Err(ProofError::NotInSubgroup);
        }
        Ok(Self(proof))
    }

    /// The points.
    pub fn as_groth16(&self) -> &ark_groth16::Proof<Bn254> {
        &self.0
    }

    /// The 128 bytes: A (32), B (64), C (32).
    ///
    /// A point is encoded as its x coordinate, big-endian. The two top bits are 10 if y is the smaller of the two
    /// square roots, and 11 if it is the larger one. An x in Fq2 is encoded as `c1`, then `c0`; to order two elements
    /// of Fq2, `c1` is compared first. This is the compressed form of gnark-crypto. Infinity has no encoding.
    pub fn to_bytes(&self) -> [u8; PROOF_BYTES] {
        let ark_groth16::Proof { a, b, c } = &self.0;
        let mut bytes = [0; PROOF_BYTES];
        bytes[..32].copy_from_slice(&g1_to_bytes(a));
        write_fq(&mut bytes[32..64], &b.x.c1);
        write_fq(&mut bytes[64..96], &b.x.c0);
        bytes[32] |= if b.y > -b.y { LARGER } else { SMALLER };
        bytes[96..].copy_from_slice(&g1_to_bytes(c));
        bytes
    }

    /// Reads 128 bytes.
    ///
    /// # Errors
    /// [`ProofDecodeError`] for all bytes that [`to_bytes`](Self::to_bytes) does not write.
    pub fn from_bytes(bytes: &[u8; PROOF_BYTES]) -> Result<Self, ProofDecodeError> {
        let at = |place: Range<usize>| move |error| ProofDecodeError { offset: place.start, error };
        let a = g1_from_bytes(&bytes[A]).map_err(at(A))?;
        let c = g1_from_bytes(&bytes[C]).map_err(at(C))?;
        let b = g2_from_bytes(&bytes[B]).map_err(at(B))?;
        Ok(Self(ark_groth16::Proof { a, b, c }))
    }

    /// Reads many proofs, each as [`from_bytes`](Self::from_bytes) does. Each step is done for all proofs together, so
    /// that vectors can be used, and only for the proofs without an error before it.
    pub(crate) fn from_bytes_many(proofs: &[[u8; PROOF_BYTES]]) -> Vec<Result<Self, ProofDecodeError>> {
        let mut errors = vec![None; proofs.len()];
        let a = read_points(proofs, &mut errors, A, Compressed::<g1::Config>::read, sqrt_all);
        let c = read_points(proofs, &mut errors, C, Compressed::<g1::Config>::read, sqrt_all);
        let b = read_points(proofs, &mut errors, B, Compressed::<g2::Config>::read, sqrt_fq2_all);
        let checked: Vec<_> = b.iter().zip(&mut errors).filter(|(_, error)| error.is_none()).collect();
        let in_g2 = are_in_g2(&checked.iter().map(|(point, _)| **point).collect::<Vec<_>>());
        for ((_, error), in_g2) in checked.into_iter().zip(in_g2) {
            if !in_g2 {
                *error = Some(ProofDecodeError { offset: B.start, error: ProofError::NotInSubgroup });
            }
        }
        let points = a.into_iter().zip(b).zip(c).map(|((a, b), c)| Self(ark_groth16::Proof { a, b, c }));
        points.zip(errors).map(|(proof, error)| error.map_or(Ok(proof), Err)).collect()
    }

    /// The eight words that the on-chain verifier takes, big-endian, in the order of EIP-197: A (x, y), B (x c1, x c0,
    /// y c1, y c0), C (x, y).
    pub fn to_evm_words(&self) -> [[u8; 32]; 8] {
        let ark_groth16::Proof { a, b, c } = &self.0;
        [a.x, a.y, b.x.c1, b.x.c0, b.y.c1, b.y.c0, c.x, c.y].map(|coordinate| fq_to_bytes(&coordinate))
    }
}

/// Returns the big-endian bytes of a base field element.
pub(crate) fn fq_to_bytes(value: &Fq) -> [u8; 32] {
    let mut bytes = [0; 32];
    write_fq(&mut bytes, value);
    bytes
}

fn write_fq(bytes: &mut [u8], value: &Fq) {
    bytes.copy_from_slice(&value.into_bigint().to_bytes_be());
}

fn g1_to_bytes(point: &G1Affine) -> [u8; 32] {
    let mut bytes = fq_to_bytes(&point.x);
    bytes[0] |= if point.y > -point.y { LARGER } else { SMALLER };
    bytes
}

/// Separates the flag from the first coordinate. The flag is true if y is the larger root.
fn read_flag(bytes: &[u8]) -> Result<(bool, [u8; 32]), ProofError> {
    let mut coordinate = [0; 32];
    coordinate.copy_from_slice(&bytes[..32]);
    let larger = match coordinate[0] & FLAG_MASK {
        SMALLER => false,
        LARGER => true,
        _ => return Err(ProofError::Flags),
    };
    coordinate[0] &= !FLAG_MASK;
    Ok((larger, coordinate))
}

fn read_fq(bytes: &[u8]) -> Result<Fq, ProofError> {
    let mut limbs = [0u64; 4];
    for (limb, chunk) in limbs.iter_mut().rev().zip(bytes.chunks_exact(8)) {
        *limb = chunk.iter().fold(0, |limb, byte| limb << 8 | u64::from(*byte));
    }
    Fq::from_bigint(ark_ff::BigInt::new(limbs)).ok_or(ProofError::NotCanonical)
}

/// A compressed point: x, and whether y is the larger root.
struct Compressed<P: SWCurveConfig> {
    x: P::BaseField,
    larger: bool,
}

impl<P: SWCurveConfig> Compressed<P> {
    /// Returns the square of y.
    fn y_squared(&self) -> P::BaseField {
        self.x.square() * self.x + P::COEFF_B
    }

    /// Returns the point, given either of the two roots.
    fn point(&self, y: P::BaseField) -> Affine<P> {
        Affine::new_unchecked(self.x, if (y > -y) == self.larger { y } else { -y })
    }
}

impl Compressed<g1::Config> {
    fn read(bytes: &[u8]) -> Result<Self, ProofError> {
        let (larger, x) = read_flag(bytes)?;
        Ok(Self { x: read_fq(&x)?, larger })
    }
}

impl Compressed<g2::Config> {
    fn read(bytes: &[u8]) -> Result<Self, ProofError> {
        let (larger, c1) = read_flag(bytes)?;
        Ok(Self { x: Fq2::new(read_fq(&bytes[32..])?, read_fq(&c1)?), larger })
    }
}

/// Reads the points at one place of all proofs that have no error yet, and records the errors of this step. The points
/// of proofs with an error are infinity. `roots` returns the square roots of all elements.
fn read_points<P: SWCurveConfig>(
    proofs: &[[u8; PROOF_BYTES]],
    errors: &mut [Option<ProofDecodeError>],
    place: Range<usize>,
    read: impl Fn(&[u8]) -> Result<Compressed<P>, ProofError>,
    roots: impl Fn(&[P::BaseField]) -> Vec<Option<P::BaseField>>,
) -> Vec<Affine<P>> {
    let at = |error| ProofDecodeError { offset: place.start, error };
    let mut compressed = Vec::with_capacity(proofs.len());
    for (number, (bytes, error)) in proofs.iter().zip(&mut *errors).enumerate() {
        if error.is_none() {
            match read(&bytes[place.clone()]) {
                Ok(point) => compressed.push((number, point)),
                Err(fault) => *error = Some(at(fault)),
            }
        }
    }
    let squares: Vec<_> = compressed.iter().map(|(_, point)| point.y_squared()).collect();
    let mut points = vec![Affine::identity(); proofs.len()];
    for ((number, point), root) in compressed.iter().zip(roots(&squares)) {
        match root {
            Some(y) => points[*number] = point.point(y),
            None => errors[*number] = Some(at(ProofError::NotOnCurve)),
        }
    }
    points
}

/// The curve over Fq has prime order, so every point is in the subgroup.
fn g1_from_bytes(bytes: &[u8]) -> Result<G1Affine, ProofError> {
    let point = Compressed::<g1::Config>::read(bytes)?;
    Ok(point.point(sqrt(&point.y_squared()).ok_or(ProofError::NotOnCurve)?))
}

fn g2_from_bytes(bytes: &[u8]) -> Result<G2Affine, ProofError> {
    let point = Compressed::<g2::Config>::read(bytes)?;
    let point = point.point(sqrt_fq2(&point.y_squared()).ok_or(ProofError::NotOnCurve)?);
    if is_in_g2(&point) { Ok(point) } else { Err(ProofError::NotInSubgroup) }
}
