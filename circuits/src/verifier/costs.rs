//! Measured costs of verification.

use core::{hint::black_box, time::Duration};

use ark_bn254::{Fr, G1Affine, G1Projective, G2Affine, G2Projective};
use ark_ec::{AffineRepr, CurveGroup, PrimeGroup};
use ark_ff::{Field, PrimeField, Zero};
use ark_std::rand::{RngCore, SeedableRng};
use quotapass_bn254::glv::Coefficient;
use rand_chacha::ChaCha20Rng;

use super::{
    Verifier,
    batch::{Chunk, GROUP, Item, each_term},
    search::Term,
};
use crate::{constraints::Circuit, proof::Proof};

/// Number of proofs that are measured together. It is small, so that a measurement fits in one time slice of a busy
/// machine.
const SAMPLE: usize = 16;
/// Number of measurements of each operation. The shortest one counts, because the others were disturbed.
const ROUNDS: usize = 5;

/// The costs of the parts of verification on this machine, in time of one core.
///
/// Forgeries cost a verifier more than honest proofs. To give each sender a fair share of its time, a verifier must
/// account for the real cost of the sender's proofs. This cost depends on the processor, so a service
/// [measures](Self::measure) it when it starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifierCosts {
    /// A proof in a batch without invalid proofs.
    pub proof: Duration,
    /// A proof that is verified on its own.
    pub single: Duration,
    /// A proof of a failed batch that is examined on its own.
    pub suspect: Duration,
    /// A question about some proofs of a batch. A batch without invalid proofs takes one question.
    pub question: Duration,
}

impl VerifierCosts {
    /// Measures for about 40 ms, on one core. `elapsed` returns the time since a fixed moment.
    ///
    /// The times do not depend on whether the proofs are valid, so it uses arbitrary points and inputs.
    pub fn measure<C: Circuit>(verifier: &Verifier<C>, elapsed: impl Fn() -> Duration) -> Self {
        let shortest = |work: &dyn Fn()| {
            let times = (0..ROUNDS).map(|_| {
                let begin = elapsed();
                work();
                elapsed().saturating_sub(begin)
            });
            times.fold(Duration::MAX, Duration::min)
        };
        let proofs = arbitrary_proofs();
        let items = arbitrary_items::<C>(&proofs);
        // Proofs with shared inputs share the point of one segment.
        let point = [G1Affine::generator()];
        let shared = if C::SHARED_INPUTS == 0 { &[] } else { &point[..] };
        let positions: Vec<usize> = (0..items.len()).collect();
        let chunk = Chunk::of(&items, 0, shared.len());
        let terms: Vec<_> = chunk.groups.iter().map(|(_, term)| term.clone()).collect();
        let sum = Term::sum(&terms);
        let each = |time: Duration| time / SAMPLE as u32;
        Self {
            proof: each(shortest(&|| drop(black_box(Chunk::of(&items, 0, shared.len()))))),
            suspect: each(shortest(&|| drop(black_box(each_term(&items, &chunk.a, &positions, shared.len()))))),
            question: shortest(&|| {
                black_box(verifier.value(&sum, shared));
            }),
            single: shortest(&|| {
                let _ = black_box(
                    items.first().map(|item| verifier.verify_with(&item.own, G1Projective::zero(), item.proof)),
                );
            }),
        }
    }

    /// The cost of a batch of `proofs` valid proofs.
    pub fn batch(&self, proofs: usize) -> Duration {
        self.question.saturating_add(times(self.proof, proofs as f64))
    }

    /// The cost of `proofs` proofs, each verified on its own.
    pub fn each(&self, proofs: usize) -> Duration {
        times(self.single, proofs as f64)
    }

    /// The additional cost of finding the invalid proofs of a batch, if they are at random positions. The estimate is
    /// within a quarter of the average.
    pub fn search(&self, proofs: usize, invalid: usize) -> Duration {
        if invalid == 0 || proofs == 0 {
            return Duration::ZERO;
        }
        let share = (invalid as f64 / proofs as f64).min(1.0);
        // A group is searched if one of its proofs is invalid.
        let group = GROUP.min(proofs) as f64;
        let suspects = proofs as f64 * (1.0 - (1.0 - share).powf(group));
        // About three questions for each invalid proof if these are rare, and one for each proof if all are invalid.
        let questions = proofs as f64 * (1.0 - (1.0 - share).powi(3));
        times(self.suspect, suspects).saturating_add(times(self.question, questions))
    }

    /// Returns whether verifying each proof on its own takes less time than batches, if a share of the proofs, from 0
    /// to 1, is expected to be invalid.
    pub fn prefers_each(&self, share: f64) -> bool {
        let invalid = (share * GROUP as f64).round() as usize;
        self.batch(GROUP).saturating_add(self.search(GROUP, invalid)) > self.each(GROUP)
    }
}

fn times(time: Duration, factor: f64) -> Duration {
    Duration::try_from_secs_f64(time.as_secs_f64() * factor).unwrap_or(Duration::MAX)
}

/// Returns proofs made of arbitrary points.
fn arbitrary_proofs() -> Vec<Proof> {
    let (mut g1, mut g2) = (Vec::new(), Vec::new());
    let (mut a, mut b) = (G1Projective::generator(), G2Projective::generator());
    for _ in 0..SAMPLE {
        a += G1Affine::generator();
        b += G2Affine::generator();
        g1.push(a);
        g2.push(b);
    }
    let (g1, g2) = (G1Projective::normalize_batch(&g1), G2Projective::normalize_batch(&g2));
    let points = g1.iter().zip(g2).zip(g1.iter().rev());
    points.filter_map(|((a, b), c)| Proof::new(ark_groth16::Proof { a: *a, b, c: *c }).ok()).collect()
}

fn arbitrary_items<C: Circuit>(proofs: &[Proof]) -> Vec<Item<'_>> {
    let mut stream = ChaCha20Rng::from_seed([1; 32]);
    let item = |proof| {
        let mut own = Vec::new();
        for _ in C::SHARED_INPUTS..C::public_names().len() {
            let mut bytes = [0; 32];
            stream.fill_bytes(&mut bytes);
            own.push(Fr::from_be_bytes_mod_order(&bytes));
        }
        let shared = if C::SHARED_INPUTS == 0 { Vec::new() } else { vec![(0, Fr::ONE)] };
        Item { own, shared, proof, coefficient: Coefficient { a: stream.next_u64(), b: stream.next_u64() } }
    };
    proofs.iter().map(item).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use core::cell::Cell;

    use super::*;
    use crate::{prover::development_setup, slash::Slash};

    const COSTS: VerifierCosts = VerifierCosts {
        proof: Duration::from_micros(150),
        single: Duration::from_micros(600),
        suspect: Duration::from_micros(200),
        question: Duration::from_micros(500),
    };

    #[test]
    fn a_search_costs_more_the_more_is_forged_and_a_single_verification_bounds_it() {
        assert_eq!((COSTS.search(256, 0), COSTS.search(0, 5)), (Duration::ZERO, Duration::ZERO));
        assert_eq!(COSTS.batch(256), Duration::from_micros(256 * 150 + 500));
        let searches: Vec<_> = (0..=256).map(|invalid| COSTS.search(256, invalid)).collect();
        assert!(searches.is_sorted());
        // One forgery: a group of suspects and three questions.
        let one = Duration::from_micros(32 * 200 + 3 * 500);
        assert!(searches[1] > one.mul_f64(0.9) && searches[1] < one, "{:?}", searches[1]);
        assert_eq!(searches[256], Duration::from_micros(256 * (200 + 500)));
        assert_eq!(COSTS.search(256, 1000), searches[256]);
        assert!(!COSTS.prefers_each(0.0) && !COSTS.prefers_each(0.05));
        assert!(COSTS.prefers_each(0.5) && COSTS.prefers_each(1.0));
        assert_eq!(COSTS.each(4), Duration::from_micros(2_400));
    }

    #[test]
    fn each_part_is_measured_by_the_clock_it_is_given() {
        let verifier = development_setup(Slash).map(|key| Verifier::<Slash>::new(key.verifying_key()));
        let verifier = verifier.unwrap().unwrap();
        let (ticks, proofs) = (Cell::new(0), arbitrary_proofs());
        assert_eq!(proofs.len(), SAMPLE);
        let costs = VerifierCosts::measure(&verifier, || {
            ticks.set(ticks.get() + 1);
            Duration::from_millis(64 * ticks.get())
        });
        let (each, whole) = (Duration::from_millis(4), Duration::from_millis(64));
        assert_eq!(costs, VerifierCosts { proof: each, suspect: each, question: whole, single: whole });
        assert_eq!(ticks.get(), 8 * ROUNDS as u64);
    }
}
