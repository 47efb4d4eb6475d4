//! Signed digits of scalars, sorted into buckets.

use ark_bn254::Fr;
use ark_ff::PrimeField;

/// Number of bits that signed digits must cover: the bits of the field's order, and one for the sign.
const SCALAR_BITS: usize = Fr::MODULUS_BIT_SIZE as usize + 1;

/// Number of windows of `window` bits in a scalar.
pub(super) const fn windows(window: usize) -> usize {
    SCALAR_BITS.div_ceil(window)
}

/// Number of weights of a window's digits, zero included.
pub(super) const fn stride(window: usize) -> usize {
    (1 << (window - 1)) + 1
}

/// Calls `each` with the index and the value of each nonzero digit of a scalar, lowest first. The digits are in
/// `[-2^(window - 1), 2^(window - 1)]`.
fn signed_digits(scalar: &Fr, window: usize, mut each: impl FnMut(usize, i32)) {
    let limbs = scalar.into_bigint().0;
    let (half, mask) = (1i32 << (window - 1), (1u64 << window) - 1);
    let mut carry = 0;
    for index in 0..windows(window) {
        let bit = index * window;
        let (limb, shift) = (bit / 64, bit % 64);
        let low = limbs.get(limb).map_or(0, |limb| limb >> shift);
        let high = if shift == 0 { 0 } else { limbs.get(limb + 1).map_or(0, |limb| limb << (64 - shift)) };
        let mut digit = ((low | high) & mask) as i32 + carry;
        carry = i32::from(digit > half);
        digit -= carry << window;
        if digit != 0 {
            each(index, digit);
        }
    }
}

/// A point to add: its number, and its sign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Entry(u32);

impl Entry {
    fn new(index: usize, negative: bool) -> Self {
        Self((index as u32) << 1 | u32::from(negative))
    }

    pub(super) fn index(self) -> usize {
        (self.0 >> 1) as usize
    }

    pub(super) fn is_negative(self) -> bool {
        self.0 & 1 == 1
    }
}

/// Entries sorted by bucket.
pub(super) struct Buckets {
    entries: Vec<Entry>,
    /// The end of each bucket.
    ends: Vec<u32>,
}

impl Buckets {
    /// Creates buckets for tables of all multiples: all windows share one set of buckets, and bucket `i` holds the
    /// multiples of weight `i`. A term is the number of a base and its scalar.
    pub(super) fn shared(terms: &[(u32, Fr)], window: usize) -> Self {
        let windows = windows(window);
        Self::new(terms, window, stride(window), |base, index, weight| (weight, base * windows + index))
    }

    /// Creates buckets for bases without tables: each window has its own [`stride`] buckets, window after window.
    pub(super) fn by_window(terms: &[(u32, Fr)], window: usize) -> Self {
        let stride = stride(window);
        Self::new(terms, window, windows(window) * stride, |base, index, weight| (index * stride + weight, base))
    }

    /// Sorts the digits of all terms by counting sort. `place` returns the bucket and the point of a base, a window and
    /// a weight.
    fn new(
        terms: &[(u32, Fr)],
        window: usize,
        buckets: usize,
        place: impl Fn(usize, usize, usize) -> (usize, usize),
    ) -> Self {
        let mut digits = Vec::with_capacity(terms.len() * windows(window));
        let mut ends = vec![0u32; buckets];
        for (base, scalar) in terms {
            signed_digits(scalar, window, |index, digit| {
                let (bucket, point) = place(*base as usize, index, digit.unsigned_abs() as usize);
                ends[bucket] += 1;
                digits.push((bucket as u32, Entry::new(point, digit < 0)));
            });
        }
        let mut total = 0;
        for end in &mut ends {
            total += core::mem::replace(end, total);
        }
        let mut entries = vec![Entry::default(); digits.len()];
        for (bucket, entry) in digits {
            let position = &mut ends[bucket as usize];
            entries[*position as usize] = entry;
            *position += 1;
        }
        Self { entries, ends }
    }

    /// Number of buckets, including the empty buckets of weight 0.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Returns ranges of buckets with about `entries` entries each.
    pub(super) fn groups(&self, entries: usize) -> Vec<core::ops::Range<usize>> {
        let mut groups = Vec::new();
        let (mut first, mut begin) = (0, 0);
        for (bucket, end) in self.ends.iter().enumerate() {
            let end = *end as usize;
            if end - begin >= entries || bucket + 1 == self.ends.len() {
                groups.push(first..bucket + 1);
                (first, begin) = (bucket + 1, end);
            }
        }
        groups
    }

    /// The entries of a bucket.
    pub(super) fn bucket(&self, bucket: usize) -> &[Entry] {
        let begin = if bucket == 0 { 0 } else { self.ends[bucket - 1] as usize };
        &self.entries[begin..self.ends[bucket] as usize]
    }
}

#[cfg(test)]
mod tests {
    use ark_ff::{Field, UniformRand};
    use ark_std::test_rng;

    use super::*;

    #[test]
    fn digits_add_up_to_the_scalar() {
        let mut rng = test_rng();
        let mut scalars = vec![Fr::from(0), Fr::from(1), -Fr::from(1), -Fr::from(2), Fr::from(1u64 << 12)];
        scalars.extend((0..100).map(|_| Fr::rand(&mut rng)));
        scalars.extend((0..254).map(|i| Fr::from(2).pow([i])));
        for window in 2..=16 {
            for scalar in &scalars {
                let mut sum = Fr::from(0);
                signed_digits(scalar, window, |index, digit| {
                    assert!(digit.unsigned_abs() <= 1 << (window - 1));
                    let magnitude = Fr::from(digit.unsigned_abs()) * Fr::from(2).pow([(window * index) as u64]);
                    sum += if digit < 0 { -magnitude } else { magnitude };
                });
                assert_eq!(sum, *scalar, "window {window}");
            }
        }
    }
}
