//! Field operations for the inner loops.
//!
//! The sum of two random elements exceeds the modulus in about half of all cases, and their difference is below zero in
//! about half of all cases. So the branches of arkworks' addition and subtraction are often mispredicted; here both
//! operations select by a mask. A product rarely exceeds the modulus before its last subtraction. There, a branch that
//! is nearly always predicted is faster than a mask that every product waits for. So multiplication is arkworks' own,
//! or that of `narrow` on targets without a 128-bit product. The product in the quadratic extension is
//! Karatsuba's, with three multiplications instead of four.

use ark_bn254::{Fq, Fq2};
use ark_ff::{AdditiveGroup, BigInt, Field, Fp, MontBackend, MontConfig};

/// An element of a field, with operations by value.
pub trait Arithmetic: Copy + PartialEq + Send + Sync {
    /// The neutral element of addition.
    const ZERO: Self;
    /// The neutral element of multiplication.
    const ONE: Self;

    /// Returns the sum.
    fn plus(self, other: Self) -> Self;
    /// Returns the difference.
    fn minus(self, other: Self) -> Self;
    /// Returns the product.
    fn times(self, other: Self) -> Self;
    /// Returns the square.
    fn squared(self) -> Self;
    /// Returns the inverse, or `None` for zero.
    fn inverted(self) -> Option<Self>;
    /// Returns one of two elements, without a branch.
    fn select(first: Self, second: Self, take_second: bool) -> Self;

    /// Returns twice the element.
    fn doubled(self) -> Self {
        self.plus(self)
    }

    /// Returns the negative of the element if `negative` is true, and the element otherwise.
    fn negated_if(self, negative: bool) -> Self {
        Self::select(self, Self::ZERO.minus(self), negative)
    }
}

type Limbs = [u64; 4];

/// Returns a mask with all bits set, or zero.
#[inline(always)]
fn mask(condition: bool) -> u64 {
    u64::from(condition).wrapping_neg()
}

// Written out limb by limb: a compiler that optimises for size does not unroll loops, and keeps the limbs in memory.

#[inline(always)]
fn add(a: Limbs, b: Limbs) -> Limbs {
    let (first, carry) = a[0].carrying_add(b[0], false);
    let (second, carry) = a[1].carrying_add(b[1], carry);
    let (third, carry) = a[2].carrying_add(b[2], carry);
    let (fourth, _) = a[3].carrying_add(b[3], carry);
    [first, second, third, fourth]
}

/// Returns the difference modulo 2^256, and whether it is below zero.
#[inline(always)]
fn sub(a: Limbs, b: Limbs) -> (Limbs, bool) {
    let (first, borrow) = a[0].borrowing_sub(b[0], false);
    let (second, borrow) = a[1].borrowing_sub(b[1], borrow);
    let (third, borrow) = a[2].borrowing_sub(b[2], borrow);
    let (fourth, borrow) = a[3].borrowing_sub(b[3], borrow);
    ([first, second, third, fourth], borrow)
}

#[inline(always)]
fn and(a: Limbs, mask: u64) -> Limbs {
    [a[0] & mask, a[1] & mask, a[2] & mask, a[3] & mask]
}

#[inline(always)]
fn xor(a: Limbs, b: Limbs) -> Limbs {
    [a[0] ^ b[0], a[1] ^ b[1], a[2] ^ b[2], a[3] ^ b[3]]
}

#[inline(always)]
fn select(first: Limbs, second: Limbs, take_second: bool) -> Limbs {
    xor(first, and(xor(first, second), mask(take_second)))
}

#[cfg(any(test, target_arch = "wasm32"))]
#[inline(always)]
fn times_in_narrow_limbs<T: MontConfig<4>>(
    a: Fp<MontBackend<T, 4>, 4>,
    b: Fp<MontBackend<T, 4>, 4>,
) -> Fp<MontBackend<T, 4>, 4> {
    let product = crate::narrow::product::<T>(&a.0.0, &b.0.0);
    let (reduced, below) = sub(product, T::MODULUS.0);
    Fp::new_unchecked(BigInt(if below { product } else { reduced }))
}

impl<T: MontConfig<4>> Arithmetic for Fp<MontBackend<T, 4>, 4> {
    const ZERO: Self = <Self as AdditiveGroup>::ZERO;
    const ONE: Self = <Self as Field>::ONE;

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        const { assert!(T::MODULUS.0[3] >> 63 == 0, "a sum of two elements must fit in the limbs") };
        let sum = add(self.0.0, other.0.0);
        let (reduced, below) = sub(sum, T::MODULUS.0);
        Self::new_unchecked(BigInt(select(reduced, sum, below)))
    }

    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        let (difference, below) = sub(self.0.0, other.0.0);
        Self::new_unchecked(BigInt(add(difference, and(T::MODULUS.0, mask(below)))))
    }

    #[cfg(not(target_arch = "wasm32"))]
    #[inline(always)]
    fn times(self, other: Self) -> Self {
        self * other
    }

    #[cfg(not(target_arch = "wasm32"))]
    #[inline(always)]
    fn squared(self) -> Self {
        self.square()
    }

    // A call costs little compared to a product. Inlining it everywhere would double the size of a module.
    #[cfg(target_arch = "wasm32")]
    #[inline(never)]
    fn times(self, other: Self) -> Self {
        times_in_narrow_limbs(self, other)
    }

    #[cfg(target_arch = "wasm32")]
    fn squared(self) -> Self {
        self.times(self)
    }

    fn inverted(self) -> Option<Self> {
        self.inverse()
    }

    #[inline(always)]
    fn select(first: Self, second: Self, take_second: bool) -> Self {
        Self::new_unchecked(BigInt(select(first.0.0, second.0.0, take_second)))
    }
}

impl Arithmetic for Fq2 {
    const ZERO: Self = <Self as AdditiveGroup>::ZERO;
    const ONE: Self = <Self as Field>::ONE;

    #[inline(always)]
    fn plus(self, other: Self) -> Self {
        Self::new(self.c0.plus(other.c0), self.c1.plus(other.c1))
    }

    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        Self::new(self.c0.minus(other.c0), self.c1.minus(other.c1))
    }

    #[cfg_attr(target_arch = "wasm32", inline(never))]
    #[cfg_attr(not(target_arch = "wasm32"), inline(always))]
    fn times(self, other: Self) -> Self {
        // The square of the generator is -1.
        let (low, high) = (self.c0.times(other.c0), self.c1.times(other.c1));
        let mixed = self.c0.plus(self.c1).times(other.c0.plus(other.c1));
        Self::new(low.minus(high), mixed.minus(low).minus(high))
    }

    #[cfg_attr(target_arch = "wasm32", inline(never))]
    #[cfg_attr(not(target_arch = "wasm32"), inline(always))]
    fn squared(self) -> Self {
        let product: Fq = self.c0.times(self.c1);
        Self::new(self.c0.plus(self.c1).times(self.c0.minus(self.c1)), product.doubled())
    }

    fn inverted(self) -> Option<Self> {
        self.inverse()
    }

    #[inline(always)]
    fn select(first: Self, second: Self, take_second: bool) -> Self {
        let select = |first, second| <Fq as Arithmetic>::select(first, second, take_second);
        Self::new(select(first.c0, second.c0), select(first.c1, second.c1))
    }
}

#[cfg(test)]
mod tests {
    use ark_ff::UniformRand;
    use ark_std::test_rng;

    use super::*;

    fn agrees<F: Arithmetic + Field>(elements: &[F]) {
        for &a in elements {
            assert_eq!(a.squared(), a.square());
            assert_eq!(a.doubled(), a + a);
            assert_eq!(a.inverted(), a.inverse());
            assert_eq!([a.negated_if(false), a.negated_if(true)], [a, -a]);
            for &b in elements {
                assert_eq!(a.plus(b), a + b, "{a} + {b}");
                assert_eq!(a.minus(b), a - b, "{a} - {b}");
                assert_eq!(a.times(b), a * b, "{a} * {b}");
                assert_eq!([F::select(a, b, false), F::select(a, b, true)], [a, b]);
            }
        }
    }

    /// Returns random elements, and elements whose limbs are near zero, a power of two or the modulus.
    fn elements<T: MontConfig<4>>() -> Vec<Fp<MontBackend<T, 4>, 4>> {
        let mut rng = test_rng();
        let mut elements: Vec<_> = (0..40).map(|_| Fp::rand(&mut rng)).collect();
        for limb in 0..4 {
            for change in [0, 1, u64::MAX] {
                let mut limbs = [0; 4];
                limbs[limb] = change;
                let small = BigInt(limbs);
                let mut limbs = T::MODULUS.0;
                limbs[limb] = limbs[limb].wrapping_sub(change);
                elements.extend([small, BigInt(limbs)].into_iter().filter(|n| *n < T::MODULUS).map(Fp::new_unchecked));
            }
        }
        let [a, b, c, d] = T::MODULUS.0;
        let half = BigInt([a >> 1 | b << 63, b >> 1 | c << 63, c >> 1 | d << 63, d >> 1]);
        elements.push(Fp::new_unchecked(half));
        let one = <Fp<_, 4> as Field>::ONE;
        elements.extend([one, -one, -one.double()]);
        elements
    }

    #[test]
    fn products_in_narrow_limbs_agree_with_arkworks() {
        fn agree<T: MontConfig<4>>() {
            let elements = elements::<T>();
            for &a in &elements {
                for &b in &elements {
                    assert_eq!(times_in_narrow_limbs(a, b), a * b, "{a} * {b}");
                }
            }
        }
        agree::<ark_bn254::FrConfig>();
        agree::<ark_bn254::FqConfig>();
    }

    #[test]
    fn operations_agree_with_arkworks() {
        agrees(&elements::<ark_bn254::FrConfig>());
        let coordinates = elements::<ark_bn254::FqConfig>();
        agrees(&coordinates);
        let pairs = coordinates.iter().zip(coordinates.iter().rev());
        let mut pairs: Vec<_> = pairs.map(|(a, b)| Fq2::new(*a, *b)).collect();
        pairs.extend(coordinates.iter().map(|a| Fq2::new(*a, *a)));
        pairs.extend(coordinates.iter().map(|a| Fq2::new(Fq::from(0), *a)));
        agrees(&pairs);
    }
}
