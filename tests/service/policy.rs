//! Signed policies, and relays that serve one member a different policy.

use quotapass_protocol::{
    DatedPolicy, POLICY_KEY_NAME, PoliciesStatement, Policy, PolicyHash, StatedPoliciesError,
    note::{NoteError, NoteKey, NotePublicKey},
};
use quotapass_wallet::{BoundPolicy, BoundPolicyError};
use serde_json::json;

use crate::{server::*, world::*};

fn key(seed: u8) -> NoteKey {
    NoteKey::from_seed(POLICY_KEY_NAME, &[seed; 32]).unwrap()
}

fn next() -> DatedPolicy {
    DatedPolicy { policy: Policy { min_stake: 20, ..policy() }, version: 2, from: NOW + 1_000 }
}

/// Starts a relay that signs with this key, and announces a change.
fn server(seed: u8) -> Server {
    let server = Server::start();
    let _ = server.service.clone().with_policy_key(key(seed));
    server.relay.change_policies([policy().into(), next()], NOW).unwrap();
    server
}

fn note(server: &Server) -> String {
    server.get("/v1/policy").json()["note"].as_str().unwrap().into()
}

#[test]
fn policies_are_signed_and_the_same_whatever_the_clock() {
    let (first, second) = (server(1), server(1));
    second.clock.set(NOW + 5_000);
    let answer = first.get("/v1/policy").json();
    assert_eq!(answer["key"], key(1).public().to_string());
    assert_eq!(note(&first), note(&second));
    assert_eq!(note(&first), note(&first));

    let public: NotePublicKey = answer["key"].as_str().unwrap().parse().unwrap();
    let (registry, policies) = PoliciesStatement::open(&public, &note(&first)).unwrap();
    assert_eq!((registry, policies), (REGISTRY, vec![policy().into(), next()]));
    let tampered = note(&first).replace("\"min_stake\":10", "\"min_stake\":11");
    assert!(matches!(
        PoliciesStatement::open(&public, &tampered),
        Err(StatedPoliciesError::Note(NoteError::Signature(_)))
    ));
    let strangers = PoliciesStatement::open(&key(2).public(), &note(&first));
    assert!(matches!(strangers, Err(StatedPoliciesError::Note(NoteError::NotSigned(_)))));

    // Before and after the change, the hash belongs to the policy in force.
    let scope = |server: &Server| server.get("/v1/policy").json()["scopes"][0].clone();
    let hash = |dated: &DatedPolicy| PolicyHash::of(&REGISTRY, dated).unwrap().to_string();
    let (before, after) = (scope(&first), scope(&second));
    assert_eq!((&before["version"], &before["next_from"]), (&1.into(), &json!(NOW + 1_000)));
    assert_eq!(before["policy_hash"], hash(&policy().into()));
    assert_eq!((&after["version"], &after["from"], &after["min_stake"]), (&2.into(), &json!(NOW + 1_000), &20.into()));
    assert_eq!((&after["policy_hash"], &after["next_from"]), (&hash(&next()).into(), &serde_json::Value::Null));
}

#[test]
fn without_a_key_nothing_is_signed() {
    let answer = Server::start().get("/v1/policy").json();
    assert!(answer["key"].is_null() && answer["note"].is_null());
}

#[test]
fn a_policy_that_is_served_to_one_member_is_caught() {
    let (honest, tagging) = (server(1), server(2));
    // This relay also signs the different policy: the signature alone detects nothing.
    tagging.relay.change_policies([Policy { min_stake: 11, ..policy() }], NOW).unwrap();
    let published =
        |server: &Server| BoundPolicy::from_policy_document(&server.get("/v1/policy").text(), SCOPE).unwrap();
    let pins = [PolicyHash::of(&REGISTRY, &policy().into()).unwrap(), PolicyHash::of(&REGISTRY, &next()).unwrap()];
    assert!(published(&honest).pinned(&pins).is_ok());
    assert!(matches!(published(&tagging).pinned(&pins), Err(BoundPolicyError::NotPinned { .. })));
    assert!(matches!(published(&honest).confirmed_by(&published(&tagging)), Err(BoundPolicyError::Differs { .. })));
    assert!(published(&honest).confirmed_by(&published(&server(3))).is_ok());
    // The two signed notes prove the difference to others.
    let open = |server: &Server, seed| PoliciesStatement::open(&key(seed).public(), &note(server)).unwrap().1;
    assert_ne!(open(&honest, 1)[0], open(&tagging, 2)[0]);
}
