//! The transcript of a key. Each contribution must follow from the previous ones, and must prove knowledge of its
//! secret.

use ark_bn254::{G1Affine, G2Affine};
use ark_ec::{AffineRepr, CurveGroup};
use blake2::{Blake2b512, Digest};

use super::{CeremonyError, MOST_BEACON_EXPONENT, generator::Generator, same_ratio};
use crate::iden3::{Contribution, ContributionKind, TranscriptHash, Zkey, uncompressed_g1};

/// Computes the hash that a contribution is bound to: all previous contributions, and its own two points.
pub(super) fn transcript_hash(
    zkey: &Zkey,
    before: &[Contribution],
    g1_s: &G1Affine,
    g1_sx: &G1Affine,
) -> TranscriptHash {
    let mut hasher = Blake2b512::new();
    hasher.update(zkey.circuit_hash.0);
    for contribution in before {
        contribution.hash_into(&mut hasher);
    }
    hasher.update(uncompressed_g1(g1_s));
    hasher.update(uncompressed_g1(g1_sx));
    hasher.into()
}

/// Verifies each contribution: its place in the transcript, its proof of knowledge (a Schnorr-like pair of ratios, as
/// in [2017/1050](https://eprint.iacr.org/2017/1050)), that delta was multiplied by the proven factor, and that a
/// beacon's secret follows from its public value. The last delta must equal the key's delta in both groups.
///
/// # Errors
/// [`CeremonyError`] names the first contribution that fails.
pub fn verify_transcript(zkey: &Zkey) -> Result<(), CeremonyError> {
    let mut delta = G1Affine::generator();
    for (index, contribution) in zkey.contributions.iter().enumerate() {
        verify(zkey, index, &delta)?;
        delta = contribution.delta_after;
    }
    if zkey.delta_g1 != delta {
        return Err(CeremonyError::KeyDoesNotFit("delta differs from the last contribution's delta"));
    }
    if !same_ratio((G1Affine::generator(), delta), (G2Affine::generator(), zkey.delta_g2)) {
        return Err(CeremonyError::KeyDoesNotFit("delta differs between G1 and G2"));
    }
    Ok(())
}

/// Verifies each contribution as [`verify_transcript`] does, and that the ceremony is complete: at least one
/// contributor, then one beacon, and nothing after it.
///
/// # Errors
/// [`CeremonyError`].
pub fn verify_whole_transcript(zkey: &Zkey) -> Result<(), CeremonyError> {
    let is_beacon = |contribution: &Contribution| matches!(contribution.kind, ContributionKind::Beacon { .. });
    let Some((last, before)) = zkey.contributions.split_last() else { return Err(CeremonyError::NoContribution) };
    if let Some(index) = before.iter().position(is_beacon) {
        return Err(CeremonyError::BeaconNotLast(index + 1));
    }
    if !is_beacon(last) {
        return Err(CeremonyError::NoBeacon);
    }
    if before.is_empty() {
        return Err(CeremonyError::NoContribution);
    }
    verify_transcript(zkey)
}

fn verify(zkey: &Zkey, index: usize, delta_before: &G1Affine) -> Result<(), CeremonyError> {
    let fault = |reason| CeremonyError::Contribution { number: index + 1, reason };
    let Some((before, Some(contribution))) =
        zkey.contributions.split_at_checked(index).map(|(before, rest)| (before, rest.first()))
    else {
        return Err(fault("it is missing"));
    };
    let Contribution { delta_after, g1_s, g1_sx, g2_spx, transcript, kind, .. } = contribution;
    if transcript_hash(zkey, before, g1_s, g1_sx) != *transcript {
        return Err(fault("its transcript hash differs"));
    }
    let g2_sp = Generator::of_transcript(&transcript.0).g2();
    if !same_ratio((*g1_s, *g1_sx), (g2_sp, *g2_spx)) {
        return Err(fault("its proof of knowledge is wrong"));
    }
    if !same_ratio((*delta_before, *delta_after), (g2_sp, *g2_spx)) {
        return Err(fault("delta was not multiplied by the proven factor"));
    }
    if let ContributionKind::Beacon { value, iterations_exponent } = kind {
        if *iterations_exponent > MOST_BEACON_EXPONENT {
            return Err(CeremonyError::BeaconTooLong(*iterations_exponent));
        }
        let mut generator = Generator::of_beacon(value, *iterations_exponent);
        let factor = generator.fr();
        let point = generator.g1();
        if point != *g1_s || (point * factor).into_affine() != *g1_sx {
            return Err(fault("its secret does not follow from the beacon's value"));
        }
    }
    Ok(())
}
