//! Powers of eight elements.

use core::marker::PhantomData;

use ark_ff::{AdditiveGroup, Fp, MontConfig};

use super::{Ifma, LANES, Stored, from_rows, map, splat, words};
use crate::digits::{Step, steps};

/// Odd powers in the table, for windows of five bits.
const ODD_POWERS: usize = 16;

/// Raises each element to the power of the exponent. The exponent must not be zero; its limbs are in little-endian
/// order.
pub fn powers<P: MontConfig<4>>(simd: Ifma, elements: &[Stored<P>; LANES], exponent: &[u64; 4]) -> [Stored<P>; LANES] {
    simd.vectorize(Power { simd, elements, exponent, field: PhantomData })
}

/// The computation of [`powers`], compiled with the vector instructions.
struct Power<'a, P: MontConfig<4>> {
    simd: Ifma,
    elements: &'a [Stored<P>; LANES],
    exponent: &'a [u64; 4],
    field: PhantomData<P>,
}

impl<P: MontConfig<4>> pulp::NullaryFnOnce for Power<'_, P> {
    type Output = [Stored<P>; LANES];

    #[inline(always)]
    fn call(self) -> [Stored<P>; LANES] {
        let Self { simd, elements, exponent, .. } = self;
        let rows = map(*elements, splat(simd, 0), |element| words(element, Fp::ZERO));
        let base = from_rows::<P>(simd, rows).0.raised(simd);
        // All following values are below 1.1: a product of two such values is below 1 + 1.1^2 / 84.
        let square = base.squared(simd);
        let mut odd_powers = [base; ODD_POWERS];
        for i in 1..ODD_POWERS {
            odd_powers[i] = odd_powers[i - 1].times(simd, square);
        }
        let mut steps = steps(exponent, ODD_POWERS).skip_while(|step| step.odd_power.is_none());
        #[allow(clippy::expect_used, reason = "every exponent is a constant other than zero")]
        let first = steps.next().and_then(|step| step.odd_power).expect("the exponent is not zero");
        let mut result = odd_powers[first];
        for Step { squarings, odd_power } in steps {
            for _ in 0..squarings {
                result = result.squared(simd);
            }
            if let Some(index) = odd_power {
                result = result.times(simd, odd_powers[index]);
            }
        }
        result.lowered(simd).elements(simd)
    }
}

#[cfg(test)]
mod tests {
    use ark_bn254::{FqConfig, FrConfig};
    use ark_ff::{BigInteger, Field};
    use ark_std::test_rng;

    use super::*;
    use crate::lanes::tests::{elements, vectors};

    fn powers_agree<P: MontConfig<4>>(simd: Ifma) {
        let mut less_two = P::MODULUS;
        less_two.sub_with_borrow(&2u64.into());
        let exponents = [[1, 0, 0, 0], [2, 0, 0, 0], [0, 0, 1, 0], [u64::MAX; 4], less_two.0];
        for eight in elements::<P>(&mut test_rng()).as_chunks().0 {
            for exponent in &exponents {
                assert_eq!(powers(simd, eight, exponent), eight.map(|element| element.pow(exponent)));
            }
        }
    }

    #[test]
    fn powers_agree_with_arkworks() {
        let Some(simd) = vectors() else { return };
        powers_agree::<FqConfig>(simd);
        powers_agree::<FrConfig>(simd);
    }
}
