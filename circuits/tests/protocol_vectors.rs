//! Checks the protocol's vectors, which an independent program in another language computed from the protocol's text.
//!
//! `QUOTAPASS_VECTORS` sets another file of the same format to check instead.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::{num::NonZeroU32, path::PathBuf};

use ark_bn254::Fr;
use quotapass_circuits::{
    identity::IdentitySecret,
    membership::{Day, Levels, Member, MemberIndex, MemberTree, Terms},
    poseidon,
    registry_id::RegistryId,
    share::{Line, Pseudonym, recover},
    signal::{ChatKeyHash, Epoch, ExternalNullifier, Receiver, Scope, SignalHash, hash_to_field},
    time::UnixSeconds,
};
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    hash_to_field: Vec<HashToField>,
    poseidon: Vec<PoseidonVector>,
    identities: Vec<Identity>,
    members: Vec<MemberVector>,
    roots: Vec<RootVector>,
    scope: ScopeVector,
    posts: Vec<PostVector>,
    badge: BadgeVector,
    slash: SlashVector,
}

#[derive(Deserialize)]
struct HashToField {
    tag: String,
    data: String,
    out: String,
}

#[derive(Deserialize)]
struct PoseidonVector {
    inputs: Vec<String>,
    out: String,
}

#[derive(Deserialize)]
struct Identity {
    seed: String,
    chain_id: String,
    registry: String,
    index: u32,
    identity_secret: String,
    identity_commitment: String,
}

#[derive(Deserialize)]
struct MemberVector {
    identity_secret: String,
    identity_commitment: String,
    stake: u32,
    limit: u16,
    since: u16,
    word: String,
}

#[derive(Deserialize)]
struct RootVector {
    members: usize,
    levels: u32,
    zeroed: Vec<usize>,
    root: String,
}

#[derive(Deserialize)]
struct ScopeVector {
    chain_id: String,
    registry: String,
    name: String,
    scope: String,
}

#[derive(Deserialize)]
struct PostVector {
    member: usize,
    epoch_seconds: NonZeroU32,
    time: UnixSeconds,
    epoch: u64,
    message_id: u16,
    external_nullifier: String,
    nullifier: String,
    shares: Vec<ShareVector>,
}

#[derive(Deserialize)]
struct ShareVector {
    message: String,
    x: String,
    y: String,
}

#[derive(Deserialize)]
struct BadgeVector {
    member: usize,
    chat_key: String,
    chat_key_hash: String,
    pseudonym: String,
}

#[derive(Deserialize)]
struct SlashVector {
    chain_id: String,
    registry: String,
    address: String,
    receiver: String,
}

fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text.strip_prefix("0x").unwrap()).unwrap()
}

fn address(text: &str) -> [u8; 20] {
    bytes(text).try_into().unwrap()
}

fn field(text: &str) -> Fr {
    text.parse().unwrap()
}

fn registry(chain_id: &str, contract: &str) -> RegistryId {
    RegistryId { chain_id: chain_id.parse().unwrap(), address: address(contract) }
}

fn secret(text: &str) -> IdentitySecret {
    IdentitySecret::from_field(field(text)).unwrap()
}

fn load() -> Vectors {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    // Cargo runs tests in their package's folder, but a relative path starts at the repository's folder.
    let named = std::env::var_os("QUOTAPASS_VECTORS").map(|file| root.join(file));
    let file = named.unwrap_or_else(|| root.join("circuits/tests/vectors/protocol-v1.json"));
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    serde_json::from_str(&text).unwrap()
}

fn hashes(vectors: &Vectors) {
    for vector in &vectors.hash_to_field {
        assert_eq!(hash_to_field(&vector.tag, &[&bytes(&vector.data)]), field(&vector.out));
    }
    for vector in &vectors.poseidon {
        let inputs: Vec<_> = vector.inputs.iter().map(|input| field(input)).collect();
        let out = match inputs[..] {
            [a] => poseidon::hash(&[a]),
            [a, b] => poseidon::hash(&[a, b]),
            [a, b, c] => poseidon::hash(&[a, b, c]),
            [a, b, c, d] => poseidon::hash(&[a, b, c, d]),
            _ => panic!("{} inputs", inputs.len()),
        };
        assert_eq!(out, field(&vector.out));
    }
}

fn identities(vectors: &Vectors) {
    for vector in &vectors.identities {
        let registry = registry(&vector.chain_id, &vector.registry);
        let secret = IdentitySecret::from_seed(&bytes(&vector.seed), &registry, vector.index).unwrap();
        assert_eq!(secret.to_field(), field(&vector.identity_secret));
        assert_eq!(secret.commitment().to_field(), field(&vector.identity_commitment));
    }
}

fn members(vectors: &Vectors) -> Vec<Member> {
    let members = vectors.members.iter().map(|vector| {
        let terms = Terms::new(vector.stake, vector.limit, Day(vector.since)).unwrap();
        assert_eq!(terms.word().to_field(), field(&vector.word));
        assert_eq!(Terms::from_word(terms.word()), Ok(terms));
        let commitment = secret(&vector.identity_secret).commitment();
        assert_eq!(commitment.to_field(), field(&vector.identity_commitment));
        Member { commitment, terms }
    });
    members.collect()
}

fn roots(vectors: &Vectors, members: &[Member]) {
    for vector in &vectors.roots {
        let levels = Levels::new(vector.levels).unwrap();
        let slots = members[..vector.members].iter().enumerate();
        let slots = slots.map(|(i, member)| (!vector.zeroed.contains(&i)).then_some(*member));
        let built = MemberTree::build(levels, slots).unwrap();
        assert_eq!(built.root().to_field(), field(&vector.root), "{} members, built", vector.members);

        let mut appended = MemberTree::new(levels);
        for member in &members[..vector.members] {
            appended.append(*member).unwrap();
        }
        for index in &vector.zeroed {
            appended.remove(MemberIndex(*index as u32)).unwrap();
        }
        assert_eq!(appended.root(), built.root(), "{} members, appended", vector.members);
    }
}

fn posts(vectors: &Vectors) {
    let ScopeVector { chain_id, registry: contract, name, scope } = &vectors.scope;
    let scope_hash = Scope::new(&registry(chain_id, contract), name);
    assert_eq!(scope_hash.to_field(), field(scope));
    for vector in &vectors.posts {
        let epoch = Epoch::at(vector.epoch_seconds, vector.time);
        assert_eq!(epoch.number(), vector.epoch);
        let external = ExternalNullifier::new(scope_hash, epoch);
        assert_eq!(external.to_field(), field(&vector.external_nullifier));
        let secret = secret(&vectors.members[vector.member].identity_secret);
        let line = Line::new(&secret, external, vector.message_id);
        assert_eq!(line.nullifier().to_field(), field(&vector.nullifier));
        let shares: Vec<_> = vector
            .shares
            .iter()
            .map(|expected| {
                let share = line.share(SignalHash::new(scope_hash, epoch, expected.message.as_bytes()).unwrap());
                assert_eq!(share.x.to_field(), field(&expected.x));
                assert_eq!(share.y.to_field(), field(&expected.y));
                share
            })
            .collect();
        assert_eq!(recover(&shares[0], &shares[1]), Ok(secret));
    }
    let BadgeVector { member, chat_key, chat_key_hash, pseudonym } = &vectors.badge;
    let secret = secret(&vectors.members[*member].identity_secret);
    assert_eq!(ChatKeyHash::new(&bytes(chat_key)).to_field(), field(chat_key_hash));
    assert_eq!(Pseudonym::new(&secret, scope_hash).to_field(), field(pseudonym));
}

#[test]
fn protocol_vectors() {
    let vectors = load();
    hashes(&vectors);
    identities(&vectors);
    let members = members(&vectors);
    roots(&vectors, &members);
    posts(&vectors);
    let SlashVector { chain_id, registry: contract, address: to, receiver } = &vectors.slash;
    let computed = Receiver::new(&registry(chain_id, contract), &address(to));
    assert_eq!(computed.to_field(), field(receiver));
}
