//! A key file: no panic, and what is read is written the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quotapass_circuits::{membership::Levels, prover::ProvingKey, slash::Slash};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(key) = ProvingKey::from_bytes::<Slash>(Levels::STANDARD, bytes) {
        assert_eq!(key.to_bytes(), bytes);
    }
});
