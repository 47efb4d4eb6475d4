//! Eight field elements at a time, with the 52-bit multiplications of AVX-512 IFMA.
//!
//! An element has five limbs of 52 bits. Each limb is a vector whose lanes belong to eight different elements. Products
//! are Montgomery products with `R = 2^260` (Gueron and Krasnov: ARITH 2016, "Accelerating big integer arithmetic using
//! Intel IFMA extensions"). The limbs can hold multiples of a modulus p of 254 bits: `2^260 > 84p` for both fields of
//! BN254. So the product of factors below `m p` and `n p` is below `(1 + m n / 84) p`, and sums need no reduction in
//! between. Comments give such bounds as multiples of p.
//!
//! Elements are stored with `R = 2^256`. A stored element, read with `R = 2^260`, represents a sixteenth of its value.
//!
//! The crate `pulp` provides the vector instructions as safe functions, and only on a processor that has them. A
//! function that is not inlined is compiled without these instructions.

mod extension;
mod integers;
mod power;

use core::arch::x86_64::__m512i;

use ark_ff::{BigInt, Fp, MontBackend, MontConfig};

pub(crate) use extension::Pairs;
pub use integers::{Integers, Limbs, Products};
pub(crate) use power::powers;
pub use pulp::NullaryFnOnce;

pulp::simd_type! {
    /// A token that proves that the processor has the instructions.
    pub struct Ifma {
        pub(crate) avx512f: "avx512f",
        pub(crate) avx512ifma: "avx512ifma",
    }
}

/// Number of lanes of a vector.
pub const LANES: usize = 8;

/// An element of a prime field in its stored form.
type Stored<P> = Fp<MontBackend<P, 4>, 4>;

/// Maps an array as its method `map` does, but is always inlined.
#[inline(always)]
pub fn map<T: Copy, U: Copy, const N: usize>(items: [T; N], empty: U, each: impl Fn(T) -> U) -> [U; N] {
    let mut results = [empty; N];
    for (result, item) in results.iter_mut().zip(items) {
        *result = each(item);
    }
    results
}

/// Smallest number of elements that takes longer one by one than together.
const LEAST: usize = 3;

/// Maps each element of a list, eight at a time. The last eight are filled up with the last element.
pub(crate) fn map_all<T: Copy, U>(
    elements: &[T],
    eight: impl Fn(&[T; LANES]) -> [U; LANES],
    one: impl Fn(&T) -> U,
) -> Vec<U> {
    let mut results = Vec::with_capacity(elements.len());
    for part in elements.chunks(LANES) {
        if part.len() < LEAST {
            results.extend(part.iter().map(&one));
        } else {
            let filled = core::array::from_fn(|lane| part[lane.min(part.len() - 1)]);
            results.extend(eight(&filled).into_iter().take(part.len()));
        }
    }
    results
}

/// Returns the value in all lanes.
#[inline(always)]
pub fn splat(simd: Ifma, value: u64) -> __m512i {
    simd.avx512f._mm512_set1_epi64(value as i64)
}

/// Returns the words of two elements in one vector.
#[inline(always)]
pub fn words<P: MontConfig<4>>(first: Stored<P>, second: Stored<P>) -> __m512i {
    let ([a, b, c, d], [e, f, g, h]) = (first.0.0, second.0.0);
    pulp::cast([a, b, c, d, e, f, g, h])
}

/// Returns eight pairs of elements. Each row holds the [`words`] of one pair.
#[inline(always)]
pub fn from_rows<P: MontConfig<4>>(simd: Ifma, rows: [__m512i; LANES]) -> (Integers<P>, Integers<P>) {
    let [a, b, c, d, e, f, g, h] = transposed(simd, rows);
    (Integers::from_words(simd, [a, b, c, d]), Integers::from_words(simd, [e, f, g, h]))
}

/// Returns eight pairs of elements, from two vectors of canonical elements.
#[inline(always)]
pub(crate) fn pairs<P: MontConfig<4>>(simd: Ifma, first: Integers<P>, second: Integers<P>) -> [[Stored<P>; 2]; LANES] {
    let ([a, b, c, d], [e, f, g, h]) = (first.to_words(simd), second.to_words(simd));
    let zero = Fp::new_unchecked(BigInt([0; 4]));
    map(transposed(simd, [a, b, c, d, e, f, g, h]), [zero; 2], |row| {
        let [a, b, c, d, e, f, g, h] = pulp::cast::<_, [u64; LANES]>(row);
        [Fp::new_unchecked(BigInt([a, b, c, d])), Fp::new_unchecked(BigInt([e, f, g, h]))]
    })
}

/// Transposes eight rows of eight words.
#[inline(always)]
fn transposed(simd: Ifma, rows: [__m512i; LANES]) -> [__m512i; LANES] {
    let f = simd.avx512f;
    let [a, b, c, d, e, f_, g, h] = rows;
    let even = |upper, lower| f._mm512_unpacklo_epi64(upper, lower);
    let odd = |upper, lower| f._mm512_unpackhi_epi64(upper, lower);
    let [c0, c2, c4, c6] = columns(simd, [even(a, b), even(c, d), even(e, f_), even(g, h)]);
    let [c1, c3, c5, c7] = columns(simd, [odd(a, b), odd(c, d), odd(e, f_), odd(g, h)]);
    [c0, c1, c2, c3, c4, c5, c6, c7]
}

/// Returns four of the columns. Each argument holds the words of these columns from two rows.
#[inline(always)]
fn columns(simd: Ifma, [ab, cd, ef, gh]: [__m512i; 4]) -> [__m512i; 4] {
    let f = simd.avx512f;
    let (upper, lower) = (f._mm512_shuffle_i64x2::<0x88>(ab, cd), f._mm512_shuffle_i64x2::<0x88>(ef, gh));
    let (first, third) = (f._mm512_shuffle_i64x2::<0x88>(upper, lower), f._mm512_shuffle_i64x2::<0xdd>(upper, lower));
    let (upper, lower) = (f._mm512_shuffle_i64x2::<0xdd>(ab, cd), f._mm512_shuffle_i64x2::<0xdd>(ef, gh));
    let (second, fourth) = (f._mm512_shuffle_i64x2::<0x88>(upper, lower), f._mm512_shuffle_i64x2::<0xdd>(upper, lower));
    [first, second, third, fourth]
}

#[cfg(test)]
pub(crate) mod tests {
    use std::{
        io::{self, Write},
        thread,
    };

    use ark_ff::{AdditiveGroup, Field, UniformRand};
    use ark_std::rand::Rng;

    use super::*;

    /// Returns the token for a test of vector code. If the processor lacks the instructions, it prints a line that
    /// `cargo xtask test` collects.
    pub(crate) fn vectors() -> Option<Ifma> {
        let vectors = Ifma::try_new();
        if vectors.is_none() {
            let thread = thread::current();
            // The harness captures the output of `eprintln`, but not what is written to the stream itself.
            let _ = writeln!(io::stderr(), "vectors not available: {} did not run", thread.name().unwrap_or("a test"));
        }
        vectors
    }

    /// Returns 48 elements: elements near zero, near the modulus and near the boundaries of limbs of 52 and 64 bits,
    /// and random ones.
    pub(crate) fn elements<P: MontConfig<4>>(rng: &mut impl Rng) -> Vec<Stored<P>> {
        let stored = |limbs| Stored::<P>::new_unchecked(BigInt(limbs));
        let powers = [0, 51, 52, 63, 64, 103, 104, 128, 156, 191, 192, 208, 252, 253];
        let mut elements: Vec<_> = powers.iter().map(|power| Stored::from(2).pow([*power])).collect();
        // Elements whose stored form is near these boundaries.
        elements.extend([[1, 0, 0, 0], [(1 << 52) - 1, 0, 0, 0], [0, 1, 0, 0], [u64::MAX, u64::MAX, 0, 0]].map(stored));
        elements.push(-stored([1, 0, 0, 0]));
        let negatives: Vec<_> = elements.iter().map(|element| -*element).collect();
        elements.extend(negatives);
        elements.push(AdditiveGroup::ZERO);
        elements.extend((elements.len()..48).map(|_| Stored::rand(rng)));
        elements
    }
}
