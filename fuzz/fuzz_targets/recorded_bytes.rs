//! A post with records in bytes: no panic, what is read is written the same, the head equals that of the whole, and the length
//! is the one that the numbers in it state.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quotapass_circuits::formats::recorded::{RecordedHead, RecordedPass, stated_length};

fuzz_target!(|bytes: &[u8]| {
    let head = RecordedHead::from_bytes(bytes);
    let length = stated_length(bytes);
    assert!(head.is_err() || length == Some(bytes.len()));
    match RecordedPass::from_bytes(bytes) {
        Ok(pass) => {
            assert_eq!(pass.to_bytes(), bytes);
            assert_eq!(head.map(|head| head.post), Ok(pass.post.head()));
        }
        // Without a head the error is the head's; with one, a proof is invalid.
        Err(error) => assert!(head.map_or_else(|of_head| of_head == error, |_| true)),
    }
    if let Ok(pass) = serde_json::from_slice::<RecordedPass>(bytes) {
        assert_eq!(RecordedPass::from_bytes(&pass.to_bytes()), Ok(pass));
    }
});
