//! A `.ptau` file: no panic, not even when its power and contributions are read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quotapass_setup::iden3::Ptau;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(powers) = Ptau::from_bytes(bytes) {
        assert!(powers.power() <= powers.ceremony_power());
        assert!(powers.contributions().len() < bytes.len());
    }
});
