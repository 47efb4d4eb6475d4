//! Upper nodes and buckets in bytes: no panic, and what is read is written the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quotapass_circuits::membership::{Bucket, UpperNodes};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(upper) = UpperNodes::from_bytes(bytes) {
        assert_eq!(upper.to_bytes(), bytes);
        upper.root();
    }
    if let Ok(bucket) = Bucket::from_bytes(bytes) {
        assert_eq!(bucket.to_bytes(), bytes);
    }
});
