//! Tests of names, gossip actions and JSON of verdicts.

use quotapass_circuits::{
    formats::wire::{DecodeError, DecodeErrorKind},
    signal::ZeroSignal,
};
use quotapass_protocol::{Gossip, LogError, QuotaExceeded, RequirementMismatch, UnixSeconds, Verdict};
use serde_json::json;

use super::world::*;

fn conflict(is_within: bool) -> Verdict {
    let relay = relay();
    honest().to(&relay, NOW);
    let Verdict::QuotaExceeded(exceeded) = second().to(&relay, NOW) else { panic!("it is caught") };
    assert!(exceeded.within_grace, "it is the first evidence");
    Verdict::QuotaExceeded(Box::new(QuotaExceeded { within_grace: is_within, ..*exceeded }))
}

#[test]
fn the_table_of_the_protocol() {
    let malformed = DecodeError { offset: 3, kind: DecodeErrorKind::Truncated };
    let mismatch = RequirementMismatch::MinStake { stated: 1, expected: 2 };
    use Gossip::{Accept, Ignore, Reject};
    for (verdict, name, gossip) in [
        (Verdict::Accepted, "accepted", Accept),
        (Verdict::Replay, "replay", Ignore),
        (conflict(true), "quota_exceeded", Ignore),
        (conflict(false), "quota_exceeded", Reject),
        (Verdict::SlashedMember { within_grace: true }, "slashed_member", Ignore),
        (Verdict::SlashedMember { within_grace: false }, "slashed_member", Reject),
        (Verdict::UnknownRoot, "unknown_root", Ignore),
        (Verdict::StaleRoot { superseded_at: UnixSeconds(1) }, "stale_root", Ignore),
        (Verdict::EpochOutOfRange { epoch: epoch(), now: UnixSeconds(1) }, "epoch_out_of_range", Ignore),
        (mismatch.into(), "requirement_mismatch", Reject),
        (Verdict::RequirementMismatch { mismatch, within_grace: true }, "requirement_mismatch", Ignore),
        (Verdict::Restricted { until: None }, "restricted", Reject),
        (Verdict::InvalidProof, "invalid_proof", Reject),
        (malformed.into(), "malformed", Reject),
        // No message is known that hashes to zero, so this is the closest possible test of x = 0.
        (ZeroSignal.into(), "malformed", Reject),
        (LogError::Damaged.into(), "overloaded", Ignore),
    ] {
        assert_eq!((verdict.name(), verdict.gossip()), (name, gossip));
        assert!(verdict.to_string().starts_with(&format!("{name}: ")));
        let json = serde_json::to_value(&verdict).unwrap();
        assert_eq!((&json["verdict"], &json["gossip"]), (&json!(name), &json!(gossip)));
        assert_eq!(verdict.is_accepted(), gossip == Accept);
    }
}

#[test]
fn details_in_json() {
    let malformed = DecodeError { offset: 3, kind: DecodeErrorKind::Truncated };
    let json = |verdict: Verdict| serde_json::to_value(verdict).unwrap();
    assert_eq!(json(Verdict::Accepted), json!({"verdict": "accepted", "gossip": "accept"}));
    assert_eq!(
        json(malformed.into()),
        json!({"verdict": "malformed", "gossip": "reject",
               "detail": {"reason": "the bytes end too early", "offset": 3}})
    );
    assert_eq!(
        json(RequirementMismatch::LimitCap { stated: 6, expected: 5 }.into())["detail"],
        json!({"field": "limit_cap", "stated": 6, "expected": 5})
    );
    assert_eq!(json(RequirementMismatch::UnlistedScope.into())["detail"], json!({"field": "scope"}));
    assert_eq!(json(Verdict::StaleRoot { superseded_at: UnixSeconds(9) })["detail"], json!({"superseded_at": 9}));
    assert_eq!(
        json(Verdict::EpochOutOfRange { epoch: epoch(), now: UnixSeconds(9) })["detail"],
        json!({"epoch_seconds": 600, "epoch": epoch().number(), "now": 9})
    );
    assert_eq!(json(Verdict::Restricted { until: Some(UnixSeconds(9)) })["detail"], json!({"until": 9}));
}

#[test]
fn no_text_gives_the_secret_or_the_shares_away() {
    let verdict = conflict(true);
    let Verdict::QuotaExceeded(exceeded) = &verdict else { panic!("{verdict:?}") };
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let secret = hex(&*exceeded.secret.to_be_bytes());
    let ordinates = [exceeded.evidence.recorded, exceeded.evidence.second].map(|share| hex(&share.y.to_be_bytes()));
    let json = serde_json::to_string(&verdict).unwrap();
    for text in [format!("{verdict:?} {verdict:#?}"), verdict.to_string(), json.clone()] {
        assert!(!text.contains(&secret), "{text}");
        assert!(!ordinates.iter().any(|y| text.contains(y)), "{text}");
        assert!(!text.contains("ShareValue"), "{text}");
    }
    assert!(json.contains(&hex(&world().secrets[0].commitment().to_be_bytes())));
}
