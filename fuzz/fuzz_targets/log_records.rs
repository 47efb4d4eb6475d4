//! What durable nullifier logs keep, in bytes: no panic, and what is read is written the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quotapass::{
    circuits::share::Share,
    relay::{Case, Evidence, log::Record},
};

fn check<T: Record>(bytes: &[u8]) {
    if let Some(value) = T::from_bytes(bytes) {
        assert_eq!(value.to_bytes(), bytes);
    }
}

fuzz_target!(|bytes: &[u8]| {
    check::<Share>(bytes);
    check::<Evidence>(bytes);
    check::<Case>(bytes);
    // Evidence that somebody imports, or that a damaged server gives: no secret is more than an answer.
    if let Some(evidence) = Evidence::from_bytes(bytes) {
        let _ = evidence.secret();
    }
});
