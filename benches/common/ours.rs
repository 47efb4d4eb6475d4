//! A quotapass member among others, and its proofs.

use std::num::{NonZeroU16, NonZeroU32};

use ark_bn254::Fr;
use ark_std::rand::{SeedableRng, rngs::StdRng};
use quotapass_circuits::{
    formats::wire::PostPass,
    identity::{IdentityCommitment, IdentitySecret},
    membership::{Day, Levels, Member, MemberPath, MemberTree, Membership, Terms, Update},
    post::{Post, PostPublic, post},
    proof::Proof,
    prover::{PreparedProver, Prover, ProvingKey, Tables, development_setup},
    registry_id::RegistryId,
    requirement::Requirement,
    signal::{Epoch, ExternalNullifier, Scope, SignalHash},
    time::UnixSeconds,
};

pub const MESSAGE: &[u8] = b"hello";
/// Message limit per epoch, of the member and of the scope.
pub const LIMIT: u16 = 100;
const CAP: NonZeroU16 = NonZeroU16::new(LIMIT).unwrap();
const REQUIREMENT: Requirement = Requirement { min_stake: 1, since_max: Day(20_001) };
/// Number of other members. It does not change the cost of a proof.
const OTHERS: u64 = 100;

/// Returns the terms of all members.
fn terms() -> Terms {
    Terms::new(100, LIMIT, Day(20_000)).unwrap()
}

/// Returns a member whose secret is unknown.
pub fn other(number: u64) -> Member {
    Member { commitment: IdentityCommitment::from_field(Fr::from(number + 1)), terms: terms() }
}

pub struct Ours {
    pub prover: Prover<Post>,
    pub scope: Scope,
    pub epoch: Epoch,
    secret: IdentitySecret,
    member: Member,
    tree: MemberTree,
    path: MemberPath,
    rng: StdRng,
    message_id: u16,
}

impl Ours {
    /// Creates a member with a prover that has a key, and tables if `with_tables`.
    pub fn new(levels: Levels, with_tables: bool) -> Self {
        let key = development_setup(Post { levels }).unwrap();
        let tables = with_tables.then(|| Tables::build(&key));
        Self::with_key(levels, key, tables)
    }

    pub fn with_key(levels: Levels, key: ProvingKey, tables: Option<Tables>) -> Self {
        let mut rng = StdRng::seed_from_u64(1);
        let secret = IdentitySecret::generate(&mut rng);
        let member = Member { commitment: secret.commitment(), terms: terms() };
        let mut tree = MemberTree::new(levels);
        for number in 0..OTHERS {
            tree.append(other(number)).unwrap();
        }
        let index = tree.append(member).unwrap().index;
        let path = tree.path(index).unwrap();
        let mut prover = Prover::new(key).unwrap();
        if let Some(tables) = tables {
            prover = prover.with_tables(tables).unwrap();
        }
        let scope = Scope::new(&RegistryId { chain_id: 1, address: [1; 20] }, "bench");
        let epoch = Epoch::at(NonZeroU32::new(600).unwrap(), UnixSeconds(1_800_000_000));
        Self { prover, scope, epoch, secret, member, tree, path, rng, message_id: 0 }
    }

    fn membership(&self) -> Membership<'_> {
        Membership { secret: &self.secret, member: &self.member, path: &self.path }
    }

    fn message(&mut self) -> (ExternalNullifier, SignalHash, u16) {
        self.message_id = (self.message_id + 1) % LIMIT;
        let x = SignalHash::new(self.scope, self.epoch, MESSAGE).unwrap();
        (ExternalNullifier::new(self.scope, self.epoch), x, self.message_id)
    }

    /// Proves a message with only keys and a path prepared.
    pub fn prove(&mut self) -> (PostPublic, Proof) {
        let (external, x, id) = self.message();
        let (public, witness) = post(self.membership(), external, x, REQUIREMENT, CAP, id).unwrap();
        let proof = self.prover.prove(&public, &witness, &mut self.rng).unwrap();
        (public, proof)
    }

    pub fn prepare(&self) -> PreparedProver {
        self.prover.prepare(self.membership(), REQUIREMENT, CAP).unwrap()
    }

    /// Proves a message with a prepared prover.
    pub fn finish(&mut self, prepared: &PreparedProver) -> (PostPublic, Proof) {
        let (external, x, id) = self.message();
        prepared.prove(external, x, id, &mut self.rng).unwrap()
    }

    /// Returns the path before and after another member joins.
    pub fn two_paths(&mut self) -> [MemberPath; 2] {
        let before = self.path.clone();
        let joined: Update = self.tree.append(other(OTHERS)).unwrap();
        self.path.apply(&joined).unwrap();
        [before, self.path.clone()]
    }

    /// Returns passes of `count` different messages.
    pub fn passes(&mut self, count: usize) -> Vec<Vec<u8>> {
        let prepared = self.prepare();
        let epoch = self.epoch;
        (0..count)
            .map(|_| {
                let (public, proof) = self.finish(&prepared);
                PostPass::new(epoch, &public, proof).to_bytes().to_vec()
            })
            .collect()
    }

    /// Decodes a pass, as a relay does before it checks the proof.
    pub fn decode(&self, pass: &[u8]) -> (PostPublic, Proof) {
        self.stated(PostPass::from_bytes(pass).unwrap())
    }

    /// Decodes many passes together.
    pub fn decode_many(&self, passes: &[&[u8]]) -> Vec<(PostPublic, Proof)> {
        PostPass::from_bytes_many(passes).into_iter().map(|pass| self.stated(pass.unwrap())).collect()
    }

    fn stated(&self, pass: PostPass) -> (PostPublic, Proof) {
        (pass.public(self.scope, MESSAGE).unwrap(), pass.proof)
    }
}
