//! What verdicts cost.

use core::num::NonZeroUsize;

use quotapass_circuits::verifier::VerifierCosts;

use crate::relay::{Malformed, Verdict, engine::submission::Answer};

/// The work that refusing a post before its proof is looked at makes, in posts.
const REFUSAL_COST: f64 = 1.0 / 16.0;

/// The cost of work that leads to nothing, in posts: one is the work that a good post makes in a large batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::relay::engine) struct Costs {
    /// Of finding one forgery.
    pub(in crate::relay::engine) forgery: f64,
}

impl Costs {
    /// What was measured on this machine: a forgery is a proof that is verified by itself, a good post its part of a large
    /// batch. A measurement that a busy machine disturbed stays between 2 and 32 posts.
    pub(in crate::relay::engine) fn of(costs: &VerifierCosts, max_batch: NonZeroUsize) -> Self {
        let post = costs.batch(max_batch.get()).as_secs_f64() / max_batch.get() as f64;
        let forgery = costs.each(1).as_secs_f64() / post;
        Self { forgery: if forgery.is_finite() { forgery.clamp(2.0, 32.0) } else { 8.0 } }
    }
}

/// What answers say of their source.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    /// What nobody honest sends: proofs that prove nothing, and bytes that are no pass.
    pub(super) forged: usize,
    /// Work that led to nothing, in posts.
    pub(super) wasted: f64,
    /// Posts that were accepted, which are recorded now. A badge can be shown any number of times, so that it excuses
    /// nothing.
    pub(super) good: usize,
}

impl Tally {
    pub(super) fn add(&mut self, other: Self) {
        self.forged += other.forged;
        self.wasted += other.wasted;
        self.good += other.good;
    }
}

impl Costs {
    /// Forgeries count in full. What is refused before its proof is looked at (replays, passes out of range or on an
    /// unknown root) costs little, but can be sent in any number, so it counts with that little. Posts over quota count
    /// for nothing: their author loses a deposit. Nor does a badge without a good answer to a challenge: it is no forgery,
    /// and whoever sends badges alone has nothing to make up for it.
    pub(super) fn tally(&self, answer: &Answer) -> Tally {
        let mut tally = Tally::default();
        for verdict in answer.verdicts() {
            match verdict {
                Verdict::Malformed(Malformed::Possession(_)) => {}
                Verdict::InvalidProof | Verdict::Malformed(_) => {
                    tally.forged += 1;
                    tally.wasted += self.forgery;
                }
                Verdict::Accepted => tally.good += usize::from(matches!(answer, Answer::Posts(_))),
                Verdict::QuotaExceeded(_) | Verdict::Overloaded(_) => {}
                Verdict::Replay
                | Verdict::SlashedMember { .. }
                | Verdict::UnknownRoot
                | Verdict::StaleRoot { .. }
                | Verdict::EpochOutOfRange { .. }
                | Verdict::RequirementMismatch { .. }
                | Verdict::Restricted { .. } => tally.wasted += REFUSAL_COST,
            }
        }
        tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relay::PossessionError;

    /// Attack: a forger shows one badge over and over, and is taken for somebody who sends good posts.
    #[test]
    fn a_badge_excuses_nothing_and_a_missing_answer_to_a_challenge_is_no_forgery() {
        let tally = |answer| {
            let Tally { forged, wasted, good } = Costs { forgery: 8.0 }.tally(&answer);
            (forged, wasted, good)
        };
        let badge = |verdict: Verdict| tally(Answer::Badge(verdict.into()));
        assert_eq!(badge(Verdict::Accepted), (0, 0.0, 0));
        assert_eq!(badge(Verdict::InvalidProof), (1, 8.0, 0));
        assert_eq!(badge(PossessionError::Missing.into()), (0, 0.0, 0));
        assert_eq!(tally(Answer::Posts(vec![Verdict::Accepted, Verdict::Replay])), (0, REFUSAL_COST, 1));
    }
}
