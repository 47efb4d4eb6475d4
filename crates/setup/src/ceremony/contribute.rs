//! Contributions to a key.

use ark_bn254::{Fr, G1Affine, G1Projective};
use ark_ec::CurveGroup;
use ark_ff::{Field, UniformRand, Zero};
use ark_std::rand::{CryptoRng, RngCore, SeedableRng};
use blake2::{Blake2b512, Digest};
use quotapass_bn254::threads;
use rand_chacha::ChaCha20Rng;
use zeroize::{Zeroize, Zeroizing};

use super::{
    CeremonyError, MOST_BEACON_EXPONENT,
    generator::Generator,
    initial::check_hash,
    transcript::{transcript_hash, verify_transcript},
};
use crate::iden3::{Contribution, ContributionKind, TranscriptHash, Zkey};

/// Maximum length of a contributor's name, in UTF-16 code units, as in snarkjs.
pub const MOST_NAME_CHARACTERS: usize = 64;

/// The entropy of a contributor's secret: 64 bytes of the system's generator, and any text that the contributor types.
/// The secret is unpredictable if at least one of them is. Zeroized on drop.
pub struct Entropy(Zeroizing<[u8; 64]>);

impl Entropy {
    /// Hashes both with BLAKE2b.
    pub fn new(system: &mut (impl RngCore + CryptoRng), typed: &[u8]) -> Self {
        let mut random = Zeroizing::new([0; 64]);
        system.fill_bytes(&mut *random);
        let mut hasher = Blake2b512::new();
        hasher.update(*random);
        hasher.update(typed);
        let mut mixed = Zeroizing::new([0; 64]);
        mixed.copy_from_slice(&hasher.finalize());
        Self(mixed)
    }

    fn generator(&self) -> ChaCha20Rng {
        let mut seed = Zeroizing::new([0; 32]);
        seed.copy_from_slice(&self.0[..32]);
        ChaCha20Rng::from_seed(*seed)
    }
}

/// The secret factor of a contribution; zeroized on drop.
struct Secret {
    factor: Fr,
    point: G1Affine,
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.factor.zeroize();
    }
}

/// Contributes to a key. Returns the new key and the hash of the contribution, which the contributor publishes.
///
/// snarkjs can continue the result, and this function can continue a key that snarkjs wrote. The name is not part of
/// any hash.
///
/// # Errors
/// [`CeremonyError`] if the key's transcript is not valid so far, if a beacon has ended the ceremony, or if the name
/// cannot be encoded; [`CeremonyError::FormerCircuitHash`] if a former version of snarkjs made the first key. The latter
/// shows only in a key without contributions; [`InitialKey::check_so_far`](super::InitialKey::check_so_far) sees it in
/// later ones.
pub fn contribute(zkey: &Zkey, name: Option<&str>, entropy: &Entropy) -> Result<(Zkey, TranscriptHash), CeremonyError> {
    let mut rng = entropy.generator();
    let mut secret = Secret { factor: Fr::rand(&mut rng), point: G1Affine::rand(&mut rng) };
    while secret.factor.is_zero() {
        secret.factor = Fr::rand(&mut rng);
    }
    apply(zkey, &secret, name, ContributionKind::Contributor)
}

/// Ends a ceremony with a public value that is unpredictable before the last contribution, hashed
/// 2^`iterations_exponent` times. An example is the hash of a future block whose height was announced beforehand.
///
/// # Errors
/// [`CeremonyError`], as for [`contribute`]; [`CeremonyError::Beacon`] if the value or the exponent is out of range.
pub fn apply_beacon(
    zkey: &Zkey,
    name: Option<&str>,
    value: &[u8],
    iterations_exponent: u8,
) -> Result<(Zkey, TranscriptHash), CeremonyError> {
    if value.is_empty() || value.len() > 255 || !(10..=MOST_BEACON_EXPONENT).contains(&iterations_exponent) {
        return Err(CeremonyError::Beacon);
    }
    let mut generator = Generator::of_beacon(value, iterations_exponent);
    let secret = Secret { factor: generator.fr(), point: generator.g1() };
    apply(zkey, &secret, name, ContributionKind::Beacon { value: value.to_vec(), iterations_exponent })
}

fn apply(
    zkey: &Zkey,
    secret: &Secret,
    name: Option<&str>,
    kind: ContributionKind,
) -> Result<(Zkey, TranscriptHash), CeremonyError> {
    if name.is_some_and(|name| {
        name.is_empty() || name.encode_utf16().count() > MOST_NAME_CHARACTERS || name.chars().any(char::is_control)
    }) {
        return Err(CeremonyError::Name);
    }
    // A contribution to an invalid transcript would be lost: every verifier rejects it.
    verify_transcript(zkey)?;
    if zkey.contributions.is_empty() {
        check_hash(zkey)?;
    }
    let ended = |contribution: &Contribution| matches!(contribution.kind, ContributionKind::Beacon { .. });
    if let Some(index) = zkey.contributions.iter().position(ended) {
        return Err(CeremonyError::BeaconNotLast(index + 1));
    }

    let Secret { factor, point } = secret;
    let g1_sx = (*point * factor).into_affine();
    let transcript = transcript_hash(zkey, &zkey.contributions, point, &g1_sx);
    let g2_sp = Generator::of_transcript(&transcript.0).g2();
    let mut next = zkey.clone();
    next.delta_g1 = (zkey.delta_g1 * factor).into_affine();
    next.delta_g2 = (zkey.delta_g2 * factor).into_affine();
    // Only a beacon can give the factor zero, with negligible probability.
    let inverse = Zeroizing::new(factor.inverse().ok_or(CeremonyError::Beacon)?);
    next.c = scaled(&zkey.c, &inverse);
    next.h = scaled(&zkey.h, &inverse);
    let contribution = Contribution {
        delta_after: next.delta_g1,
        g1_s: *point,
        g1_sx,
        g2_spx: (g2_sp * factor).into_affine(),
        transcript,
        name: name.map(Into::into),
        kind,
    };
    let hash = contribution.hash();
    next.contributions.push(contribution);
    Ok((next, hash))
}

fn scaled(points: &[G1Affine], factor: &Fr) -> Vec<G1Affine> {
    let scaled = threads::map(points, |point| *point * factor);
    G1Projective::normalize_batch(&scaled)
}
