//! The book of a quota ledger in bytes: no panic, what is read is written the same, and no id is used twice. The target
//! adds the correct checksum, because a fuzzer cannot find it.
#![no_main]

use core::num::{NonZeroU16, NonZeroU32};

use libfuzzer_sys::fuzz_target;
use quotapass_circuits::signal::Scope;
use quotapass_protocol::UnixSeconds;
use quotapass_wallet::ledger::{Book, Quota};
use sha2::{Digest, Sha256};

fuzz_target!(|content: &[u8]| {
    let _ = Book::from_bytes(content);
    let bytes = [content, &Sha256::digest(content)].concat();
    if let Ok(mut book) = Book::from_bytes(&bytes) {
        // Version 1 is read and not written.
        assert!(content.get(14) == Some(&1) || book.to_bytes() == bytes);
        let scope = Scope::from_field(1u8.into());
        let quota = Quota { scope, epoch_seconds: NonZeroU32::MIN, limit: NonZeroU16::MAX };
        let now = UnixSeconds(1_800_000_000);
        if let (Ok(first), Ok(second)) = (book.reserve(now, &quota), book.reserve(now, &quota)) {
            assert_ne!(first.message_id(), second.message_id());
        }
        let mut of = |message: &[u8]| book.reserve_message(now, &quota, message);
        if let (Ok(first), Ok(again), Ok(other)) = (of(b"one"), of(b"one"), of(b"other")) {
            assert_eq!(first.message_id(), again.message_id());
            assert_ne!(first.message_id(), other.message_id());
        }
        assert_eq!(Book::from_bytes(&book.to_bytes()), Ok(book));
    }
});
