//! Signed notes and keys: no panic, and a statement that is read is written the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quotapass_protocol::{
    POLICY_CONTEXT, POLICY_KEY_NAME, PoliciesStatement,
    note::{NoteKey, NotePublicKey, canonical_json},
};
use serde_json::Value;

fuzz_target!(|text: &str| {
    if let Ok(key) = text.parse::<NotePublicKey>() {
        assert_eq!(key.to_string(), text);
    }
    let Ok(key) = NoteKey::from_seed(POLICY_KEY_NAME, &[1; 32]) else { return };
    let _ = key.public().open_json(POLICY_CONTEXT, text);
    // Any text that the key has signed.
    if let Ok(note) = key.sign_json(POLICY_CONTEXT, text) {
        if let Ok(json) = key.public().open_json(POLICY_CONTEXT, &note) {
            let value: Value = serde_json::from_str(&json).expect("it was read before");
            assert_eq!(canonical_json(&value).expect("it was written before"), text);
        }
        if let Ok((registry, policies)) = PoliciesStatement::open(&key.public(), &note) {
            assert!(policies.iter().all(|dated| quotapass_protocol::PolicyHash::of(&registry, dated).is_ok()));
        }
    }
});
