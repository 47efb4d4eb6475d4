//! The lines of Miller's loop.

use ark_bn254::{Bn254, Config, Fq2, G2Affine};
use ark_ec::{bn::BnConfig, pairing::Pairing};
use ark_ff::{AdditiveGroup, Field};

use super::tower::{mul, square};
use crate::{
    backend::{self, Backend},
    powers::inverse_fq2,
};

/// A line. `T` is a point of the twist, and `s` the slope on the twist. The line passes through the image of `T` on the
/// curve. At a point of G1 with coordinates x and y its value is `y - s x w + (s x_T - y_T) w^3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) slope: Fq2,
    pub(super) constant: Fq2,
}

/// A step of Miller's loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// First squares the product of the lines, then doubles the point.
    Double,
    /// Adds the starting point or its negative.
    Add { negative: bool },
    /// Adds the image of the starting point under ψ.
    AddFrobenius,
    /// Subtracts the image of the starting point under ψ².
    SubtractFrobeniusSquared,
}

/// Returns the steps that compute `[6x + 2]Q + ψ(Q) - ψ²(Q)`.
pub(super) fn steps() -> impl Iterator<Item = Step> {
    let digits = Config::ATE_LOOP_COUNT.iter().rev().skip(1);
    let of_digit = |digit: &i8| {
        let addition = (*digit != 0).then_some(Step::Add { negative: *digit < 0 });
        core::iter::once(Step::Double).chain(addition)
    };
    digits.flat_map(of_digit).chain([Step::AddFrobenius, Step::SubtractFrobeniusSquared])
}

/// The lines of one point of G2, step by step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lines {
    #[cfg(not(target_arch = "wasm32"))]
    pub(super) point: G2Affine,
    /// Empty if the process computes with arkworks, which takes the point.
    pub(super) lines: Vec<Line>,
}

impl Lines {
    /// Computes the lines. The lines of infinity have the value one at every point.
    pub fn of(point: &G2Affine) -> Self {
        Self {
            #[cfg(not(target_arch = "wasm32"))]
            point: *point,
            lines: match backend::current() {
                #[cfg(not(target_arch = "wasm32"))]
                Backend::Arkworks => Vec::new(),
                Backend::Portable | Backend::Vectors => lines_of(point),
            },
        }
    }
}

/// Returns the lines of a point, computed in projective coordinates.
fn lines_of(point: &G2Affine) -> Vec<Line> {
    let prepared = <Bn254 as Pairing>::G2Prepared::from(*point);
    if prepared.is_zero() {
        let one = Line { slope: Fq2::ZERO, constant: Fq2::ZERO };
        return steps().map(|_| one).collect();
    }
    let mut scales: Vec<Fq2> = prepared.ell_coeffs.iter().map(|(y, _, _)| *y).collect();
    invert_all(&mut scales);
    let scaled = prepared.ell_coeffs.iter().zip(&scales);
    scaled.map(|((_, x, constant), scale)| Line { slope: -mul(x, scale), constant: mul(constant, scale) }).collect()
}

/// Inverts nonzero elements with one inversion (Montgomery's trick).
fn invert_all(elements: &mut [Fq2]) {
    let mut product = Fq2::ONE;
    let mut products = Vec::with_capacity(elements.len());
    for element in &*elements {
        products.push(product);
        product = mul(&product, element);
    }
    let mut inverse = inverse_fq2(&product);
    for (element, before) in elements.iter_mut().zip(products).rev() {
        let inverted = mul(&inverse, &before);
        inverse = mul(&inverse, element);
        *element = inverted;
    }
}

/// Points of G2 that pass through Miller's loop together, all at the same step, in affine coordinates.
///
/// No point may be infinity. For points of the subgroup of order r, no denominator is then zero: in each addition, the
/// two multiples of a point differ, and their sum is not infinity.
pub(super) struct Walk<'a> {
    starts: &'a [G2Affine],
    points: Vec<(Fq2, Fq2)>,
    /// For each slope, its denominator and the product of all denominators before it.
    denominators: Vec<(Fq2, Fq2)>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(starts: &'a [G2Affine]) -> Self {
        let points = starts.iter().map(|point| (point.x, point.y)).collect();
        Self { starts, points, denominators: Vec::with_capacity(starts.len()) }
    }

    /// Takes a step with all points. Calls `each` with the number and the line of each point.
    pub(super) fn step(&mut self, step: Step, each: impl FnMut(usize, Line)) {
        match step {
            Step::Double => self.double(each),
            Step::Add { negative: false } => self.add(|start| (start.x, start.y), each),
            Step::Add { negative: true } => self.add(|start| (start.x, -start.y), each),
            Step::AddFrobenius => self.add(|start| psi((start.x, start.y)), each),
            Step::SubtractFrobeniusSquared => self.add(
                |start| {
                    let (x, y) = psi(psi((start.x, start.y)));
                    (x, -y)
                },
                each,
            ),
        }
    }

    fn double(&mut self, mut each: impl FnMut(usize, Line)) {
        self.denominators.clear();
        let mut product = Fq2::ONE;
        for (_, y) in &self.points {
            let denominator = y.double();
            self.denominators.push((denominator, product));
            product = mul(&product, &denominator);
        }
        let mut inverse = inverse_fq2(&product);
        let points = self.points.iter_mut().enumerate().rev();
        for ((number, point), (denominator, before)) in points.zip(self.denominators.iter().rev()) {
            let (x, y) = *point;
            let square = square(&x);
            let slope = mul(&(square.double() + square), &mul(&inverse, before));
            inverse = mul(&inverse, denominator);
            let line;
            (*point, line) = along((x, y), slope, x);
            each(number, line);
        }
    }

    fn add(&mut self, addend: impl Fn(&G2Affine) -> (Fq2, Fq2), mut each: impl FnMut(usize, Line)) {
        self.denominators.clear();
        let mut product = Fq2::ONE;
        for ((x, _), start) in self.points.iter().zip(self.starts) {
            let denominator = addend(start).0 - x;
            self.denominators.push((denominator, product));
            product = mul(&product, &denominator);
        }
        let mut inverse = inverse_fq2(&product);
        let points = self.points.iter_mut().zip(self.starts).enumerate().rev();
        for ((number, (point, start)), (denominator, before)) in points.zip(self.denominators.iter().rev()) {
            let (x, y) = *point;
            let (other_x, other_y) = addend(start);
            let slope = mul(&(other_y - y), &mul(&inverse, before));
            inverse = mul(&inverse, denominator);
            let line;
            (*point, line) = along((x, y), slope, other_x);
            each(number, line);
        }
    }
}

/// Returns the sum of two points of the twist, and the line through them. `(x, y)` is the first point, `other_x` is the
/// x coordinate of the second, and `slope` is the slope of the line. The sum is the negative of the third intersection
/// of the line with the twist.
#[inline(always)]
fn along((x, y): (Fq2, Fq2), slope: Fq2, other_x: Fq2) -> ((Fq2, Fq2), Line) {
    let constant = mul(&slope, &x) - y;
    let third = square(&slope) - x - other_x;
    ((third, constant - mul(&slope, &third)), Line { slope, constant })
}

/// The endomorphism ψ of the twist (untwist, Frobenius, twist).
fn psi((mut x, mut y): (Fq2, Fq2)) -> (Fq2, Fq2) {
    x.frobenius_map_in_place(1);
    y.frobenius_map_in_place(1);
    (mul(&x, &Config::TWIST_MUL_BY_Q_X), mul(&y, &Config::TWIST_MUL_BY_Q_Y))
}

#[cfg(test)]
mod tests {
    use ark_ec::AffineRepr;
    use ark_ff::UniformRand;
    use ark_std::test_rng;

    use super::*;

    #[test]
    fn points_that_walk_together_have_the_lines_of_each() {
        let mut rng = test_rng();
        for count in [0, 1, 2, 7] {
            let points: Vec<_> = (0..count).map(|_| G2Affine::rand(&mut rng)).collect();
            let mut lines = vec![Vec::new(); count];
            let mut walk = Walk::new(&points);
            for step in steps() {
                walk.step(step, |number, line| lines[number].push(line));
            }
            for (point, lines) in points.iter().zip(lines) {
                assert_eq!(lines, lines_of(point));
            }
            // The result of the loop: [6x + 2]Q + ψ(Q) - ψ²(Q) = -ψ³(Q) in the subgroup.
            for (point, (x, y)) in points.iter().zip(walk.points) {
                let end = psi(psi(psi((point.x, point.y))));
                assert_eq!((x, -y), end);
            }
        }
    }

    #[test]
    fn infinity_has_as_many_lines() {
        assert_eq!(lines_of(&G2Affine::zero()).len(), lines_of(&G2Affine::generator()).len());
    }
}
