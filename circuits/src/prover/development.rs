//! Setup of development keys, from a public seed.

use ark_bn254::Bn254;
use ark_groth16::Groth16;
use ark_relations::gr1cs::SynthesisError;
use ark_std::rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

use super::{ProvingKey, quotient::OddCosetReduction};
use crate::constraints::{
    Circuit,
    shape::{Shape, Synthesizer},
};

/// The seed of development keys. It is public, so anyone can forge proofs under these keys.
pub const DEVELOPMENT_SEED: [u8; 32] = *b"quotapass INSECURE development 1";

/// Makes a circuit's development keys. They are deterministic and **insecure**, because the seed is public. Use them
/// for tests, demonstrations and test networks, never for a deposit of value.
///
/// Takes less than a second on two cores at the standard number of levels.
///
/// # Errors
/// [`SynthesisError`] if arkworks cannot set up the circuit. No circuit of this crate causes it.
pub fn development_setup<C: Circuit>(circuit: C) -> Result<ProvingKey, SynthesisError> {
    let mut rng = ChaCha20Rng::from_seed(DEVELOPMENT_SEED);
    let key =
        Groth16::<Bn254, OddCosetReduction>::generate_random_parameters_with_reduction(Synthesizer(circuit), &mut rng)?;
    Ok(ProvingKey::new(None, Shape::of(circuit)?.info(), key))
}
