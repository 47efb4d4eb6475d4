//! Checks the vectors of moderation, which an independent program in another language computed from the protocol's text.
//!
//! `QUOTAPASS_MODERATION_VECTORS` sets another file of the same format to check instead.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{num::NonZeroU32, path::PathBuf};

use ark_bn254::Fr;
use quotapass_circuits::{
    identity::IdentitySecret,
    moderation::{Action, ActionHash, ENTRY_BYTES, Entry, cut, segment_sizes},
    registry_id::RegistryId,
    share::{Nullifier, ShareValue},
    signal::{Epoch, Scope, SignalHash},
    time::UnixSeconds,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    author_test: AuthorTest,
    actions: Vec<ActionVector>,
    segments: Vec<SegmentsVector>,
    report: ReportVector,
}

#[derive(Deserialize)]
struct AuthorTest {
    secrets: Vec<String>,
    entries: Vec<EntryVector>,
}

#[derive(Deserialize)]
struct EntryVector {
    x: String,
    y: String,
    nullifier: String,
    bytes: String,
    authored_by: Vec<bool>,
}

#[derive(Deserialize)]
struct ActionVector {
    scope: String,
    time: UnixSeconds,
    kind: u8,
    body: String,
    action: String,
}

#[derive(Deserialize)]
struct SegmentsVector {
    entries: usize,
    segments: Vec<usize>,
}

#[derive(Deserialize)]
struct ReportVector {
    chain_id: String,
    registry: String,
    scope_name: String,
    scope: String,
    epoch_seconds: NonZeroU32,
    epoch: u64,
    message: String,
    x: String,
}

fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text.strip_prefix("0x").unwrap()).unwrap()
}

fn field(decimal: &str) -> Fr {
    decimal.parse().unwrap()
}

fn vectors() -> Vectors {
    let named = std::env::var_os("QUOTAPASS_MODERATION_VECTORS").map(PathBuf::from);
    let copy = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vectors/moderation-v1.json");
    let file = std::fs::read_to_string(named.unwrap_or_else(|| copy.into())).unwrap();
    serde_json::from_str(&file).unwrap()
}

#[test]
fn moderation_vectors() {
    let Vectors { author_test, actions, segments, report } = vectors();
    authors(&author_test);
    for vector in &actions {
        let action = Action::from_parts(vector.kind, &bytes(&vector.body)).unwrap();
        let hash = action.hash(Scope::from_field(field(&vector.scope)), vector.time);
        assert_eq!(hash, ActionHash::from_field(field(&vector.action)));
    }
    assert!(!actions.is_empty() && !segments.is_empty());
    for vector in &segments {
        let sizes: Vec<_> = segment_sizes(vector.entries).map(|size| size.entries()).collect();
        assert_eq!(sizes, vector.segments, "{} entries", vector.entries);
        let cut = cut(&vec![Entry::NEUTRAL; vector.entries]);
        assert_eq!(cut.iter().map(|segment| segment.entries().len()).collect::<Vec<_>>(), vector.segments);
    }
    reports(&report);
}

fn authors(AuthorTest { secrets, entries }: &AuthorTest) {
    let secrets: Vec<_> = secrets.iter().map(|secret| IdentitySecret::from_field(field(secret)).unwrap()).collect();
    let mut read = Vec::new();
    for vector in entries {
        let entry = Entry {
            x: SignalHash::from_field(field(&vector.x)).unwrap(),
            y: ShareValue::from_field(field(&vector.y)),
            nullifier: Nullifier::from_field(field(&vector.nullifier)),
        };
        let bytes: [u8; ENTRY_BYTES] = bytes(&vector.bytes).try_into().unwrap();
        assert_eq!(entry.to_bytes(), bytes);
        assert_eq!(Entry::from_bytes(&bytes), Ok(entry));
        let authored: Vec<_> = secrets.iter().map(|secret| entry.is_by(secret)).collect();
        assert_eq!(authored, vector.authored_by, "{entry}");
        read.push(entry);
    }
    assert!(secrets.len() > 1 && read.len() > 1);
    for (number, secret) in secrets.iter().enumerate() {
        let by: Vec<_> = (0..entries.len()).filter(|at| entries[*at].authored_by[number]).collect();
        assert_eq!(Entry::positions_by(secret, &read), by);
    }
}

fn reports(vector: &ReportVector) {
    let registry =
        RegistryId { chain_id: vector.chain_id.parse().unwrap(), address: bytes(&vector.registry).try_into().unwrap() };
    let scope = Scope::new(&registry, &vector.scope_name);
    assert_eq!(scope, Scope::from_field(field(&vector.scope)));
    let epoch = Epoch::new(vector.epoch_seconds, vector.epoch);
    let x = SignalHash::new(scope, epoch, &bytes(&vector.message)).unwrap();
    assert_eq!(x.to_field(), field(&vector.x));
}
