//! The generator of snarkjs (ffjavascript, `chacha.js`, `wasm_curve.js`): numbers and points derived from a hash.

use ark_bn254::{Fq, Fq2, Fr, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_ff::{BigInt, PrimeField};
use ark_std::rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha20Rng;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

/// ChaCha20, keyed with the first 32 bytes of a hash, read as big-endian words.
pub(super) struct Generator(ChaCha20Rng);

impl Generator {
    pub(super) fn new(hash: &[u8; 32]) -> Self {
        let mut seed = Zeroizing::new(*hash);
        for word in seed.as_chunks_mut::<4>().0 {
            word.reverse();
        }
        Self(ChaCha20Rng::from_seed(*seed))
    }

    /// The generator of a hash of 64 bytes.
    pub(super) fn of_transcript(hash: &[u8; 64]) -> Self {
        let mut first = [0; 32];
        first.copy_from_slice(&hash[..32]);
        Self::new(&first)
    }

    /// The generator of a beacon: its value hashed 2^`exponent` times by SHA-256.
    pub(super) fn of_beacon(value: &[u8], exponent: u8) -> Self {
        let mut hash: [u8; 32] = Sha256::digest(value).into();
        for _ in 1..1u64 << exponent {
            hash = Sha256::digest(hash).into();
        }
        Self::new(&hash)
    }

    /// Draws a number of 254 bits below the order of a field. The lowest of its four words comes first, and the high
    /// half of each word comes first.
    fn below<F: PrimeField<BigInt = BigInt<4>>>(&mut self) -> BigInt<4> {
        loop {
            let mut limbs = [0; 4];
            for limb in &mut limbs {
                let high = u64::from(self.0.next_u32());
                *limb = high << 32 | u64::from(self.0.next_u32());
            }
            limbs[3] &= u64::MAX >> (256 - F::MODULUS_BIT_SIZE);
            let number = BigInt::new(limbs);
            if number < F::MODULUS {
                return number;
            }
        }
    }

    /// Draws a scalar. The number drawn is its Montgomery form, as in all functions here.
    pub(super) fn fr(&mut self) -> Fr {
        Fr::new_unchecked(self.below::<Fr>())
    }

    fn fq(&mut self) -> Fq {
        Fq::new_unchecked(self.below::<Fq>())
    }

    fn coin(&mut self) -> bool {
        self.0.next_u32() & 1 == 1
    }

    /// Draws a point of G1.
    pub(super) fn g1(&mut self) -> G1Affine {
        loop {
            let (x, greatest) = (self.fq(), self.coin());
            if let Some(point) = G1Affine::get_point_from_x_unchecked(x, greatest) {
                return point;
            }
        }
    }

    /// Draws a point of G2.
    pub(super) fn g2(&mut self) -> G2Affine {
        loop {
            let x = Fq2::new(self.fq(), self.fq());
            let greatest = self.coin();
            if let Some(point) = G2Affine::get_point_from_x_unchecked(x, greatest) {
                return point.mul_by_cofactor();
            }
        }
    }
}
