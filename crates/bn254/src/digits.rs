//! Digit expansions of exponents.

/// Returns `base^exponent`, computed from the odd powers `base^1, base^3, base^5, ...`, or `None` for an exponent of
/// zero. The number of odd powers must be a power of two. The exponent's limbs are in little-endian order. The same
/// algorithm computes multiples of points: then a squaring is a doubling, and a product is a sum (Menezes, van
/// Oorschot, Vanstone: "Handbook of Applied Cryptography", algorithm 14.85).
pub(crate) fn power<T: Copy>(
    exponent: &[u64],
    odd_powers: &[T],
    square: impl Fn(&T) -> T,
    mul: impl Fn(&T, &T) -> T,
) -> Option<T> {
    let mut result: Option<T> = None;
    for Step { squarings, odd_power } in steps(exponent, odd_powers.len()) {
        result = result.map(|result| (0..squarings).fold(result, |result, _| square(&result)));
        if let Some(index) = odd_power {
            let odd_power = odd_powers.get(index)?;
            result = Some(result.map_or(*odd_power, |result| mul(&result, odd_power)));
        }
    }
    result
}

/// A step of [`power`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Step {
    /// Number of squarings of the result, if there is a result yet.
    pub(crate) squarings: usize,
    /// Index of the odd power that the result is multiplied by afterwards.
    pub(crate) odd_power: Option<usize>,
}

/// Returns the steps of [`power`] for `odd_powers` odd powers. The number must be a power of two.
pub(crate) fn steps(exponent: &[u64], odd_powers: usize) -> impl Iterator<Item = Step> {
    let bit = |index: usize| exponent[index / 64] >> (index % 64) & 1;
    // The bits from this index on are already processed.
    let mut end = exponent.len() * 64;
    core::iter::from_fn(move || {
        if end == 0 {
            return None;
        }
        if bit(end - 1) == 0 {
            end -= 1;
            return Some(Step { squarings: 1, odd_power: None });
        }
        // The longest window with a table entry, without its trailing zeros.
        let (mut digit, mut start, mut value) = (1, end - 1, 1);
        for index in (0..end - 1).rev() {
            value = value << 1 | bit(index) as usize;
            if value >> 1 >= odd_powers {
                break;
            }
            if value & 1 == 1 {
                (digit, start) = (value, index);
            }
        }
        let squarings = end - start;
        end = start;
        Some(Step { squarings, odd_power: Some(digit >> 1) })
    })
}

/// Returns the non-adjacent form of a number (Reitwiesner: "Binary arithmetic", 1960): the powers of two to add, and the
/// powers of two to subtract. No two of them are adjacent.
pub(crate) const fn non_adjacent_form(number: u64) -> (u128, u128) {
    let (one, three) = (number as u128, 3 * number as u128);
    ((three & !one) >> 1, (one & !three) >> 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn powers_are_multiples_of_one(exponent: u128, few in 0..300u128, width in 1..6u32) {
            for exponent in [exponent, few, u128::MAX - few] {
                let odd: Vec<u128> = (0..1 << (width - 1)).map(|i| 2 * i + 1).collect();
                let limbs = [exponent as u64, (exponent >> 64) as u64];
                let power = power(&limbs, &odd, |x| x.wrapping_mul(2), |x, y| x.wrapping_add(*y));
                prop_assert_eq!(power, (exponent != 0).then_some(exponent));
            }
        }
    }

    proptest! {
        #[test]
        fn non_adjacent_forms_add_up(number: u64, few in 0..300u64) {
            for number in [number, few, u64::MAX - few] {
                let (plus, minus) = non_adjacent_form(number);
                prop_assert_eq!(plus - minus, u128::from(number));
                let digits = plus | minus;
                prop_assert!(plus & minus == 0 && digits & digits >> 1 == 0);
            }
        }
    }
}
