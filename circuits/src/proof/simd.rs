//! Decoding of proofs, eight at a time.

use ark_bn254::{Fq, Fq2, G2Affine};
use ark_ec::AffineRepr;
use quotapass_bn254::{
    lanes::{Ifma, LANES},
    powers::{sqrt_eight, sqrt_fq2_eight},
    subgroup::are_in_g2,
};

use super::{Compressed, PROOF_BYTES, Proof, ProofDecodeError};

/// Smallest number of proofs that is decoded together. Fewer are decoded one by one.
const LEAST: usize = 3;

/// The compressed points of a proof.
#[derive(Clone, Copy, Default)]
struct Points {
    a: Compressed<Fq>,
    b: Compressed<Fq2>,
    c: Compressed<Fq>,
}

/// Decodes many proofs, each as [`Proof::from_bytes`] does.
pub(super) fn read_all(simd: Ifma, proofs: &[[u8; PROOF_BYTES]]) -> Vec<Result<Proof, ProofDecodeError>> {
    let mut read = Vec::with_capacity(proofs.len());
    for eight in proofs.chunks(LANES) {
        if eight.len() < LEAST {
            read.extend(eight.iter().map(Proof::from_bytes));
            continue;
        }
        // Invalid proofs are decoded again one by one, to find the error.
        let decoded = read_eight(simd, eight);
        read.extend(eight.iter().zip(decoded).map(|(bytes, proof)| proof.map_or_else(|| Proof::from_bytes(bytes), Ok)));
    }
    read
}

/// Decodes up to eight proofs. Returns `None` for invalid ones.
fn read_eight(simd: Ifma, proofs: &[[u8; PROOF_BYTES]]) -> [Option<Proof>; LANES] {
    let points: [Option<Points>; LANES] = core::array::from_fn(|lane| {
        let bytes = proofs.get(lane)?;
        Some(Points {
            a: Compressed::<Fq>::read(&bytes[..32]).ok()?,
            b: Compressed::<Fq2>::read(&bytes[32..96]).ok()?,
            c: Compressed::<Fq>::read(&bytes[96..]).ok()?,
        })
    });
    // The results of lanes without a proof are ignored.
    let filled = points.map(Option::unwrap_or_default);
    let a = sqrt_eight(simd, &filled.map(|points| points.a.y_squared()));
    let b = sqrt_fq2_eight(simd, &filled.map(|points| points.b.y_squared()));
    let c = sqrt_eight(simd, &filled.map(|points| points.c.y_squared()));
    let on_the_twist: [Option<G2Affine>; LANES] =
        core::array::from_fn(|lane| points[lane].zip(b[lane]).map(|(points, y)| points.b.point(y)));
    let in_g2 = are_in_g2(simd, &on_the_twist.map(|point| point.unwrap_or_else(G2Affine::generator)));
    core::array::from_fn(|lane| {
        let (points, b) = (points[lane]?, on_the_twist[lane]?);
        let (a, c) = (points.a.point(a[lane]?), points.c.point(c[lane]?));
        in_g2[lane].then_some(Proof(ark_groth16::Proof { a, b, c }))
    })
}
