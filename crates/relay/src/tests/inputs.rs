//! Tests with arbitrary inputs: no panic, and no pass is accepted without a valid proof.

use std::sync::OnceLock;

use proptest::prelude::*;
use quotapass_protocol::{UnixSeconds, Verdict};

use super::{lists::recorded_target, world::*};
use crate::{PostRequest, Relay};

/// One relay for all cases, so that the next case detects a change of its state.
fn target() -> &'static Relay {
    static TARGET: OnceLock<Relay> = OnceLock::new();
    TARGET.get_or_init(relay)
}

fn badge() -> &'static [u8] {
    static BADGE: OnceLock<Vec<u8>> = OnceLock::new();
    BADGE.get_or_init(|| badge_pass(0, b"key", policy().requirement_on(TODAY)).to_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn random_bytes_are_malformed(bytes in proptest::collection::vec(any::<u8>(), 0..400), now: u64) {
        let verdict = target().verify_post(PostRequest { pass: &bytes, ..honest().request() }, UnixSeconds(now));
        prop_assert_eq!(verdict.name(), "malformed");
        prop_assert_eq!(target().verify_badge(badge_request(&bytes), UnixSeconds(now)).verdict.name(), "malformed");
    }

    #[test]
    fn mutated_passes_are_refused(
        position in any::<proptest::sample::Index>(),
        change in 1..=u8::MAX,
        cut in proptest::option::weighted(0.1, any::<proptest::sample::Index>()),
        message in proptest::option::weighted(0.2, proptest::collection::vec(any::<u8>(), 0..40)),
    ) {
        let mut sent = honest().clone();
        let position = position.index(sent.pass.len());
        sent.pass[position] ^= change;
        if let Some(cut) = cut {
            sent.pass.truncate(cut.index(sent.pass.len()));
        }
        sent.message = message.unwrap_or(sent.message);
        let verdict = sent.to(target(), NOW);
        prop_assert!(!matches!(verdict, Verdict::Accepted | Verdict::Replay | Verdict::QuotaExceeded(_)), "{}", verdict);
        prop_assert_eq!(recorded(target()), 0);
        prop_assert!(target().slashed().is_empty());

        let mut pass = badge().to_vec();
        let position = position % pass.len();
        pass[position] ^= change;
        let answer = target().verify_badge(badge_request(&pass), NOW);
        prop_assert!(!answer.verdict.is_accepted() && answer.holder.is_none());
    }

    #[test]
    fn mutated_records_are_refused(
        position in any::<proptest::sample::Index>(),
        change in 1..=u8::MAX,
        cut in proptest::option::weighted(0.1, any::<proptest::sample::Index>()),
    ) {
        let (relay, sent) = recorded_target();
        let mut sent = sent.clone();
        let position = position.index(sent.pass.len());
        sent.pass[position] ^= change;
        if let Some(cut) = cut {
            sent.pass.truncate(cut.index(sent.pass.len()));
        }
        let verdict = sent.to(relay, NOW);
        prop_assert!(!matches!(verdict, Verdict::Accepted | Verdict::Replay | Verdict::QuotaExceeded(_)), "{}", verdict);
        prop_assert_eq!(recorded(relay), 0);
    }

    #[test]
    fn any_time_and_any_epoch_are_survived(now: u64, seconds in 1..=u32::MAX, number: u64) {
        let mut sent = honest().clone();
        sent.pass[2..6].copy_from_slice(&seconds.to_be_bytes());
        sent.pass[6..14].copy_from_slice(&number.to_be_bytes());
        let verdict = sent.to(target(), UnixSeconds(now));
        prop_assert!(matches!(verdict.name(), "epoch_out_of_range" | "requirement_mismatch"), "{}", verdict);
    }
}
