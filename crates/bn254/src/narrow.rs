//! Montgomery multiplication for targets without a 128-bit product, mainly WebAssembly.
//!
//! This is Montgomery's multiplication ("Modular multiplication without trial division", Mathematics of Computation 44,
//! 1985) with limbs that are narrower than a word. A number has nine limbs of 29 bits. A product of two limbs has 58
//! bits. A column has eighteen such products, nine of the product and nine of the reduction, so it fits in 64 bits, and
//! carries are propagated only at the end. The input and the output are in the form of arkworks: four limbs of 64 bits,
//! in Montgomery form with radix 2^256. The reduction here divides by 2^(9 * 29) = 2^261. To compensate, one factor is
//! multiplied by 2^5.

use ark_ff::MontConfig;

const BITS: usize = 29;
const MASK: u64 = (1 << BITS) - 1;
const LIMBS: usize = 9;

type Wide = [u64; 4];
type Narrow = [u64; LIMBS];

/// Converts a number below 2^256 to narrow limbs.
#[inline(always)]
const fn narrow(n: &Wide) -> Narrow {
    [
        n[0] & MASK,
        n[0] >> 29 & MASK,
        (n[0] >> 58 | n[1] << 6) & MASK,
        n[1] >> 23 & MASK,
        (n[1] >> 52 | n[2] << 12) & MASK,
        n[2] >> 17 & MASK,
        (n[2] >> 46 | n[3] << 18) & MASK,
        n[3] >> 11 & MASK,
        n[3] >> 40,
    ]
}

/// Converts a number below 2^256, times 2^5, to narrow limbs.
#[inline(always)]
fn narrow_times_32(n: &Wide) -> Narrow {
    [
        n[0] << 5 & MASK,
        n[0] >> 24 & MASK,
        (n[0] >> 53 | n[1] << 11) & MASK,
        n[1] >> 18 & MASK,
        (n[1] >> 47 | n[2] << 17) & MASK,
        n[2] >> 12 & MASK,
        (n[2] >> 41 | n[3] << 23) & MASK,
        n[3] >> 6 & MASK,
        n[3] >> 35,
    ]
}

/// Converts narrow limbs to wide limbs. Each limb must be below 2^29, and the number below 2^256.
#[inline(always)]
fn wide(n: &Narrow) -> Wide {
    [
        n[0] | n[1] << 29 | n[2] << 58,
        n[2] >> 6 | n[3] << 23 | n[4] << 52,
        n[4] >> 12 | n[5] << 17 | n[6] << 46,
        n[6] >> 18 | n[7] << 11 | n[8] << 40,
    ]
}

/// Adds a limb times a factor of nine limbs.
#[inline(always)]
fn add_multiple(sum: Narrow, limb: u64, factor: &Narrow) -> Narrow {
    let [a, b, c, d, e, f, g, h, i] = sum;
    [
        a + limb * factor[0],
        b + limb * factor[1],
        c + limb * factor[2],
        d + limb * factor[3],
        e + limb * factor[4],
        f + limb * factor[5],
        g + limb * factor[6],
        h + limb * factor[7],
        i + limb * factor[8],
    ]
}

/// Adds a limb times a factor, and the multiple of the modulus that makes the lowest limb zero. Then drops the lowest
/// limb.
#[inline(always)]
fn step<T: MontConfig<4>>(sum: Narrow, limb: u64, factor: &Narrow) -> Narrow {
    let sum = add_multiple(sum, limb, factor);
    // `INV` is the inverse of the negative modulus, modulo 2^64 and therefore modulo 2^29.
    let multiple = sum[0].wrapping_mul(T::INV & MASK) & MASK;
    let [lowest, a, b, c, d, e, f, g, h] = add_multiple(sum, multiple, &const { narrow(&T::MODULUS.0) });
    [a + (lowest >> BITS), b, c, d, e, f, g, h, 0]
}

/// Propagates carries: moves the bits of each limb above 29 to the next limb.
#[inline(always)]
fn carried(sum: Narrow) -> Narrow {
    let [a, b, c, d, e, f, g, h, i] = sum;
    let b = b + (a >> BITS);
    let c = c + (b >> BITS);
    let d = d + (c >> BITS);
    let e = e + (d >> BITS);
    let f = f + (e >> BITS);
    let g = g + (f >> BITS);
    let h = h + (g >> BITS);
    let i = i + (h >> BITS);
    [a & MASK, b & MASK, c & MASK, d & MASK, e & MASK, f & MASK, g & MASK, h & MASK, i]
}

/// Returns the product of two elements in Montgomery form, not fully reduced: it is below 32 m^2 / 2^261 + m, which is
/// below 1.2 m for a modulus m below 2^254.
///
/// Loops are written out: a compiler that optimises for size does not unroll loops, and keeps the limbs in memory.
#[inline(always)]
pub(crate) fn product<T: MontConfig<4>>(a: &Wide, b: &Wide) -> Wide {
    const { assert!(T::MODULUS.0[3] >> 62 == 0, "columns and the result must fit") };
    let (a, b) = (narrow_times_32(a), narrow(b));
    let sum = step::<T>([0; LIMBS], a[0], &b);
    let sum = step::<T>(sum, a[1], &b);
    let sum = step::<T>(sum, a[2], &b);
    let sum = step::<T>(sum, a[3], &b);
    let sum = step::<T>(sum, a[4], &b);
    let sum = step::<T>(sum, a[5], &b);
    let sum = step::<T>(sum, a[6], &b);
    let sum = step::<T>(sum, a[7], &b);
    wide(&carried(step::<T>(sum, a[8], &b)))
}
