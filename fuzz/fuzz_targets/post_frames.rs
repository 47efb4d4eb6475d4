//! Posts in binary frames: no panic, and what is read is written the same.
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
            let Ok(pass) = pass else { unreachable!("frames hold the pass as it is") };
            assert!(write_post(&mut written, &PostRequest { scope, message, pass }).is_ok());
        }
        assert_eq!(written, bytes);
    }
});
