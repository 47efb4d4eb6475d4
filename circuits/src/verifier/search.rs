//! The search for the invalid proofs of a failed batch.

use core::ops::Range;

use ark_bn254::{Fq12, Fr, G1Projective};
use ark_ff::{AdditiveGroup, Field};
use quotapass_bn254::{
    pairing::{Target, mul_fq12},
    threads,
};

/// The contribution of one or several proofs to a batch's combined equation.
#[derive(Clone, Debug)]
pub(super) struct Term {
    /// The product of Miller's functions of all pairs `(r_i A_i, B_i)`.
    pub(super) miller: Fq12,
    /// The scalars of the combination: the sum of all `r_i`, then for each input the sum of `r_i` times the input, then
    /// the same for the shared points.
    pub(super) scalars: Vec<Fr>,
    /// The sum of all `r_i C_i`.
    pub(super) c: G1Projective,
}

impl Term {
    /// Returns the sum of terms.
    pub(super) fn sum(terms: &[Self]) -> Self {
        let mut sum = Self { miller: Fq12::ONE, scalars: Vec::new(), c: G1Projective::ZERO };
        terms.iter().for_each(|term| sum.add(term));
        sum
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.miller = mul_fq12(&self.miller, &other.miller);
        self.scalars.resize(self.scalars.len().max(other.scalars.len()), Fr::ZERO);
        self.scalars.iter_mut().zip(&other.scalars).for_each(|(sum, scalar)| *sum += scalar);
        self.c += other.c;
    }
}

/// A range of terms, at least one of which is invalid.
#[derive(Clone, Debug)]
pub(super) struct Suspects {
    pub(super) range: Range<usize>,
    /// The product of their values. It is not 1.
    pub(super) value: Target,
    /// The product of their values, each to the power of its place in the range, if known.
    moment: Option<Target>,
}

impl Suspects {
    pub(super) fn new(range: Range<usize>, value: Target) -> Self {
        Self { range, value, moment: None }
    }

    /// Returns the only term that can be the single invalid one, if there is such a term: the value to the power of its
    /// place in the range equals the moment.
    fn culprit(&self, moment: Target) -> Option<usize> {
        let mut power = Target::ONE;
        self.range.clone().find(|_| {
            let found = power == moment;
            power = power * self.value;
            found
        })
    }
}

/// Minimum length of a range whose moment is computed. Shorter ranges are only halved.
const LEAST_MOMENT: usize = 3;

/// A search for invalid terms.
pub(super) struct Search<'a> {
    pub(super) terms: &'a [Term],
    /// Number of terms that the suspects come from: the terms, and the terms already known to be valid.
    pub(super) population: usize,
    /// Computes the value of a term. A call is one question.
    pub(super) value: &'a (dyn Fn(&Term) -> Target + Sync),
}

impl Search<'_> {
    /// Returns the places of all invalid terms, ascending, and their values. Each range of suspects must contain at
    /// least one invalid term.
    ///
    /// All ranges are narrowed down together, level by level, on all cores.
    pub(super) fn run(&self, mut suspects: Vec<Suspects>) -> Vec<(usize, Target)> {
        let mut found = Vec::new();
        loop {
            found.extend(suspects.extract_if(.., |suspects| suspects.range.len() == 1));
            let Some(longest) = suspects.iter().map(|suspects| suspects.range.len()).max() else { break };
            // If nearly all ranges of this length contain invalid terms, most contain several. A moment finds only a
            // single invalid term, so it is then not worth its time.
            let ranges = self.population.div_ceil(longest);
            let is_rare = ranges < 2 || suspects.len() * 8 <= ranges * 7;
            suspects = threads::map(&suspects, |suspects| self.narrow(suspects, is_rare)).concat();
        }
        found.sort_unstable_by_key(|found| found.range.start);
        found.into_iter().map(|found| (found.range.start, found.value)).collect()
    }

    /// Narrows down a range of several suspects, with up to three questions.
    fn narrow(&self, suspects: &Suspects, is_rare: bool) -> Vec<Suspects> {
        let (range, value) = (suspects.range.clone(), suspects.value);
        let moment = match suspects.moment {
            None if is_rare && range.len() >= LEAST_MOMENT => Some(self.moment(&range)),
            known => known,
        };
        if let Some(place) = moment.and_then(|moment| suspects.culprit(moment)) {
            return vec![Suspects::new(place..place + 1, value)];
        }

        let half = range.len() / 2;
        let (left, right) = (range.start..range.start + half, range.start + half..range.end);
        let left_value = (self.value)(&Term::sum(&self.terms[left.clone()]));
        let right_value = value / left_value;
        // Places in the right half count from the beginning of this half.
        let of_right = |moment: Target| moment / right_value.pow(half);
        if left_value == Target::ONE {
            vec![Suspects { range: right, value: right_value, moment: moment.map(of_right) }]
        } else if right_value == Target::ONE {
            vec![Suspects { range: left, value: left_value, moment }]
        } else {
            let moments = moment.filter(|_| is_rare && right.len() >= LEAST_MOMENT).map(|moment| {
                let of_left = self.moment(&left);
                (of_left, of_right(moment / of_left))
            });
            vec![
                Suspects { range: left, value: left_value, moment: moments.map(|(left, _)| left) },
                Suspects { range: right, value: right_value, moment: moments.map(|(_, right)| right) },
            ]
        }
    }

    /// Computes the product of the values in a range, each to the power of its place in the range.
    fn moment(&self, range: &Range<usize>) -> Target {
        let terms = &self.terms[range.clone()];
        let (mut behind, mut moment) = (Term::sum(&[]), Term::sum(&[]));
        for term in terms.iter().skip(1).rev() {
            behind.add(term);
            moment.add(&behind);
        }
        (self.value)(&moment)
    }
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::{AtomicUsize, Ordering};

    use ark_ff::UniformRand;
    use ark_std::{
        rand::{Rng, RngCore, seq::SliceRandom},
        test_rng,
    };

    use super::*;

    /// Returns terms that are invalid at some places.
    fn terms(count: usize, invalid: &[usize], rng: &mut impl RngCore) -> Vec<Term> {
        let mut terms = vec![Term::sum(&[]); count];
        for place in invalid {
            terms[*place].miller = Fq12::rand(rng);
        }
        terms
    }

    /// Returns the places found, and the number of questions.
    fn search(terms: &[Term]) -> (Vec<usize>, usize) {
        let questions = AtomicUsize::new(0);
        let value = |term: &Term| {
            questions.fetch_add(1, Ordering::Relaxed);
            Target::of(&term.miller)
        };
        let all = Suspects::new(0..terms.len(), Target::of(&Term::sum(terms).miller));
        let found = Search { terms, population: terms.len(), value: &value }.run(vec![all]);
        for (place, value) in &found {
            assert_eq!(*value, Target::of(&terms[*place].miller));
        }
        (found.into_iter().map(|(place, _)| place).collect(), questions.into_inner())
    }

    /// The attack: one forgery in a batch, to make the verifier repeat its work.
    #[test]
    fn one_culprit_takes_one_question() {
        let mut rng = test_rng();
        for place in [0, 1, 17, 30, 31] {
            assert_eq!(search(&terms(32, &[place], &mut rng)), (vec![place], 1));
        }
        assert_eq!(search(&terms(2, &[1], &mut rng)), (vec![1], 1));
        assert_eq!(search(&terms(1, &[0], &mut rng)), (vec![0], 0));
    }

    #[test]
    fn all_culprits_are_found_and_never_with_many_more_questions_than_terms() {
        let mut rng = test_rng();
        for count in [2, 3, 5, 8, 31, 33] {
            for invalid in [1, 2, 3, count / 2, count - 1, count] {
                let mut places: Vec<usize> = (0..count).collect();
                places.shuffle(&mut rng);
                places.truncate(invalid);
                places.sort_unstable();
                let (found, questions) = search(&terms(count, &places, &mut rng));
                assert_eq!(found, places);
                assert!(questions <= count + 1, "{questions} questions for {invalid} of {count}");
            }
        }
    }

    #[test]
    fn few_culprits_take_fewer_questions_than_answers_of_one_bit_would() {
        let mut rng = test_rng();
        let (count, invalid, rounds) = (256, 8, 6);
        let mut questions = 0;
        for _ in 0..rounds {
            let mut places: Vec<usize> = Vec::new();
            while places.len() < invalid {
                let place = rng.gen_range(0..count);
                if !places.contains(&place) {
                    places.push(place);
                }
            }
            places.sort_unstable();
            let (found, asked) = search(&terms(count, &places, &mut rng));
            assert_eq!(found, places);
            questions += asked;
        }
        // log2 of the number of ways to choose 8 of 256 is 48.
        assert!(questions < rounds * 40, "{questions}");
    }
}
