//! Passes in text: no panic, and what is read is written the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quotapass_circuits::formats::wire::{BadgePass, PostPass};

fuzz_target!(|text: &str| {
    if let Ok(pass) = PostPass::from_text(text) {
        assert_eq!(pass.to_text(), text);
    }
    if let Ok(pass) = BadgePass::from_text(text) {
        assert_eq!(pass.to_text(), text);
    }
});
