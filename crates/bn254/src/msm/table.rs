//! Tables of the multiples of fixed bases, and sums over them.

use ark_bn254::Fr;
use ark_ec::short_weierstrass::{Affine, Projective};
use ark_ff::AdditiveGroup;

use super::{
    affine::{Curve, Point, to_points},
    buckets::{sum_buckets, weigh},
    digits::{Buckets, Entry, windows},
};
#[cfg(not(target_arch = "wasm32"))]
use crate::arkworks;
use crate::{
    backend::{self, Backend},
    threads,
};

/// Fixed bases with their multiples by powers of `2^window`.
#[derive(Clone, PartialEq, Debug)]
pub struct FixedBases<P: Curve> {
    window: usize,
    /// All multiples of the first base, then of the second, and so on.
    multiples: Vec<Point<P::BaseField>>,
}

impl<P: Curve> FixedBases<P> {
    /// Computes the table for windows of 2 to 16 bits.
    pub fn new(bases: &[Affine<P>], window: usize) -> Self {
        let window = window.clamp(2, 16);
        let multiples =
            threads::map(&bases.chunks(128).collect::<Vec<_>>(), |bases| Self::multiples(bases, window)).concat();
        Self { window, multiples }
    }

    /// Creates the table from multiples that were computed before, for windows of this size.
    pub fn from_multiples(window: usize, multiples: Vec<Point<P::BaseField>>) -> Self {
        Self { window, multiples }
    }

    /// Number of multiples of each base in a table for windows of this size.
    pub const fn multiples_per_base(window: usize) -> usize {
        windows(window)
    }

    /// The table, base by base.
    pub fn as_multiples(&self) -> &[Point<P::BaseField>] {
        &self.multiples
    }

    fn multiples(bases: &[Affine<P>], window: usize) -> Vec<Point<P::BaseField>> {
        let windows = windows(window);
        let mut multiples = vec![Point::INFINITY; bases.len() * windows];
        let mut current: Vec<Projective<P>> = bases.iter().map(|base| (*base).into()).collect();
        for index in 0..windows {
            for (base, point) in to_points::<P>(&current).into_iter().enumerate() {
                multiples[base * windows + index] = point;
                current[base] = point.to_affine().into();
                for _ in 0..window {
                    current[base].double_in_place();
                }
            }
        }
        multiples
    }

    /// Returns the sum of `scalar * base` over the terms. A term is the number of a base and its scalar.
    pub fn sum(&self, terms: &[(u32, Fr)]) -> Projective<P> {
        match backend::current() {
            #[cfg(not(target_arch = "wasm32"))]
            Backend::Arkworks => {
                // The first multiple of a base is the base itself.
                let base = |number: u32| self.multiples[number as usize * windows(self.window)].to_affine();
                arkworks::sum(terms.iter().map(|(number, scalar)| (base(*number), *scalar)))
            }
            Backend::Portable | Backend::Vectors => {
                let buckets = Buckets::shared(terms, self.window);
                let multiple = |entry: Entry| self.multiples[entry.index()].negated_if(entry.is_negative());
                weigh::<P>(&sum_buckets(&buckets, multiple), self.window)
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use ark_bn254::{g1, g2};
    use ark_ec::{CurveGroup, scalar_mul::variable_base::VariableBaseMSM};
    use ark_ff::UniformRand;
    use ark_std::{rand::Rng, test_rng};
    use proptest::prelude::*;

    use super::{super::plain, *};

    /// Returns the sum that arkworks computes.
    fn arkworks<P: Curve>(bases: &[Affine<P>], scalars: &[Fr]) -> Projective<P> {
        Projective::<P>::msm(bases, scalars).unwrap()
    }

    fn agrees<P: Curve>(bases: &[Affine<P>], scalars: &[Fr], window: usize) {
        let terms: Vec<_> = (0..).zip(scalars.iter().copied()).collect();
        let expected = arkworks(bases, scalars);
        assert_eq!(FixedBases::new(bases, window).sum(&terms), expected, "window {window}");
        assert_eq!(plain::sum(|base| bases[base], &terms), expected, "without a table");
    }

    /// Returns a scalar of a kind that occurs in a witness, or an extreme one.
    fn scalar(rng: &mut impl Rng) -> Fr {
        match rng.gen_range(0..6) {
            0 => Fr::from(0),
            1 => Fr::from(1),
            2 => -Fr::from(1),
            3 => Fr::from(rng.r#gen::<u16>()),
            _ => Fr::rand(rng),
        }
    }

    /// Returns a random base. Some are infinity, or equal or opposite to earlier ones.
    fn base<P: Curve>(rng: &mut impl Rng, before: &[Affine<P>]) -> Affine<P> {
        let earlier =
            |rng: &mut _| before.get(Rng::gen_range(rng, 0..before.len().max(1))).copied().unwrap_or_default();
        match rng.gen_range(0..8) {
            0 => Affine::identity(),
            1 => earlier(rng),
            2 => -earlier(rng),
            _ => Projective::<P>::rand(rng).into_affine(),
        }
    }

    fn random<P: Curve>(seed: u64, count: usize, window: usize) {
        use ark_std::rand::SeedableRng;
        let mut rng = ark_std::rand::rngs::StdRng::seed_from_u64(seed);
        let mut bases: Vec<Affine<P>> = Vec::new();
        for _ in 0..count {
            let next = base(&mut rng, &bases);
            bases.push(next);
        }
        let scalars: Vec<_> = bases.iter().map(|_| scalar(&mut rng)).collect();
        agrees(&bases, &scalars, window);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn sums_agree_with_arkworks(seed: u64, count in 0..60usize, window in 2..12usize) {
            random::<g1::Config>(seed, count, window);
            random::<g2::Config>(seed, count / 3, window);
        }
    }

    #[test]
    fn sums_agree_with_arkworks_in_the_size_of_a_key() {
        random::<g1::Config>(1, 2000, 13);
        random::<g2::Config>(1, 500, 10);
    }

    #[test]
    fn points_that_cancel_and_points_that_double() {
        let mut rng = test_rng();
        let point = Projective::<g1::Config>::rand(&mut rng).into_affine();
        for window in [2, 5, 13] {
            agrees(&[point, -point], &[Fr::from(7), Fr::from(7)], window);
            agrees(&[point; 9], &[Fr::from(3); 9], window);
            agrees(&[point, point, -point, -point], &[Fr::from(1); 4], window);
            agrees(&[point; 2], &[-Fr::from(1), Fr::from(1)], window);
            agrees::<g1::Config>(&[], &[], window);
            agrees(&[Affine::<g1::Config>::identity(); 3], &[Fr::from(5); 3], window);
        }
    }
}
