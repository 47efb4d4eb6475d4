//! Sums of products in the BN254 scalar field, each with one Montgomery reduction.
//!
//! Values are in Montgomery form (v represents v / 2^256 mod r), and need not be least residues. r is 0.1891 * 2^256:
//! four limbs hold a little more than 5.28 r, and eight limbs hold 27.9 r^2. Reducing a sum below s r^2 gives a result
//! below (0.1891 s + 1) r. No operation may overflow: a sum that exceeds its limbs is a bug, and debug builds panic.
//!
//! No branch and no memory address depends on a value.
//!
//! In WebAssembly, products and reductions are not inlined: inlining them would double the size of a module.

use ark_bn254::{Fr, FrConfig};
use ark_ff::{BigInt, MontConfig, PrimeField};

const MODULUS: [u64; 4] = Fr::MODULUS.0;
const TWICE_MODULUS: [u64; 4] = [
    MODULUS[0] << 1,
    MODULUS[1] << 1 | MODULUS[0] >> 63,
    MODULUS[2] << 1 | MODULUS[1] >> 63,
    MODULUS[3] << 1 | MODULUS[2] >> 63,
];

/// An integer of four limbs, least significant first, congruent to a field element's Montgomery form.
#[derive(Clone, Copy)]
#[cfg_attr(test, derive(Debug))]
pub(super) struct Residue([u64; 4]);

impl Residue {
    pub(super) const ZERO: Self = Self([0; 4]);

    /// Creates the least residue of a field element.
    #[inline(always)]
    pub(super) const fn new(value: &Fr) -> Self {
        Self(value.0.0)
    }

    /// Returns the field element. `self` must be a least residue.
    #[inline(always)]
    pub(super) const fn into_field(self) -> Fr {
        Fr::new_unchecked(BigInt(self.0))
    }

    /// Returns the sum, not reduced.
    #[inline(always)]
    pub(super) fn plus(self, Self(other): Self) -> Self {
        let mut limbs = self.0;
        let mut carry = false;
        for (limb, added) in limbs.iter_mut().zip(other) {
            (*limb, carry) = limb.carrying_add(added, carry);
        }
        debug_assert!(!carry, "four limbs overflow");
        Self(limbs)
    }

    /// Returns the product, reduced.
    #[inline(always)]
    pub(super) fn times(self, other: Self) -> Self {
        Sum::product(self, other).reduce()
    }

    /// Returns the square, reduced.
    #[inline(always)]
    pub(super) fn squared(self) -> Self {
        Sum::square(self).reduce()
    }

    /// Returns the least residue. `self` must be below 4 r.
    #[inline(always)]
    pub(super) fn least(self) -> Self {
        self.less(&TWICE_MODULUS).less(&MODULUS)
    }

    /// Subtracts a multiple of r, unless the result would be negative.
    #[inline(always)]
    fn less(self, multiple: &[u64; 4]) -> Self {
        let mut difference = self.0;
        let mut borrow = false;
        for (limb, subtracted) in difference.iter_mut().zip(multiple) {
            (*limb, borrow) = limb.borrowing_sub(*subtracted, borrow);
        }
        let keep = u64::from(borrow).wrapping_neg();
        Self(core::array::from_fn(|i| difference[i] ^ (keep & (difference[i] ^ self.0[i]))))
    }
}

/// A sum of products of two residues, in eight limbs.
#[derive(Clone, Copy)]
pub(super) struct Sum([u64; 8]);

impl Sum {
    pub(super) const ZERO: Self = Self([0; 8]);

    /// Returns value * 2^256. Reduction turns it into the value.
    #[inline(always)]
    pub(super) const fn new(Residue(value): Residue) -> Self {
        Self([0, 0, 0, 0, value[0], value[1], value[2], value[3]])
    }

    /// Returns the product of two residues.
    #[cfg_attr(target_arch = "wasm32", inline(never))]
    #[cfg_attr(not(target_arch = "wasm32"), inline(always))]
    pub(super) fn product(Residue(a): Residue, Residue(b): Residue) -> Self {
        let mut sum = [0; 8];
        for (i, limb) in a.into_iter().enumerate() {
            add_multiple(&mut sum, i, limb, &b);
        }
        Self(sum)
    }

    /// Returns the square of a residue.
    #[cfg_attr(target_arch = "wasm32", inline(never))]
    #[cfg_attr(not(target_arch = "wasm32"), inline(always))]
    pub(super) fn square(Residue(a): Residue) -> Self {
        // The products of different limbs, each computed once.
        let mut sum = [0; 8];
        let mut carry;
        (sum[1], carry) = a[0].carrying_mul(a[1], 0);
        (sum[2], carry) = a[0].carrying_mul(a[2], carry);
        (sum[3], sum[4]) = a[0].carrying_mul(a[3], carry);
        (sum[3], carry) = a[1].carrying_mul_add(a[2], sum[3], 0);
        (sum[4], sum[5]) = a[1].carrying_mul_add(a[3], sum[4], carry);
        (sum[5], sum[6]) = a[2].carrying_mul_add(a[3], sum[5], 0);
        // Twice these products, and the squares of the limbs.
        sum[7] = sum[6] >> 63;
        for i in (2..7).rev() {
            sum[i] = sum[i] << 1 | sum[i - 1] >> 63;
        }
        sum[1] <<= 1;
        let mut carry = false;
        for i in 0..4 {
            let (low, high) = a[i].carrying_mul(a[i], 0);
            (sum[2 * i], carry) = sum[2 * i].carrying_add(low, carry);
            (sum[2 * i + 1], carry) = sum[2 * i + 1].carrying_add(high, carry);
        }
        Self(sum)
    }

    /// Returns the sum of both.
    #[inline(always)]
    pub(super) fn plus(mut self, Self(other): Self) -> Self {
        let mut carry = false;
        for (limb, added) in self.0.iter_mut().zip(other) {
            (*limb, carry) = limb.carrying_add(added, carry);
        }
        debug_assert!(!carry, "eight limbs overflow");
        self
    }

    /// Adds a product.
    #[inline(always)]
    pub(super) fn plus_product(self, a: Residue, b: Residue) -> Self {
        self.plus(Self::product(a, b))
    }

    /// [`plus_product`](Self::plus_product) at compile time.
    pub(super) const fn plus_constant_product(mut self, Residue(a): Residue, Residue(b): Residue) -> Self {
        let mut i = 0;
        while i < 4 {
            let mut carry = 0;
            let mut j = 0;
            while i + j < 8 {
                let product = if j < 4 { a[i] as u128 * b[j] as u128 } else { 0 };
                let limb = product + self.0[i + j] as u128 + carry;
                self.0[i + j] = limb as u64;
                carry = limb >> 64;
                j += 1;
            }
            i += 1;
        }
        self
    }

    /// Subtracts a part of the sum.
    #[inline(always)]
    pub(super) fn minus(mut self, Self(part): Self) -> Self {
        let mut borrow = false;
        for (limb, subtracted) in self.0.iter_mut().zip(part) {
            (*limb, borrow) = limb.borrowing_sub(subtracted, borrow);
        }
        debug_assert!(!borrow, "the part is larger than the sum");
        self
    }

    /// Returns the sum divided by 2^256 modulo r: Montgomery's reduction. The sum must be below (2^256 - r) 2^256. The
    /// result is less than the quotient plus r.
    #[cfg_attr(target_arch = "wasm32", inline(never))]
    #[cfg_attr(not(target_arch = "wasm32"), inline(always))]
    pub(super) fn reduce(self) -> Residue {
        let mut column = Column::default();
        // The multiples of r that clear the lower limbs, one after another.
        let mut factors = [0; 4];
        for i in 0..4 {
            column.add(u128::from(self.0[i]));
            for j in 0..i {
                column.add_product(factors[j], MODULUS[i - j]);
            }
            factors[i] = (column.sum as u64).wrapping_mul(FrConfig::INV);
            column.add_product(factors[i], MODULUS[0]);
            column.shift();
        }
        let mut residue = [0; 4];
        for i in 0..4 {
            column.add(u128::from(self.0[4 + i]));
            for j in i + 1..4 {
                column.add_product(factors[j], MODULUS[4 + i - j]);
            }
            residue[i] = column.shift();
        }
        debug_assert!(column.sum == 0, "the sum is too large to be reduced");
        Residue(residue)
    }
}

/// The sum of one limb's column, and the carries to the next two limbs.
#[derive(Default)]
struct Column {
    sum: u128,
    carried: u64,
}

impl Column {
    #[inline(always)]
    fn add(&mut self, value: u128) {
        let (sum, carry) = self.sum.overflowing_add(value);
        self.sum = sum;
        self.carried += u64::from(carry);
    }

    #[inline(always)]
    fn add_product(&mut self, a: u64, b: u64) {
        self.add(u128::from(a) * u128::from(b));
    }

    /// Returns the finished limb and moves to the next one.
    #[inline(always)]
    fn shift(&mut self) -> u64 {
        let limb = self.sum as u64;
        *self = Self { sum: self.sum >> 64 | u128::from(self.carried) << 64, carried: 0 };
        limb
    }
}

/// Adds factor * value, shifted by `at` limbs.
#[inline(always)]
fn add_multiple(sum: &mut [u64; 8], at: usize, factor: u64, value: &[u64; 4]) {
    let mut product = [0; 5];
    for i in 0..4 {
        (product[i], product[i + 1]) = factor.carrying_mul(value[i], product[i]);
    }
    let mut carry = false;
    for i in 0..8 - at {
        (sum[at + i], carry) = sum[at + i].carrying_add(if i < 5 { product[i] } else { 0 }, carry);
    }
    debug_assert!(!carry, "eight limbs overflow");
}

#[cfg(test)]
pub(super) mod tests {
    use ark_ff::BigInteger;
    use proptest::prelude::*;

    use super::*;

    /// Generates limbs that are often at an end of their range.
    fn limbs<const N: usize>() -> impl Strategy<Value = [u64; N]> {
        prop::array::uniform(prop_oneof![Just(0), Just(1), Just(u64::MAX), any::<u64>()])
    }

    /// Generates field elements that are often near 0 or r.
    pub(crate) fn element() -> impl Strategy<Value = Fr> {
        let random = limbs::<4>().prop_map(|limbs| Fr::new_unchecked(BigInt(limbs.map(|limb| limb >> 3))));
        let small = (0u64..3).prop_map(|n| Fr::new_unchecked(BigInt::from(n)));
        prop_oneof![small.clone(), small.prop_map(|n| -n), random]
    }

    /// Generates a residue below 1.5 r and its field element.
    pub(crate) fn residue() -> impl Strategy<Value = (Residue, Fr)> {
        (element(), any::<bool>()).prop_map(|(value, raise)| {
            let raise = raise && value.0 < Fr::MODULUS_MINUS_ONE_DIV_TWO;
            (raised(value, u64::from(raise)), value)
        })
    }

    fn raised(value: Fr, multiple: u64) -> Residue {
        (0..multiple).fold(Residue::new(&value), |raised, _| raised.plus(Residue(MODULUS)))
    }

    /// Returns an integer modulo r.
    fn modulo(limbs: &[u64]) -> Fr {
        Fr::from_le_bytes_mod_order(&limbs.iter().flat_map(|limb| limb.to_le_bytes()).collect::<Vec<_>>())
    }

    fn exact(a: [u64; 4], b: [u64; 4]) -> [u64; 8] {
        let (low, high) = BigInt(a).mul(&BigInt(b));
        core::array::from_fn(|i| if i < 4 { low.0[i] } else { high.0[i - 4] })
    }

    fn reduced_is_the_quotient(sum: [u64; 8]) {
        let power = modulo(&[0, 0, 0, 0, 1]);
        let residue = Sum(sum).reduce();
        assert_eq!(modulo(&residue.0) * power, modulo(&sum));
        // At most the integer quotient plus r.
        let mut bound = BigInt([sum[4], sum[5], sum[6], sum[7]]);
        assert!(!bound.add_with_carry(&Fr::MODULUS));
        assert!(BigInt(residue.0) <= bound);
    }

    proptest! {
        #[test]
        fn products_are_exact(a in limbs::<4>(), b in limbs::<4>()) {
            prop_assert_eq!(Sum::product(Residue(a), Residue(b)).0, exact(a, b));
            prop_assert_eq!(Sum::square(Residue(a)).0, exact(a, a));
            prop_assert_eq!(Sum::ZERO.plus_constant_product(Residue(a), Residue(b)).0, exact(a, b));
        }

        #[test]
        fn sums_of_products_are_those_of_the_field(terms in prop::collection::vec((element(), element()), 0..=22)) {
            let (mut sum, mut constant) = (Sum::ZERO, Sum::ZERO);
            for (a, b) in &terms {
                sum = sum.plus_product(Residue::new(a), Residue::new(b));
                constant = constant.plus_constant_product(Residue::new(a), Residue::new(b));
            }
            prop_assert_eq!(sum.0, constant.0);
            let expected: Fr = terms.iter().map(|(a, b)| *a * b).sum();
            prop_assert_eq!(sum.reduce().less(&TWICE_MODULUS).less(&TWICE_MODULUS).least().into_field(), expected);
            if let [(a, b), ..] = terms[..] {
                let product = Sum::product(Residue::new(&a), Residue::new(&b));
                let rest: Fr = terms[1..].iter().map(|(a, b)| *a * b).sum();
                let less = sum.minus(product).reduce().less(&TWICE_MODULUS).less(&TWICE_MODULUS);
                prop_assert_eq!(less.least().into_field(), rest);
            }
        }

        #[test]
        fn reduction_divides(sum in limbs::<8>()) {
            let mut sum = sum;
            // Below 2^256 - r.
            sum[7] %= u64::MAX - MODULUS[3];
            reduced_is_the_quotient(sum);
        }

        #[test]
        fn multiples_of_the_order_go(value in element(), multiple in 0u64..4) {
            prop_assert_eq!(raised(value, multiple).least().into_field(), value);
        }

        #[test]
        fn residues_multiply_as_the_elements_do((a, x) in residue(), (b, y) in residue()) {
            prop_assert_eq!(a.times(b).least().into_field(), x * y);
            prop_assert_eq!(a.squared().least().into_field(), x * x);
            prop_assert_eq!(a.plus(b).least().into_field(), x + y);
            prop_assert_eq!(Sum::new(a).plus_product(a, b).reduce().least().into_field(), x + x * y);
        }
    }

    #[test]
    fn the_largest_sum_is_reduced() {
        let mut high = BigInt([u64::MAX; 4]);
        assert!(!high.sub_with_borrow(&Fr::MODULUS));
        let [a, b, c, d] = high.0;
        reduced_is_the_quotient([u64::MAX, u64::MAX, u64::MAX, u64::MAX, a, b, c, d]);
        // 22 products of the largest least residue; then the largest sums of it that eight limbs and four limbs hold.
        let largest = Residue::new(&-Fr::new_unchecked(BigInt::one()));
        let sum = (0..22).fold(Sum::ZERO, |sum, _| sum.plus_product(largest, largest));
        reduced_is_the_quotient(sum.0);
        let sum = (0..27).fold(Sum::ZERO, |sum, _| sum.plus_product(largest, largest));
        assert_eq!(modulo(&sum.0), modulo(&largest.0) * modulo(&largest.0) * Fr::from(27));
        assert_eq!(modulo(&(0..4).fold(largest, |sum, _| sum.plus(largest)).0), modulo(&largest.0) * Fr::from(5));
    }
}
