//! A badge in bytes: no panic, and what is read is written the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quotapass_circuits::formats::wire::BadgePass;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(pass) = BadgePass::from_bytes(bytes) {
        assert_eq!(pass.to_bytes(), bytes);
    }
});
