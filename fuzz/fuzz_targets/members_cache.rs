//! The cache of a light wallet in bytes: no panic, and what is read is written the same. The target adds the correct
//! checksum, because a fuzzer cannot find it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quotapass_circuits::membership::Levels;
use quotapass_wallet::members::LightMembers;
use sha2::{Digest, Sha256};

fuzz_target!(|content: &[u8]| {
    let bytes = [content, &Sha256::digest(content)].concat();
    if let Ok(members) = LightMembers::from_bytes(&bytes, Levels::STANDARD) {
        assert_eq!(members.to_bytes(), bytes);
    }
});
