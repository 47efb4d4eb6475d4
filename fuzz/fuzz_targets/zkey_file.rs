//! A `.zkey` file: no panic, and what is read is the same after writing and reading it again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quotapass_circuits::slash::Slash;
use quotapass_setup::{iden3::Zkey, proving_key};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(key) = Zkey::from_bytes(bytes) {
        assert_eq!(Zkey::from_bytes(&key.to_bytes()).as_ref(), Ok(&key));
    }
    let _ = proving_key(Slash, bytes);
});
