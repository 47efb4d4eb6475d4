//! Keys and entries for tests.

use core::num::NonZeroU32;

use quotapass_circuits::registry_id::RegistryId;
use quotapass_protocol::{UnixSeconds, note::NoteKey};
use rand::{SeedableRng, rngs::StdRng};

use super::{
    Active, Because, Block, Body, Digest, Entry, EntryId, Ground, GroundKind, LIST_INTERVAL, Lift, ListedEntry,
    LogPolicy, Notice, Program, Reason, STRIKE_SECONDS, Strike, Until,
};
use crate::{LogName, Origin};

pub const REGISTRY: RegistryId = RegistryId { chain_id: 31_337, address: [7; 20] };
pub const NOW: UnixSeconds = UnixSeconds(1_795_176_000);
const ORIGIN: &str = "relay.example/moderation";

pub fn origin() -> Origin {
    ORIGIN.parse().unwrap()
}

pub fn key(name: &str, seed: u8) -> NoteKey {
    NoteKey::from_seed(name, &[seed; 32]).unwrap()
}

pub fn root() -> NoteKey {
    key("root", 1)
}

pub fn working() -> NoteKey {
    key(ORIGIN, 2)
}

pub fn moderator(number: u8) -> NoteKey {
    key(&format!("moderator{number}"), 10 + number)
}

pub fn name() -> LogName {
    LogName { origin: origin(), root_key: root().public() }
}

pub fn policy(moderators: u8, threshold: u16) -> LogPolicy {
    LogPolicy {
        working_keys: vec![working().public()],
        moderators: (0..moderators).map(|number| moderator(number).public()).collect(),
        threshold,
        list_interval: LIST_INTERVAL,
    }
}

/// An entry with an identity of its own for each seed.
pub fn entry(seed: u64, at: UnixSeconds, body: Body) -> Entry {
    Entry { id: EntryId::generate(at, &mut StdRng::seed_from_u64(seed)), at, body }
}

/// The post with a number.
pub fn post(number: u64) -> ListedEntry {
    let mut bytes = [0; 96];
    for (place, part) in bytes.chunks_exact_mut(32).enumerate() {
        part[1] = place as u8 + 1;
        part[24..].copy_from_slice(&number.to_be_bytes());
    }
    ListedEntry::from_bytes(&bytes).unwrap()
}

/// A strike of the post with a number, in `room`.
pub fn strike(number: u64, at: UnixSeconds) -> Entry {
    strike_in("room", number, at)
}

pub fn strike_in(scope: &str, number: u64, at: UnixSeconds) -> Entry {
    let strike = Strike {
        entry: post(number),
        registry: REGISTRY,
        scope: scope.into(),
        epoch_seconds: NonZeroU32::new(600).unwrap(),
        epoch: at.0 / 600,
        pass: vec![1; 246],
        reason: Reason::Spam,
        ground: Ground { kind: GroundKind::Incompatible, reference: "rule 3".into() },
        text: Digest::of(b"text"),
        until: Until::At(at + STRIKE_SECONDS),
        automated_detection: true,
        automated_decision: false,
        decided_by: None,
    };
    entry(number, at, Body::Strike(Box::new(strike)))
}

pub fn lift(seed: u64, strike: &Entry, because: Because, at: UnixSeconds) -> Entry {
    entry(seed, at, Body::Lift(Lift { strike: strike.id, because }))
}

pub fn one_of_each() -> Vec<Entry> {
    let block = Block { subject: Digest::of(b"file"), reason: Reason::Csam, notice: Notice { ttl: 3_600 } };
    let mut decided = strike(2, NOW);
    if let Body::Strike(strike) = &mut decided.body {
        strike.until = Until::Never;
        strike.decided_by = Some(Program { name: "filter".into(), version: "1.2".into() });
    }
    let list =
        Active { registry: Some(REGISTRY), scope: "room".into(), size: 7, count: 2, sha256: Digest::of(b"list") };
    let index = Active { registry: None, scope: String::new(), ..list.clone() };
    let bodies = [
        Body::Policy(policy(3, 2)),
        Body::Active(list),
        Body::Active(index),
        Body::Block(block.clone()),
        Body::Unblock(block),
    ];
    let others = bodies.into_iter().zip(100..).map(|(body, seed)| entry(seed, NOW, body));
    let lift = lift(50, &decided, Because::Appeal, NOW);
    [strike(1, NOW), decided, lift].into_iter().chain(others).collect()
}

/// The bytes of a signed entry.
pub fn signed(entry: &Entry, keys: &[&NoteKey]) -> Vec<u8> {
    entry.sign(&origin(), keys).unwrap().to_bytes().unwrap()
}
