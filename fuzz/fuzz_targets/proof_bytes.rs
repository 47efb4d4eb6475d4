//! A proof in bytes: no panic, and what is read is written the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quotapass_circuits::proof::{PROOF_BYTES, Proof};

fuzz_target!(|bytes: [u8; PROOF_BYTES]| {
    if let Ok(proof) = Proof::from_bytes(&bytes) {
        assert_eq!(proof.to_bytes(), bytes);
    }
});
