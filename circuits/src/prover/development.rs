//! Setup for development, from a seed that everybody knows.

use ark_bn254::Bn254;
use ark_groth16::Groth16;
use ark_relations::gr1cs::SynthesisError;
use ark_std::rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

use super::{KeyOrigin, ProvingKey, quotient::OddCosetReduction};
use crate::{
    constraints::{
        Circuit,
        shape::{Shape, Synthesizer},
    },
    membership::Levels,
};

/// The public seed of development keys. Whoever knows it, and that is everybody, can forge any proof.
pub const DEVELOPMENT_SEED: [u8; 32] = *b"quotapass INSECURE development 1";

/// Makes a circuit's development keys: always the same ones, and **insecure**, for the seed is public. They serve
/// tests, demonstrations and test networks, never a deposit of value.
///
/// Takes less than a second on two cores at the standard number of levels.
///
/// # Errors
/// [`SynthesisError`] if arkworks cannot set up the circuit, which no circuit of this crate causes.
pub fn development_setup<C: Circuit>(levels: Levels) -> Result<ProvingKey, SynthesisError> {
    let mut rng = ChaCha20Rng::from_seed(DEVELOPMENT_SEED);
    let circuit = Synthesizer::<C>::new(levels);
    let key = Groth16::<Bn254, OddCosetReduction>::generate_random_parameters_with_reduction(circuit, &mut rng)?;
    Ok(ProvingKey::new(KeyOrigin::Development, Shape::of::<C>(levels)?.info(), key))
}
