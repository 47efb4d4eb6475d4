//! A `proof.json` of snarkjs: no panic, and what is read is written the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quotapass_setup::iden3::{proof_from_json, proof_json};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(json) = serde_json::from_slice::<serde_json::Value>(bytes)
        && let Ok(proof) = proof_from_json(&json)
    {
        let written = proof_json(&proof);
        for field in ["pi_a", "pi_b", "pi_c", "protocol", "curve"] {
            assert_eq!(written[field], json[field]);
        }
    }
});
