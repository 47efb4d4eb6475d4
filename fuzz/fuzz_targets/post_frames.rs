//! Posts in binary frames: no panic, and what is read without an error is written the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quotapass_relay::{
    OwnedPost, PostRequest,
    http::frames::{read_posts, write_post},
};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(posts) = read_posts(&bytes.to_vec().into(), 1_000) {
        let mut written = Vec::new();
        for OwnedPost { scope, message, pass } in &posts {
            // A scope's name that is not text.
            let Ok(pass) = pass else { return };
            assert!(write_post(&mut written, &PostRequest { scope, message, pass }).is_ok());
        }
        assert_eq!(written, bytes);
    }
});
