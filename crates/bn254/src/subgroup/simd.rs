//! Multiples of points of the twist, eight at a time.

use ark_bn254::{Fq2, G2Affine, G2Projective};
use ark_ff::{AdditiveGroup, Field};

use super::DIGITS;
use crate::lanes::{Ifma, LANES, Pairs, map, splat, words};

/// Returns x times each point, in Jacobian coordinates. The result is `None` if an intermediate addition has equal or
/// opposite points, which does not occur for points of the subgroup. None of the points may be infinity.
pub(super) fn times_x(simd: Ifma, points: &[G2Affine; LANES]) -> [Option<G2Projective>; LANES] {
    simd.vectorize(Multiplication { simd, points })
}

/// The computation of [`times_x`], compiled with the vector instructions.
struct Multiplication<'a> {
    simd: Ifma,
    points: &'a [G2Affine; LANES],
}

impl pulp::NullaryFnOnce for Multiplication<'_> {
    type Output = [Option<G2Projective>; LANES];

    #[inline(always)]
    fn call(self) -> [Option<G2Projective>; LANES] {
        let Self { simd, points } = self;
        let rows = |coordinate: fn(&G2Affine) -> &Fq2| {
            let coordinates = points.each_ref().map(coordinate);
            map(coordinates, splat(simd, 0), |coordinate| words(coordinate.c0, coordinate.c1))
        };
        let x = Pairs::from_rows(simd, rows(|point| &point.x)).raised(simd);
        let y = Pairs::from_rows(simd, rows(|point| &point.y)).raised(simd);
        let zero = Pairs::splat(simd, Fq2::ZERO);
        let minus_y = zero.minus::<1>(simd, y).canonical(simd);
        let mut multiple = Multiple { x, y, z: Pairs::splat(simd, Fq2::ONE).raised(simd) };
        let mut rare = 0;
        let (plus, minus) = DIGITS;
        // The highest digit is the point itself.
        for index in (0..plus.ilog2()).rev() {
            multiple = multiple.doubled(simd);
            if (plus | minus) >> index & 1 == 1 {
                let other = if plus >> index & 1 == 1 { y } else { minus_y };
                let (sum, met) = multiple.plus(simd, x, other);
                multiple = sum;
                rare |= met;
            }
        }
        let coordinates = [multiple.x, multiple.y, multiple.z];
        let [x, y, z] = map(coordinates, [Fq2::ZERO; LANES], |coordinate| coordinate.lowered(simd).elements(simd));
        let mut multiples = [None; LANES];
        for (lane, multiple) in multiples.iter_mut().enumerate() {
            if rare >> lane & 1 == 0 {
                *multiple = Some(G2Projective::new_unchecked(x[lane], y[lane], z[lane]));
            }
        }
        multiples
    }
}

#[inline(always)]
fn square(simd: Ifma, element: Pairs) -> Pairs {
    element.squared(simd).canonical(simd)
}

/// Returns the product of two canonical elements, or of a canonical element and an element below 6.
#[inline(always)]
fn product(simd: Ifma, a: Pairs, b: Pairs) -> Pairs {
    a.times(simd, b).canonical(simd)
}

/// Eight points in canonical Jacobian coordinates.
#[derive(Clone, Copy)]
struct Multiple {
    x: Pairs,
    y: Pairs,
    z: Pairs,
}

impl Multiple {
    /// Doubles the points, as [`double`](super::double) does.
    #[inline(always)]
    fn doubled(self, simd: Ifma) -> Self {
        let Self { x, y, z } = self;
        let (x_squared, y_squared) = (square(simd, x), square(simd, y));
        let d = product(simd, x, y_squared).quadrupled(simd).canonical(simd);
        let e = x_squared.plus(simd, x_squared).plus(simd, x_squared);
        // The square is below 3. With the two added multiples of the modulus the result is below 5.
        let third = e.squared(simd).minus::<1>(simd, d).minus::<1>(simd, d).canonical(simd);
        let half = square(simd, y_squared).quadrupled(simd);
        let eight = half.plus(simd, half).canonical(simd);
        let y_third = product(simd, e, d.minus::<1>(simd, third)).minus::<1>(simd, eight).canonical(simd);
        let yz = product(simd, y, z);
        Self { x: third, y: y_third, z: yz.plus(simd, yz).canonical(simd) }
    }

    /// Adds points, as [`add`](super::add) does. Also returns the mask of the lanes in which both points are equal or
    /// opposite.
    #[inline(always)]
    fn plus(self, simd: Ifma, other_x: Pairs, other_y: Pairs) -> (Self, u8) {
        let Self { x, y, z } = self;
        let z_squared = square(simd, z);
        let h = product(simd, other_x, z_squared).minus::<1>(simd, x).canonical(simd);
        let r = product(simd, other_y, product(simd, z, z_squared)).minus::<1>(simd, y).canonical(simd);
        let met = h.equal(simd, Pairs::splat(simd, Fq2::ZERO));
        let h_squared = square(simd, h);
        let h_cubed = product(simd, h, h_squared);
        let v = product(simd, x, h_squared);
        // The square is below 3. With the three added multiples of the modulus the result is below 6.
        let third = r.squared(simd).minus::<1>(simd, h_cubed).minus::<1>(simd, v).minus::<1>(simd, v).canonical(simd);
        let moved = product(simd, r, v.minus::<1>(simd, third));
        let y_third = moved.minus::<1>(simd, product(simd, y, h_cubed)).canonical(simd);
        (Self { x: third, y: y_third, z: product(simd, z, h) }, met)
    }
}
