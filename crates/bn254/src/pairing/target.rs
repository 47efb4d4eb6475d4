//! Values of pairings.

use core::ops::{Div, Mul};

use ark_bn254::Fq12;
use ark_ff::Field;

use super::{
    exponentiation::{conjugate, final_exponentiation},
    mul_fq12,
    tower::{self, cyclotomic_square},
};
#[cfg(not(target_arch = "wasm32"))]
use crate::arkworks;
use crate::backend::{self, Backend};

/// An element of the target group, which has order r. In this group the conjugate is the inverse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target(pub(super) Fq12);

impl Target {
    /// The neutral element.
    pub const ONE: Self = Self(Fq12::ONE);

    /// Computes the pairing from a nonzero value of Miller's function.
    pub fn of(miller: &Fq12) -> Self {
        match backend::current() {
            #[cfg(not(target_arch = "wasm32"))]
            Backend::Arkworks => Self(arkworks::final_exponentiation(miller)),
            Backend::Portable | Backend::Vectors => Self(final_exponentiation(miller)),
        }
    }

    /// Returns a power. The exponent should be small.
    pub fn pow(self, exponent: usize) -> Self {
        match backend::current() {
            #[cfg(not(target_arch = "wasm32"))]
            Backend::Arkworks => Self(self.0.pow([exponent as u64])),
            Backend::Portable | Backend::Vectors => {
                let bits = (0..usize::BITS - exponent.leading_zeros()).rev();
                Self(bits.fold(Fq12::ONE, |power, bit| {
                    let square = cyclotomic_square(&power);
                    if exponent >> bit & 1 == 1 { tower::mul_fq12(&square, &self.0) } else { square }
                }))
            }
        }
    }
}

impl Mul for Target {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        Self(mul_fq12(&self.0, &other.0))
    }
}

impl Div for Target {
    type Output = Self;

    fn div(self, other: Self) -> Self {
        Self(mul_fq12(&self.0, &conjugate(&other.0)))
    }
}

#[cfg(test)]
mod tests {
    use ark_ff::UniformRand;
    use ark_std::test_rng;

    use super::*;

    #[test]
    fn the_target_group_is_one() {
        let mut rng = test_rng();
        let [x, y] = [0; 2].map(|_| Target::of(&Fq12::rand(&mut rng)));
        assert_eq!((x * y / y, x / x), (x, Target::ONE));
        let mut power = Target::ONE;
        for exponent in 0..40 {
            assert_eq!(x.pow(exponent), power);
            assert_eq!(power.0, x.0.pow([exponent as u64]));
            power = power * x;
        }
    }
}
