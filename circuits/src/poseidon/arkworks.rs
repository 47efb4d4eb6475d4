//! The permutation of ark-crypto-primitives, with parameters from their definition: the Grain LFSR of the Poseidon
//! paper ([2019/458](https://eprint.iacr.org/2019/458), appendix E). It shares no constant with the other backends.

use ark_bn254::Fr;
use ark_crypto_primitives::sponge::{
    CryptographicSponge, FieldBasedCryptographicSponge,
    poseidon::{PoseidonConfig, PoseidonSponge, find_poseidon_ark_and_mds},
};
use ark_ff::PrimeField;

use super::HALF_FULL_ROUNDS;

/// Exponent of the S-box.
const ALPHA: u64 = 5;
/// Number of lanes that are not inputs.
const CAPACITY: usize = 1;

/// The permutation for one number of inputs, as a sponge that has absorbed nothing.
pub(super) struct Permutation(PoseidonSponge<Fr>);

impl Permutation {
    pub(super) fn new(inputs: usize, partial_rounds: usize) -> Self {
        let full_rounds = 2 * HALF_FULL_ROUNDS;
        let bits = u64::from(Fr::MODULUS_BIT_SIZE);
        let (constants, mds) = find_poseidon_ark_and_mds(bits, inputs, full_rounds as u64, partial_rounds as u64, 0);
        let parameters = PoseidonConfig::new(full_rounds, partial_rounds, ALPHA, mds, constants, inputs, CAPACITY);
        Self(PoseidonSponge::new(&parameters))
    }

    /// Returns lane 0 of the permutation of `[0, inputs...]`.
    pub(super) fn hash(&self, inputs: &[Fr]) -> Fr {
        let mut sponge = self.0.clone();
        sponge.absorb(&inputs);
        // Squeezing permutes the state. A sponge never returns lane 0, so it is read from the state.
        sponge.squeeze_native_field_elements(1);
        sponge.state[0]
    }
}
