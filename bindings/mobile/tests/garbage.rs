//! Invalid arguments of an app give an error, and never end the process.
#![allow(missing_docs, clippy::unwrap_used)]

use proptest::prelude::*;
use quotapass_circuits::{registry_id::RegistryId, signal::Scope};
use quotapass_mobile::{
    Identity, KeyFiles, Membership, Prover, QuotapassError, Registry, Room, RoomPolicy, Roots, pass_from_text,
};

const COMMITMENT: &str = "0x0000000000000000000000000000000000000000000000000000000000000001";

/// A document like a relay's answer to `GET /v1/policy`.
fn policy(name: &str, scope: &str, values: [u64; 6]) -> String {
    let [epoch_seconds, limit_cap, min_stake, min_age_days, root_window, max_clock_skew] = values;
    serde_json::json!({
        "registry": { "chain_id": 1, "address": format!("0x{}", "11".repeat(20)) },
        "scopes": [{
            "name": name,
            "scope": scope,
            "epoch_seconds": epoch_seconds,
            "limit_cap": limit_cap,
            "min_stake": min_stake,
            "min_age_days": min_age_days,
            "root_window": root_window,
            "max_clock_skew": max_clock_skew,
        }],
    })
    .to_string()
}

fn is_bad_input<T>(result: &Result<T, QuotapassError>) -> bool {
    matches!(result, Err(QuotapassError::BadInput { .. }))
}

proptest! {
    /// Attack: a relay gives other data, such as a message, as its challenge to sign.
    #[test]
    fn a_challenge_has_32_bytes_and_is_signed_for_its_room_alone(challenge: [u8; 32], other in prop::collection::vec(any::<u8>(), 0..80)) {
        let (chain_id, address) = (1, [0x11; 20]);
        let registry = Registry { chain_id, address: format!("0x{}", "11".repeat(20)) };
        let policy = RoomPolicy {
            name: "lobby".into(),
            epoch_seconds: 600,
            limit_cap: 5,
            min_stake: 0,
            min_age_days: 0,
            root_window: 3600,
            max_clock_skew: 30,
            version: 1,
            holds_from: 0,
            stake_levels: Vec::new(),
            moderation: None,
        };
        let room = Room::new(registry, policy).unwrap();
        let scope = Scope::new(&RegistryId { chain_id, address }, "lobby").to_be_bytes();
        let expected = [&b"quotapass.badge-challenge.v1\0"[..], &scope, &challenge].concat();
        prop_assert_eq!(room.badge_challenge_message(challenge.into()).unwrap(), expected);
        let is_refused = is_bad_input(&room.badge_challenge_message(other.clone()));
        prop_assert_eq!(is_refused, other.len() != 32);
    }

    #[test]
    fn text_of_any_kind_is_refused(text in ".{0,200}") {
        prop_assert!(is_bad_input(&Room::from_policy_json(text.clone(), "lobby".into())));
        prop_assert!(is_bad_input(&Roots::from_json(text.clone())));
        prop_assert!(is_bad_input(&Membership::new(0, text.clone())));
        let registry = Registry { chain_id: 1, address: text.clone() };
        prop_assert!(is_bad_input(&Identity::generate().account(registry, 0)));
        let is_mnemonic = matches!(Identity::from_mnemonic(text.clone()), Err(QuotapassError::Mnemonic { .. }));
        prop_assert!(is_mnemonic);
        // Some texts are valid base64url.
        let _ = pass_from_text(text);
    }

    #[test]
    fn bytes_of_any_kind_are_refused(bytes: Vec<u8>, magic in prop::sample::select(vec!["", "QUOTAKEY"])) {
        let file = [magic.as_bytes(), &bytes].concat();
        let keys = KeyFiles { post: file.clone(), badge: None };
        let is_no_key = matches!(Prover::load(keys, Vec::new(), None), Err(QuotapassError::Key { .. }));
        prop_assert!(is_no_key);
        prop_assert!(is_bad_input(&Membership::from_bytes(file, 0, COMMITMENT.into())));
    }

    #[test]
    fn a_policy_is_read_back_as_it_was_or_refused(
        name in "[a-z]{0,8}",
        numbers in any::<(u32, u16, u32, u16, u32, u32)>(),
    ) {
        let (epoch_seconds, limit_cap, min_stake, min_age_days, root_window, max_clock_skew) = numbers;
        let (limit_cap, min_age_days) = (limit_cap.into(), min_age_days.into());
        let values = [epoch_seconds, limit_cap, min_stake, min_age_days, root_window, max_clock_skew].map(u64::from);
        // The document states the scope of another name; the error message contains the right scope.
        let refused = Room::from_policy_json(policy(&name, COMMITMENT, values), name.clone());
        prop_assert!(is_bad_input(&refused));
        let Err(QuotapassError::BadInput { reason, .. }) = refused else { unreachable!() };
        let Some((_, scope)) = reason.split_once("at this registry is ") else { return Ok(()) };
        let room = Room::from_policy_json(policy(&name, scope.split(',').next().unwrap(), values), name.clone()).unwrap();
        let found = room.policy();
        prop_assert_eq!(&found.name, &name);
        let numbers = [
            found.epoch_seconds,
            found.limit_cap.into(),
            found.min_stake,
            found.min_age_days.into(),
            found.root_window,
            found.max_clock_skew,
        ];
        prop_assert_eq!(numbers.map(u64::from), values);
    }
}
