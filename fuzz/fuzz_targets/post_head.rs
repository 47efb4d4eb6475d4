//! The head of a post in bytes: no panic, and head and proof together equal the result of the full decoder.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quotapass_circuits::formats::wire::{PostHead, PostPass};

fuzz_target!(|bytes: &[u8]| {
    let pass = PostPass::from_bytes(bytes);
    match PostHead::from_bytes(bytes) {
        Err(error) => assert_eq!(pass, Err(error)),
        Ok((head, proof)) => match proof.decode() {
            Err(error) => assert_eq!(pass, Err(error)),
            Ok(proof) => assert_eq!(pass.map(|pass| (pass.head(), pass.proof)), Ok((head, proof))),
        },
    }
});
