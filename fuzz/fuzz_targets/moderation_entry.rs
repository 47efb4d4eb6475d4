//! Entries of moderation logs: no panic, what is read is written the same, and no unsigned bytes change a state.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quotapass_log::{
    LogName, Rules,
    moderation::{Entry, IndexedList, SaltedText, State, Until, read_list, write_index, write_list},
};
use quotapass_protocol::note::NoteKey;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(list) = read_list(bytes) {
        assert_eq!(write_list(&list), bytes);
    }
    if let Ok(text) = SaltedText::from_bytes(bytes) {
        assert_eq!(text.to_bytes(), bytes);
    }
    if let Ok(index) = serde_json::from_slice::<Vec<IndexedList>>(bytes) {
        let written = write_index(&index).expect("it was read");
        assert_eq!(serde_json::from_str::<Vec<IndexedList>>(&written).ok(), Some(index));
    }
    let (Ok(root), Ok(origin)) = (NoteKey::from_seed("root", &[1; 32]), "relay.example/log".parse()) else { return };
    let mut state = State::new(LogName { origin, root_key: root.public() });
    // The fuzzer does not know the key.
    assert!(state.apply(bytes).is_err() && state.size() == 0);
    let Ok(text) = core::str::from_utf8(bytes) else { return };
    if let Ok(until) = text.parse::<Until>() {
        assert_eq!(until.to_string(), text);
    }
    if let Ok(entry) = Entry::from_json(text) {
        assert_eq!(entry.to_json().as_deref(), Ok(text));
        // Any entry that the root key signed: it changes the state only if it is a policy.
        let leaf = entry.sign(&state.name().origin.clone(), &[&root]).and_then(|leaf| Ok(leaf.to_bytes()?));
        if let Ok(leaf) = leaf {
            assert!(state.apply(&leaf).is_err() || state.policy().is_some());
        }
    }
});
