//! How long proving, verifying and building a tree take, beside the crate `rln` (zerokit) in the same run.
//!
//! `cargo bench --bench peer`; `RAYON_NUM_THREADS=1` in the environment measures one thread. Both sides take turns, the
//! figures are medians, and a ratio above one means that quotapass is faster. `-- --test` runs everything once.
#![allow(clippy::unwrap_used, missing_docs)]

use std::{
    hint::black_box,
    num::{NonZeroU16, NonZeroU32},
    time::Instant,
};

use quotapass::circuits::{
    formats::wire::PostPass,
    identity::IdentitySecret,
    membership::{Day, Levels, Member, MemberIndex, MemberTree, Membership, Terms},
    post::{Post, PostPublic, post},
    proof::Proof,
    prover::{Prover, development_setup},
    registry_id::RegistryId,
    requirement::Requirement,
    signal::{Epoch, ExternalNullifier, Scope, SignalHash},
};
use rand::{SeedableRng, rngs::StdRng};
use rln::prelude::{
    CanonicalDeserialize, CanonicalSerialize, IdentityKeys, PoseidonHash, RLNBuilder, RLNMerkleProof, RLNProof,
    RLNWitnessInput,
};
use zerokit_utils::{
    hasher::ZerokitHasher,
    merkle_tree::{FullMerkleTree, ZerokitMerkleProof, ZerokitMerkleTree},
};

type TheirTree = FullMerkleTree<PoseidonHash>;

const MESSAGE: &[u8] = b"hello";
const SCOPE_LIMIT: u16 = 100;

/// Runs both sides in turns and returns their medians in milliseconds.
fn alternate(rounds: usize, mut ours: impl FnMut(), mut theirs: impl FnMut()) -> (f64, f64) {
    let time = |side: &mut dyn FnMut()| {
        let begun = Instant::now();
        side();
        begun.elapsed().as_secs_f64() * 1e3
    };
    let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        our_times.push(time(&mut ours));
        their_times.push(time(&mut theirs));
    }
    (median(our_times), median(their_times))
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_unstable_by(f64::total_cmp);
    times[times.len() / 2]
}

fn row(what: &str, (ours, theirs): (f64, f64)) {
    println!("{what:<44}{ours:>12.3} ms{theirs:>12.3} ms{:>8.2}", theirs / ours);
}

/// A member of ours among a few.
struct Ours {
    prover: Prover<Post>,
    secret: IdentitySecret,
    member: Member,
    tree: MemberTree,
    scope: Scope,
    epoch: Epoch,
}

impl Ours {
    fn new(rng: &mut StdRng) -> Self {
        let secret = IdentitySecret::generate(rng);
        let member =
            Member { commitment: secret.commitment(), terms: Terms::new(100, SCOPE_LIMIT, Day(20_000)).unwrap() };
        let mut tree = MemberTree::new(Levels::STANDARD);
        tree.append(member).unwrap();
        let scope = Scope::new(&RegistryId { chain_id: 1, address: [1; 20] }, "bench");
        let epoch = Epoch::at(NonZeroU32::new(600).unwrap(), 1_800_000_000);
        let prover = Prover::new(development_setup::<Post>(Levels::STANDARD).unwrap()).unwrap();
        Self { prover, secret, member, tree, scope, epoch }
    }

    fn prove(&self, message_id: u16, rng: &mut StdRng) -> (PostPublic, Proof) {
        let path = self.tree.path(MemberIndex(0)).unwrap();
        let (public, witness) = post(
            Membership { secret: &self.secret, member: &self.member, path: &path },
            ExternalNullifier::new(self.scope, self.epoch),
            SignalHash::new(self.scope, self.epoch, MESSAGE).unwrap(),
            Requirement { min_stake: 1, since_max: Day(20_001) },
            NonZeroU16::new(SCOPE_LIMIT).unwrap(),
            message_id,
        )
        .unwrap();
        let proof = self.prover.prove(&public, &witness, rng).unwrap();
        (public, proof)
    }
}

fn main() {
    // `cargo test --benches` and the short mode run everything once.
    let short = std::env::args().any(|argument| argument == "--test");
    let rounds = |many| if short { 1 } else { many };
    let mut rng = StdRng::seed_from_u64(1);
    let ours = Ours::new(&mut rng);

    let rln = RLNBuilder::stateless().build();
    let keys = IdentityKeys::generate::<PoseidonHash, _>(&mut rng);
    let limit = rln::prelude::Fr::from(SCOPE_LIMIT);
    let mut their_tree = TheirTree::default(20).unwrap();
    their_tree.set(0, PoseidonHash::hash(&[keys.id_commitment(), limit])).unwrap();
    let path = their_tree.proof(0).unwrap();
    let x = rln::prelude::Fr::from(123_456_789u64);
    let witness = |message_id: u16| {
        RLNWitnessInput::new_single()
            .identity_secret(keys.identity_secret())
            .user_message_limit(limit)
            .merkle_proof(RLNMerkleProof::new(path.get_path_elements(), path.get_path_index()))
            .x(x)
            .external_nullifier(rln::prelude::Fr::from(77u64))
            .message_id(rln::prelude::Fr::from(message_id))
            .build()
            .unwrap()
    };

    println!("{:<44}{:>15}{:>15}{:>8}", "", "quotapass", "rln 3.0.0", "ratio");
    let full = alternate(
        rounds(15),
        || {
            black_box(ours.prove(1, &mut rng));
        },
        || {
            black_box(rln.generate_proof(&witness(1)).unwrap());
        },
    );
    row("a proof, nothing prepared but keys", full);

    let mut proof_rng = StdRng::seed_from_u64(2);
    let (public, proof) = ours.prove(2, &mut proof_rng);
    let pass = PostPass::new(ours.epoch, &public, proof.clone()).to_bytes();
    let verifier = ours.prover.verifier().unwrap();
    let (their_proof, their_values) = rln.generate_proof(&witness(2)).unwrap();
    let mut their_bytes = Vec::new();
    RLNProof::new(their_proof.clone(), their_values.clone()).serialize_compressed(&mut their_bytes).unwrap();
    let verify = alternate(
        rounds(51),
        || verifier.verify(&public, &proof).unwrap(),
        || assert!(rln.verify(&their_proof, &their_values).unwrap()),
    );
    row("verify one", verify);

    let decode = |bytes: &[u8]| {
        let pass = PostPass::from_bytes(bytes).unwrap();
        let public = pass.public(ours.scope, MESSAGE).unwrap();
        (public, pass.proof)
    };
    let their_decode = || RLNProof::deserialize_compressed(&their_bytes[..]).unwrap();
    let their_verify = || {
        let decoded = their_decode();
        assert!(rln.verify(&decoded.proof, &decoded.values).unwrap());
    };
    let one = alternate(
        rounds(51),
        || {
            let (public, proof) = decode(&pass);
            verifier.verify(&public, &proof).unwrap();
        },
        their_verify,
    );
    row("decode and verify one", one);

    let batch_size = if short { 4 } else { 64 };
    let passes: Vec<_> = (0..batch_size)
        .map(|id| {
            let (public, proof) = ours.prove(id, &mut proof_rng);
            PostPass::new(ours.epoch, &public, proof).to_bytes()
        })
        .collect();
    let (batch, single) = alternate(
        rounds(11),
        || {
            let decoded: Vec<_> = passes.iter().map(|pass| decode(pass)).collect();
            verifier.verify_batch(&decoded).unwrap();
        },
        their_verify,
    );
    row(&format!("decode and verify, batch of {batch_size}, each"), (batch / f64::from(batch_size), single));

    let members = if short { 1 << 8 } else { 1 << 18 };
    let leaves: Vec<_> = (0..members).map(|i| rln::prelude::Fr::from(i as u64 + 1)).collect();
    let slots: Vec<_> = (0..members).map(|_| Some(ours.member)).collect();
    let tree = alternate(
        rounds(3),
        || {
            black_box(MemberTree::build(Levels::STANDARD, slots.iter().copied()).unwrap());
        },
        || {
            let mut tree = TheirTree::default(20).unwrap();
            tree.set_range(0, leaves.iter().copied()).unwrap();
            black_box(tree);
        },
    );
    row(&format!("build a tree of {members} members"), tree);
}
