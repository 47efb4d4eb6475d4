//! Headers of the PROXY protocol: no panic, no length beyond the bytes, and the same result for the header alone.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quotapass_relay::http::proxy_protocol::parse;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(Some(introduction)) = parse(bytes) {
        assert!(introduction.length <= bytes.len());
        assert_eq!(parse(&bytes[..introduction.length]).ok().flatten(), Some(introduction));
    }
});
