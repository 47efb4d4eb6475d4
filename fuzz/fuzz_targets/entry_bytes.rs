//! The entry of a post, and an action, in bytes: no panic, and what is read is written the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quotapass_circuits::moderation::{Action, Entry};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(entry) = bytes.try_into().map_err(drop).and_then(|bytes| Entry::from_bytes(bytes).map_err(drop)) {
        assert_eq!(entry.to_bytes(), bytes);
        assert_ne!(entry.x.to_be_bytes(), [0; 32]);
        assert_eq!(entry.to_string().parse(), Ok(entry));
    }
    if let Some((kind, body)) = bytes.split_first()
        && let Ok(action) = Action::from_parts(*kind, body)
    {
        assert_eq!((action.kind().number(), action.body()), (*kind, body));
    }
});
