//! Miller's loop for several pairs.

use ark_bn254::{Fq, Fq12, G1Projective, G2Affine};
use ark_ff::Field;

use super::{
    lines::{Line, Lines, Step, Walk, steps},
    tower::{SparseElement, square_fq12},
};
#[cfg(not(target_arch = "wasm32"))]
use crate::arkworks;
use crate::{
    backend::{self, Backend},
    powers::inverse,
};

/// A point of G1, in the form that the evaluation of a line takes.
///
/// A line's value may be scaled by any nonzero factor of Fq, because the final exponentiation maps the factor to one
/// (Barreto, Kim, Lynn, Scott: [2002/008](https://eprint.iacr.org/2002/008)). Here the value is scaled by `1 / y`, so
/// that its first coefficient is one.
#[derive(Clone, Copy, Debug)]
struct Evaluation {
    minus_x_over_y: Fq,
    one_over_y: Fq,
}

impl Evaluation {
    /// Converts points, with one inversion for all. At infinity every line has the value one.
    fn of(points: &[G1Projective]) -> Vec<Self> {
        // x / y = (X / Z^2) / (Y / Z^3). No point of the curve has y = 0, because the group's order is odd.
        let mut product = Fq::ONE;
        let mut products = Vec::with_capacity(points.len());
        for point in points {
            products.push(product);
            product *= point.y;
        }
        let mut rest = inverse(&product);
        let mut evaluations = Vec::with_capacity(points.len());
        for (point, before) in points.iter().zip(products).rev() {
            let z_over_y = point.z * rest * before;
            rest *= point.y;
            let minus_x_over_y = -(point.x * z_over_y);
            evaluations.push(Self { minus_x_over_y, one_over_y: point.z.square() * z_over_y });
        }
        evaluations.reverse();
        evaluations
    }

    #[inline(always)]
    fn apply(&self, line: &Line) -> SparseElement {
        let mut a = line.slope;
        a.mul_assign_by_fp(&self.minus_x_over_y);
        let mut b = line.constant;
        b.mul_assign_by_fp(&self.one_over_y);
        SparseElement::new(a, b)
    }
}

/// Returns the product of Miller's functions of the pairs, up to factors that the final exponentiation maps to one.
/// Each pair consists of the lines of a point of G2 and a point of G1.
pub fn miller_loop(pairs: &[(&Lines, G1Projective)]) -> Fq12 {
    match backend::current() {
        #[cfg(not(target_arch = "wasm32"))]
        Backend::Arkworks => arkworks::miller_loop(pairs.iter().map(|(lines, point)| (*point, lines.point))),
        Backend::Portable | Backend::Vectors => loop_with_lines(pairs),
    }
}

fn loop_with_lines(pairs: &[(&Lines, G1Projective)]) -> Fq12 {
    let at = Evaluation::of(&pairs.iter().map(|(_, point)| *point).collect::<Vec<_>>());
    let mut product = Fq12::ONE;
    for (index, step) in steps().enumerate() {
        if step == Step::Double {
            product = square_fq12(&product);
        }
        for ((lines, _), evaluation) in pairs.iter().zip(&at) {
            product = evaluation.apply(&lines.lines[index]).mul(&product);
        }
    }
    product
}

/// Returns the product of [`miller_loop`] for each group of `2^group_bits` consecutive pairs. The last group may be
/// smaller. The points of G2 must be in the subgroup of order r and not infinity. All points pass through the loop
/// together; each group has its own squarings.
pub fn miller_products(points: &[G2Affine], at: &[G1Projective], group_bits: u32) -> Vec<Fq12> {
    match backend::current() {
        #[cfg(not(target_arch = "wasm32"))]
        Backend::Arkworks => {
            let groups = points.chunks(1 << group_bits).zip(at.chunks(1 << group_bits));
            groups.map(|(points, at)| arkworks::miller_loop(at.iter().copied().zip(points.iter().copied()))).collect()
        }
        Backend::Portable | Backend::Vectors => walk_in_groups(points, &Evaluation::of(at), group_bits),
    }
}

fn walk_in_groups(points: &[G2Affine], at: &[Evaluation], group_bits: u32) -> Vec<Fq12> {
    let mut products = vec![Fq12::ONE; points.len().div_ceil(1 << group_bits)];
    let mut walk = Walk::new(points);
    for step in steps() {
        if step == Step::Double {
            products.iter_mut().for_each(|product| *product = square_fq12(product));
        }
        walk.step(step, |number, line| {
            let product = &mut products[number >> group_bits];
            *product = at[number].apply(&line).mul(product);
        });
    }
    products
}

#[cfg(test)]
mod tests {
    use ark_bn254::{Bn254, Fr, G1Affine};
    use ark_ec::{AffineRepr, pairing::Pairing};
    use ark_ff::{UniformRand, Zero};
    use ark_std::{rand::Rng, test_rng};
    use proptest::prelude::*;

    use super::*;
    use crate::pairing::Target;

    /// Points of G1 in projective form, some infinity or small multiples.
    fn g1(rng: &mut impl Rng) -> G1Projective {
        match rng.gen_range(0..5) {
            0 => G1Projective::zero(),
            1 => G1Affine::generator() * Fr::from(rng.r#gen::<u8>()),
            2 => -G1Affine::generator().into_group(),
            _ => G1Projective::rand(rng),
        }
    }

    fn pairings(a: &[G1Projective], b: &[G2Affine]) -> Target {
        Target(Bn254::multi_pairing(a, b).0)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(12))]

        #[test]
        fn pairings_agree_with_arkworks(seed: u64, walking in 0..7usize, prepared in 0..4usize) {
            use ark_std::rand::SeedableRng;
            let mut rng = ark_std::rand::rngs::StdRng::seed_from_u64(seed);
            let a: Vec<_> = (0..walking + prepared).map(|_| g1(&mut rng)).collect();
            let mut b: Vec<_> = (0..walking + prepared).map(|_| G2Affine::rand(&mut rng)).collect();
            for point in &mut b[walking..] {
                if rng.r#gen::<u8>() % 3 == 0 {
                    *point = G2Affine::zero();
                }
            }
            let lines: Vec<_> = b[walking..].iter().map(Lines::of).collect();
            let with: Vec<_> = lines.iter().zip(a[walking..].iter().copied()).collect();
            prop_assert_eq!(Target::of(&miller_loop(&with)), pairings(&a[walking..], &b[walking..]));
            for group_bits in 0..4 {
                let products = miller_products(&b[..walking], &a[..walking], group_bits);
                prop_assert_eq!(products.len(), walking.div_ceil(1 << group_bits));
                let groups = a[..walking].chunks(1 << group_bits).zip(b.chunks(1 << group_bits));
                for (product, (a, b)) in products.iter().zip(groups) {
                    prop_assert_eq!(Target::of(product), pairings(a, &b[..a.len()]));
                }
            }
        }
    }

    #[test]
    fn pairs_that_cancel_leave_one() {
        let mut rng = test_rng();
        let (a, b) = (G1Projective::rand(&mut rng), G2Affine::rand(&mut rng));
        let products = miller_products(&[b, b], &[a, -a], 1);
        assert_eq!(products.iter().map(Target::of).collect::<Vec<_>>(), [Target::ONE]);
    }
}
