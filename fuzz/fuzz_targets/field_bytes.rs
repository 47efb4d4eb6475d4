//! Field elements, secrets and words: no panic, and what is read is written the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quotapass_circuits::{
    identity::IdentitySecret,
    membership::{Root, Terms, Word},
    signal::SignalHash,
};

fuzz_target!(|bytes: [u8; 32]| {
    if let Ok(root) = Root::from_be_bytes(&bytes) {
        assert_eq!(root.to_be_bytes(), bytes);
        assert_eq!(root.to_string().parse(), Ok(root));
    }
    if let Ok(signal) = SignalHash::from_be_bytes(&bytes) {
        assert_eq!(signal.to_be_bytes(), bytes);
    }
    if let Ok(secret) = IdentitySecret::from_be_bytes(&bytes) {
        assert_eq!(*secret.to_be_bytes(), bytes);
    }
    if let Ok(word) = Word::from_be_bytes(&bytes)
        && let Ok(terms) = Terms::from_word(word)
    {
        assert_eq!(terms.word(), word);
    }
});
