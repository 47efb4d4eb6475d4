//! A key file: no panic, and what is read is written the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quotapass_circuits::{prover::ProvingKey, slash::Slash};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(key) = ProvingKey::from_bytes(Slash, bytes) {
        assert_eq!(key.to_bytes(), bytes);
    }
});
