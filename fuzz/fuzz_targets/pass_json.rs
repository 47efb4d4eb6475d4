//! Passes in JSON: no panic, and what is read survives the binary form.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quotapass_circuits::formats::wire::{BadgePass, PostPass};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(pass) = serde_json::from_slice::<PostPass>(bytes) {
        assert_eq!(PostPass::from_bytes(&pass.to_bytes()), Ok(pass));
    }
    if let Ok(pass) = serde_json::from_slice::<BadgePass>(bytes) {
        assert_eq!(BadgePass::from_bytes(&pass.to_bytes()), Ok(pass));
    }
});
