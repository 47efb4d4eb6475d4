//! Evaluation on the odd coset of a polynomial that is given by its values on the domain.
//!
//! The domain consists of the powers of `w`, a root of unity of order n = 2^k. Let `z` be a root of order 2n whose
//! square is `w`. The odd coset consists of the odd powers of `z`. A polynomial of degree below n is evaluated in three
//! steps: an inverse transform of its values on the domain, a multiplication of the coefficients by the powers of `z`,
//! and a forward transform. The inverse transform leaves the coefficients in bit-reversed order (Gentleman, Sande: "Fast
//! Fourier transforms: for fun and profit", AFIPS 1966), and the forward transform takes them in this order (Cooley,
//! Tukey: "An algorithm for the machine calculation of complex Fourier series", Mathematics of Computation 19, 1965), so
//! no reordering is needed.

use ark_bn254::Fr;
use ark_ff::{FftField, Field, One, Zero};

#[cfg(not(target_arch = "wasm32"))]
use crate::arkworks::Domains;
use crate::{
    arithmetic::Arithmetic,
    backend::{self, Backend},
};

/// The precomputed roots of one domain.
#[derive(Clone, Debug)]
pub struct OddCoset {
    size: usize,
    /// For each stage, widest first, the powers of the inverse root that the stage multiplies by.
    inverse: Vec<Vec<Fr>>,
    /// For each stage, narrowest first, the powers of the root.
    forward: Vec<Vec<Fr>>,
    /// `z^i / n` in bit-reversed order of i.
    shift: Vec<Fr>,
    #[cfg(not(target_arch = "wasm32"))]
    domains: Domains,
}

/// No evaluation domain of this size exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the field has no roots of unity for a domain of {0}")]
pub struct NoDomain(usize);

impl OddCoset {
    /// Creates the odd coset of the domain of `size` elements. `size` must be a power of two.
    pub fn new(size: usize) -> Result<Self, NoDomain> {
        let error = NoDomain(size);
        let double_root = Fr::get_root_of_unity(2 * size as u64).ok_or(error)?;
        let root = double_root.square();
        let inverse_root = root.inverse().ok_or(error)?;
        let inverse_size = Fr::from(size as u64).inverse().ok_or(error)?;
        if !size.is_power_of_two() {
            return Err(error);
        }
        let bits = size.trailing_zeros();
        let powers = |base: Fr, count: usize, first: Fr| -> Vec<Fr> {
            core::iter::successors(Some(first), |power| Some(*power * base)).take(count).collect()
        };
        let stages = |root: Fr| (1..=bits).map(move |k| (1usize << (k - 1), root.pow([(size >> k) as u64])));
        let ordered = powers(double_root, size, inverse_size);
        let shift = match bits {
            0 => ordered,
            _ => (0..size).map(|i| ordered[i.reverse_bits() >> (usize::BITS - bits)]).collect(),
        };
        Ok(Self {
            size,
            inverse: stages(inverse_root).rev().map(|(half, root)| powers(root, half, Fr::one())).collect(),
            forward: stages(root).map(|(half, root)| powers(root, half, Fr::one())).collect(),
            shift,
            #[cfg(not(target_arch = "wasm32"))]
            domains: Domains::new(size, double_root).ok_or(error)?,
        })
    }

    /// Number of elements of the domain.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Replaces values on the domain by values on the odd coset. Afterwards `values[i]` is the value at `z^(2i + 1)`.
    /// All values before `first` must be zero.
    pub fn evaluate(&self, values: &mut [Fr], first: usize) {
        match backend::current() {
            #[cfg(not(target_arch = "wasm32"))]
            Backend::Arkworks => self.domains.evaluate(values),
            Backend::Portable | Backend::Vectors => self.transform(values, first),
        }
    }

    fn transform(&self, values: &mut [Fr], first: usize) {
        let mut zeros = first;
        for roots in &self.inverse {
            let half = roots.len();
            // If the first half of each block is zero, a butterfly is only one multiplication.
            let only_second = zeros >= half;
            zeros = zeros.saturating_sub(half);
            for block in values.chunks_exact_mut(2 * half) {
                let (low, high) = block.split_at_mut(half);
                if only_second {
                    for ((low, high), root) in low.iter_mut().zip(high).zip(roots).skip(zeros) {
                        *low = *high;
                        *high = Fr::zero().minus(high.times(*root));
                    }
                    continue;
                }
                for (i, ((low, high), root)) in low.iter_mut().zip(high).zip(roots).enumerate() {
                    let difference = low.minus(*high);
                    *low = low.plus(*high);
                    *high = if i == 0 { difference } else { difference.times(*root) };
                }
            }
            if !only_second {
                zeros = 0;
            }
        }
        for (value, shift) in values.iter_mut().zip(&self.shift) {
            *value = value.times(*shift);
        }
        for roots in &self.forward {
            let half = roots.len();
            for block in values.chunks_exact_mut(2 * half) {
                let (low, high) = block.split_at_mut(half);
                for (i, ((low, high), root)) in low.iter_mut().zip(high).zip(roots).enumerate() {
                    let product = if i == 0 { *high } else { high.times(*root) };
                    *high = low.minus(product);
                    *low = low.plus(product);
                }
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use ark_ff::UniformRand;
    use ark_poly::{EvaluationDomain, Radix2EvaluationDomain};
    use ark_std::test_rng;

    use super::*;

    #[test]
    fn agrees_with_the_transforms_of_arkworks() {
        let mut rng = test_rng();
        for size in [1, 2, 4, 8, 256, 4096] {
            let domain = Radix2EvaluationDomain::<Fr>::new(size).unwrap();
            let z = Fr::get_root_of_unity(2 * size as u64).unwrap();
            let coset = OddCoset::new(size).unwrap();
            assert_eq!(coset.size(), size);
            for first in [0, 1, size / 3, size / 2, size - 1 - size / 8, size - 1, size] {
                let mut values: Vec<_> =
                    (0..size).map(|i| if i < first { Fr::zero() } else { Fr::rand(&mut rng) }).collect();
                let plain = domain.get_coset(z).unwrap().fft(&domain.ifft(&values));
                coset.evaluate(&mut values, first);
                assert_eq!(values, plain, "size {size}, first {first}");
            }
        }
        assert!(OddCoset::new(3).is_err());
        assert!(OddCoset::new(1 << 28).is_err());
    }
}
