//! The cost of verdicts.

use core::num::NonZeroUsize;

use quotapass_circuits::verifier::VerifierCosts;
use quotapass_protocol::{Malformed, Verdict};

use crate::{
    BadgeAnswer, ChatKey,
    engine::submission::{Answer, OwnedPost},
};

/// The work of refusing a post before its proof is checked, in posts.
const REFUSAL_COST: f64 = 1.0 / 16.0;

/// The cost of wasted work, in posts: one is the work of a good post in a large batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::engine) struct Costs {
    /// The cost of finding one forgery, in addition to that of a post.
    pub(in crate::engine) forgery: f64,
    /// The part of a batch that is forged from which on its proofs take less time each by itself than together.
    pub(in crate::engine) each_from: f64,
}

impl Costs {
    /// Computes the costs from a measurement on this machine: a forgery costs the verification of a single proof, a
    /// good post its share of a large batch. The result is limited to 2 to 32 posts, in case a busy machine disturbed
    /// the measurement.
    pub(in crate::engine) fn of(costs: &VerifierCosts, max_batch: NonZeroUsize) -> Self {
        let post = costs.batch(max_batch.get()).as_secs_f64() / max_batch.get() as f64;
        let forgery = costs.each(1).as_secs_f64() / post;
        // A disturbed measurement does not make few forgeries a reason to verify each proof alone.
        let each_from = (10..100).map(|percent| f64::from(percent) / 100.0).find(|share| costs.prefers_each(*share));
        Self {
            forgery: if forgery.is_finite() { forgery.clamp(2.0, 32.0) } else { 8.0 },
            // Without such a share, only proofs of which all are forged are verified alone.
            each_from: each_from.unwrap_or(1.0),
        }
    }
}

/// The count of good, forged and wasted work in answers to one source.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    /// Posts that no honest client sends: invalid proofs, and bytes that are not a pass.
    pub(super) forged: usize,
    /// The work on them as posts with records, without the extra cost of a forgery, in posts.
    pub(super) on_forged: f64,
    /// Wasted work, in posts.
    pub(super) wasted: f64,
    /// Accepted posts, which are now recorded. A badge can be sent any number of times, so it does not count as good.
    pub(super) good: usize,
    /// The work on them with their records, in posts.
    pub(super) on_good: f64,
    /// The work on accepted badges beyond that on as many posts, in posts. It is not wasted.
    pub(super) badges: f64,
    /// The work on accepted badges of pseudonyms that had a chat key before, in posts.
    pub(super) repeated: f64,
}

impl Tally {
    /// Returns the work that is of no use, in posts: that on forgeries is counted whole, as posts and as their extra cost.
    pub(super) fn useless(&self) -> f64 {
        self.wasted + self.on_forged + self.repeated
    }

    pub(super) fn add(&mut self, other: Self) {
        self.forged += other.forged;
        self.on_forged += other.on_forged;
        self.wasted += other.wasted;
        self.good += other.good;
        self.on_good += other.on_good;
        self.badges += other.badges;
        self.repeated += other.repeated;
    }
}

impl Costs {
    /// Counts an answer. Forgeries count in full. A pass that is refused before its proof is checked (a replay, a pass
    /// out of range or on an unknown root) costs little, but can be sent in any number, so this small cost counts.
    /// Posts over quota count for the work on their proof: in shadow mode, where no member is convicted, one of them can be
    /// sent again and again. A badge without a valid answer to a challenge counts nothing: it is not a forgery, and a
    /// client that sends only badges has no good posts to compensate for it.
    ///
    /// **Attack.** Anybody can change the proof of a public badge into another valid one, without its secret. Such badges
    /// are accepted, the cache of verified badges does not know them, and each costs as much as a forgery.
    ///
    /// **Defence.** An accepted badge counts for its real work, in turns and in the budget. One of a pseudonym that had a
    /// chat key before counts in the budget as wasted work; an honest client shows few of them, so its source has no
    /// disadvantage.
    ///
    /// **Attack.** A pass has up to eight records, and all of them may be forged.
    ///
    /// **Defence.** A forged pass counts for all proofs that it claims to have. `posts` are those of the answer; none for a
    /// badge.
    pub(super) fn tally(&self, answer: &Answer, posts: &[OwnedPost]) -> Tally {
        let mut tally = Tally::default();
        let places = posts.iter().map(|post| post.places() as f64).chain(core::iter::repeat(1.0));
        for (verdict, places) in answer.verdicts().iter().zip(places) {
            match verdict {
                Verdict::Malformed(Malformed::Possession(_)) => {}
                Verdict::Malformed(Malformed::Unreadable(_)) => tally.wasted += REFUSAL_COST,
                Verdict::InvalidProof | Verdict::Malformed(_) => {
                    tally.forged += 1;
                    tally.on_forged += places;
                    tally.wasted += self.forgery * places;
                }
                Verdict::Accepted => match answer {
                    Answer::Posts(_) => {
                        tally.good += 1;
                        tally.on_good += places;
                    }
                    Answer::Badge(BadgeAnswer { holder, .. }) => {
                        tally.badges += self.forgery - 1.0;
                        let is_first = holder.is_some_and(|holder| holder.chat_key == ChatKey::First);
                        tally.repeated += if is_first { 0.0 } else { self.forgery };
                    }
                },
                Verdict::QuotaExceeded(_) => tally.wasted += places,
                Verdict::Overloaded(_) => {}
                Verdict::Replay
                | Verdict::SlashedMember { .. }
                | Verdict::UnknownRoot
                | Verdict::StaleRoot { .. }
                | Verdict::EpochOutOfRange { .. }
                | Verdict::RequirementMismatch { .. }
                | Verdict::Restricted { .. }
                | Verdict::ListMismatch(_) => tally.wasted += REFUSAL_COST,
            }
        }
        tally
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use quotapass_circuits::formats::{
        recorded::{LIST_BYTES, MAX_RECORDED_BYTES},
        wire::POST_BYTES,
    };
    use quotapass_protocol::PossessionError;

    use super::{super::tests::COSTS, *};

    /// Attack: a forger takes more than its share of the work because the work on its posts as such counts as useful.
    #[test]
    fn all_work_on_a_forgery_is_useless() {
        let useless = |answer| Costs { forgery: 8.0, each_from: 0.3 }.tally(&answer, &[]).useless();
        assert_eq!(useless(Answer::Posts(vec![Verdict::Accepted, Verdict::InvalidProof, Verdict::InvalidProof])), 18.0);
        assert_eq!(useless(Answer::Badge(Verdict::InvalidProof.into())), 9.0);
    }

    /// Attack: a struck member sends posts with valid proofs, each with eight records that fail.
    #[test]
    fn a_forged_pass_costs_all_its_proofs() {
        let post = |length: usize, kind: u8| {
            let mut pass = vec![0; length];
            pass[..2].copy_from_slice(&[1, kind]);
            OwnedPost { scope: "room".into(), message: Bytes::new(), pass: Ok(pass.into()) }
        };
        let tally = |verdict: Verdict, post: OwnedPost| COSTS.tally(&Answer::Posts(vec![verdict]), &[post]);
        for (post, places) in [
            (post(POST_BYTES, 1), 1.0),
            (post(POST_BYTES + 1 + LIST_BYTES, 3), 1.0),
            (post(MAX_RECORDED_BYTES, 3), 9.0),
            // More than a pass can have; it is refused before any proof is decoded.
            (post(100_000, 3), 9.0),
            (post(100_000, 1), 1.0),
        ] {
            assert_eq!(post.places() as f64, places);
            let forged = tally(Verdict::InvalidProof, post.clone());
            assert_eq!((forged.forged, forged.wasted, forged.useless()), (1, 8.0 * places, 9.0 * places));
            let good = tally(Verdict::Accepted, post.clone());
            assert_eq!((good.good, good.on_good, good.useless()), (1, places, 0.0));
            let moved_on = tally(Verdict::ListMismatch(Box::default()), post);
            assert_eq!((moved_on.forged, moved_on.wasted), (0, REFUSAL_COST));
        }
    }

    /// Attack: a forger sends one badge again and again, and counts as a sender of good posts.
    #[test]
    fn a_badge_excuses_nothing_and_a_missing_answer_to_a_challenge_is_no_forgery() {
        let tally = |answer| {
            let Tally { forged, wasted, good, .. } = Costs { forgery: 8.0, each_from: 0.3 }.tally(&answer, &[]);
            (forged, wasted, good)
        };
        let badge = |verdict: Verdict| tally(Answer::Badge(verdict.into()));
        assert_eq!(badge(Verdict::Accepted), (0, 0.0, 0));
        assert_eq!(badge(Verdict::InvalidProof), (1, 8.0, 0));
        assert_eq!(badge(PossessionError::Missing.into()), (0, 0.0, 0));
        assert_eq!(tally(Answer::Posts(vec![Verdict::Accepted, Verdict::Replay])), (0, REFUSAL_COST, 1));
    }
}
