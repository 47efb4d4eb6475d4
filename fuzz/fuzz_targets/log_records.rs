//! Records of durable nullifier logs in bytes: no panic, and what is read is written the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quotapass_relay::{BoundKey, Case, Conviction, Recorded, Restriction, log::Record};

fn check<T: Record>(bytes: &[u8]) {
    if let Ok(value) = T::from_bytes(bytes) {
        assert_eq!(value.to_bytes(), bytes);
    }
}

fuzz_target!(|bytes: &[u8]| {
    check::<Recorded>(bytes);
    check::<Conviction>(bytes);
    check::<BoundKey>(bytes);
    check::<Restriction>(bytes);
    if let Ok(case) = Case::from_json(bytes) {
        assert_eq!(case.to_json().as_deref(), Ok(bytes));
    }
    // Imported evidence, or evidence from a damaged server: the secret may be missing, but there is no panic.
    if let Ok(conviction) = Conviction::from_bytes(bytes) {
        let _ = conviction.secret();
    }
});
