//! Common fixtures of the tests of proofs: one tree, one set of keys, a few proofs.

#![allow(dead_code, reason = "each test crate uses a part")]

use std::{
    num::{NonZeroU16, NonZeroU32},
    sync::LazyLock,
};

use ark_bn254::Fr;
use ark_std::rand::{SeedableRng, rngs::StdRng};
use quotapass_circuits::{
    badge::{Badge, BadgePublic, badge},
    formats::wire::{BadgePass, PostPass},
    identity::IdentitySecret,
    membership::{Day, Levels, Member, MemberIndex, MemberPath, MemberTree, Membership, Terms},
    post::{Post, PostPublic, post},
    proof::Proof,
    prover::{Prover, development_setup},
    registry_id::RegistryId,
    requirement::Requirement,
    signal::{ChatKeyHash, Epoch, ExternalNullifier, Receiver, Scope, SignalHash},
    slash::{Slash, SlashPublic, slash},
    time::UnixSeconds,
};

pub const REGISTRY: RegistryId = RegistryId { chain_id: 31_337, address: [0x11; 20] };
pub const REQUIREMENT: Requirement = Requirement { min_stake: 10, since_max: Day(20_800) };
pub const CHAT_KEY: &[u8] = b"a chat key";

pub fn rng() -> StdRng {
    StdRng::seed_from_u64(7)
}

pub fn scope() -> Scope {
    Scope::new(&REGISTRY, "room")
}

pub fn epoch() -> Epoch {
    Epoch::at(NonZeroU32::new(600).unwrap(), UnixSeconds(1_800_000_000))
}

pub fn secret(number: u64) -> IdentitySecret {
    IdentitySecret::from_field(Fr::from(500 + number)).unwrap()
}

pub fn member(number: u64) -> Member {
    Member { commitment: secret(number).commitment(), terms: Terms::new(10, 20, Day(20_700)).unwrap() }
}

pub fn membership<'a>(secret: &'a IdentitySecret, member: &'a Member, path: &'a MemberPath) -> Membership<'a> {
    Membership { secret, member, path }
}

pub fn tree(levels: Levels) -> MemberTree {
    MemberTree::build(levels, (0..20).map(|i| Some(member(i)))).unwrap()
}

pub static POST: LazyLock<Prover<Post>> =
    LazyLock::new(|| Prover::new(development_setup(Post::STANDARD).unwrap()).unwrap());
pub static BADGE: LazyLock<Prover<Badge>> =
    LazyLock::new(|| Prover::new(development_setup(Badge::STANDARD).unwrap()).unwrap());
pub static SLASH: LazyLock<Prover<Slash>> = LazyLock::new(|| Prover::new(development_setup(Slash).unwrap()).unwrap());

pub fn prove_post(number: u64, message_id: u16, message: &[u8]) -> (PostPublic, Proof) {
    let tree = tree(Levels::STANDARD);
    let path = tree.path(MemberIndex(number as u32)).unwrap();
    let external = ExternalNullifier::new(scope(), epoch());
    let x = SignalHash::new(scope(), epoch(), message).unwrap();
    let cap = NonZeroU16::new(15).unwrap();
    let (public, witness) =
        post(membership(&secret(number), &member(number), &path), external, x, REQUIREMENT, cap, message_id).unwrap();
    let proof = POST.prove(&public, &witness, &mut rng()).unwrap();
    (public, proof)
}

pub fn post_pass() -> PostPass {
    let (public, proof) = prove_post(3, 5, b"hello");
    PostPass::new(epoch(), &public, proof)
}

pub fn prove_badge() -> (BadgePublic, Proof) {
    let path = tree(Levels::STANDARD).path(MemberIndex(4)).unwrap();
    let key = ChatKeyHash::new(CHAT_KEY);
    let (public, witness) = badge(membership(&secret(4), &member(4), &path), scope(), key, REQUIREMENT).unwrap();
    let proof = BADGE.prove(&public, &witness, &mut rng()).unwrap();
    (public, proof)
}

pub fn badge_pass() -> BadgePass {
    let (public, proof) = prove_badge();
    BadgePass::new(&public, CHAT_KEY.to_vec(), proof).unwrap()
}

pub fn prove_slash() -> (SlashPublic, Proof) {
    let (public, witness) = slash(&secret(1), Receiver::new(&REGISTRY, &[9; 20]));
    let proof = SLASH.prove(&public, &witness, &mut rng()).unwrap();
    (public, proof)
}
