//! What readers of a log decode: no panic, and what is read is written the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use quotapass_log::{
    CosignerPublicKey, Origin, SignedCheckpoint, SignedLeaf, TileId, TileKind, TreeHash, check_consistency,
    check_inclusion, read_entries, read_hashes, write_entries, write_hashes,
};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(note) = SignedCheckpoint::read(bytes) {
        assert_eq!(note.to_string().as_bytes(), bytes);
    }
    if let Ok(leaf) = SignedLeaf::read(bytes) {
        assert_eq!(leaf.to_bytes().as_deref(), Ok(bytes));
    }
    if let Ok(text) = core::str::from_utf8(bytes) {
        if let Ok(tile) = text.parse::<TileId>() {
            assert_eq!(tile.to_string(), text);
        }
        if let Ok(origin) = text.parse::<Origin>() {
            assert_eq!(origin.as_str(), text);
        }
        if let Ok(key) = text.parse::<CosignerPublicKey>() {
            assert_eq!(key.to_string(), text);
        }
    }
    let Some((size, rest)) = bytes.split_first_chunk::<8>() else { return };
    let size = u64::from_be_bytes(*size);
    if let Some(tile) = TileId::in_tree(TileKind::Entries, 0, size) {
        if let Ok(entries) = read_entries(&tile, rest) {
            assert_eq!(write_entries(&entries).as_deref(), Ok(rest));
        }
        if let Ok(hashes) = read_hashes(&tile, rest) {
            assert_eq!(write_hashes(&hashes), rest);
        }
    }
    let Some((other, rest)) = rest.split_first_chunk::<8>() else { return };
    let other = u64::from_be_bytes(*other);
    let proof: Vec<_> = rest.as_chunks::<32>().0.iter().map(|hash| TreeHash::from_bytes(*hash)).collect();
    // No made-up proof leads to these roots.
    let root = TreeHash::of_entry(b"root");
    assert!(check_inclusion(&proof, size, root, other, TreeHash::of_entry(b"entry")).is_err());
    assert!(check_consistency(&proof, size, root, other, TreeHash::of_entry(b"former")).is_err());
});
