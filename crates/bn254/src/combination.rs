//! Sums of multiples of a few fixed points by public scalars, such as the public inputs of a proof.

use ark_bn254::{Fr, G1Affine, G1Projective};
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{AdditiveGroup, PrimeField};

#[cfg(not(target_arch = "wasm32"))]
use crate::arkworks;
use crate::backend::{self, Backend};

/// Bits of a scalar per table look-up.
const WINDOW: usize = 4;
/// Number of multiples of a point in one window: 1 to 15 times the point.
const MULTIPLES: usize = (1 << WINDOW) - 1;
/// Number of windows of a 256-bit scalar.
const WINDOWS: usize = 256 / WINDOW;

/// The multiples `d * 16^w * P` of each of a few points, for each digit `d` and window `w`. A multiplication then needs
/// at most 64 additions and no doubling (Brickell, Gordon, McCurley, Wilson: EUROCRYPT '92, with all multiples in the
/// table). The time depends on the scalars, which is acceptable if they are public. The table of a point has 68 KiB.
#[derive(Clone, Debug)]
pub struct Combination {
    tables: Vec<Vec<G1Affine>>,
}

impl Combination {
    /// Computes the tables of the points.
    pub fn new(points: &[G1Affine]) -> Self {
        Self { tables: points.iter().map(table).collect() }
    }

    /// Returns the sum of `scalars[i]` times the i-th point.
    pub fn sum(&self, scalars: &[Fr]) -> G1Projective {
        let terms = self.tables.iter().zip(scalars);
        match backend::current() {
            #[cfg(not(target_arch = "wasm32"))]
            Backend::Arkworks => arkworks::sum(terms.map(|(table, scalar)| (table[0], *scalar))),
            Backend::Portable | Backend::Vectors => {
                let mut sum = G1Projective::default();
                for (table, scalar) in terms {
                    for (window, digit) in digits(scalar).enumerate() {
                        if digit != 0 {
                            sum += table[window * MULTIPLES + digit - 1];
                        }
                    }
                }
                sum
            }
        }
    }
}

/// Returns the digits of a scalar in base 16, lowest first.
fn digits(scalar: &Fr) -> impl Iterator<Item = usize> {
    let limbs = scalar.into_bigint().0;
    (0..WINDOWS).map(move |window| {
        let bit = window * WINDOW;
        (limbs[bit / 64] >> (bit % 64)) as usize & MULTIPLES
    })
}

fn table(point: &G1Affine) -> Vec<G1Affine> {
    let mut multiples = Vec::with_capacity(WINDOWS * MULTIPLES);
    let mut base = point.into_group();
    for _ in 0..WINDOWS {
        let mut multiple = base;
        for _ in 0..MULTIPLES {
            multiples.push(multiple);
            multiple += base;
        }
        base.double_in_place().double_in_place().double_in_place().double_in_place();
    }
    G1Projective::normalize_batch(&multiples)
}

#[cfg(test)]
mod tests {
    use ark_ec::{PrimeGroup, VariableBaseMSM};
    use ark_ff::{UniformRand, Zero};
    use ark_std::test_rng;

    use super::*;

    #[test]
    fn agrees_with_arkworks() {
        let mut rng = test_rng();
        let points: Vec<G1Affine> = (0..4).map(|_| G1Affine::rand(&mut rng)).collect();
        let combination = Combination::new(&points);
        let edges = [Fr::zero(), Fr::from(1), Fr::from(15), Fr::from(16), Fr::from(u64::MAX), -Fr::from(1)];
        for i in 0..40 {
            let scalars: Vec<Fr> =
                (0..4).map(|j| edges.get((i + j) % 9).copied().unwrap_or_else(|| Fr::rand(&mut rng))).collect();
            assert_eq!(combination.sum(&scalars), G1Projective::msm(&points, &scalars).unwrap());
        }
    }

    #[test]
    fn the_sum_may_pass_through_infinity() {
        let generator = G1Projective::generator().into_affine();
        let combination = Combination::new(&[generator, -generator]);
        assert!(combination.sum(&[Fr::from(7), Fr::from(7)]).is_zero());
    }
}
