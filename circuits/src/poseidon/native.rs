//! The permutation on field elements.

use ark_bn254::Fr;

use super::{
    Inputs, Parameters, Width,
    arithmetic::{Residue, Sum},
    linear::History,
};

/// Computes Poseidon of one to four inputs: the protocol's `H1`, `H2`, `H3` and `H4`.
///
/// ```
/// use ark_bn254::Fr;
/// use quotapass_circuits::poseidon::hash;
/// let h2 = hash(&[Fr::from(1), Fr::from(2)]);
/// assert_eq!(h2.to_string(), "7853200120776062878684798364095072458815029376092732009249414926327459813530");
/// ```
pub fn hash<const N: usize>(inputs: &[Fr; N]) -> Fr
where
    Inputs: Width<N>,
{
    <Inputs as super::private::Sealed<N>>::hash(inputs)
}

/// Smallest number of hashes that takes longer one by one than eight at a time.
const WORTHWHILE: usize = 3;

/// Sets `hashes[n]` to the hash of `inputs(n)`, eight at a time if the backend has vectors.
pub(crate) fn hash_all<const N: usize>(hashes: &mut [Fr], inputs: impl Fn(usize) -> [Fr; N])
where
    Inputs: Width<N>,
{
    let mut done = 0;
    if let Some(hash_eight) = <Inputs as super::private::Sealed<N>>::eight_at_a_time() {
        for hashes in hashes.chunks_mut(8).filter(|hashes| hashes.len() >= WORTHWHILE) {
            // If there are fewer than eight, the last input is repeated.
            let results = hash_eight(&core::array::from_fn(|lane| inputs(done + lane.min(hashes.len() - 1))));
            hashes.copy_from_slice(&results[..hashes.len()]);
            done += hashes.len();
        }
    }
    for (n, result) in hashes.iter_mut().enumerate().skip(done) {
        *result = hash(&inputs(n));
    }
}

/// Returns lane 0 of the permutation of `[0, inputs...]`.
///
/// Between rounds the lanes are least residues. Within a round they are not: the input of an S-box is below 2 r (a lane
/// plus its constant) and the output below 1.61 r; for a lane without a constant the output is below 1.24 r. The sum of
/// a step of the recurrence is then below (5 * 1.24 + 4) r^2, and intermediate sums are below 28 r^2. Reduced, with its
/// constant, it is below 3.93 r.
pub(super) fn hash_with<const N: usize, const T: usize>(parameters: &Parameters<N, T>, inputs: &[Fr; N]) -> Fr {
    let mut lanes = [Residue::ZERO; T];
    for (lane, input) in lanes[1..].iter_mut().zip(inputs) {
        *lane = Residue::new(input);
    }

    let [first @ .., fourth] = &parameters.first;
    for constants in first {
        lanes = parameters.mds.times(&sboxes(&lanes, constants));
    }
    lanes = parameters.transition.times(&sboxes(&lanes, fourth));

    let entry: [Residue; T] =
        core::array::from_fn(|i| lanes[i].plus(Residue::new(&parameters.before_partial[i])).least());
    let mut history = History::new(core::array::from_fn(|i| entry[i + 1]), entry[0]);
    for constant in parameters.partial {
        // The products that do not need this round's S-box come first, so that the processor computes them in parallel.
        let sum = history.plus_sum(Sum::new(Residue::new(constant)), &parameters.taps);
        let output = sbox(history.input());
        let sum = sum.plus_product(Residue::new(&parameters.latest), output);
        history.push(output, sum.reduce().least());
    }
    lanes[0] = history.input();
    for (lane, taps) in lanes[1..].iter_mut().zip(&parameters.exit) {
        *lane = history.plus_sum(Sum::ZERO, taps).reduce().least();
    }

    let [last @ .., closing] = &parameters.last;
    for constants in last {
        lanes = parameters.mds.times(&sboxes(&lanes, constants));
    }
    parameters.mds.first_times(&sboxes(&lanes, closing)).into_field()
}

/// Computes the S-boxes of a full round.
#[inline(always)]
fn sboxes<const T: usize>(lanes: &[Residue; T], constants: &[Fr; T]) -> [Residue; T] {
    core::array::from_fn(|i| sbox(lanes[i].plus(Residue::new(&constants[i]))))
}

/// Returns x^5.
#[inline(always)]
fn sbox(x: Residue) -> Residue {
    x.squared().squared().times(x)
}

#[cfg(test)]
mod tests {
    use ark_ff::{AdditiveGroup, Field, UniformRand};
    use ark_std::{rand::seq::SliceRandom, test_rng};

    use super::*;

    /// Returns 48 elements: powers of two near the boundaries of the limbs of vectors, their negatives, and random
    /// elements.
    fn elements() -> Vec<Fr> {
        let mut rng = test_rng();
        let powers = [0, 51, 52, 63, 64, 103, 104, 128, 156, 191, 192, 208, 252, 253];
        let mut elements: Vec<_> = powers.iter().map(|power| Fr::from(2).pow([*power])).collect();
        elements.extend(powers.iter().map(|power| -Fr::from(2).pow([*power])));
        elements.push(Fr::ZERO);
        elements.extend((elements.len()..48).map(|_| Fr::rand(&mut rng)));
        elements
    }

    /// Fails unless hashes that are computed together are those of each input.
    fn agree<const N: usize>(inputs: &[[Fr; N]])
    where
        Inputs: Width<N>,
    {
        let mut hashes = vec![Fr::default(); inputs.len()];
        hash_all(&mut hashes, |n| inputs[n]);
        assert_eq!(hashes, inputs.iter().map(hash).collect::<Vec<_>>());
    }

    fn agree_for_all_elements<const N: usize>()
    where
        Inputs: Width<N>,
    {
        let mut rng = test_rng();
        let mut elements = elements();
        let same: Vec<_> = elements.iter().map(|element| [*element; N]).collect();
        for count in (0..=17).chain([48]) {
            agree(&same[..count]);
        }
        for _ in 0..50 {
            elements.shuffle(&mut rng);
            agree::<N>(elements.as_chunks().0);
        }
    }

    #[test]
    fn many_hashes_are_those_of_each() {
        agree_for_all_elements::<1>();
        agree_for_all_elements::<2>();
        agree_for_all_elements::<3>();
        agree_for_all_elements::<4>();
    }
}
